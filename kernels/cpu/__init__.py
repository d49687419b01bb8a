"""The kernels on the CPU: the interface of `reference`, computed by compiled Numba code.

A kernel here is written as instructions for the machine in `machine/loop.py`: which arrays, which
sizes, which numbers. Called as a function it runs them at once; `kernel.instructions(...)` returns
them instead, and that is how a whole training step is recorded and replayed. What the machine has
no instruction for (a broadcast, an unusual layout) is left to the reference. Denormal numbers
(below 1.2e-38 in float32) count as zero.

By topic: `products`, `layers`, `losses`, `updates` and what they are made of. `machine/` is what
runs them: `call` (a call as an instruction), `program` (a recorded step, bound to its arrays and
split over threads), `loop` (the loop), `operands` (how an instruction finds its arrays), `native`
(BLAS by address, atomics). `zeros/` are products that leave out the zeros of x.
"""

import dataclasses
import functools
import math

import numpy as np

from .. import reference
from ..recording import RunningStep, Slot, Unsupported
from ..reference import (  # on this device they are the same
    binary_matches,
    categorical_matches,
    from_host,
    sparse_matches,
    to_host,
)
from .elementwise import KINDS
from .elementwise_rare import KINDS as RARE_KINDS
from .instructions import INSTRUCTIONS
from .layers import (
    activity_penalty,
    activity_penalty_grad,
    add,
    deviation,
    dropout_mask,
    embedding,
    embedding_grad,
    glu,
    glu_grad,
    log_softmax,
    log_softmax_grad,
    mask_weights,
    max_steps,
    max_steps_grad,
    multiply,
    normal_mask,
    prelu,
    prelu_grad,
    repeat,
    rownorm,
    rownorm_grad,
    softmax,
    softmax_grad,
    sparsemax,
    sparsemax_grad,
    sum_steps,
    transpose,
)
from .machine.call import (
    Instruction,
    empty,
    execute,
    kernel,
    on_columns,
    on_flat,
    on_rows,
    plain,
    same_shape,
    zeros,
)
from .machine.loop import COLUMNS, FLAT, ROWS
from .machine.program import Machine
from .machine.threads import single_threaded_blas

# what is here for others: the interface, and what recording needs
__all__ = [
    "FLAT",
    "Machine",
    "RunningStep",
    "Slot",
    "Unsupported",
    "activity_penalty",
    "activity_penalty_grad",
    "add",
    "binary_matches",
    "categorical_matches",
    "deviation",
    "dropout_mask",
    "embedding",
    "embedding_grad",
    "empty",
    "from_host",
    "glu",
    "glu_grad",
    "log_softmax",
    "log_softmax_grad",
    "mask_weights",
    "max_steps",
    "max_steps_grad",
    "multiply",
    "normal_mask",
    "prelu",
    "prelu_grad",
    "repeat",
    "rownorm",
    "rownorm_grad",
    "single_threaded_blas",
    "softmax",
    "softmax_grad",
    "sparse_matches",
    "sparsemax",
    "sparsemax_grad",
    "sum_steps",
    "to_host",
    "transpose",
    "zeros",
]


def gather(data, rows, *, out):
    reference.gather(data, rows, out=out)


# ------------------------------------------------------------------------------------- linear


def _linear(x, W, b, *, y):
    sizes = (x.shape[-1], y.shape[-1])
    yield on_rows("linear", (x, W, b, y), sizes, fixed=(1, 2))


def _linear_dx(dy, W, *, dx):
    yield on_rows("linear_dx", (dy, W, dx), (dx.shape[-1], dy.shape[-1]), fixed=(1,))


def _linear_dW(x, dy, *, dW):
    plain(x, dy, dW)
    yield Instruction("linear_dW", COLUMNS, (x, dy, dW), (0, 1), len(x), dW.shape)


def _direct(instructions):
    """A matrix product on its own is best left to BLAS and all its threads, as the reference does;
    within a recorded step every thread multiplies its own rows."""
    run = functools.wraps(getattr(reference, instructions.__name__[1:]))(
        lambda *args, **outputs: getattr(reference, instructions.__name__[1:])(*args, **outputs)
    )
    run.instructions = instructions
    return run


linear, linear_dx, linear_dW = _direct(_linear), _direct(_linear_dx), _direct(_linear_dW)


@kernel
def sum_rows(x, *, out):
    yield on_columns("sum_rows", (x, out), (0,))


@kernel
def affine(x, scale, shift, *, y):
    yield on_rows("affine", (x, y), numbers=(scale, shift))


# ------------------------------------------------------------------------------------ merging


@kernel
def add_to(x, *, total):
    yield on_flat("add_to", (total.reshape(-1), x.reshape(-1)), ())


@kernel
def maximum(x, z, *, y):
    same_shape(x, z, y)
    yield on_rows("maximum", (x, z, y))


@kernel
def maximum_grad(x, z, dy, *, dx, dz):
    same_shape(x, z, dy)
    yield on_rows("maximum_grad", (x, z, dy, dx, dz))


@kernel
def put_columns(x, first, *, y):
    yield on_rows("put_columns", (x, y), (x.shape[1], y.shape[1]), flags=(first,))


@kernel
def take_columns(y, first, *, x):
    yield on_rows("take_columns", (y, x), (x.shape[1], y.shape[1]), flags=(first,))


# -------------------------------------------------------------------------------- activations


@kernel
def elementwise(kind, x, params, *, y):
    name, number = _which(kind)
    yield on_rows(name, (x, y), flags=(number,), numbers=params)


@kernel
def elementwise_grad(kind, x, y, dy, params, *, dx):
    name, number = _which(kind)
    yield on_rows(name + "_grad", (x, y, dy, dx), flags=(number,), numbers=params)


def _which(kind):
    """The instruction for an activation and the activation's number in it; they compile apart."""
    if kind in RARE_KINDS:
        return "elementwise_rare", RARE_KINDS[kind]
    return "relu" if kind == "relu" else "elementwise", KINDS[kind]


# ------------------------------------------------------------------------ batch normalization


@kernel
def batchnorm(x, gamma, beta, epsilon, *, y, xhat, mean, var):
    yield on_columns("batchnorm_statistics", (x, mean, var), (0,))
    yield _apply(x, gamma, beta, mean, var, epsilon, y, xhat)


@kernel
def batchnorm_inference(x, gamma, beta, mean, var, epsilon, *, y, xhat):
    yield _apply(x, gamma, beta, mean, var, epsilon, y, xhat)


def _apply(x, gamma, beta, mean, var, epsilon, y, xhat):
    arrays = (x, gamma, beta, mean, var, y, xhat)
    return on_rows("batchnorm_apply", arrays, numbers=(epsilon,), fixed=(1, 2, 3, 4))


@kernel
def batchnorm_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    yield from _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, len(xhat))


@kernel
def batchnorm_inference_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    yield from _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, 0)


def _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, rows):
    along, plain = np.empty_like(var), np.empty_like(var)  # (D,)
    yield on_columns("batchnorm_sums", (xhat, dy, along, plain, dgamma, dbeta), (0, 1))
    if dx is not None:
        arrays, fixed = (xhat, gamma, var, dy, along, plain, dx), (1, 2, 4, 5)
        yield on_rows("batchnorm_dx", arrays, flags=(rows,), numbers=(epsilon,), fixed=fixed)


@kernel
def moving_average(x, momentum, *, average):
    yield on_columns("moving_average", (x, average), (), numbers=(momentum,))


# ------------------------------------------------------------------------------------- losses


def _loss(op, z, targets, w, p, losses, dz, numbers=()):
    plain(z, w, losses)
    if targets.dtype not in (z.dtype, np.int64) or not targets.flags.c_contiguous:
        raise Unsupported(f"targets of dtype {targets.dtype}")
    arrays = (z, targets, w, p, losses, dz)
    return Instruction(op, ROWS, arrays, tuple(range(6)), len(z), (z.shape[1],), (), numbers)


@kernel
def sparse_softmax_crossentropy(z, labels, w, *, p, losses, dz):
    yield _loss("sparse_softmax_crossentropy", z, labels, w, p, losses, dz)


@kernel
def softmax_crossentropy(z, targets, w, *, p, losses, dz):
    yield _loss("softmax_crossentropy", z, targets, w, p, losses, dz)


@kernel
def sigmoid_crossentropy(z, targets, w, *, p, losses, dz):
    yield _loss("sigmoid_crossentropy", z, targets, w, p, losses, dz)


@kernel
def sparse_crossentropy(p, labels, w, epsilon, *, losses, dp):
    yield _loss("sparse_crossentropy", p, labels, w, None, losses, dp, (epsilon,))


@kernel
def crossentropy(p, targets, w, epsilon, *, losses, dp):
    yield _loss("crossentropy", p, targets, w, None, losses, dp, (epsilon,))


@kernel
def binary_crossentropy(p, targets, w, epsilon, *, losses, dp):
    yield _loss("binary_crossentropy", p, targets, w, None, losses, dp, (epsilon,))


@kernel
def focal_crossentropy(p, targets, alpha, w, gamma, epsilon, *, losses, dp):
    plain(p, alpha)
    loss = _loss("focal_crossentropy", p, targets, w, alpha, losses, dp, (gamma, epsilon))
    yield dataclasses.replace(loss, rows=(0, 1, 2, 4, 5))  # alpha is one row for all


@kernel
def elementwise_loss(kind, y, targets, params, w, *, losses, dy):
    yield _loss(kind, y, targets, w, None, losses, dy, params)


@kernel
def categorical_hinge(y, targets, w, *, losses, dy):
    yield _loss("categorical_hinge", y, targets, w, None, losses, dy)


@kernel
def cosine_similarity(y, targets, w, epsilon, *, losses, dy):
    yield _loss("cosine_similarity", y, targets, w, None, losses, dy, (epsilon,))


def add_loss_instruction(losses):
    """Count the weighted losses of a batch towards the step's loss."""
    return on_rows("add_loss", (losses,))


# ------------------------------------------------- penalties, clipping, updates (flat vectors)


@kernel
def penalty_grad(w, l1, l2, *, dw):
    arrays = (None if dw is None else dw.reshape(-1), w.reshape(-1))
    plain(*arrays)
    yield Instruction("penalty_grad", FLAT, arrays, (), w.size, (), (), (l1, l2))


@kernel
def clip_by_value(c, *, g):
    yield on_flat("clip_by_value", (g,), (c,))


@kernel
def clip_by_norm(c, *, g):
    yield on_flat("clip_by_norm", (g,), (c,))


@kernel
def scale_(factor, *, x):
    yield on_flat("scale_", (x,), (factor,))


@kernel
def sgd(g, lr, momentum, nesterov, *, w, m):
    yield on_flat("sgd", (g, w, m), (lr, momentum, nesterov))


@kernel
def rmsprop(g, lr, rho, momentum, epsilon, *, w, v, a, m):
    yield on_flat("rmsprop", (g, w, v, a, m), (lr, rho, momentum, epsilon))


@kernel
def adam(g, alpha, beta_1, beta_2, epsilon, *, w, m, v, v_max):
    yield on_flat("adam", (g, w, m, v, v_max), (alpha, beta_1, beta_2, epsilon))


@kernel
def nadam(g, m_rate, g_rate, beta_1, beta_2, v_root, epsilon, *, w, m, v):
    yield on_flat("nadam", (g, w, m, v), (m_rate, g_rate, beta_1, beta_2, v_root, epsilon))


@kernel
def adamax(g, alpha, beta_1, beta_2, epsilon, *, w, m, u):
    yield on_flat("adamax", (g, w, m, u), (alpha, beta_1, beta_2, epsilon))


@kernel
def adagrad(g, lr, epsilon, *, w, a):
    yield on_flat("adagrad", (g, w, a), (lr, epsilon))


@kernel
def adadelta(g, lr, rho, epsilon, *, w, a, x):
    yield on_flat("adadelta", (g, w, a, x), (lr, rho, epsilon))


@kernel
def lion(g, lr, beta_1, beta_2, *, w, m):
    yield on_flat("lion", (g, w, m), (lr, beta_1, beta_2))


@kernel
def ftrl(g, lr, power, l1, l2, shrinkage, *, w, n, z):
    yield on_flat("ftrl", (g, w, n, z), (lr, power, l1, l2, shrinkage))


@kernel
def lamb(g, lr, beta_1, beta_2, m_scale, v_scale, epsilon, *, w, m, v):
    yield on_flat("lamb", (g, w, m, v), (lr, beta_1, beta_2, m_scale, v_scale, epsilon))


@kernel
def adafactor(g, rate, beta_2, epsilon_1, epsilon_2, threshold, *, w, r, c, v):
    arrays = tuple(None if a is None else a.reshape(-1) for a in (g, w, v, r, c))
    R, C = (0, w.size) if r is None else w.shape[-2:]
    plain(g, w, v, r, c)
    numbers = (rate, beta_2, epsilon_1, epsilon_2, threshold)
    yield on_flat("adafactor", arrays, numbers, flags=(R, C))


@kernel
def accumulate(due, steps, *, g, total):
    yield on_flat("accumulate", (g, total), (due, steps))


@kernel
def ema(momentum, overwrite, *, w, average):
    yield on_flat("ema", (w, average), (momentum, overwrite))


@kernel
def not_negative(*, w):
    yield on_flat("not_negative", (w.reshape(-1),), ())


@kernel
def limit_norm(low, high, rate, epsilon, axis, *, w):
    plain(w)
    axes = sorted(a % w.ndim for a in np.atleast_1d(axis).tolist())
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        raise Unsupported(f"norms along axes that are not neighbours: {axis}")
    R, B = math.prod(w.shape[axes[0] : axes[-1] + 1]), math.prod(w.shape[axes[-1] + 1 :])
    yield on_flat("limit_norm", (w.reshape(-1),), (low, high, rate, epsilon), flags=(R, B))


# --------------------------------------------------------------------------- recorded programs


def warmup(dtype):
    """Compile all instructions for a dtype; returns their number."""
    for one in INSTRUCTIONS.values():
        one.address(np.dtype(dtype))
    execute(Instruction("relu", ROWS, (np.zeros((1, 1), dtype),) * 2, (0, 1), 1, (1,)))
    return len(INSTRUCTIONS)
