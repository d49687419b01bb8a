"""The kernels on an NVIDIA card: the interface of `reference`, computed by our CUDA kernels.

A kernel here is written as launches: which CUDA kernel of `cuda/`, over which arrays. Called
as a function it starts them at once; `kernel.instructions(...)` returns them instead, and that is
how a whole training step is recorded, captured into a CUDA graph and replayed.

By topic: `products`, `layers`, `activations`, `losses`, `metrics`, `sums`, `updates`. `machine/`:
`program` (a recorded step as a graph), `call` (a call as launches), `order` (which launches wait
for which), `options` (the environment). `passes/` make fewer launches of a step: `fusion`,
`epilogues`, `tiles`, and `persistent` (one kernel that stays). `card/`: `runtime` (CuPy, cuBLAS,
streams), `cublaslt`, `data` (data sets on the card), `feed` (larger ones in pieces), `survey` (is
there a card, and what is missing), `sources`; `cuda/` is the arithmetic.
Importing this needs neither CuPy nor a card; `require()` says whether both are there.
"""

import contextlib

import numpy as np

from .. import reference
from ..recording import RunningStep, Slot, Unsupported
from .activations import (
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
from .card import data as card_data
from .card import runtime as card_runtime
from .card.runtime import OutOfMemory
from .card.sources import DTYPES
from .card.survey import Unusable
from .layers import (
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
from .losses import (
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
from .machine.call import Launch, execute
from .machine.launches import plain
from .machine.program import Machine
from .metrics import count_matches_instructions
from .products import (
    add,
    affine,
    linear,
    linear_dW,
    linear_dx,
    multiply,
    sum_rows,
)
from .sums import (
    add_loss_instruction,
    penalty_grad,
)
from .updates import (
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
    card_runtime.current()


def __getattr__(name):
    """A kernel of the interface that is missing here, by its name."""
    if not name.startswith("_") and hasattr(reference, name):
        raise AttributeError(
            f"the gpu device has no kernel {name!r} yet; use device 'cpu' or 'reference'"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ------------------------------------------------------------------------------------- arrays


def empty(shape, dtype):
    return card_runtime.current().empty(shape, dtype)


def zeros(shape, dtype):
    return card_runtime.current().zeros(shape, dtype)


def from_host(array):
    return card_runtime.current().to_card(array)


def to_host(array):
    return card_runtime.current().to_host(array)


def gather(data, rows, *, out):
    runtime = card_runtime.current()
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
    card_data.resident.clear()
    card_runtime.current().trim()


@contextlib.contextmanager
def single_threaded_blas(rows):
    """Nothing to limit: the products are made on the card."""
    yield
