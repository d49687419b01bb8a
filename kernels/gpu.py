"""The kernels on an NVIDIA card: the interface of `reference.py`, computed by our CUDA kernels.

A kernel here is written as launches: which CUDA kernel of `kernels/cuda`, over which arrays. Called
as a function it starts them at once; `kernel.instructions(...)` returns them instead, and that is
how a whole training step is recorded, captured into a CUDA graph and replayed.

The kernels by topic: `_gpu_products`, `_gpu_layers`, `_gpu_activations`, `_gpu_losses`,
`_gpu_metrics`, `_gpu_sums`, `_gpu_updates`, made of `_gpu_launches`. Behind them, from the top:
`_gpu_program` (a recorded step as a graph), `_gpu_fusion`, `_gpu_epilogues`, `_gpu_branches`,
`_gpu_persistent` (or in one kernel that stays), `_gpu_tiles`, `_gpu_order` (which launches wait
for which), `_gpu_data` (data sets on the card), `_gpu_feed` (larger ones in pieces), `_gpu_call` (a
call as launches), `_gpu_runtime` (CuPy, cuBLAS, streams), `_gpu_lt` (cuBLASLt), `_gpu_options` (the
environment), `_gpu_survey` (is there a card, and what is missing), `_gpu_sources` and `cuda/` (the
arithmetic). Importing this needs neither CuPy nor a card; `require()` says whether both are there.
"""

import contextlib

import numpy as np

from . import _gpu_data, _gpu_runtime, reference
from ._gpu_activations import (
    elementwise,
    elementwise_grad,
    glu,
    glu_grad,
    log_softmax,
    log_softmax_grad,
    prelu,
    prelu_grad,
    softmax,
    softmax_grad,
    sparsemax,
    sparsemax_grad,
)
from ._gpu_call import Launch, execute
from ._gpu_launches import plain
from ._gpu_layers import (
    activity_penalty,
    activity_penalty_grad,
    add_to,
    batchnorm,
    batchnorm_grad,
    batchnorm_inference,
    batchnorm_inference_grad,
    deviation,
    dropout_mask,
    embedding,
    embedding_grad,
    mask_weights,
    max_steps,
    max_steps_grad,
    maximum,
    maximum_grad,
    moving_average,
    normal_mask,
    put_columns,
    repeat,
    rownorm,
    rownorm_grad,
    sum_steps,
    take_columns,
    transpose,
)
from ._gpu_losses import (
    binary_crossentropy,
    binary_matches,
    categorical_hinge,
    categorical_matches,
    cosine_similarity,
    crossentropy,
    elementwise_loss,
    focal_crossentropy,
    sigmoid_crossentropy,
    softmax_crossentropy,
    sparse_crossentropy,
    sparse_matches,
    sparse_softmax_crossentropy,
)
from ._gpu_metrics import count_matches_instructions
from ._gpu_products import (
    add,
    affine,
    linear,
    linear_dW,
    linear_dx,
    multiply,
    sum_rows,
)
from ._gpu_program import Machine
from ._gpu_runtime import OutOfMemory
from ._gpu_sources import DTYPES
from ._gpu_sums import (
    add_loss_instruction,
    penalty_grad,
    penalty_instructions,
)
from ._gpu_survey import Unusable
from ._gpu_updates import (
    accumulate,
    adadelta,
    adafactor,
    adagrad,
    adam,
    adamax,
    clip_by_norm,
    clip_by_value,
    ema,
    ftrl,
    lamb,
    limit_norm,
    lion,
    nadam,
    not_negative,
    rmsprop,
    scale_,
    sgd,
)
from ._recording import RunningStep, Slot, Unsupported

__all__ = [
    "Machine",
    "OutOfMemory",
    "RunningStep",
    "Slot",
    "Unsupported",
    "Unusable",
    "accumulate",
    "activity_penalty",
    "activity_penalty_grad",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "add",
    "add_loss_instruction",
    "add_to",
    "affine",
    "batchnorm",
    "batchnorm_grad",
    "batchnorm_inference",
    "batchnorm_inference_grad",
    "binary_crossentropy",
    "binary_matches",
    "categorical_hinge",
    "categorical_matches",
    "clip_by_norm",
    "clip_by_value",
    "cosine_similarity",
    "count_matches_instructions",
    "crossentropy",
    "deviation",
    "dropout_mask",
    "elementwise",
    "elementwise_grad",
    "elementwise_loss",
    "ema",
    "embedding",
    "embedding_grad",
    "focal_crossentropy",
    "ftrl",
    "glu",
    "glu_grad",
    "lamb",
    "limit_norm",
    "linear",
    "linear_dW",
    "linear_dx",
    "lion",
    "log_softmax",
    "log_softmax_grad",
    "mask_weights",
    "max_steps",
    "max_steps_grad",
    "maximum",
    "maximum_grad",
    "moving_average",
    "multiply",
    "nadam",
    "normal_mask",
    "not_negative",
    "penalty_grad",
    "penalty_instructions",
    "prelu",
    "prelu_grad",
    "put_columns",
    "repeat",
    "rmsprop",
    "rownorm",
    "rownorm_grad",
    "scale_",
    "sgd",
    "sigmoid_crossentropy",
    "softmax",
    "softmax_crossentropy",
    "softmax_grad",
    "sparse_crossentropy",
    "sparse_matches",
    "sparse_softmax_crossentropy",
    "sparsemax",
    "sparsemax_grad",
    "sum_rows",
    "sum_steps",
    "take_columns",
    "transpose",
]


def require():
    """Raise `Unusable`, which says why, unless there is a card that can be used."""
    _gpu_runtime.current()


def __getattr__(name):
    """A kernel of the interface that is missing here, by its name."""
    if not name.startswith("_") and hasattr(reference, name):
        raise AttributeError(
            f"the gpu device has no kernel {name!r} yet; use device 'cpu' or 'reference'"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ------------------------------------------------------------------------------------- arrays


def empty(shape, dtype):
    return _gpu_runtime.current().empty(shape, dtype)


def zeros(shape, dtype):
    return _gpu_runtime.current().zeros(shape, dtype)


def from_host(array):
    return _gpu_runtime.current().to_card(array)


def to_host(array):
    return _gpu_runtime.current().to_host(array)


def gather(data, rows, *, out):
    runtime = _gpu_runtime.current()
    if not isinstance(data, runtime.cupy.ndarray):  # bring over just these rows, in their dtype
        data, rows = data[rows], slice(None)
    if data.dtype == bool:
        data = data.view(np.uint8)
    if data.dtype.name not in DTYPES or not data.dtype.isnative:
        data = data.astype(out.dtype)
    data = runtime.cupy.ascontiguousarray(runtime.to_card(data))
    if isinstance(rows, slice):
        rows = np.arange(*rows.indices(len(data)))
    if not isinstance(rows, runtime.cupy.ndarray):
        rows = np.asarray(rows)
    rows, D = runtime.to_card(rows.astype(np.int64)), out.size // max(len(out), 1)
    plain(out)
    stride, dtype = D * data.itemsize, DTYPES.index(data.dtype.name)
    args = (data, stride, dtype, rows, out.size, D, out)
    execute(Launch("gather", "entries", out.size, args, out.dtype.name), runtime)


# --------------------------------------------------------------------------- recorded programs


def release():
    """Give memory back that is only of use within one `fit`: data sets, and what lies idle."""
    _gpu_data.resident.clear()
    _gpu_runtime.current().trim()


@contextlib.contextmanager
def single_threaded_blas(rows):
    """Nothing to limit: the products are made on the card."""
    yield
