"""Layers: names and configs as Keras has them, and back."""

import json

import numpy as np
import pytest
from layer_checks import Mixed, check_configs, check_that_keras_reads, numbers
from oracle import keras_case

import tinynet
from tinynet import layers
from tinynet.configs import naming

OPTIONS = [
    ("Dense", {"units": 3, "activation": "relu", "kernel_regularizer": "l2"}),
    ("Dense", {"units": 2, "use_bias": False, "kernel_initializer": "he_normal"}),
    ("Flatten", {}),
    ("Dropout", {"rate": 0.25, "seed": 7}),
    ("Dropout", {"rate": 0.25, "noise_shape": [None, 1]}),
    ("BatchNormalization", {"axis": 1, "momentum": 0.5, "epsilon": 0.1, "scale": False}),
    ("BatchNormalization", {"center": False, "gamma_regularizer": "l1"}),
    ("Activation", {"activation": "tanh"}),
    ("ReLU", {"max_value": 6.0, "negative_slope": 0.1, "threshold": 0.5}),
    ("LeakyReLU", {"negative_slope": 0.1}),
    ("ELU", {"alpha": 0.5}),
    ("Softmax", {"axis": 1}),
    ("PReLU", {"shared_axes": [1], "alpha_initializer": "ones"}),
]


@keras_case
def keras_layer_names(keras, names):
    keras.backend.clear_session()
    made = []
    for name in names:
        options = dict(next(o for n, o in OPTIONS if n == name))
        made.append(getattr(keras.layers, name)(**options).name)
    return {"names": np.array(made)}


def test_automatic_names_are_those_of_keras():
    names = [name for name, _ in OPTIONS]
    naming.reset_names()
    made = [getattr(layers, name)(**options).name for name, options in OPTIONS]
    options_of_first = keras_layer_names(tuple(names))
    assert made == options_of_first["names"].tolist()
    assert layers.Dense(1, name="mine").name == "mine"


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_configs_have_keras_keys_and_survive_the_round_trip(name, options):
    check_configs(name, options)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_keras_reads_our_configs(name, options):
    check_that_keras_reads(name, options)


def test_layers_by_name_class_and_object():
    assert type(layers.get("Flatten")) is layers.Flatten
    assert type(layers.get("batch_normalization")) is layers.BatchNormalization
    assert type(layers.get(layers.ReLU)) is layers.ReLU
    layer = layers.ELU()
    assert layers.get(layer) is layer
    assert layers.LeakyReLU(alpha=0.1).negative_slope == 0.1  # the older name
    own = layers.deserialize(
        {"class_name": "Mixed", "config": {"name": "m"}}, custom_objects={"Mixed": Mixed}
    )
    assert type(own) is Mixed
    assert repr(own) == "<Mixed name=m built=False>"


def test_input_layer():
    tensor = layers.Input((2, 3), name="in")
    assert tensor.shape == (None, 2, 3)
    layer = tensor.node.layer
    assert isinstance(layer, layers.InputLayer)
    assert layer.shape == (2, 3)
    x = numbers((4, 2, 3), 1)
    assert layer(x) is x
    assert layer.backward(x) is x
    assert layers.InputLayer(input_shape=(5,)).shape == (5,)
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert again.get_config() == layer.get_config()


def test_float64_is_one_argument():
    tinynet.config.set_floatx("float64")
    try:
        assert layers.Dense(1)(np.ones((1, 1))).dtype == np.float64
    finally:
        tinynet.config.set_floatx("float32")
    layer = layers.BatchNormalization(dtype="float64")
    assert layer(np.ones((2, 3), "float32"), training=True).dtype == np.float64
    assert {w.dtype.name for w in layer.weights} == {"float64"}
