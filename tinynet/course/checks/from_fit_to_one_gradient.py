"""Lesson 17: a whole step of training."""

import numpy as np

from ...layers import Dense, Input
from ...models import Sequential
from ...optimizers import SGD

HINTS = (
    "Forward first: h, then p. Then dz2 = (p - y) / N, as in lesson 6; the rest as in lesson 2.",
    "b is used in every row: its gradient is the sum of dz over the rows.",
    "Compute all four gradients before you change a weight: dz1 needs the W2 that forward used.",
)
RATE = 0.5


def check(student):
    """Compare the new weights with those of tinynet's fit, on the reference device."""
    random = np.random.default_rng(3)
    x, labels, N = random.standard_normal((5, 3)), np.array([0, 2, 1, 1, 0]), 5
    hidden = Dense(4, "tanh", dtype="float64")
    model = Sequential([Input((3,), dtype="float64"), hidden, Dense(3, "softmax", dtype="float64")])
    weights = [random.standard_normal(w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    model.compile(SGD(RATE), "sparse_categorical_crossentropy", device="reference")
    model.fit(x, labels, batch_size=N, epochs=1, shuffle=False, verbose=0)
    names = ("W1", "b1", "W2", "b2")
    want, old = (dict(zip(names, values, strict=True)) for values in (model.get_weights(), weights))
    step = {name: old[name] - want[name] for name in names}  # rate times the gradient
    h = np.tanh(x @ old["W1"] + old["b1"])
    z = h @ old["W2"] + old["b2"]
    e = np.exp(z)
    p, y = e / e.sum(axis=1, keepdims=True), np.eye(3)[labels]
    dz2 = (p - y) / N
    slopes = {
        "W2": {
            "dz2 is p - y; y is missing": h.T @ p / N,
            "dz2 is p - y; p is missing": -h.T @ y / N,
            "p sums over the rows; each row has its own softmax: axis 1":
                h.T @ (e / e.sum(axis=0) - y) / N,
            "z stands where p belongs: softmax is missing": h.T @ (z - y) / N,
            "the slope of a sigmoid is too much: dz2 = (p - y) / N": h.T @ (dz2 * p * (1 - p)),
            "its input is h, after tanh, not before it": np.arctanh(h).T @ dz2,
        },
        "b2": {
            "the mean over the rows stands where the sum of dz2 belongs": dz2.mean(axis=0),
            "it has not changed: over all entries dz2 sums to 0; sum it over the rows, axis 0": 0.0,
        },
        "W1": {
            "the slope of tanh, 1 - h^2, is missing": x.T @ (dz2 @ old["W2"].T),
            "the slope of tanh is 1 - h^2, not 1 - h": x.T @ ((dz2 @ old["W2"].T) * (1 - h)),
            "the slope of tanh is 1 - h^2, not h (1 - h)":
                x.T @ ((dz2 @ old["W2"].T) * h * (1 - h)),
            "dz1 has met the new W2; it needs the one that forward used":
                x.T @ ((dz2 @ want["W2"].T) * (1 - h * h)),
        },
        "b1": {
            "the mean over the rows stands where the sum of dz1 belongs": step["b1"] / RATE / N,
            "it is the sum of dh, before the slope of tanh": (dz2 @ old["W2"].T).sum(axis=0),
        },
    }  # fmt: skip
    suspects = {}
    for name in ("W2", "b2", "W1", "b1"):
        suspects[name] = {told: old[name] - RATE * g for told, g in slopes[name].items()}
        suspects[name] |= {
            "it goes up: the step is subtracted": old[name] + step[name],
            "it has not changed": old[name],
            "the rate is missing": old[name] - step[name] / RATE,
            "1/N is missing in its gradient": old[name] - step[name] * N,
            "1/N enters its gradient twice": old[name] - step[name] / N,
            "it is the gradient, not the weight after the step": step[name] / RATE,
            "it is the step, not the weight after it": step[name],
        }
    student.expect("train_step", {"x": x, "labels": labels, **old, "rate": RATE}, want, suspects)
