"""The gpu's kernels for layout, merging, pooling, embedding, noise and normalization; those that
are not here are a CUDA kernel each.
"""

import math

import numpy as np

from ..recording import RunningStep
from .card import runtime
from .machine.call import kernel
from .machine.launches import launch, row_size

# ------------------------------------------------------------------------------ layout, pooling


@kernel
def transpose(x, axes, *, y):
    index = np.arange(row_size(x.shape)).reshape(x.shape[1:])
    yield _taken(x, index.transpose([i - 1 for i in axes[1:]]), y)


@kernel
def repeat(x, *, y):
    yield _taken(x, np.tile(np.arange(row_size(x.shape)), y.shape[1]), y)


def _taken(x, index, y):
    """y[i, j] = x[i, index[j]], rows as they are."""
    index = runtime.to_card(np.ascontiguousarray(index, np.int64).ravel())
    return launch("take", own=(index,), x=x, index=index, E=row_size(x.shape), D=row_size(y.shape),
                  y=y)  # fmt: skip


def _by_steps(name, x, **others):
    """x (N, T, ...) beside (N, ...)."""
    T, D = x.shape[1], math.prod(x.shape[2:])
    yield launch(name, x=x, n=len(x) * D, T=T, D=D, **others)


for _name in ("sum_steps", "max_steps", "max_steps_grad"):
    kernel(_by_steps, _name)


@kernel
def embedding(ids, table, *, y):
    V, D = table.shape
    yield launch("embedding", ids=ids, table=table, V=V, D=D, y=y)


@kernel
def embedding_grad(ids, dy, *, dW):
    V, D = dW.shape
    yield launch("embedding_grad", size=V, ids=ids, dy=dy, count=ids.size, V=V, D=D, dW=dW)


def _columns(name, x, y, first):
    yield launch(name, x=x, y=y, first=first, n=x.size, D=x.shape[1], E=y.shape[1])


kernel(_columns, "put_columns")
kernel(_columns, "take_columns")

# ------------------------------------------------------------------------------------ dropout


def _noise(name, key, step, row, mask, **numbers):
    """A thread makes 8 entries of a row, or 4 that are normal."""
    R, (key0, key1) = len(mask), key
    D = mask.size // max(R, 1)
    # the number of the step, or -1 for the step that is being replayed
    step = -1 if isinstance(step, RunningStep) else step
    size = R * -(-D // (8 if name == "dropout_mask" else 4))
    yield launch(name, size=size, key0=key0, key1=key1, step=step, row=row, R=R, D=D, mask=mask,
                 **numbers)  # fmt: skip


kernel(_noise, "dropout_mask")
kernel(_noise, "normal_mask")

# ------------------------------------------------------------------------ batch normalization


@kernel
def batchnorm(x, gamma, beta, epsilon, *, y, xhat, mean, var):
    yield launch("batchnorm_statistics", x=x, mean=mean, var=var)
    yield _apply(x, gamma, beta, mean, var, epsilon, y, xhat)


@kernel
def batchnorm_inference(x, gamma, beta, mean, var, epsilon, *, y, xhat):
    yield _apply(x, gamma, beta, mean, var, epsilon, y, xhat)


def _apply(x, gamma, beta, mean, var, epsilon, y, xhat):
    return launch("batchnorm_apply", x=x, gamma=gamma, beta=beta, mean=mean, var=var,
                  epsilon=epsilon, D=mean.size, y=y, xhat=xhat)  # fmt: skip


def _normalized_grad(name, xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta):
    rows = len(xhat) if name == "batchnorm_grad" else 0  # that mean and variance depend on
    sums = _sums(xhat, dy, dgamma, dbeta)
    yield sums
    if dx is not None:
        along, plain = sums.own[:2]
        yield launch("batchnorm_dx", own=sums.own, xhat=xhat, gamma=gamma, var=var, dy=dy,
                     epsilon=epsilon, along=along, plain=plain, rows=rows, D=var.size,
                     dx=dx)  # fmt: skip


def _sums(xhat, dy, dgamma, dbeta):
    """Sums over the rows, of dy xhat and of dy; the launch's first `own` arrays hold them."""
    own = tuple(runtime.empty(xhat.shape[1:], xhat.dtype.name) for _ in range(2))
    return launch("batchnorm_sums", own=own, xhat=xhat, dy=dy, along=own[0], plain=own[1],
                  dgamma=dgamma, dbeta=dbeta)  # fmt: skip


kernel(_normalized_grad, "batchnorm_grad")
kernel(_normalized_grad, "batchnorm_inference_grad")

# ----------------------------------------------------------------------- normalization of rows

ROWNORM = {"layer": 0, "rms": 1, "unit": 2}


@kernel
def rownorm(kind, x, gamma, beta, epsilon, *, y, xhat, inv):
    yield launch("rownorm", kind=ROWNORM[kind], x=x, gamma=gamma, beta=beta, epsilon=epsilon, y=y,
                 xhat=xhat, inv=inv)  # fmt: skip


@kernel
def rownorm_grad(kind, xhat, gamma, inv, epsilon, dy, *, dx, dgamma, dbeta):
    if dgamma is not None or dbeta is not None:
        yield _sums(xhat, dy, dgamma, dbeta)
    if dx is not None:
        yield launch("rownorm_dx", kind=ROWNORM[kind], xhat=xhat, gamma=gamma, inv=inv, dy=dy,
                     epsilon=epsilon, dx=dx)  # fmt: skip


@kernel
def activity_penalty(x, l1, l2, *, losses):
    yield launch("activity_penalty", x=x, C=row_size(x.shape), l1=l1, l2=l2, losses=losses)
