"""ONNX export of what is harder than one node: padding, sparsemax; and that nothing is missing."""

import numpy as np
import pytest
from format_models import NETS, all_layers, data, make, public_classes

import tinynet
from tinynet import activations, layers, models
from tinynet.saving.onnx import export
from tinynet.saving.onnx import layers as onnx_layers  # noqa: F401  enters its nodes

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

IDS = np.array([[3, 0, 5, 0], [1, 2, 3, 4], [0, 0, 0, 6], [0, 0, 0, 0]], "float32")


def onnx_predicts(model, folder, x):
    """What onnxruntime makes of x with the exported model."""
    model.export(folder / "m.onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(
        str(folder / "m.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"input": x})[0]


def agrees(model, folder, x):
    random = np.random.default_rng(0)
    for w in model.weights:
        w.assign(random.uniform(0.1, 0.9, w.shape))
    y = onnx_predicts(model, folder, x)
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)
    return y


BETWEEN = {
    "nothing": list,
    "layers that keep the mask": lambda: [
        layers.Dense(3, "tanh"), layers.Activation("relu"), layers.ReLU(), layers.LeakyReLU(),
        layers.ELU(), layers.PReLU(), layers.Dropout(0.5), layers.GaussianNoise(1.0),
        layers.GaussianDropout(0.5), layers.AlphaDropout(0.5), layers.Identity(),
        layers.ActivityRegularization(0.1), layers.Rescaling(2.0, 1.0), layers.Normalization(),
        layers.BatchNormalization(), layers.LayerNormalization(), layers.UnitNormalization(),
    ],
    "one that loses it": lambda: [layers.RMSNormalization()],
    "another that loses it": lambda: [layers.Reshape((2, 6)), layers.Reshape((4, 3))],
    "a model": lambda: [models.Sequential([layers.Dense(3, input_shape=(4, 3))])],
}  # fmt: skip


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("keepdims", [False, True])
def test_padding_is_left_out_of_the_mean(tmp_path, between, keepdims):
    model = models.Sequential([
        layers.Embedding(7, 3, mask_zero=True, input_shape=(4,)), *BETWEEN[between](),
        layers.GlobalAveragePooling1D(keepdims=keepdims), layers.Dense(2),
    ])  # fmt: skip
    agrees(model, tmp_path, IDS)


def test_the_mean_by_hand(tmp_path):
    model = models.Sequential([
        layers.Embedding(7, 1, mask_zero=True, input_shape=(4,), weights=np.arange(7.0)[:, None]),
        layers.GlobalAveragePooling1D(),
    ])  # fmt: skip
    assert onnx_predicts(model, tmp_path, IDS).ravel().tolist() == [4, 2.5, 6, 0]


def test_padding_does_not_bother_other_layers(tmp_path):
    for after in (layers.GlobalMaxPooling1D(), layers.Flatten()):
        embedding = layers.Embedding(7, 3, mask_zero=True, input_shape=(4,))
        agrees(models.Sequential([embedding, after, layers.Dense(2)]), tmp_path, IDS)


@pytest.mark.parametrize("axis", [-1, 1])
def test_sparsemax(tmp_path, axis):
    f = activations.sparsemax.with_options(axis=axis)
    model = models.Sequential([layers.Input((3, 4)), layers.Activation(f)])
    x = np.random.default_rng(1).normal(0, 2, (6, 3, 4)).astype("float32")
    x[0], x[1, :, 1:] = 0.5, -100  # all alike, and one far ahead
    y = agrees(model, tmp_path, x)
    np.testing.assert_allclose(y.sum(axis=axis), 1, rtol=1e-5)
    assert (y == 0).any()


def test_every_layer_and_every_activation_can_be_exported():
    """Whoever adds one adds its nodes, too."""
    for cls in public_classes(layers, layers.Layer):
        if not cls.on_host:  # those have no nodes: `export` names the layer
            assert any(base.__name__ in export._layers for base in cls.__mro__), cls.__name__
    names = {f.name for f in activations._registry.objects.values()}
    assert names <= set(export._activations)
    model = models.Sequential([models.Sequential([layers.Dense(2, input_shape=(3,))])])
    assert [type(a).__name__ for a in all_layers(model)] == ["Sequential", "Dense"]


@pytest.mark.parametrize("net", [n for n in NETS if n not in ("categories", "masked", "products")])
def test_trained_models_with_every_layer(tmp_path, net):
    model, (x, _) = make(tinynet, net, "adam"), data(net)
    y = onnx_predicts(model, tmp_path, x)
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


def test_several_inputs_and_outputs(tmp_path):
    a, b = layers.Input((3,)), layers.Input((2,))
    joined = layers.Concatenate()([layers.Dense(2, "tanh")(a), b])
    model = tinynet.Model([a, b], [layers.Dense(2)(joined), layers.Activation("sparsemax")(joined)])
    model.export(tmp_path / "m.onnx")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    x = [random.normal(size=(5, n)).astype("float32") for n in (3, 2)]
    found = session.run(["output_0", "output_1"], {"input_0": x[0], "input_1": x[1]})
    for y, expected in zip(found, model.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
