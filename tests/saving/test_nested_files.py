"""Models inside models, drawn at random: files that Keras wrote and reads."""

import json
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import HAVE_KERAS, live_keras

import tinynet
from tinynet import Model

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
SHAPES = st.recursive(
    st.sampled_from(["dense", "stack"]),
    lambda inner: st.tuples(
        st.sampled_from(["last", "middle", "only", "twice", "sum", "in stack", "two in", "two out",
                         "named", "cut"]),
        inner,
    ),
    max_leaves=4,
)  # fmt: skip


def block(k, shape):
    """A model or layer (N, 4) -> (N, 4)."""
    L = k.layers
    if shape == "dense":
        return L.Dense(4, activation="tanh")
    if shape == "stack":
        return k.Sequential([L.Input((4,)), L.Dense(3), L.Dense(4, activation="tanh")])
    how, inner = shape
    layer, x = block(k, inner), L.Input((4,))
    if how == "in stack":
        return k.Sequential([L.Input((4,)), layer, L.Dense(4)])
    if how == "two in":
        z = L.Input((4,), name="z")
        pair = k.Model({"x": x, "z": z}, L.Add()([layer(x), z]))
        a = L.Input((4,))
        return k.Model(a, pair({"z": a, "x": L.Dense(4)(a)}))
    if how in ("two out", "named"):
        outputs = [layer(x), L.Dense(4)(x)]
        pair = k.Model(x, {"p": outputs[1], "o": outputs[0]} if how == "named" else outputs)
        a = L.Input((4,))
        first, second = pair(L.Dense(4)(a)), pair(a)
        if how == "named":
            return k.Model(a, L.Add()([first["p"], second["o"]]))
        return k.Model(a, L.Subtract()([second[1], first[0]]))
    if how == "cut":
        middle = L.Dense(4)(x)
        return k.Model(middle, layer(middle))
    y = {
        "last": lambda: layer(L.Dense(4)(x)), "middle": lambda: L.Dense(4)(layer(x)),
        "only": lambda: layer(x), "twice": lambda: layer(layer(x)),
        "sum": lambda: L.Add()([layer(x), layer(layer(x))]),
    }[how]()  # fmt: skip
    return k.Model(x, y)


def whole(k, shape, several):
    """A model with the block as its output, or as one of several."""
    x, layer = k.layers.Input((4,)), block(k, shape)
    y = layer(x)
    return k.Model(x, {"a": layer(y), "b": y} if several else y)


def outputs(model):
    y = model(X)
    return [np.asarray(y[name]) for name in sorted(y)] if isinstance(y, dict) else [np.asarray(y)]


def assert_equal_outputs(one, other):
    for a, b in zip(outputs(one), outputs(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not HAVE_KERAS, reason="Keras is not installed")
@settings(max_examples=16, deadline=None, derandomize=True)
@given(SHAPES, st.booleans(), st.sampled_from(["keras", "h5"]))
@pytest.mark.filterwarnings("ignore")  # Keras's own: h5 is called legacy
def test_nested_models_both_ways(shape, several, suffix):
    keras = live_keras()
    with tempfile.TemporaryDirectory() as folder:
        for there, here in ((keras, tinynet), (tinynet, keras), (tinynet, tinynet)):
            written, path = whole(there, shape, several), f"{folder}/m.{suffix}"
            written.save(path)
            assert_equal_outputs(here.models.load_model(path), written)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(SHAPES, st.booleans())
def test_configs_that_count_calls_from_zero(shape, several):
    """tinynet 0.1 counted the calls of inner models from 0 in the list of outputs."""
    model = whole(tinynet, shape, several)
    text = json.dumps(model.get_config())
    assert json.dumps(Model.from_config(json.loads(text)).get_config()) == text
    again = Model.from_config(from_zero(json.loads(text)))
    again.set_weights(model.get_weights())
    assert_equal_outputs(again, model)


def from_zero(config):
    """The config as tinynet 0.1 wrote it."""
    functional = set()
    for entry in config.get("layers", ()):
        inner = entry["config"]
        if "input_layers" in inner:
            functional.add(inner["name"])
            for call in entry.get("inbound_nodes", ()):
                call["kwargs"].pop("mask")
        if "layers" in inner:
            entry["config"] = from_zero(inner)

    def changed(place):
        if isinstance(place, dict):
            return {key: changed(one) for key, one in place.items()}
        if isinstance(place[0], list):
            return [changed(one) for one in place]
        name, number, index = place
        return [name, number - (name in functional), index]

    if "output_layers" in config:
        config = {**config, "output_layers": changed(config["output_layers"])}
    return config


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_of_many_models_within_one_none_is_left_out(suffix, tmp_path):
    """What `layers` returns is a new list, whose place in memory another one takes after it."""

    def made():
        stacks = [
            tinynet.Sequential([tinynet.layers.Dense(2), tinynet.layers.PReLU()]) for _ in range(40)
        ]
        return tinynet.Sequential([tinynet.layers.Input((2,)), *stacks])

    model, path = made(), tmp_path / f"m{suffix}"
    save = model.save if suffix == ".keras" else model.save_weights
    save(path)
    if suffix == ".keras":
        again = tinynet.models.load_model(path)
    else:
        again = made()
        again.load_weights(path)
    assert len(again.weights) == 120
    for a, b in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
