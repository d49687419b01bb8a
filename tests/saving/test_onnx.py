"""ONNX export: onnxruntime predicts what we predict, to 1e-5."""

import numpy as np
import pytest

from tinynet import activations, layers, models

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
NAMES = sorted({f.name for f in activations._registry.objects.values()})


def predicted(path, x):
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})[0]


def agrees(model, tmp_path, shape, scale=2):
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 0.9, w.shape) for w in model.get_weights()])
    model.export(tmp_path / "m.onnx")
    for rows in (1, 7):
        x = rng.normal(0, scale, (rows, *shape)).astype("float32")
        y = predicted(tmp_path / "m.onnx", x)
        np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_activation(tmp_path, name):
    if name == "threshold":
        name = activations.threshold.with_options(threshold=0.4, default_value=-1.0)
    stack = [layers.Dense(4, name, input_shape=(3,)), layers.Activation(name)]
    # at 2 an e^(e^x) is 1e21, and its relative error 48 times that of e^x
    agrees(models.Sequential(stack), tmp_path, (3,), 0.5 if name == "exponential" else 2)


STACKS = {
    "mlp": ((4,), lambda: [layers.Dense(3, use_bias=False), layers.Dropout(0.5), layers.Dense(2)]),
    "flatten": ((2, 3), lambda: [layers.Flatten(), layers.Dense(3)]),
    "rows": ((2, 3), lambda: [layers.Dense(3, "softmax"), layers.Softmax(axis=1)]),
    "norm": ((4,), lambda: [layers.BatchNormalization(), layers.BatchNormalization(scale=False)]),
    "axis": (
        (2, 3),
        lambda: [layers.BatchNormalization(axis=1), layers.BatchNormalization(center=False)],
    ),
    "prelu": ((2, 3), lambda: [layers.PReLU(), layers.PReLU(shared_axes=[1])]),
    "relu": (
        (4,),
        lambda: [layers.ReLU(1.5, 0.1, 0.5), layers.ReLU(6.0), layers.ReLU(threshold=1.0)],
    ),
    "layout": (
        (6,),
        lambda: [
            layers.Reshape((2, -1)),
            layers.Permute((2, 1)),
            layers.GlobalAveragePooling1D(),
            layers.RepeatVector(3),
            layers.GlobalMaxPooling1D(keepdims=True),
            layers.Identity(),
        ],
    ),
    "scaling": (
        (2, 3),
        lambda: [
            layers.Rescaling(2.0, -1.0),
            layers.Rescaling([1.0, 2.0, 3.0]),
            layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5]),
            layers.Normalization(axis=1, mean=[0.5, 1.0], variance=[2.0, 3.0], invert=True),
        ],
    ),
    "row norms": (
        (2, 3),
        lambda: [
            layers.LayerNormalization(),
            layers.LayerNormalization(axis=[1, 2], center=False),
            layers.RMSNormalization(),
            layers.UnitNormalization(axis=1),
        ],
    ),
    "noise": ((4,), lambda: [layers.GaussianNoise(1.0), layers.AlphaDropout(0.5)]),
    "slopes": ((4,), lambda: [layers.LeakyReLU(0.1), layers.ELU(0.5)]),
}


@pytest.mark.parametrize("name", STACKS)
def test_every_layer(tmp_path, name):
    shape, stack = STACKS[name]
    agrees(models.Sequential([layers.Input(shape), *stack()]), tmp_path, shape)


def test_a_float64_model_is_exported_in_float32_unless_told_otherwise(tmp_path):
    model = models.Sequential([layers.Dense(2, "tanh", input_shape=(2,), dtype="float64")])
    agrees(model, tmp_path, (2,))
    model.export(tmp_path / "m.onnx", dtype="float64")
    x = np.random.default_rng(0).normal(size=(3, 2))
    y = predicted(tmp_path / "m.onnx", x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=1e-12)


def test_inputs_and_outputs_are_declared(tmp_path):
    models.Sequential([layers.Dense(2, input_shape=(5, 3))], name="net").export(tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    for tensor, name, last in ((graph.input[0], "input", 3), (graph.output[0], "output", 2)):
        dims = tensor.type.tensor_type.shape.dim
        assert (tensor.name, dims[0].dim_param) == (name, "N")
        assert [d.dim_value for d in dims[1:]] == [5, last]
    assert graph.name == "net"


def test_a_layer_of_ones_own(tmp_path):
    from tinynet.saving.onnx import export

    class Twice(layers.Layer):
        def forward(self, x, training=False):
            return 2 * x

    model = models.Sequential([layers.Dense(2, input_shape=(2,)), Twice()])
    with pytest.raises(ValueError, match="Twice has no ONNX nodes"):
        model.export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []

    @export.converts("Twice")
    def twice(graph, layer, x):
        return graph.node("Mul", x, graph.constant(2.0))

    try:
        agrees(model, tmp_path, (2,))
    finally:
        del export._layers["Twice"]


def test_export_mistakes(tmp_path):
    model = models.Sequential([layers.Dense(2, input_shape=(2,))])
    with pytest.raises(ValueError, match=r"m\.txt.*\.onnx"):
        model.export(tmp_path / "m.txt")
    with pytest.raises(ValueError, match="tf_saved_model"):
        model.export(tmp_path / "m.onnx", format="tf_saved_model")
    with pytest.raises(ValueError, match="no weights yet"):
        models.Sequential([layers.Dense(2)]).export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_embedding(tmp_path):
    model = models.Sequential([
        layers.Embedding(7, 3, input_shape=(5,)), layers.GlobalAveragePooling1D(), layers.Dense(2),
    ])  # fmt: skip
    model.export(tmp_path / "m.onnx")
    ids = np.random.default_rng(0).integers(0, 7, (4, 5)).astype("float32")
    y = predicted(tmp_path / "m.onnx", ids)
    np.testing.assert_allclose(y, model.predict(ids, verbose=0), rtol=1e-5, atol=1e-6)
