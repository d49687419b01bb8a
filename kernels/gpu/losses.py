"""The gpu's losses, and the metrics that count hits."""

import numpy as np

from ..recording import Unsupported
from ..reference.losses import ELEMENTWISE_LOSSES
from .card import runtime as card_runtime
from .machine.call import execute, kernel
from .machine.launches import number, on_rows, plain

# ------------------------------------------------------------------------------------- losses


def _loss(name, z, targets, w, outputs, numbers=(), kind=()):
    plain(z, w, *outputs)
    wanted = np.dtype(np.int64) if name.startswith("sparse") else z.dtype
    if targets.dtype != wanted:
        raise Unsupported(f"targets of dtype {targets.dtype}, expected {wanted}")
    return on_rows(name, (z, targets, w), numbers, kind, outputs)


def _targets_of_any_dtype(loss):
    """Called as a function, a loss takes targets of any dtype."""

    def run(*args, **outputs):
        at = next(i for i, a in enumerate(args) if not isinstance(a, str)) + 1
        sparse = loss.__name__.startswith("sparse")
        dtype = np.dtype(np.int64) if sparse else args[at - 1].dtype
        targets = args[at] if args[at].dtype == dtype else args[at].astype(dtype)
        loss(*args[:at], targets, *args[at + 1 :], **outputs)

    run.instructions, run.__name__ = loss.instructions, loss.__name__
    run.__signature__ = loss.__signature__
    return run


@_targets_of_any_dtype
@kernel
def sparse_softmax_crossentropy(z, labels, w, *, p, losses, dz):
    yield _loss("sparse_softmax_crossentropy", z, labels, w, (p, losses, dz))


@_targets_of_any_dtype
@kernel
def softmax_crossentropy(z, targets, w, *, p, losses, dz):
    yield _loss("softmax_crossentropy", z, targets, w, (p, losses, dz))


@_targets_of_any_dtype
@kernel
def sigmoid_crossentropy(z, targets, w, *, p, losses, dz):
    yield _loss("sigmoid_crossentropy", z, targets, w, (p, losses, dz))


@_targets_of_any_dtype
@kernel
def sparse_crossentropy(p, labels, w, epsilon, *, losses, dp):
    yield _loss("sparse_crossentropy", p, labels, w, (losses, dp), (number(epsilon),))


@_targets_of_any_dtype
@kernel
def crossentropy(p, targets, w, epsilon, *, losses, dp):
    yield _loss("crossentropy", p, targets, w, (losses, dp), (number(epsilon),))


@_targets_of_any_dtype
@kernel
def binary_crossentropy(p, targets, w, epsilon, *, losses, dp):
    yield _loss("binary_crossentropy", p, targets, w, (losses, dp), (number(epsilon),))


@_targets_of_any_dtype
@kernel
def focal_crossentropy(p, targets, alpha, w, gamma, epsilon, *, losses, dp):
    plain(p, alpha)
    one = _loss("focal_crossentropy", p, targets, w, (losses, dp), (number(gamma), number(epsilon)))
    one.args = (*one.args[:2], alpha, *one.args[2:])
    yield one


@_targets_of_any_dtype
@kernel
def elementwise_loss(kind, y, targets, params, w, *, losses, dy):
    which, numbers = list(ELEMENTWISE_LOSSES).index(kind), (*map(number, params), *[0.0] * 4)[:4]
    yield _loss("elementwise_loss", y, targets, w, (losses, dy), numbers, (which,))


@_targets_of_any_dtype
@kernel
def categorical_hinge(y, targets, w, *, losses, dy):
    yield _loss("categorical_hinge", y, targets, w, (losses, dy))


@_targets_of_any_dtype
@kernel
def cosine_similarity(y, targets, w, epsilon, *, losses, dy):
    yield _loss("cosine_similarity", y, targets, w, (losses, dy), (number(epsilon),))


# --------------------------------------------------------------------------- metrics


def sparse_matches(p, labels, *, hits):
    _matches("sparse_matches", p, labels.astype(np.int64), hits)


def categorical_matches(p, targets, *, hits):
    _matches("categorical_matches", p, targets.astype(p.dtype), hits)


def binary_matches(p, targets, threshold, *, hits):
    _matches("binary_matches", p, targets.astype(p.dtype), hits, (number(threshold),))


def _matches(name, p, targets, hits, numbers=()):
    runtime = card_runtime.current()
    plain_one, found = (
        runtime.cupy.ascontiguousarray,
        card_runtime.empty(hits.shape, p.dtype.name),
    )
    arrays = (plain_one(p), plain_one(targets))
    execute(on_rows(name, arrays, numbers, outputs=(found,)), runtime)
    hits[...] = found
