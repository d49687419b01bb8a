"""ONNX nodes of the layers beyond Dense, and of the rarer activations; see `onnx`."""

import numpy as np

from ...layers.axes import axes_of
from .export import activates, along, converts

# -------------------------------------------------------------------------------------- layout


converts("Permute")(lambda g, layer, x: g.node("Transpose", x, perm=[0, *layer.dims]))


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
    """Return the mean over the steps that are no padding; 0 where all are."""
    mask, one = g.masks[x], g.constant([1], "int64")
    count = g.node("Max", g.node("ReduceSum", mask, one, keepdims=1), 1.0)  # (N, 1)
    w = g.node("Unsqueeze", g.node("Div", mask, count), g.constant([3 - axis], "int64"))
    return g.node("ReduceSum", g.node("Mul", x, w), g.constant([axis], "int64"),
                  keepdims=int(keepdims))  # fmt: skip


@converts("Embedding")
def _embedding(g, layer, x):
    ids = g.node("Cast", x, to=g.onnx.TensorProto.INT64)
    y = g.node("Gather", layer.embeddings.numpy(), ids)
    if layer.mask_zero:
        kept = g.node("Not", g.node("Equal", ids, g.constant(0, "int64")))
        g.masks[y] = g.node("Cast", kept, to=g.onnx.helper.np_dtype_to_tensor_dtype(g.dtype))
    return y


# ------------------------------------------------------------------------------- normalization


@converts("Rescaling")
def _rescaling(g, layer, x):
    return g.node("Add", g.node("Mul", x, np.asarray(layer.scale)), np.asarray(layer.offset))


@converts("Normalization")
def _normalization(g, layer, x):
    axes = axes_of(layer, layer.axis, layer.input_shape)
    mean, variance = (
        along(layer, axes, np.asarray(v)) for v in (layer.adapt_mean, layer.adapt_variance)
    )
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    if layer.invert:
        return g.node("Add", g.node("Mul", x, deviation), mean)
    return g.node("Div", g.node("Sub", x, mean), deviation)


@converts("LayerNormalization", "RMSNormalization", "UnitNormalization")
def _row_normalization(g, layer, x):
    axes = axes_of(layer, layer.axis, layer.input_shape)
    if layer.kind == "layer":
        x = g.node("Sub", x, g.node("ReduceMean", x, axes=axes))
    if layer.kind == "unit":
        norm = g.node("Sqrt", g.node("ReduceSumSquare", x, axes=axes))
        return g.node("Div", x, g.node("Max", norm, layer.epsilon))
    squares = g.node("ReduceMean", g.node("Mul", x, x), axes=axes)
    y = g.node("Div", x, g.node("Sqrt", g.node("Add", squares, layer.epsilon)))
    for operator, parameter in (("Mul", layer.gamma), ("Add", layer.beta)):
        if parameter is not None:
            y = g.node(operator, y, along(layer, axes, parameter.numpy()))
    return y


# ------------------------------------------------------------------------- rarer activations

activates("relu6")(lambda g, x: g.node("Clip", x, 0.0, 6.0))
activates("celu")(lambda g, x, alpha=1.0: g.node("Celu", x, alpha=float(alpha)))
activates("hard_shrink")(
    lambda g, x, threshold=0.5: g.node(
        "Where", g.node("Greater", g.node("Abs", x), threshold), x, 0.0
    )
)
activates("threshold")(
    lambda g, x, threshold, default_value: g.node(
        "Where", g.node("Greater", x, threshold), x, default_value
    )
)
activates("hard_tanh")(lambda g, x: g.node("Clip", x, -1.0, 1.0))
activates("tanh_shrink")(lambda g, x: g.node("Sub", x, g.node("Tanh", x)))
activates("log_sigmoid")(lambda g, x: g.node("Neg", g.node("Softplus", g.node("Neg", x))))
activates("sparse_sigmoid")(lambda g, x: g.node("HardSigmoid", x, alpha=0.5, beta=0.5))
activates("hard_silu", "hard_swish")(
    lambda g, x: g.node("Mul", x, g.node("HardSigmoid", x, alpha=1 / 6, beta=0.5))
)


@activates("squareplus")
def _squareplus(g, x, b=4.0):
    root = g.node("Sqrt", g.node("Add", g.node("Mul", x, x), b))
    return g.node("Mul", g.node("Add", x, root), 0.5)


@activates("soft_shrink")
def _soft_shrink(g, x, threshold=0.5):
    below = g.node("Add", g.node("Min", x, -threshold), threshold)
    return g.node("Add", below, g.node("Sub", g.node("Max", x, threshold), threshold))


@activates("sparse_plus")
def _sparse_plus(g, x):
    up = g.node("Add", g.node("Clip", x, -1.0, 1.0), 1.0)
    bend = g.node("Mul", g.node("Mul", up, up), 0.25)
    return g.node("Where", g.node("Less", x, 1.0), bend, x)


@activates("glu")
def _glu(g, x, axis=-1):
    first, second = g.nodes_of("Split", 2, x, axis=axis)
    return g.node("Mul", first, g.node("Sigmoid", second))


@activates("sparsemax")
def _sparsemax(g, x, axis=-1):
    """max(x - t, 0), where t makes it sum to 1: of the k largest z_1 >= z_2 >= ..., those count
    for which 1 + k z_k > z_1 + ... + z_k, and t = (their sum - 1) / their number."""
    axes = g.constant([axis], "int64")
    size = g.node("Gather", g.node("Shape", x), axes)
    z = g.node("TopK", x, size, axis=axis)
    g.nodes[-1].output.append(f"{z}_places")
    direction = g.constant(axis, "int64")
    k = g.node("CumSum", g.node("Expand", 1.0, g.node("Shape", x)), direction)
    counts = g.node(
        "Greater", g.node("Add", g.node("Mul", k, z), 1.0), g.node("CumSum", z, direction)
    )
    total = g.node("ReduceSum", g.node("Where", counts, z, 0.0), axes)
    number = g.node("ReduceSum", g.node("Where", counts, 1.0, 0.0), axes)
    t = g.node("Div", g.node("Sub", total, 1.0), number)
    return g.node("Max", g.node("Sub", x, t), 0.0)
