"""Kernels for flat vectors on the `cpu` device, against the reference; and none was left out."""

import kernel_pairs
import numpy as np
import pytest
from kernel_pairs import COMPARED, PRECISION, both, compare, numbers, rng
from kernel_values import public_functions

from tinynet.kernels import reference

# ------------------------------------------------- penalties, clipping, updates (flat vectors)


@both
@pytest.mark.parametrize("P", [1, 15, 16, 100])
def test_penalties_and_clipping(P, dtype, rng):
    w, g = numbers(rng, P, dtype), numbers(rng, P, dtype)
    compare("penalty_grad", w, 0.1, 0.2, dw=g, dtype=dtype)
    matrix = w.reshape(-1, 5) if P % 5 == 0 else w.reshape(-1, 1)
    compare("penalty_grad", matrix, 0.1, 0.2, dw=g.reshape(matrix.shape), dtype=dtype)
    for c in (0.5, 1e6):  # clips, and does not
        compare("clip_by_value", c, g=g, dtype=dtype)
        compare("clip_by_norm", c, g=g, dtype=dtype)
    compare("clip_by_norm", 1.0, g=np.zeros(P, dtype), dtype=dtype)
    compare("scale_", 0.3, x=g, dtype=dtype)


@both
@pytest.mark.parametrize("P", [1, 15, 64])
def test_updates(P, dtype, rng):
    g, w, m = (numbers(rng, P, dtype) for _ in range(3))
    v, v_max = rng.uniform(1, 5, (2, P)).astype(dtype)
    for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):
        compare("sgd", g, 0.1, momentum, nesterov, w=w, m=m if momentum else None, dtype=dtype)
    a = (0.1 * m).astype(dtype)
    for mean in (None, a):
        for move in (None, m):
            numbers_ = (0.1, 0.9, 0.5 if move is not None else 0.0, 1e-7)
            compare("rmsprop", g, *numbers_, w=w, v=v, a=mean, m=move, dtype=dtype)
    for largest in (None, v_max):
        compare("adam", g, 0.01, 0.9, 0.999, 1e-7, w=w, m=m, v=v, v_max=largest, dtype=dtype)
    signed = (g + np.where(g == 0, 0.5, 0)).astype(dtype)  # so that no sign depends on rounding
    compare("nadam", g, 0.02, 0.01, 0.9, 0.99, 1.3, 1e-7, w=w, m=m, v=v, dtype=dtype)
    compare("adamax", g, 0.02, 0.9, 0.99, 1e-7, w=w, m=m, u=v, dtype=dtype)
    of_schedule = (0.02, 0.25, 0.9, 0.99, 1.3, 1e-7)
    compare("schedule_free_adam", g, *of_schedule, w=w, z=m, v=v, dtype=dtype)
    compare("adagrad", g, 0.02, 1e-7, w=w, a=v, dtype=dtype)
    compare("adadelta", g, 0.5, 0.9, 1e-3, w=w, a=v, x=v_max, dtype=dtype)
    compare("lion", signed, 0.02, 0.9, 0.99, w=w, m=(2 * signed).astype(dtype), dtype=dtype)
    compare("lion", np.zeros(P, dtype), 0.02, 0.9, 0.99, w=w, m=np.zeros(P, dtype), dtype=dtype)
    for power in (-0.5, -0.7, -0.0):
        compare("ftrl", g, 0.5, power, 0.1, 0.2, 0.3, w=w, n=v, z=m, dtype=dtype)
    rates = (0.02, 0.9, 0.99, 3.0, 7.0, 1e-7)
    compare("lamb", g, *rates, w=w, m=m, v=v, dtype=dtype)
    compare("lamb", g, *rates, w=np.zeros(P, dtype), m=m, v=v, dtype=dtype)
    compare("lamb", np.zeros(P, dtype), *rates, w=w, m=np.zeros(P, dtype), v=v, dtype=dtype)


@both
@pytest.mark.parametrize("shape", [(1,), (9,), (1, 1), (5, 3), (3, 16), (2, 3, 4)])
def test_factored_updates(shape, dtype, rng):
    g, w = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    r, c, v = (
        rng.uniform(1, 5, s).astype(dtype) for s in (shape[:-1], (*shape[:-2], shape[-1]), shape)
    )
    if len(shape) == 1:
        r = c = None
    for size in (1.0, 0.0):
        for rates in ((0.1, 0.0, 1e-30, 1e-3, 1.0), (0.1, 0.7, 1e-3, 0.1, 0.2)):
            compare("adafactor", g + size, *rates, w=size * w, r=r, c=c, v=v, dtype=dtype)


@both
@pytest.mark.parametrize("P", [1, 15, 64])
def test_before_and_after_an_update(P, dtype, rng):
    g, w, a = (numbers(rng, P, dtype) for _ in range(3))
    for yes in (0.0, 1.0):
        compare("accumulate", yes, 3, g=g, total=a, dtype=dtype)
        for momentum in (0.0, 0.9):
            compare("ema", momentum, yes, w=w, average=a, dtype=dtype)
    compare("not_negative", w=w, dtype=dtype)


@both
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1,), 0), ((7,), -1), ((5, 300), 0), ((300, 5), 0), ((6, 4), 1), ((6, 4), -1),
        ((6, 4), (0, 1)), ((2, 3, 4), 1), ((2, 3, 4), (1, 2)), ((2, 3, 4), (-1, 0)), ((0, 3), 0),
    ],
)  # fmt: skip
def test_norms(shape, axis, dtype, rng):
    w = rng.normal(size=shape).astype(dtype)
    if w.size:
        w[..., 0] = 0
    for low, high, rate in ((0.0, 1.5, 1.0), (1.0, 1.0, 1.0), (0.5, 1.2, 0.3)):
        compare("limit_norm", low, high, rate, 1e-7, axis, w=w, dtype=dtype)


def own_rule(g, lr, beta, *, w, m):
    m += (1 - beta) * (g - m)
    w -= lr * np.tanh(m)


@both
def test_a_rule_of_ones_own(dtype, rng):
    g, w, m = (numbers(rng, 15, dtype) for _ in range(3))
    results = []
    for module in (reference, kernel_pairs.cpu):
        arrays = {"w": w.copy(), "moments": {"m": m.copy()}}
        module.update(own_rule, g, (0.1, 0.9), **arrays)
        results.append((arrays["w"], arrays["moments"]["m"]))
    for actual, wanted in zip(*results[::-1], strict=True):
        assert not np.array_equal(wanted, w)
        np.testing.assert_allclose(actual, wanted, **PRECISION[dtype])
    COMPARED.add("update")


# ------------------------------------------------------------------------------------ every kernel


def test_every_kernel_was_compared(request):
    device = request.module.__name__[: len("test_cpu_kernels")]
    before = request.session.items[: request.session.items.index(request.node)]
    some = hasattr(request.config, "workerinput")  # the other workers of xdist run the rest
    if some or len({i.name for i in before if i.module.__name__.startswith(device)}) < 200:
        pytest.skip(f"only a run of all of {device}*.py can say whether every kernel was compared")
    makers = {"empty", "zeros", "from_host", "to_host"}
    assert set(public_functions()) - makers == COMPARED
