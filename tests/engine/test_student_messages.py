"""What students do wrong before training begins: what was probably meant, and what to type."""

import configparser
import importlib
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import tinynet as keras
from tinynet import callbacks, layers, losses, optimizers
from tinynet.layers import Dense, Flatten, Input

ROWS = np.random.default_rng(1).random((40, 8, 8))
FLAT = ROWS.reshape(40, 64)
IDS = np.arange(40) % 10


def classifier(*more, shape=(64,), loss="sparse_categorical_crossentropy"):
    model = keras.Sequential([Input(shape), *more, Dense(10, "softmax")])
    model.compile("adam", loss)
    return model


def says(message, call, error=(ValueError, TypeError)):
    with pytest.raises(error, match=message):
        call()


# ------------------------------------------------------------------------------------ labels


@pytest.mark.parametrize("names", [["cat", "dog"], [b"a", b"b"], ["가", "나"]])
@pytest.mark.parametrize("kind", ["list", "array", "object", "series", "categories"])
def test_names_of_classes(names, kind):
    labels = [names[i % 2] for i in range(40)]
    if kind in ("array", "object"):
        labels = np.array(labels, dtype=object if kind == "object" else None)
    elif kind != "list":
        pandas = pytest.importorskip("pandas")
        labels = pandas.Series(labels, dtype="category" if kind == "categories" else object)
    for arguments in ({"y": labels}, {"y": IDS, "validation_data": (FLAT, labels)}):
        says(r"y: .*np\.unique\(y, return_inverse=True\)",
             lambda a=arguments: classifier().fit(FLAT, **a), TypeError)  # fmt: skip
    found, ids = np.unique(np.asarray(labels), return_inverse=True)  # what is said, works
    classifier().fit(FLAT, ids, verbose=0)
    assert len(found) == 2


def test_text_that_is_no_label_gets_no_such_advice():
    with pytest.raises(TypeError) as caught:
        classifier().fit(np.full((40, 64), "a"), IDS)
    assert "unique" not in str(caught.value)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_classes_that_count_from_one(classes):
    model = keras.Sequential([Input((64,)), Dense(classes, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    y = 1 + np.arange(40) % classes
    says(r"expected an integer in \[0, \d+\).*classes count from 0: y - 1",
         lambda: model.fit(FLAT, y, verbose=0))  # fmt: skip
    model.fit(FLAT, y - 1, verbose=0)
    with pytest.raises(ValueError, match="class id") as caught:
        model.fit(FLAT, y + 1, verbose=0)
    assert "y - 1" not in str(caught.value)


def test_two_classes_that_count_from_one():
    model = keras.Sequential([Input((64,)), Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    says("classes count from 0: y - 1", lambda: model.fit(FLAT, 1 + IDS % 2, verbose=0))


# ------------------------------------------------------------------------------------ shapes


@pytest.mark.parametrize("method", ["predict", "predict_on_batch", "__call__"])
@pytest.mark.parametrize("shape", [(64,), (8, 8)])
def test_one_row(method, shape):
    model = classifier(*([Flatten()] if len(shape) > 1 else []), shape=shape)
    x = (ROWS if len(shape) > 1 else FLAT).astype("float32")
    says(r"x\[None\], or x\[:1\]", lambda: getattr(model, method)(x[0]))
    assert len(getattr(model, method)(x[0][None])) == 1


@pytest.mark.parametrize(
    ("loss", "y"),
    [("sparse_categorical_crossentropy", IDS), ("sparse_categorical_crossentropy", IDS[:, None]),
     ("categorical_crossentropy", np.eye(10)[IDS]), ("mse", np.eye(10)[IDS])],
)  # fmt: skip
def test_flatten_is_missing(loss, y):
    says(r"outputs have shape \('N', 8, 10\): is a Flatten\(\) missing",
         lambda: classifier(Dense(5), shape=(8, 8), loss=loss).fit(ROWS, y))  # fmt: skip
    classifier(Flatten(), Dense(5), shape=(8, 8), loss=loss).fit(ROWS, y, verbose=0)


@pytest.mark.parametrize("rows", [40, 1437])
@pytest.mark.parametrize("x", [FLAT, ROWS])
def test_the_number_of_rows_in_the_input_shape(x, rows):
    model = keras.Sequential([Flatten(input_shape=(rows, *x.shape[1:])), Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    says(r"that of one row, without the number of rows: \(" + ", ".join(map(str, x.shape[1:])),
         lambda: model.fit(x, IDS))  # fmt: skip


# -------------------------------------------------------------------------- names that are missing


@pytest.mark.parametrize(
    ("layer", "name"),
    [(lambda: Dense(3), "kernel"), (lambda: layers.Embedding(3, 2), "embeddings"),
     (lambda: layers.Dense(3, name="first"), "kernel")],
)  # fmt: skip
def test_weights_before_the_layer_is_built(layer, name):
    layer = layer()
    says(rf"no attribute '{name}': layer '{layer.name}' is not built yet.*call.*build",
         lambda: getattr(layer, name), AttributeError)  # fmt: skip
    assert not hasattr(layer, name)
    layer.build((None, 4))
    assert getattr(layer, name).shape
    with pytest.raises(AttributeError) as caught:
        layer.kernal  # noqa: B018
    assert "built" not in str(caught.value)


def test_a_property_s_own_error_is_heard():
    class Odd(layers.Layer):
        @property
        def inside(self):
            raise AttributeError("no inside yet")

    says("no inside yet", lambda: Odd().inside, AttributeError)
    says("applied to symbolic tensors 0 times", lambda: Dense(3).output, AttributeError)


@pytest.mark.parametrize(
    ("module", "name"),
    [(layers, "Conv2D"), (layers, "LSTM"), (layers, "MaxPooling2D"), (layers, "MultiHeadAttention"),
     (layers, "GlobalAveragePooling2D"), (losses, "CTC"), (keras, "applications"),
     (keras.utils, "image_dataset_from_directory"), (callbacks, "RemoteMonitor"),
     (keras.datasets, "mnst_like"), (keras.models, "Sequentialx_of_others")],
)  # fmt: skip
def test_what_is_left_out(module, name):
    assert not hasattr(module, name)
    assert getattr(module, name, 5) == 5
    says(f"no attribute '{name}'.*(dense networks.*import keras|did you mean)",
         lambda: getattr(module, name), AttributeError)  # fmt: skip
    says(f"'{name}'.*(dense networks.*import keras|did you mean)",
         lambda: exec(f"from {module.__name__} import {name}", {}), ImportError)  # fmt: skip


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [(layers, "dens", "Dense"), (layers, "Droput", "Dropout"), (optimizers, "adam_w", "AdamW"),
     (callbacks, "EarlyStoping", "EarlyStopping"), (keras, "sequential", "Sequential")],
)  # fmt: skip
def test_what_was_probably_meant(module, name, meant):
    says(f"did you mean '{meant}'", lambda: getattr(module, name), AttributeError)


def test_private_names_and_submodules_are_as_ever():
    says("has no attribute '__path_of_nothing__'$",
         lambda: keras.__path_of_nothing__, AttributeError)  # fmt: skip
    from tinynet.layers import base  # a module that is not in __all__

    assert base.Layer is layers.Layer
    assert keras.plotting.__name__ == "tinynet.plotting"


# ------------------------------------------------------------------------------------ calls


@pytest.mark.parametrize("what", [Dense, Flatten, layers.Dropout, Input])
def test_parentheses_are_missing(what):
    says(rf"expected a layer, received .*{what.__name__}\(\.\.\.\)",
         lambda: keras.Sequential([Input((64,)), what]), TypeError)  # fmt: skip
    says(r"EarlyStopping\(\.\.\.\)",
         lambda: classifier().fit(FLAT, IDS, callbacks=[callbacks.EarlyStopping]),
         TypeError)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "meant"),
    [(lambda: optimizers.Adam(lr=0.1), "learning_rate"),
     (lambda: optimizers.SGD(lr=0.1, momentum=0.9), "learning_rate"),
     (lambda: optimizers.Adam(betas=(0.9, 0.99)), "beta_1"),
     (lambda: optimizers.SGD(decay=0.1), "weight_decay"),
     (lambda: optimizers.RMSprop(learning_rat=1), "learning_rate"),
     (lambda: layers.Dropout(p=0.5), "rate"), (lambda: Dense(3, activaton="relu"), "activation"),
     (lambda: Dense(output_dim=3), "units"), (lambda: Dense(3, init="he"), "kernel_initializer"),
     (lambda: callbacks.EarlyStopping(patiense=3), "patience"),
     (lambda: losses.CategoricalCrossentropy(from_logit=True), "from_logits"),
     (lambda: keras.metrics.AUC(num_threshold=5), "num_thresholds"),
     (lambda: keras.regularizers.L2(l=0.1), "")],
)  # fmt: skip
def test_arguments_of_another_name(call, meant):
    says(f"unexpected keyword argument .*{meant}", call, TypeError)


def test_a_class_of_ones_own_names_its_arguments_as_it_likes():
    class Mine(optimizers.Adam):
        def __init__(self, lr, **kwargs):
            self.extra = kwargs.pop("p", None)
            super().__init__(lr, **kwargs)

    assert Mine(lr=0.25, p=3).learning_rate == 0.25

    class Scale(layers.Layer):
        def __init__(self, p, **kwargs):
            self.lr = kwargs.pop("lr")
            super().__init__(**kwargs)

    assert Scale(p=1, lr=2, name="s").name == "s"
    metric = keras.metrics.MeanMetricWrapper(lambda y, p, lr: lr * abs(y - p), lr=3)
    assert metric([[1.0]], [[0.5]]) == 1.5
    assert callbacks.LambdaCallback(on_epoch_end=print).on_epoch_end is print


@pytest.mark.parametrize("second", [32, 1, 0.5, np.int64(3)])
def test_two_numbers_for_dense(second):
    says(r"second argument is the activation.*Dense\(64\), Dense\(",
         lambda: Dense(64, second), TypeError)  # fmt: skip


def test_what_needs_compile_says_so_by_its_own_name(tmp_path):
    model = keras.Sequential([Input((64,)), Dense(10)])
    calls = {
        "microscope": lambda: keras.microscope(model, FLAT, IDS, tmp_path / "a.html"),
        "trace": lambda: model.trace(FLAT, IDS), "gradients": lambda: model.gradients(FLAT, IDS),
        "find_nan": lambda: model.find_nan(FLAT, IDS), "fit": lambda: model.fit(FLAT, IDS),
        "evaluate": lambda: model.evaluate(FLAT, IDS),
    }  # fmt: skip
    for name, call in calls.items():
        says(rf"compile\(.*\) before {name}$", call, RuntimeError)


# ---------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("microscope --layers abc", "--layers: expected numbers of units"),
        ("microscope --layers 32,-1", "--layers: .*'-1'"),
        ("microscope --layers 0", "--layers: .*'0'"),
        ("microscope --activation foo", "unknown activation 'foo'"),
        ("microscope --optimizer adamm", "unknown optimizer 'adamm'; did you mean"),
        ("microscope --batch 0", "--batch: expected an integer >= 1, received '0'"),
        ("microscope --batch x", "--batch: expected an integer >= 1, received 'x'"),
        ("microscope --epochs -1", "--epochs"),
        ("film --epochs 0", "--epochs"),
        ("film --layers abc", "--layers: expected numbers of units"),
        ("microscope --seed -3", "--seed"),
        ("microscope --seed 99999999999", "--seed: expected an integer"),
        ("microscope --data cifar", "--data"),
        ("microscope --out no/such/folder/a.html", "--out: expected a file in a folder"),
        ("microscope nothing.py", "nothing.py: there is no such file"),
        ("bench --layers 5", "expected the input's size and one more"),
        ("bench --layers 5 x", "expected an integer >= 1, received 'x'"),
        ("bench --model nothing.keras", "there is no file nothing.keras"),
        ("bench --layers 5 3 --devices tpu", "unknown device 'tpu'"),
        ("bench --layers 5 3 --batches 0", "expected an integer >= 1"),
        ("bench --layers 5 3 --json no/such/a.json", "--json: expected a file in a folder"),
        ("bench --layers 5 3 --plot no/such/a.png", "--plot: expected a file in a folder"),
        ("bench --layers 5 3 --plot a.txt", "--plot: expected one of .png, .svg, .pdf, received"),
        ("bench --layers 5 3 --model m.keras", "--model: not allowed with argument --layers"),
        ("bench --model .", "a file name that ends in .keras"),
        ("playground --out no/such/a.html", "--out: expected a file in a folder"),
        ("doctor now", "unrecognized arguments"),
        ("warmup --fast", "unrecognized arguments"),
        ("microskope", "invalid choice"),
        ("", "required"),
    ],
)  # fmt: skip
def test_the_command_line(arguments, words, capsys):
    from tinynet.__main__ import main

    with pytest.raises(SystemExit) as caught:
        main(arguments.split())
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.strip(), "nothing is said"
    last = error.strip().splitlines()[-1]
    assert last.startswith("python -m tinynet")
    assert re.search(words, last)


@pytest.mark.parametrize(
    ("text", "words"),
    [("model = 1; x = y = [1]", "expected model to be a compiled model"),
     ("import tinynet\nmodel = tinynet.Sequential([tinynet.layers.Dense(2)])\nx = y = [1]",
      "expected model to be a compiled model"),
     ("x = 3", "there is no model, y"),
     ("import numpy as np, tinynet\nmodel = tinynet.Sequential([tinynet.layers.Dense(2)])\n"
      "model.compile('sgd', 'mse')\nx, y = np.ones((4, 3)), np.ones((4, 5))",
      "expects targets of shape"),
     ("x = 3\nx.nothing", ", line 2: AttributeError: 'int' object has no attribute 'nothing'"),
     ("x = 3\n\nx = = 4", ", line 3: SyntaxError: invalid syntax"),
     ("import json\ndef f():\n    json.loads('')\nf()", ", line 3: JSONDecodeError: Expecting"),
     ("import not_there_at_all", ", line 1: ModuleNotFoundError: No module named")],
)  # fmt: skip
def test_a_script_that_does_not_fit(tmp_path, capsys, text, words):
    from tinynet.__main__ import main

    script = tmp_path / "own.py"
    script.write_text(text)
    with pytest.raises(SystemExit) as caught:
        main(["microscope", str(script), "--no-keras", "--out", str(tmp_path / "a.html")])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert line.startswith(f"python -m tinynet microscope: {script}")


def refused(capsys, *arguments):
    """What a command says before it ends with status 2."""
    from tinynet.__main__ import main

    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_files_that_are_no_models(tmp_path, capsys):
    for name in ("m.keras", "m.h5", "m.txt"):
        (tmp_path / name).write_text("this is no model")
        said = refused(capsys, "bench", "--model", str(tmp_path / name))
        assert said.startswith(f"python -m tinynet bench: {tmp_path / name}")
        assert len(said.splitlines()) == 1


def test_what_a_command_needs_and_is_not_there(tmp_path, capsys, monkeypatch):
    for variable in ("TINYNET_DATA_DIR", "TINYNET_CACHE_DIR", "KERAS_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    out = ("--out", str(tmp_path / "a.html"))
    said = refused(capsys, "microscope", "--data", "mnist", *out)
    assert said.startswith("python -m tinynet microscope: mnist.npz is not on this machine")
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert 'pip install "tinynet[examples]"' in refused(capsys, "microscope", *out)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = refused(capsys, "bench", "--layers", "5", "3", "--plot", "a.png")
    assert 'needs matplotlib: pip install "tinynet[plot]"' in said
    monkeypatch.setenv("TINYNET_DEVICE", "tpu")
    said = refused(capsys, "microscope", "--data", "mnist_small", *out)
    assert re.search("python -m tinynet microscope: .*'tpu'", said)


def test_ctrl_c_ends_a_command_in_silence(capsys, monkeypatch):
    from tinynet.__main__ import main
    from tinynet.commands import doctor

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "report", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["doctor"])
    assert caught.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_has_seen_enough_ends_a_command_in_silence():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "tinynet", "doctor"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_console_command(capsys, monkeypatch):
    config = configparser.ConfigParser()
    config.read(pathlib.Path(keras.__file__).parents[1] / "setup.cfg")
    name, target = config["options.entry_points"]["console_scripts"].split("=")
    module, function = target.strip().split(":")
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{name.strip()}", "doctor", "now"])
    with pytest.raises(SystemExit):
        getattr(importlib.import_module(module), function)()
    assert capsys.readouterr().err.splitlines()[-1].startswith("tinynet: error: unrecognized")


def test_the_exit_status_of_the_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tinynet", "microscope", "--layers", "abc"], capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
