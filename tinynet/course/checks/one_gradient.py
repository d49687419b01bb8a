"""Lesson 1: one row through one sigmoid unit, and back."""

import numpy as np

from ...inspecting.gradient_check import central_differences
from ...layers import Dense

HINTS = (
    "Begin where forward ended: the slope of (p - y)^2 by p. Then multiply by the slope of the "
    "sigmoid.",
    "z = x[0] W[0] + x[1] W[1] + b: what is dz/dW[0]? And dz/db?",
)


def check(student):
    """Compare backward with tinynet's layer and with moved weights."""
    x, W, b, y = np.array([0.5, -1.5]), np.array([[0.8], [0.3]]), np.array([0.1]), 0.2
    unit = Dense(1, "sigmoid", dtype="float64")
    unit.build_once((None, 2))
    unit.set_weights([W, b])
    answer = lambda: unit(x[None])[0, 0]  # noqa: E731
    p = answer()
    moves = [central_differences(lambda: (answer() - y) ** 2, v.value) for v in unit.weights]
    dW, db = moves[0][:, 0], moves[1][0]
    slope, dp = p * (1 - p), 2 * (p - y)
    suspects = {
        "the factor 2 of the square is missing": db / 2,
        "the slope of the sigmoid, p (1 - p), is missing": dp,
        "of the sigmoid's slope, p (1 - p), the factor 1 - p is missing": dp * p,
        "of the sigmoid's slope, p (1 - p), the factor p is missing": dp * (1 - p),
        "the slope of the sigmoid is p (1 - p), not p (1 + p)": dp * p * (1 + p),
        "the slope of the sigmoid is p (1 - p); it is that of tanh, 1 - p^2": dp * (1 - p * p),
        "the loss itself stands where its slope 2 (p - y) belongs": (p - y) ** 2 * slope,
        "the sign of p - y is wrong": -db,
    }
    of_W = {
        "the factor x is missing: z grows by x when W grows by 1": np.full(2, db),
        "the factor is x, not W: dz/dW = x": W[:, 0] * db,
        "dz is divided by x; it must be multiplied": db / x,
        "dp stands where dz belongs: the sigmoid's slope is left out": x * dp,
        "both entries have the same input": np.full(2, x[0] * db),
    }
    of_b = {"the factor x is too much: z grows by 1 when b grows by 1": dW,
            "dp stands where dz belongs: the sigmoid's slope is left out": dp}  # fmt: skip
    student.expect("backward", {"x": x, "p": p, "y": y}, {"dz": db, "dW": dW, "db": db},
                   {"dz": suspects, "dW": of_W, "db": of_b})  # fmt: skip
