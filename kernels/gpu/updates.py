"""The gpu's updates and constraints that are not just the CUDA kernel of their name."""

import inspect
import math

import numpy as np

from .card import runtime
from .machine.call import kernel
from .machine.launches import by_entries, launch, plain
from .sums import parts_of_a_sum


@kernel
def update(rule, g, options, *, w, moments):
    given = dict(zip(inspect.signature(rule).parameters, (g, *options), strict=False))
    yield by_entries(rule, {**given, "w": w, **moments})


@kernel
def clip_by_norm(c, *, g):
    parts = parts_of_a_sum(g, "SQUARES")
    yield parts
    (partial,) = parts.own
    yield launch("clip_to_norm", own=(partial,), c=c, partial=partial, count=partial.size, g=g)


@kernel
def lamb(g, lr, beta_1, beta_2, m_scale, v_scale, epsilon, *, w, m, v):
    u = runtime.empty(g.shape, plain(g, w, m, v))
    yield launch("lamb_step", own=(u,), g=g, beta_1=beta_1, beta_2=beta_2, m_scale=m_scale,
                 v_scale=v_scale, epsilon=epsilon, m=m, v=v, u=u)  # fmt: skip
    yield from _scaled_step("lamb_update", w, u, lr=lr)


@kernel
def adafactor(g, rate, beta_2, epsilon_1, epsilon_2, threshold, *, w, r, c, v):
    dtype, means, (R, C) = plain(g, w, r, c, v), None, (1, 1)
    u, numbers = runtime.empty(g.shape, dtype), {"beta_2": beta_2, "epsilon": epsilon_1}
    if r is not None:
        R, C = w.shape[-2:]
        means = runtime.empty((w.size // (R * C),), dtype)
        yield launch("adafactor_rows", g=g, C=C, r=r, **numbers)
        for matrix, sums in zip(g.reshape(-1, R, C), c.reshape(-1, C), strict=True):
            yield launch("adafactor_columns", g=matrix, c=sums, **numbers)
        yield launch("row_means", own=(means,), r=r, C=R, means=means)
    yield launch("adafactor_step", own=(means, u), g=g, r=r, c=c, means=means, R=R, C=C, v=v, u=u,
                 **numbers)  # fmt: skip
    yield from _scaled_step("adafactor_update", w, u, rate=rate, least=epsilon_2,
                            threshold=threshold)  # fmt: skip


def _scaled_step(name, w, u, **numbers):
    """w -= a u, where a depends on the lengths of w and u."""
    lengths = [parts_of_a_sum(a, "SQUARES") for a in (w, u)]
    own = (*(length.own[0] for length in lengths), u)
    for length in lengths:
        length.own = own
        yield length
    weights, steps, _ = own
    yield launch(name, own=own, u=u, weights=weights, steps=steps, count=weights.size, w=w,
                 **numbers)  # fmt: skip


@kernel
def limit_norm(low, high, rate, epsilon, axis, *, w):
    axes = tuple(np.atleast_1d(axis))
    index = np.moveaxis(np.arange(w.size).reshape(w.shape), axes, range(len(axes)))
    C, n = math.prod(index.shape[: len(axes)]), math.prod(index.shape[len(axes) :])
    if w.size == 0:
        return
    index = index.reshape(C, n)  # entry k of line i lies at index[0, i] + index[k, 0]
    starts, steps = (runtime.to_card(np.array(a, np.int64)) for a in (index[0], index[:, 0]))
    yield launch("limit_norm", size=n, own=(starts, steps), low=low, high=high, rate=rate,
                 epsilon=epsilon, starts=starts, steps=steps, n=n, C=C, w=w)  # fmt: skip
