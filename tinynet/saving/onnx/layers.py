"""ONNX nodes of the layers beyond Dense, and of the rarer activations; see `onnx`."""

import numpy as np

from ...layers.axes import axes_of
from .export import activates, converts

# -------------------------------------------------------------------------------------- layout


@converts("Identity", "ActivityRegularization", "GaussianNoise", "GaussianDropout", "AlphaDropout")
def _nothing(g, layer, x):
    return x


@converts("Reshape")
def _reshape(g, layer, x):
    return g.node("Reshape", x, g.constant([-1, *layer.output_shape[1:]], "int64"))


@converts("Permute")
def _permute(g, layer, x):
    return g.node("Transpose", x, perm=[0, *layer.dims])


@converts("RepeatVector")
def _repeat(g, layer, x):
    tall = g.node("Unsqueeze", x, g.constant([1], "int64"))  # (N, 1, D)
    return g.node("Tile", tall, g.constant([1, layer.n, 1], "int64"))


@converts("GlobalAveragePooling1D", "GlobalMaxPooling1D")
def _pooling(g, layer, x):
    axis = 1 if layer.data_format == "channels_last" else 2
    if type(layer).__name__ == "GlobalMaxPooling1D":
        return g.node("ReduceMax", x, axes=[axis], keepdims=int(layer.keepdims))
    if x in g.masks:
        return _masked_mean(g, x, axis, layer.keepdims)
    return g.node("ReduceMean", x, axes=[axis], keepdims=int(layer.keepdims))


def _masked_mean(g, x, axis, keepdims):
    """The mean over the steps that are no padding; 0 where all are."""
    mask, one = g.masks[x], g.constant([1], "int64")
    count = g.node("Max", g.node("ReduceSum", mask, one, keepdims=1), g.constant(1.0))  # (N, 1)
    w = g.node("Unsqueeze", g.node("Div", mask, count), g.constant([3 - axis], "int64"))
    return g.node("ReduceSum", g.node("Mul", x, w), g.constant([axis], "int64"),
                  keepdims=int(keepdims))  # fmt: skip


@converts("Embedding")
def _embedding(g, layer, x):
    ids = g.node("Cast", x, to=g.onnx.TensorProto.INT64)
    y = g.node("Gather", g.constant(layer.embeddings.numpy()), ids)
    if layer.mask_zero:
        kept = g.node("Not", g.node("Equal", ids, g.constant(0, "int64")))
        g.masks[y] = g.node("Cast", kept, to=g.onnx.helper.np_dtype_to_tensor_dtype(g.dtype))
    return y


# ------------------------------------------------------------------------------- normalization


def _along(layer, axes, value):
    """Numbers for some axes of the layer's input, shaped to go with all of it."""
    shape = [1] * len(layer.input_shape)
    for a, size in zip(axes, np.shape(value), strict=True):
        shape[a] = size
    return np.reshape(value, shape)


@converts("Rescaling")
def _rescaling(g, layer, x):
    y = g.node("Mul", x, g.constant(np.asarray(layer.scale, g.dtype)))
    return g.node("Add", y, g.constant(np.asarray(layer.offset, g.dtype)))


@converts("Normalization")
def _normalization(g, layer, x):
    axes = axes_of(layer, layer.axis, layer.input_shape)
    mean, variance = (_along(layer, axes, np.asarray(v)) for v in (layer.mean, layer.variance))
    deviation = g.constant(np.maximum(np.sqrt(variance), 1e-7))
    if layer.invert:
        return g.node("Add", g.node("Mul", x, deviation), g.constant(mean))
    return g.node("Div", g.node("Sub", x, g.constant(mean)), deviation)


@converts("LayerNormalization", "RMSNormalization", "UnitNormalization")
def _row_normalization(g, layer, x):
    axes = axes_of(layer, layer.axis, layer.input_shape)
    epsilon = g.constant(layer.epsilon)
    if layer.kind == "layer":
        x = g.node("Sub", x, g.node("ReduceMean", x, axes=axes))
    if layer.kind == "unit":
        norm = g.node("Sqrt", g.node("ReduceSumSquare", x, axes=axes))
        return g.node("Div", x, g.node("Max", norm, epsilon))
    squares = g.node("ReduceMean", g.node("Mul", x, x), axes=axes)
    y = g.node("Div", x, g.node("Sqrt", g.node("Add", squares, epsilon)))
    for operator, parameter in (("Mul", layer.gamma), ("Add", layer.beta)):
        if parameter is not None:
            y = g.node(operator, y, g.constant(_along(layer, axes, parameter.numpy())))
    return y


# ------------------------------------------------------------------------- rarer activations


def _clip(g, x, low, high):
    return g.node("Clip", x, g.constant(low), g.constant(high))


def _where(g, operator, x, limit, yes, no):
    """yes where x > limit (or another comparison), else no; numbers or names."""
    yes, no = (v if isinstance(v, str) else g.constant(v) for v in (yes, no))
    return g.node("Where", g.node(operator, x, g.constant(limit)), yes, no)


@activates("relu6")
def _relu6(g, x):
    return _clip(g, x, 0.0, 6.0)


@activates("celu")
def _celu(g, x, alpha=1.0):
    return g.node("Celu", x, alpha=float(alpha))


@activates("squareplus")
def _squareplus(g, x, b=4.0):
    root = g.node("Sqrt", g.node("Add", g.node("Mul", x, x), g.constant(b)))
    return g.node("Mul", g.node("Add", x, root), g.constant(0.5))


@activates("soft_shrink")
def _soft_shrink(g, x, threshold=0.5):
    below = g.node("Add", g.node("Min", x, g.constant(-threshold)), g.constant(threshold))
    above = g.node("Sub", g.node("Max", x, g.constant(threshold)), g.constant(threshold))
    return g.node("Add", below, above)


@activates("hard_shrink")
def _hard_shrink(g, x, threshold=0.5):
    far = g.node("Greater", g.node("Abs", x), g.constant(threshold))
    return g.node("Where", far, x, g.constant(0.0))


@activates("threshold")
def _threshold(g, x, threshold, default_value):
    return _where(g, "Greater", x, threshold, x, default_value)


@activates("sparse_plus")
def _sparse_plus(g, x):
    up = g.node("Add", _clip(g, x, -1.0, 1.0), g.constant(1.0))
    bend = g.node("Mul", g.node("Mul", up, up), g.constant(0.25))
    return _where(g, "Less", x, 1.0, bend, x)


@activates("hard_tanh")
def _hard_tanh(g, x):
    return _clip(g, x, -1.0, 1.0)


@activates("tanh_shrink")
def _tanh_shrink(g, x):
    return g.node("Sub", x, g.node("Tanh", x))


@activates("log_sigmoid")
def _log_sigmoid(g, x):
    return g.node("Neg", g.node("Softplus", g.node("Neg", x)))


@activates("sparse_sigmoid")
def _sparse_sigmoid(g, x):
    return g.node("HardSigmoid", x, alpha=0.5, beta=0.5)


@activates("hard_silu", "hard_swish")
def _hard_silu(g, x):
    return g.node("Mul", x, g.node("HardSigmoid", x, alpha=1 / 6, beta=0.5))


@activates("glu")
def _glu(g, x, axis=-1):
    first, second = g.nodes_of("Split", 2, x, axis=axis)
    return g.node("Mul", first, g.node("Sigmoid", second))


@activates("sparsemax")
def _sparsemax(g, x, axis=-1):
    """max(x - t, 0), where t makes it sum to 1: of the k largest z_1 >= z_2 >= ..., those count
    for which 1 + k z_k > z_1 + ... + z_k, and t = (their sum - 1) / their number."""
    axes, one = g.constant([axis], "int64"), g.constant(1.0)
    size = g.node("Gather", g.node("Shape", x), axes)
    z = g.node("TopK", x, size, axis=axis)
    g.nodes[-1].output.append(f"{z}_places")
    along = g.constant(axis, "int64")
    k = g.node("CumSum", g.node("Expand", one, g.node("Shape", x)), along)
    counts = g.node("Greater", g.node("Add", g.node("Mul", k, z), one), g.node("CumSum", z, along))
    total = g.node("ReduceSum", g.node("Where", counts, z, g.constant(0.0)), axes)
    number = g.node("ReduceSum", g.node("Where", counts, one, g.constant(0.0)), axes)
    t = g.node("Div", g.node("Sub", total, one), number)
    return g.node("Max", g.node("Sub", x, t), g.constant(0.0))
