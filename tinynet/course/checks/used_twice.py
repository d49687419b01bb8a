"""Lesson 4: a value and a weight that are used twice."""

import numpy as np

from ...inspecting.gradient_check import central_differences
from ...layers import Add, Dense, Input
from ...models import Model

HINTS = (
    "Follow y back: x + v gives dy to both. v = tanh(b), b = u W: db = dy (1 - v^2).",
    "W is used twice: with input u and gradient db, and with input x and gradient da. Add the two.",
    "x is read twice: by the sum y = x + v, which hands dy on, and by x W, which hands on da W^T.",
)


def check(student):
    """Compare backward with a graph of tinynet's and with moved entries."""
    random = np.random.default_rng(3)
    x, W, dy = (random.standard_normal(shape) for shape in ((5, 3), (3, 3), (5, 3)))
    layer = Dense(3, "tanh", use_bias=False, dtype="float64")
    i = Input((3,), dtype="float64")
    model = Model(i, Add(dtype="float64")([i, layer(layer(i))]))
    layer.set_weights([W])
    u = np.array(layer(x))
    v = np.array(layer(u))
    value = lambda: (dy * model(x)).sum()  # noqa: E731
    want = {
        "dx": central_differences(value, x),
        "dW": central_differences(value, layer.kernel.value),
    }
    db = dy * (1 - v * v)
    da = (db @ W.T) * (1 - u * u)
    of_x = {
        "the way through the layers is missing: dy is only one of two terms": dy,
        "the shortcut is missing: y = x + v hands dy to x as it is": da @ W.T,
        "the two terms are subtracted; they add up": dy - da @ W.T,
        "the two terms are multiplied; they add up": dy * (da @ W.T),
        "W is not transposed": dy + da @ W,
        "W is missing on the last step: what reaches x is da W^T": dy + da,
        "the shortcut is counted twice": 2 * dy + da @ W.T,
        "it is that of u; one layer is still to be passed": dy + db @ W.T,
        "the slope of the first tanh, 1 - u^2, is missing": dy + db @ W.T @ W.T,
        "the slope of the second tanh, 1 - v^2, is missing":
            dy + ((dy @ W.T) * (1 - u * u)) @ W.T,
    }  # fmt: skip
    of_W = {
        "the first use of W, on x, is missing": u.T @ db,
        "the second use of W, on u, is missing": x.T @ da,
        "the two uses are subtracted; they add up": u.T @ db - x.T @ da,
        "the two uses are averaged; they add up": (u.T @ db + x.T @ da) / 2,
        "both uses have the input x; the second one's is u": x.T @ (da + db),
        "the inputs of the two uses are exchanged: u goes with db": x.T @ db + u.T @ da,
        "the slope of the first tanh, 1 - u^2, is missing": u.T @ db + x.T @ (db @ W.T),
        "W is not transposed on the way down": u.T @ db + x.T @ ((db @ W) * (1 - u * u)),
        "the slope of the second tanh, 1 - v^2, is missing":
            u.T @ dy + x.T @ ((dy @ W.T) * (1 - u * u)),
        "the slope of the first tanh is 1 - u^2; here it is that of v":
            u.T @ db + x.T @ ((db @ W.T) * (1 - v * v)),
    }  # fmt: skip
    arguments = {"dy": dy, "x": x, "u": u, "v": v, "W": W}
    student.expect("backward", arguments, want, {"dx": of_x, "dW": of_W}, len(x))
