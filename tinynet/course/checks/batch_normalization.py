"""Lesson 10: the backward of BatchNormalization."""

import numpy as np

from ...inspecting.gradient_check import central_differences
from ...layers import BatchNormalization

HINTS = (
    "gamma and beta are used in every row: their gradients are sums over axis 0.",
    "g = dy gamma is what reaches xhat. Were mean and std fixed, dx would be g / std.",
    "The mean takes mean(g) away from every row; the std takes xhat times mean(g xhat) away.",
)


def check(student):
    """Compare all three gradients with moved entries of tinynet's layer."""
    random = np.random.default_rng(4)
    x, dy = 1 + 2 * random.standard_normal((5, 3)), random.standard_normal((5, 3))
    gamma, epsilon = np.array([1.5, 0.6, 2.0]), 1e-3
    layer = BatchNormalization(epsilon=epsilon, dtype="float64")
    layer.build_once((None, 3))
    layer.gamma.assign(gamma)
    value = lambda: (dy * layer(x, training=True)).sum()  # noqa: E731
    want = {"dx": central_differences(value, x),
            "dgamma": central_differences(value, layer.gamma.value),
            "dbeta": central_differences(value, layer.beta.value)}  # fmt: skip
    std = np.sqrt(x.var(axis=0) + epsilon)
    xhat = (x - x.mean(axis=0)) / std
    g, m = dy * gamma, lambda a: a.mean(axis=0)
    of_x = {
        "two terms are missing: mean and std move with x, too": g / std,
        "the third term, of the std, is missing: xhat mean(g xhat)": (g - m(g)) / std,
        "the second term, of the mean, is missing: mean(g)": (g - xhat * m(g * xhat)) / std,
        "the sign of the third term is wrong": (g - m(g) + xhat * m(g * xhat)) / std,
        "the sign of the second term is wrong": (g + m(g) - xhat * m(g * xhat)) / std,
        "the factor xhat of the third term is missing": (g - m(g) - m(g * xhat)) / std,
        "gamma is missing": (dy - m(dy) - xhat * m(dy * xhat)) / std,
        "gamma is in the first term only": (g - m(dy) - xhat * m(dy * xhat)) / std,
        "1 / std is missing": want["dx"] * std,
        "it is divided by std twice (by the variance)": want["dx"] / std,
        "it is multiplied by std; it must be divided": want["dx"] * std * std,
        "sums over the rows stand where means belong: 1/N is missing":
            (g - g.sum(axis=0) - xhat * (g * xhat).sum(axis=0)) / std,
        "the means run along the units (axis 1); they run over the rows (axis 0)":
            (g - g.mean(1, keepdims=True) - xhat * (g * xhat).mean(1, keepdims=True)) / std,
        "the means are over all entries; each unit has its own (axis=0)":
            (g - g.mean() - xhat * (g * xhat).mean()) / std,
        "the third term has mean(xhat) mean(g); it is mean(g xhat)": (g - m(g) - xhat * m(g)) / std,
    }  # fmt: skip
    of_gamma = {
        "the factor xhat is missing: y grows by xhat when gamma grows by 1": want["dbeta"],
        "the mean over the rows stands where their sum belongs": want["dgamma"] / len(x),
        "gamma itself is no factor of its gradient": want["dgamma"] * gamma,
        "it is summed along the units (axis 1), not over the rows": (dy * xhat).sum(axis=1),
        "its factor is xhat, not y": (dy * xhat * gamma).sum(axis=0),
    }
    of_beta = {
        "the mean over the rows stands where their sum belongs": want["dbeta"] / len(x),
        "gamma is no factor of it: beta is added after gamma": g.sum(axis=0),
        "xhat is no factor of it: beta is added": want["dgamma"],
        "it is summed along the units (axis 1), not over the rows": dy.sum(axis=1),
    }
    arguments = {"dy": dy, "xhat": xhat, "std": std, "gamma": gamma}
    student.expect("backward", arguments, want, {"dx": of_x, "dgamma": of_gamma, "dbeta": of_beta})
