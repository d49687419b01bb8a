"""The summary: numbers of the posts' nets, Keras's words, nothing cut."""

import io
import os
import sys
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from oracle import keras_case

from tinynet.showing.summary import format_bytes, print_summary


class Values:
    """As much of a Parameter as a summary looks at."""

    def __init__(self, *shape, trainable=True, dtype="float32"):
        self.shape, self.dtype, self.trainable = shape, np.dtype(dtype), trainable
        self.size = int(np.prod(shape))


class Layer:
    def __init__(self, name, output_shape, *parameters, trainable=True):
        self.name, self.output_shape, self.trainable = name, output_shape, trainable
        self.parameters = list(parameters)

    def count_params(self):
        return sum(p.size for p in self.parameters)


class Dense(Layer):
    pass


class Flatten(Layer):
    pass


class Block(Layer):
    layers = ()


def dense(name, inputs, units):
    return Dense(name, (None, units), Values(inputs, units), Values(units))


def model_of(*layers, name="sequential", optimizer=None):
    parameters = [p for layer in layers for p in layer.parameters]
    return SimpleNamespace(
        name=name, layers=list(layers), parameters=parameters, optimizer=optimizer
    )


SIZES = (784, 300, 200, 100, 10)


@pytest.fixture
def posts_model():
    names = ("hidden_layer_1", "hidden_layer_2", "hidden_layer_3", "output_layer")
    shapes = zip(names, SIZES, SIZES[1:], strict=False)
    return model_of(Flatten("input_layer", (None, 784)), *(dense(*shape) for shape in shapes))


def text_of(model, **options):
    texts = []
    print_summary(model, print_fn=texts.append, **options)
    assert len(texts) == 1  # Keras hands the text over in one piece
    return texts[0]


def cells(text):
    """The table's rows as lists of cells."""
    rows = [line for line in text.splitlines() if line[:1] in "│┃" and line]
    return [[cell.strip() for cell in row.replace("┃", "│").split("│")[1:-1]] for row in rows]


def test_posts_model(posts_model):
    assert (
        text_of(posts_model)
        == """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━┓
┃ Layer (type)           ┃ Output Shape ┃ Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━┩
│ input_layer (Flatten)  │ (None, 784)  │       0 │
├────────────────────────┼──────────────┼─────────┤
│ hidden_layer_1 (Dense) │ (None, 300)  │ 235,500 │
├────────────────────────┼──────────────┼─────────┤
│ hidden_layer_2 (Dense) │ (None, 200)  │  60,200 │
├────────────────────────┼──────────────┼─────────┤
│ hidden_layer_3 (Dense) │ (None, 100)  │  20,100 │
├────────────────────────┼──────────────┼─────────┤
│ output_layer (Dense)   │ (None, 10)   │   1,010 │
└────────────────────────┴──────────────┴─────────┘
 Total params: 316,810 (1.21 MB)
 Trainable params: 316,810 (1.21 MB)
 Non-trainable params: 0 (0.00 B)
"""
    )


@keras_case
def keras_summary(keras):
    names = ("hidden_layer_1", "hidden_layer_2", "hidden_layer_3", "output_layer")
    model = keras.Sequential(name="sequential")
    model.add(keras.Input((28, 28), name="pixels"))
    model.add(keras.layers.Flatten(name="input_layer"))
    for name, units in zip(names, SIZES[1:], strict=True):
        model.add(keras.layers.Dense(units, name=name))
    model.layers[2].trainable = False
    texts = []
    with mock.patch.dict(os.environ, COLUMNS="160"):  # Keras crops the table to the window
        model.summary(print_fn=texts.append, show_trainable=True, line_length=150)
    return {"text": "".join(texts)}


def test_same_words_as_keras(posts_model):
    frozen = posts_model.layers[2]
    frozen.trainable = False
    for parameter in frozen.parameters:
        parameter.trainable = False
    ours, keras = text_of(posts_model, show_trainable=True), str(keras_summary()["text"])
    assert cells(ours) == cells(keras)
    assert ours.splitlines()[-3:] == [line.rstrip() for line in keras.splitlines()[-3:]]
    assert ours.splitlines()[0] == keras.splitlines()[0].rstrip()


def test_optimizer_state_is_not_in_the_total(posts_model):
    posts_model.optimizer = SimpleNamespace(state_size=lambda: (633_620, 2_534_480))
    assert text_of(posts_model).splitlines()[-4:] == [
        " Total params: 316,810 (1.21 MB)",
        " Trainable params: 316,810 (1.21 MB)",
        " Non-trainable params: 0 (0.00 B)",
        " Optimizer params: 633,620 (2.42 MB)",
    ]


@pytest.mark.parametrize("optimizer", [
    SimpleNamespace(built=False, state_size=lambda: (5, 20)),
    SimpleNamespace(state_size=lambda: (0, 0)),
])  # fmt: skip
def test_optimizer_without_state_has_no_line(posts_model, optimizer):
    posts_model.optimizer = optimizer
    assert "Optimizer" not in text_of(posts_model)


def test_unbuilt():
    text = text_of(model_of(Dense("dense", None)), show_trainable=True)
    assert cells(text)[1:] == [["dense (Dense)", "?", "0 (unbuilt)", "-"]]
    assert " Total params: 0 (0.00 B)" in text


def test_dtypes_and_shared_parameters():
    shared = Values(10, 10, dtype="float64")
    text = text_of(model_of(Dense("a", (None, 10), shared), Dense("b", (None, 10), shared)))
    assert " Total params: 100 (800.00 B)" in text


def test_long_and_bracketed_names_are_whole():
    name = "a_layer_with_a_very_long_name_" * 5 + "[red]end[/red]"
    text = text_of(model_of(dense(name, 2, 3), name="[b]model"))
    assert f"│ {name} (Dense) │ (None, 3)    │       9 │" in text
    assert 'Model: "[b]model"' in text


def test_nested():
    inner = dense("inner", 4, 2)
    block = Block("block", (None, 2), *inner.parameters)
    block.layers = [inner]
    model = model_of(block)
    assert [row[0] for row in cells(text_of(model))[1:]] == ["block (Block)"]
    names = [row[0] for row in cells(text_of(model, expand_nested=True))[1:]]
    assert names == ["block (Block)", "└ inner (Dense)"]


@pytest.mark.parametrize(
    ("layer_range", "names"),
    [
        (["hidden_layer_1", "hidden_layer_3"], [1, 2, 3]),
        (("hidden_.*", "hidden_.*"), [1, 2, 3]),
        (["output_layer", "hidden_layer_3"], [3, 4]),
        (["input", "hidden_layer_1$"], [0, 1]),
        (None, [0, 1, 2, 3, 4]),
    ],
)
def test_layer_range(posts_model, layer_range, names):
    text = text_of(posts_model, layer_range=layer_range)
    expected = [posts_model.layers[i].name for i in names]
    assert [row[0].split()[0] for row in cells(text)[1:]] == expected
    assert "Total params: 316,810" in text  # the whole model's


@pytest.mark.parametrize("layer_range", [["nothing", "output_layer"], ["hidden_layer_1"], "ab",
                                         [1, 2], ["(", "output_layer"]])  # fmt: skip
def test_bad_layer_range(posts_model, layer_range):
    with pytest.raises(ValueError, match=r"layer_range") as error:
        print_summary(posts_model, layer_range=layer_range)
    if layer_range != ["(", "output_layer"]:
        assert "input_layer, hidden_layer_1, hidden_layer_2" in str(error.value)


def test_line_length_and_positions(posts_model):
    wide = text_of(posts_model, line_length=100).splitlines()
    assert {len(line) for line in wide[1:-3]} == {100}
    placed = text_of(posts_model, line_length=100, positions=[0.5, 0.75, 1.0]).splitlines()
    assert {len(line) for line in placed[1:-3]} == {100}
    with pytest.raises(ValueError, match="positions must hold 3 column ends, received"):
        print_summary(posts_model, positions=[0.5, 1.0])
    with pytest.raises(ValueError, match="narrower than 4"):
        print_summary(posts_model, line_length=50, positions=[0.5, 0.52, 1.0])
    with pytest.raises(ValueError, match="line_length must be at least 30, received 12"):
        print_summary(posts_model, line_length=12)


def test_file_gets_no_colours_terminal_does(posts_model, monkeypatch):
    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    print_summary(posts_model)
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    print_summary(posts_model)
    assert file.getvalue() == text_of(posts_model)
    assert "\x1b[1m" in terminal.getvalue()
    assert "316,810" in terminal.getvalue()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.00 B"), (1023, "1023.00 B"), (1024, "1.00 KB"), (1_267_240, "1.21 MB"),
     (3 * 1024**3, "3.00 GB")],
)  # fmt: skip
def test_bytes(size, text):
    assert format_bytes(size) == text
