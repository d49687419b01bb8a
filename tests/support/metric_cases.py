"""Batches of every kind of targets and predictions, and the metrics with their options."""

import numpy as np

SIZES = (4, 1, 7)  # rows of the batches


def batch(kind, n, rng):
    """(y_true, y_pred); kind says what the targets are."""
    p = rng.uniform(0.02, 0.98, (n, 4))
    if kind == "real":
        return rng.normal(size=(n, 4)), rng.normal(size=(n, 4))
    if kind == "column":  # (N,) beside (N, 1)
        return rng.normal(size=n), rng.normal(size=(n, 1))
    if kind == "positive":
        return rng.uniform(0, 3, (n, 4)), rng.uniform(0, 3, (n, 4))
    if kind == "signs":
        return rng.choice([-1.0, 1.0], (n, 4)), rng.normal(size=(n, 4))
    if kind == "zero_one":
        return rng.integers(0, 2, (n, 4)), rng.normal(size=(n, 4))
    if kind == "multi":
        return rng.integers(0, 2, (n, 4)), p
    if kind == "binary":
        return rng.integers(0, 2, (n, 1)), p[:, :1]
    if kind == "tenths":  # with ties, and exactly on thresholds
        return rng.integers(0, 2, (n, 4)), rng.integers(0, 11, (n, 4)) / 10
    if kind == "logits":
        return rng.integers(0, 2, (n, 4)), rng.normal(0, 3, (n, 4))
    if kind == "one_hot":
        return np.eye(4)[rng.integers(0, 4, n)], p
    if kind == "distribution":
        y = rng.uniform(0, 1, (n, 4)) * rng.integers(0, 2, (n, 4))  # some are 0
        return y / np.maximum(y.sum(axis=1, keepdims=True), 1), p / p.sum(axis=1, keepdims=True)
    if kind == "sparse":
        return rng.integers(0, 4, n), p
    if kind == "some_ignored":
        return rng.choice([-1, 0, 1, 2, 3], n), p
    if kind == "ids":
        return rng.integers(0, 4, n), rng.integers(0, 4, n)
    if kind == "sorted_ids":
        return rng.integers(0, 6, n), np.array([rng.permutation(6) for _ in range(n)])
    if kind == "sequence":
        return np.eye(3)[rng.integers(0, 3, (n, 2))], rng.uniform(0.02, 0.98, (n, 2, 3))
    raise ValueError(kind)


def batches(kind, whole_weights=False):
    rng = np.random.default_rng(5)
    for n in SIZES:
        y, p = batch(kind, n, rng)
        w = rng.integers(0, 4, n).astype("int32") if whole_weights else rng.uniform(0, 2, n)
        yield y.astype("float32"), p.astype("float32"), w if whole_weights else w.astype("float32")


def o(**options):
    """Options with a stable repr."""
    return tuple(options.items())
