"""Lesson 2: two layers, and back."""

import numpy as np

from ...inspecting.gradient_check import central_differences
from ...layers import Dense

HINTS = (
    "dz is the slope of the loss by z: 1/N of z - y. Everything below is a product with it.",
    "Shapes lead: dW is (H, 1) like W, from h (N, H) and dz (N, 1). dz @ W.T is (N, H).",
    "tanh lies between h and x V: dh goes through its slope, 1 - h^2, before it meets x.",
)


def check(student):
    """Compare backward with moved weights of tinynet's layers."""
    x = np.array([[0.5, 1.0, -1.0], [1.5, -0.5, 0.3], [-0.7, 0.2, 0.9], [0.1, 0.4, -1.2]])
    y = np.array([[1.0], [0.2], [-1.0], [0.5]])
    hidden = Dense(2, "tanh", use_bias=False, dtype="float64")
    output = Dense(1, use_bias=False, dtype="float64")
    hidden.build_once((None, 3))
    output.build_once((None, 2))
    hidden.set_weights([np.array([[0.5, -1.0], [0.25, 0.5], [0.8, 0.1]])])
    output.set_weights([np.array([[1.4], [-0.6]])])
    loss = lambda: ((output(hidden(x)) - y) ** 2).sum() / (2 * len(x))  # noqa: E731
    want = {"dV": central_differences(loss, hidden.kernel.value),
            "dW": central_differences(loss, output.kernel.value)}  # fmt: skip
    h, W = hidden(x).copy(), output.kernel.numpy()
    z = h @ W
    dz = (z - y) / len(x)
    dh = dz @ W.T
    of_V = {
        "the slope of tanh, 1 - h^2, is missing": x.T @ dh,
        "the slope of tanh is 1 - h^2, not 1 - h": x.T @ (dh * (1 - h)),
        "the slope of tanh is 1 - h^2, not h (1 - h), which is the sigmoid's": x.T
        @ (dh * h * (1 - h)),
        "the slope of tanh is 1 - h^2, not 1 + h^2": x.T @ (dh * (1 + h * h)),
        "the slope of tanh is 1 - h^2, not h^2": x.T @ (dh * h * h),
        "W is missing: what reaches h is dz times W": x.T @ (dz * (1 - h * h)),
    }
    of_W = {
        "dz must be z - y over N; here it is z alone": h.T @ z / len(x),
        "W's input is h, after tanh; here it is h's slope": (1 - h * h).T @ dz,
        "W's input is h, after tanh; here it is x V, before it": np.arctanh(h).T @ dz,
    }
    student.expect("backward", {"x": x, "h": h, "z": z, "y": y, "W": W}, want,
                   {"dV": of_V, "dW": of_W}, len(x))  # fmt: skip
