"""Lesson 5: Swish with a beta that learns."""

import numpy as np

from ... import activations
from ...inspecting.gradient_check import central_differences

HINTS = (
    "y = x s is a product, and s depends on x too: dx has two terms.",
    "s = sigmoid(beta x): its slope by x is beta s (1 - s), by beta it is x s (1 - s).",
    "beta has shape (H,), each row uses the same one: its gradient is summed over the rows.",
)


def check(student):
    """Compare forward, dx and dbeta of the layer with moved entries; then a second batch."""
    random = np.random.default_rng(2)
    x, dy = random.standard_normal((5, 3)), random.standard_normal((5, 3))
    own = student.function("Swish")
    layer = student.run("Swish()", lambda: own(dtype="float64"))
    student.run("build", lambda: layer.build_once((None, 3)))
    call = lambda a: student.run("forward", lambda: np.array(layer(a)))  # noqa: E731
    student.compare("forward", "y", call(x), activations.silu(x))
    beta = np.array([0.7, 1.3, -0.4])
    layer.set_weights([beta])
    value = lambda: (dy * call(x)).sum()  # noqa: E731
    want = {"dx": central_differences(value, x)}
    want["self.beta.grad"] = central_differences(value, layer.beta.value)
    call(x[:2])  # backward is of the latest forward
    call(x)
    for _ in "twice":  # a gradient is set, and not added to
        got = student.run("backward(dy)", lambda: layer.backward(dy.copy()))
    s = 1 / (1 + np.exp(-beta * x))
    slope = s * (1 - s)
    suspects = {
        "the second term is missing: s depends on x, too": dy * s,
        "the first term, dy s, is missing": dy * beta * x * slope,
        "the sign of the second term is wrong": dy * (s - beta * x * slope),
        "the factor beta is missing: s = sigmoid(beta x)": dy * (s + x * slope),
        "the factor x of the second term is missing": dy * (s + beta * slope),
        "the slope of the sigmoid is s (1 - s), not 1 - s": dy * (s + beta * x * (1 - s)),
        "the slope of the sigmoid is s (1 - s), not s": dy * (s + beta * x * s),
        "dy is missing": s + beta * x * slope,
        "of s, x and beta only the slope of the sigmoid is there": dy * slope,
    }
    student.compare("backward", "dx", got, want["dx"], suspects)
    dbeta = want["self.beta.grad"]
    suspects = {
        "one factor x is missing: beta x has slope x, and y = x s another": (dy * x * slope).sum(0),
        "the slope of the sigmoid, s (1 - s), is missing": (dy * x * x).sum(0),
        "the slope of the sigmoid is s (1 - s), not s": (dy * x * x * s).sum(0),
        "the mean over the rows stands where their sum belongs": dbeta / len(x),
        "the factor beta is too much: the slope of beta x by beta is x": dbeta * beta,
        "dy is missing": (x * x * slope).sum(0),
        "it is added to that of the step before; set it with =": dbeta * len("twice"),
        "it is not set: still 0": np.zeros(3),
        "it is summed over all units as well (axis=0 is missing)": np.full(3, dbeta.sum()),
    }
    student.compare("backward", "self.beta.grad", layer.beta.grad, dbeta, suspects)
