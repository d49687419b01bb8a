"""Embedding, pooling, noise, row normalization, scaling, reshaping, one by one: against Keras."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_checks import case_id, check_configs, check_layer, check_that_keras_reads
from oracle import keras_case

from tinynet import Sequential, activations, initializers, layers, regularizers
from tinynet.layers import Dense, GlobalAveragePooling1D, Input

# ------------------------------------------------------------------- one layer: values of Keras


def plain(name, shape=(4, 5), **options):
    return (name, options, shape, False, False)


CASES = [
    plain("GlobalAveragePooling1D", (2, 3, 4)),
    plain("GlobalAveragePooling1D", (2, 3, 4), keepdims=True),
    plain("GlobalAveragePooling1D", (2, 3, 4), data_format="channels_first"),
    plain("GlobalMaxPooling1D", (2, 5, 4)),
    plain("GlobalMaxPooling1D", (2, 5, 4), data_format="channels_first", keepdims=True),
    plain("LayerNormalization"),
    plain("LayerNormalization", center=False, epsilon=0.1),
    plain("LayerNormalization", scale=False),
    plain("LayerNormalization", (2, 3, 4), axis=[1, 2]),
    plain("LayerNormalization", (2, 3, 4), axis=1),
    plain("LayerNormalization", (2, 3, 4, 2), axis=[1, 3]),
    plain("RMSNormalization"),
    plain("RMSNormalization", (2, 3, 4), epsilon=0.1),
    plain("RMSNormalization", (2, 3, 4), axis=[1, 2]),
    plain("UnitNormalization"),
    plain("UnitNormalization", (2, 3, 4), axis=[1, 2]),
    plain("UnitNormalization", (2, 3, 4), axis=-2),
    plain("Rescaling", scale=0.5, offset=-1.0),
    plain("Rescaling", scale=[1.0, 2.0, 3.0, 4.0, 5.0], offset=0.5),
    plain("Rescaling", (2, 3, 2), scale=[[1.0], [2.0], [3.0]], offset=[0.5, 1.0]),
    plain("Normalization", mean=[1.0, 2, 3, 4, 5], variance=[1.0, 4, 0, 0.25, 9]),
    plain("Normalization", mean=2.0, variance=4.0, invert=True),
    plain("Normalization", (2, 3, 4), axis=1, mean=[1.0, 2, 3], variance=[4.0, 1, 9]),
    plain("Normalization", axis=None, mean=2.0, variance=4.0),
    plain("Reshape", (2, 12), target_shape=[3, 4]),
    plain("Reshape", (2, 3, 4), target_shape=[-1, 2]),
    plain("Permute", (2, 3, 4), dims=[2, 1]),
    plain("Permute", (2, 3, 4, 5), dims=[3, 1, 2]),
    plain("RepeatVector", n=3),
    plain("Identity"),
    plain("ActivityRegularization"),
    plain("Flatten", (2, 3, 4), data_format="channels_first"),
    plain("Softmax", (2, 3, 4), axis=[1, 2]),
    plain("Softmax", (2, 3, 4, 2), axis=[1, 3]),
    *(("GaussianNoise", {"stddev": s}, (4, 5), t, False) for s, t in ((0.0, True), (0.5, False))),
    *(("GaussianDropout", {"rate": r}, (4, 5), t, False) for r, t in ((0.0, True), (0.5, False))),
    *(("AlphaDropout", {"rate": r}, (4, 5), t, False) for r, t in ((0.0, True), (0.5, False))),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_outputs_gradients_and_states_are_those_of_keras(case):
    check_layer(case)


OPTIONS = [
    ("Embedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}),
    ("Embedding", {"input_dim": 7, "output_dim": 3, "embeddings_regularizer": "l2"}),
    ("GlobalAveragePooling1D", {"keepdims": True}),
    ("GlobalMaxPooling1D", {"data_format": "channels_first"}),
    ("GaussianNoise", {"stddev": 0.5, "seed": 3}),
    ("GaussianDropout", {"rate": 0.25}),
    ("AlphaDropout", {"rate": 0.25, "noise_shape": [2, 1]}),
    ("ActivityRegularization", {"l1": 0.5, "l2": 0.25}),
    ("Dense", {"units": 3, "activity_regularizer": "l1"}),
    ("LayerNormalization", {"axis": [1, 2], "gamma_regularizer": "l2", "epsilon": 0.5}),
    ("RMSNormalization", {"epsilon": 0.5}),
    ("UnitNormalization", {"axis": [1]}),
    ("Rescaling", {"scale": 0.5, "offset": 2.0}),
    ("Reshape", {"target_shape": [3, -1]}),
    ("Permute", {"dims": [2, 1]}),
    ("RepeatVector", {"n": 3}),
    ("Identity", {}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_configs(name, options):
    check_configs(name, options)
    check_that_keras_reads(name, options)


@keras_case
def keras_serialized_layer(keras, name, options):
    keras.backend.clear_session()
    layer = getattr(keras.layers, name)(**json.loads(options), name="theirs")
    return {"json": json.dumps(keras.layers.serialize(layer))}


THEIRS = [
    *OPTIONS,
    ("Normalization", {"mean": [1.0, 2.0], "variance": [4.0, 9.0], "invert": True}),
    ("Dense", {"units": 3, "activation": "hard_swish", "kernel_regularizer": "l1"}),
    ("BatchNormalization", {"momentum": 0.5}),
    ("Dropout", {"rate": 0.5, "seed": 4}),
    ("PReLU", {"shared_axes": [1]}),
    ("ReLU", {"max_value": 6.0}),
    ("Softmax", {"axis": 1}),
    ("InputLayer", {"shape": [3], "dtype": "int32"}),
    ("Flatten", {}),
]


@pytest.mark.parametrize(("name", "options"), THEIRS)
def test_configs_that_keras_wrote(name, options):
    config = json.loads(str(keras_serialized_layer(name, json.dumps(options))["json"]))
    layer = layers.deserialize(config)
    assert type(layer).__name__ == name
    assert layer.name == "theirs"
    ours = json.loads(json.dumps(layer.get_config()))
    for key, value in ours.items():
        if key != "dtype" and not isinstance(value, dict):
            assert value == config["config"][key], key


def test_an_option_of_keras_that_matters_is_refused():
    config = layers.Dense(2).get_config()
    with pytest.raises(ValueError, match="lora_rank=4 is not supported"):
        layers.Dense.from_config({**config, "lora_rank": 4})
    with pytest.raises(ValueError, match="renorm=True"):
        layers.BatchNormalization.from_config({"renorm": True})
    with pytest.raises(TypeError, match="bogus"):
        layers.Dense.from_config({**config, "bogus": 1})


class Eighth(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return np.full(shape, 0.125, dtype)


class Sum(regularizers.L1):
    pass


class Twice(activations.Activation):
    def forward(self, ops, x, *, y):
        y[...] = 2 * x

    def backward(self, ops, x, y, dy, *, dx):
        dx[...] = 2 * dy


def test_custom_objects_reach_what_a_layer_contains():
    layer = Dense(2, Twice(), kernel_initializer=Eighth(), kernel_regularizer=Sum(0.5))
    config = json.loads(json.dumps(layers.serialize(layer)))
    with pytest.raises(ValueError, match=r"Eighth|Twice|Sum"):
        layers.deserialize(config)
    known = {"Eighth": Eighth, "Sum": Sum, "Twice": Twice}
    again = layers.deserialize(config, known)
    assert (type(again.kernel_initializer), type(again.activation)) == (Eighth, Twice)
    assert type(again.kernel_regularizer) is Sum
    np.testing.assert_array_equal(again([[1.0, 1.0]]), [[0.5, 0.5]])
    model = Sequential([Input((2,)), layer])
    again = Sequential.from_config(json.loads(json.dumps(model.get_config())), known)
    assert type(again.layers[0].activation) is Twice


# ------------------------------------------------------------------------------------------- shapes


def test_layers_say_which_shape_does_not_fit():
    x = np.ones((2, 3, 4))
    for layer, message in (
        (layers.Reshape((5,)), "hold 12 numbers, which do not fill"),
        (layers.Reshape((5, -1)), "hold 12 numbers, which do not fill"),
        (layers.Permute((1,)), "needs input of 2 axes"),
        (layers.RepeatVector(2), r"expected input \(N, D\)"),
        (GlobalAveragePooling1D(keepdims=True), None),
        (layers.LayerNormalization(axis=3), "axis 3 does not exist"),
        (layers.LayerNormalization(axis=[0, 1]), "axis 0, the rows"),
        (layers.Rescaling([1.0, 2.0]), "scale of shape"),
        (layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 1.0]), "does not fit"),
        (Dense(3, "glu"), "halves"),
    ):
        if message is None:
            assert layer(x).shape == (2, 1, 4)
            continue
        with pytest.raises(ValueError, match=message):
            layer(x)
    with pytest.raises(ValueError, match="3 axes"):
        layers.GlobalMaxPooling1D()(x[0])
    for make in (
        lambda: layers.Reshape((-1, -1)), lambda: layers.Permute((1, 3)),
        lambda: layers.RepeatVector(0), lambda: layers.Flatten("last"),
        lambda: layers.Normalization(mean=1.0), lambda: layers.Normalization().adapt([]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"layer '"):
            make()


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), data=st.data())
def test_permute_is_transpose_and_its_backward_the_inverse(shape, data):
    dims = data.draw(st.permutations(range(1, len(shape) + 1)))
    x = np.random.Generator(np.random.PCG64(1)).normal(size=(2, *shape)).astype("float32")
    layer = layers.Permute(dims)
    y = layer(x)
    np.testing.assert_array_equal(y, x.transpose(0, *dims))
    np.testing.assert_array_equal(layer.backward(y), x)


def test_rms_normalization_scales_along_the_axis_it_normalizes():
    """Keras multiplies by the scale along the last axis, whatever `axis` is."""
    layer = layers.RMSNormalization(axis=1, epsilon=1e-7, dtype="float64")
    x = np.array([[[3.0, 0.0, 1.0, 1.0], [4.0, 2.0, 1.0, 7.0]]])  # (1, 2, 4)
    layer.build(x.shape)
    layer.set_weights([[1.0, 10.0]])
    rms = np.array([np.sqrt(12.5), np.sqrt(2.0), 1.0, 5.0])
    expected = [[[3 / rms[0], 0, 1, 0.2], [40 / rms[0], 20 / rms[1], 10, 14]]]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)
