"""Lesson 14: the best input of a unit, and the gradient of a logit by the input."""

import numpy as np

from ...inspecting.gradient_check import central_differences
from ...layers import Dense

HINTS = (
    "x W[:, j] of an x of length 1 is largest along W[:, j]: divide each column by its own length.",
    "The logit of class k is h V[:, k] + c[k]: every row's dh begins as V[:, k].",
    "relu passes it where x W + b > 0; then it meets the other side of W: dh W^T.",
)


def check(student):
    """Compare dx with moved pixels through tinynet's layers."""
    random = np.random.default_rng(5)
    x, k = random.standard_normal((4, 5)), 2
    hidden, output = Dense(3, "relu", dtype="float64"), Dense(4, dtype="float64")
    hidden.build_once((None, 5))
    output.build_once((None, 3))
    W, V, b = (random.standard_normal(shape) for shape in ((5, 3), (3, 4), 3))
    hidden.set_weights([W, b])
    output.set_weights([V, np.zeros(4)])
    dx = central_differences(lambda: output(hidden(x))[:, k].sum(), x)
    on = x @ W + b > 0
    lengths = np.linalg.norm(W, axis=0)
    of_best = {
        "each unit's input has length 1; these are the weights themselves": W,
        "the length is that of the whole W; each column has its own (axis=0)": W
        / np.linalg.norm(W),
        "the rows have length 1; each column must: axis 0": W / np.linalg.norm(W, axis=1)[:, None],
        "it is divided by the largest entry; the length is the root of the sum of squares": W
        / np.abs(W).max(axis=0),
        "it is divided by the sum; the length is the root of the sum of squares": W / W.sum(axis=0),
        "it is divided by the sum of |W|; the length is the root of the sum of squares": W
        / np.abs(W).sum(axis=0),
        "it is divided by the square of the length": W / lengths**2,
        "the sign is wrong: that is what calms the unit most": -W / lengths,
        "only the signs of W are left": np.sign(W),
    }
    of_x = {
        "the slope of relu is missing: units that are off pass nothing": (V[:, k] + 0 * on) @ W.T,
        "relu's slope asks x W > 0; the bias belongs to it": (V[:, k] * (x @ W > 0)) @ W.T,
        "V[:, k] is missing: every unit speaks for the class alike": on @ W.T,
        "it is of all classes together, not of class k": (V.sum(axis=1) * on) @ W.T,
        "the class before k: classes count from 0": (V[:, k - 1] * on) @ W.T,
        "the answers h stand where relu's slope, 0 or 1, belongs":
            (V[:, k] * np.maximum(x @ W + b, 0)) @ W.T,
        "off and on are exchanged": (V[:, k] * ~on) @ W.T,
        "it is multiplied by x: that is a part of the score, not its slope": dx * x,
        "x W + b itself stands where relu's slope, 0 or 1, belongs": (V[:, k] * (x @ W + b)) @ W.T,
        "it is that of the hidden units; W^T is still to come": V[:, k] * on,
        "the sign is wrong": -dx,
        "its size is lost: only signs are left": np.sign(dx),
        "the units' best inputs stand where W^T belongs": (V[:, k] * on) @ (W / lengths).T,
    }  # fmt: skip
    arguments = {"x": x, "W": W, "b": b, "V": V, "k": k}
    student.expect(
        "likes", arguments, {"best": W / lengths, "dx": dx}, {"best": of_best, "dx": of_x}
    )
