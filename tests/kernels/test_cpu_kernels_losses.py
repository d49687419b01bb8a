"""Kernels of the losses and of metrics on the `cpu` device, against the reference."""

import numpy as np
import pytest
from kernel_pairs import both, compare, dtype_of, numbers, rng

from tinynet.kernels.reference.losses import ELEMENTWISE_LOSSES as TABLE_OF_LOSSES


@both
@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize(("N", "C"), [(1, 1), (1, 4), (6, 1), (33, 10), (5, 16)])
def test_losses(N, C, gradient, dtype, rng):
    z, t = 3 * numbers(rng, (N, C), dtype), rng.random((N, C)).astype(dtype)
    z[0, 0] = 60
    w = rng.random(N).astype(dtype)
    w[0] = 0 if N > 1 else 1
    labels, d = rng.integers(0, C, N), (N, C) if gradient else None
    p = 3 * rng.random((N, C)).astype(dtype) + dtype_of(dtype, 0.1)  # rows need not sum to 1
    binary = rng.random((N, C)).astype(dtype)
    if N > 1:
        p[1], p[1, 0], binary[1] = 0, 1, np.round(binary[1])  # clipped
    out = {"p": (N, C), "losses": (N,), "dz": d, "dtype": dtype}
    for ids in (labels, labels.astype(np.int32)):  # the second is left to the reference
        compare("sparse_softmax_crossentropy", z, ids, w, **out)
        compare("sparse_crossentropy", p, ids, w, 1e-7, losses=(N,), dp=d, dtype=dtype)
    compare("softmax_crossentropy", z, t, w, **out)
    compare("sigmoid_crossentropy", z, t, w, **out)
    compare("crossentropy", p, t, w, 1e-7, losses=(N,), dp=d, dtype=dtype)
    compare("binary_crossentropy", binary, t, w, 1e-7, losses=(N,), dp=d, dtype=dtype)
    alpha = rng.random(C).astype(dtype)
    for gamma in (2.0, 0.5, 0.0):
        compare("focal_crossentropy", p, t, alpha, w, gamma, 1e-7, losses=(N,), dp=d, dtype=dtype)
    t[-1] = z[-1]  # no error: the kink of |e|
    for y in (z, np.zeros_like(z)):  # rows without a direction, and ties everywhere
        compare("cosine_similarity", y, t, w, 1e-7, losses=(N,), dy=d, dtype=dtype)
        compare("cosine_similarity", t, y, w, 1e-7, losses=(N,), dy=d, dtype=dtype)
        compare("categorical_hinge", y, t, w, losses=(N,), dy=d, dtype=dtype)


KINDS = {  # options of the elementwise losses, and which predictions they take
    "squared": ((), "any"), "absolute": ((), "any"), "huber": ((0.8,), "any"),
    "percentage": ((1e-7,), "any"), "squared_log": ((1e-7,), "any"), "log_cosh": ((), "any"),
    "hinge": ((), "any"), "squared_hinge": ((), "any"), "poisson": ((1e-7,), "positive"),
    "kl_divergence": ((1e-7,), "share"), "binary_focal": ((2.0, 0.3, 0.7, 1e-7), "share"),
}  # fmt: skip


@both
@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize(("N", "C"), [(1, 1), (6, 1), (33, 10), (5, 16)])
def test_elementwise_losses(N, C, gradient, dtype, rng):
    assert set(KINDS) == set(TABLE_OF_LOSSES)
    w = rng.random(N).astype(dtype)
    for kind, (params, domain) in KINDS.items():
        z = numbers(rng, (N, C), dtype)
        y = {"any": z, "positive": abs(z), "share": np.round(rng.random((N, C)), 1).astype(dtype)}
        t = np.where(rng.random((N, C)) < 0.5, rng.integers(0, 2, (N, C)), rng.random((N, C)))
        t = t.astype(dtype)
        t[-1] = y[domain][-1]  # no error at all
        given = {"losses": (N,), "dy": (N, C) if gradient else None, "dtype": dtype}
        compare("elementwise_loss", kind, y[domain], t, params, w, **given)
        if kind == "binary_focal":
            for gamma in (0.0, 0.5, 1.0):
                params = (gamma, *params[1:])
                compare("elementwise_loss", kind, y[domain], t, params, w, **given)


@both
def test_metrics(dtype, rng):
    p, t = rng.random((7, 3)).astype(dtype), np.eye(3, dtype=dtype)[[0, 1, 2, 2, 1, 0, 0]]
    compare("sparse_matches", p, t.argmax(axis=1), hits=(7,), dtype=dtype)
    compare("categorical_matches", p, t, hits=(7,), dtype=dtype)
    compare("binary_matches", p, t, 0.5, hits=(7,), dtype=dtype)
