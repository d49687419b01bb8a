"""Functions of the user's in files: by the name that they are registered under, as in Keras."""

import keras
import numpy as np
import pytest

import tinynet
from tinynet import layers, models

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")
register = tinynet.saving.register_keras_serializable


@register(package="test")
def largest(y, p):
    return abs(y - p).max(-1)


@register(package="test", name="another")
def smallest(y, p):
    return abs(y - p).min(-1)


@register(package="test")
def half(shape, dtype=None):
    return np.full(shape, 0.5, dtype)


@register(package="test")
def at_most_1(w):
    return np.minimum(w, 1)


def free(y, p):
    return abs(y - p).sum(-1)


def metrics_of(k):
    wrapped = k.metrics.MeanMetricWrapper(fn=largest, name="wrapped")
    return {"metrics": [largest, wrapped, "mae"], "weighted_metrics": [smallest]}


def compiled():
    model = tinynet.Sequential([
        layers.Input((3,)),
        layers.Dense(2, kernel_initializer=half, kernel_constraint=at_most_1),
    ])  # fmt: skip
    model.compile("sgd", "mse", **metrics_of(tinynet))
    return model


def measured(model):
    return model.evaluate(X, Y, verbose=0, return_dict=True)


def test_configs_are_those_of_keras():
    ours = [tinynet.metrics.serialize(f) for f in (largest, smallest, free)]
    names = [config["config"] for config in ours]
    assert names == ["test>largest", "test>another", "free"]
    for f, name in ((largest, "largest"), (smallest, "another")):
        keras.saving.register_keras_serializable("test", name)(f)
    assert ours == [keras.metrics.serialize(f) for f in (largest, smallest, free)]
    wrapped = [k.metrics.serialize(metrics_of(k)["metrics"][1]) for k in (tinynet, keras)]
    assert wrapped[0] == wrapped[1]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_registered_functions_load(tmp_path, suffix):
    model = compiled()
    expected = measured(model)
    values = abs(model.predict(X, verbose=0) - Y)
    assert expected["largest"] == pytest.approx(values.max(-1).mean(), rel=1e-6)
    model.save(tmp_path / f"m{suffix}")
    loaded = models.load_model(tmp_path / f"m{suffix}")
    assert measured(loaded) == expected  # under the same names
    assert loaded.layers[0].kernel_initializer is half
    assert loaded.layers[0].kernel_constraint is at_most_1
    assert not hasattr(largest, "name")


def test_function_that_is_passed_goes_by_its_plain_name(tmp_path):
    model = compiled()
    model.compile("sgd", "mse", metrics=[free])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="'free' is not one of tinynet's: pass custom_objects"):
        models.load_model(tmp_path / "m.keras")
    loaded = models.load_model(tmp_path / "m.keras", {"free": free})
    assert measured(loaded) == measured(model)


def test_function_without_a_name_is_refused_when_it_is_saved(tmp_path):
    model = compiled()
    model.compile("sgd", "mse", metrics=[lambda y, p: p[:, 0]])
    with pytest.raises(TypeError, match="no name to be found by; write it with def"):
        model.save(tmp_path / "m.keras")
    assert list(tmp_path.iterdir()) == []


def bare_name(library):
    """A function by its name alone, as Keras 3.6 wrote it, and a class with an empty name."""

    @library.saving.register_keras_serializable("bare")
    def rise(x):
        return x

    named = {"module": "builtins", "class_name": "function", "registered_name": "function"}
    found = [library.saving.deserialize_keras_object({**named, "config": name})
             for name in ("rise", "bare>rise")]  # fmt: skip
    dense = library.saving.deserialize_keras_object(
        {"class_name": "Dense", "module": "keras.layers", "registered_name": "",
         "config": {"units": 2}}
    )  # fmt: skip
    return [one is rise for one in found], dense.units


def test_names_that_other_versions_of_keras_wrote():
    assert bare_name(tinynet) == bare_name(keras) == ([True, True], 2)


@pytest.mark.parametrize("name", [None, ["relu"], {"relu": 1}, 3])
def test_a_function_that_is_no_name(name):
    config = {"class_name": "function", "config": name}
    with pytest.raises(TypeError, match="Expected 'config' to be a non-null str"):
        keras.saving.deserialize_keras_object(config)
    with pytest.raises(ValueError, match="the config of a function is its name, a string"):
        tinynet.saving.deserialize_keras_object(config)
    with pytest.raises(ValueError, match="is not one of tinynet's"):
        tinynet.activations.deserialize(config)
