"""Lesson 12: one step of Adam."""

import numpy as np

from ...core.parameters import Parameter
from ...optimizers import Adam

HINTS = (
    "Both averages: beta times what it was, plus (1 - beta) times what is new: g for m, g^2 for v.",
    "v averages squares and stands under a root: sqrt(v). epsilon is added after the root.",
    "alpha is one number: rate sqrt(1 - beta_2^t) / (1 - beta_1^t), with t the step's number.",
)


def check(student):
    """Compare the second step with tinynet's Adam; the first one's m and v are not 0 then."""
    w0, rate, b1, b2, epsilon = np.array([1.0, -2.0, 0.5]), 0.1, 0.9, 0.999, 1e-3
    gradients = np.array([[0.5, -1.0, 2.0], [0.4, 0.3, -1.0]])
    parameter, adam = Parameter(w0.copy(), name="w"), Adam(rate, b1, b2, epsilon)
    adam.apply([gradients[0]], [parameter])
    w, (m, v) = parameter.numpy(), ((1 - b1) * gradients[0], (1 - b2) * gradients[0] ** 2)
    adam.apply([gradients[1]], [parameter])
    g, t = gradients[1], 2
    new_m, new_v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    want = {"w": parameter.numpy(), "m": new_m, "v": new_v}
    of_m = {
        "g has the weight beta_1 and m the rest; they are exchanged": (1 - b1) * m + b1 * g,
        "the weight 1 - beta_1 of g is missing: that is momentum, not an average": b1 * m + g,
        "the old m is lost": (1 - b1) * g,
        "m does not decay: beta_1 m": m + (1 - b1) * g,
        "beta_2 stands where beta_1 belongs": b2 * m + (1 - b2) * g,
        "g has the wrong sign": b1 * m - (1 - b1) * g,
    }
    of_v = {
        "it averages g; it must average g^2": b2 * v + (1 - b2) * g,
        "it averages |g|; it must average g^2": b2 * v + (1 - b2) * np.abs(g),
        "g^2 has the weight beta_2 and v the rest; they are exchanged": (1 - b2) * v + b2 * g * g,
        "the weight 1 - beta_2 of g^2 is missing": b2 * v + g * g,
        "the old v is lost": (1 - b2) * g * g,
        "v does not decay: beta_2 v": v + (1 - b2) * g * g,
        "v does not decay and g^2 has no weight: that is Adagrad": v + g * g,
        "beta_1 stands where beta_2 belongs": b1 * v + (1 - b1) * g * g,
        "it averages m^2; it must average g^2": b2 * v + (1 - b2) * new_m**2,
    }

    root_of_v = np.sqrt(new_v) + epsilon

    def moved(alpha, m=new_m, root=root_of_v):
        return w - alpha * m / root

    c1, c2 = 1 - b1**t, np.sqrt(1 - b2**t)
    alpha = rate * c2 / c1
    of_w = {
        "it goes up: the step is subtracted from w": 2 * w - want["w"],
        "neither m nor v is corrected: alpha is just rate": moved(rate),
        "the correction of m, 1 - beta_1^t, is missing": moved(rate * c2),
        "the correction of v, sqrt(1 - beta_2^t), is missing": moved(rate / c1),
        "the correction of v has no root: sqrt(1 - beta_2^t)": moved(rate * c2 * c2 / c1),
        "the corrections are upside down": moved(rate * c1 / c2),
        "the exponents count from t - 1; the first step has t = 1": moved(
            rate * np.sqrt(1 - b2 ** (t - 1)) / (1 - b1 ** (t - 1))),
        "the exponents count from t + 1; the first step has t = 1": moved(
            rate * np.sqrt(1 - b2 ** (t + 1)) / (1 - b1 ** (t + 1))),
        "the exponent t is missing: 1 - beta^t": moved(rate * np.sqrt(1 - b2) / (1 - b1)),
        "the root of v is missing": moved(alpha, root=new_v + epsilon),
        "epsilon is under the root; it is added after it": moved(alpha, root=np.sqrt(new_v
                                                                                     + epsilon)),
        "epsilon is missing": moved(alpha, root=np.sqrt(new_v)),
        "g stands where m belongs: that is RMSprop": moved(alpha, g),
        "it is the step alone; w is missing": want["w"] - w,
        "it multiplies by the root of v; it must divide": w - alpha * new_m * (np.sqrt(new_v)
                                                                               + epsilon),
        "rate is missing": moved(alpha / rate),
        "it steps with the m and v of before": moved(alpha, m, np.sqrt(v) + epsilon),
    }  # fmt: skip
    arguments = {"w": w, "g": g, "m": m, "v": v, "t": t, "rate": rate, "beta_1": b1, "beta_2": b2,
                 "epsilon": epsilon}  # fmt: skip
    student.expect("adam_step", arguments, want,
                   {"m": of_m, "v": of_v, "w": of_w})  # fmt: skip
