"""Lesson 6: softmax with cross-entropy."""

import numpy as np

from ...inspecting.gradient_check import central_differences
from ...losses import SparseCategoricalCrossentropy

HINTS = (
    "Each row has its own softmax: sums and maxima go along axis 1, with keepdims=True.",
    "np.eye(C)[labels] has a 1 at each row's class. The loss is -log p there, its mean over rows.",
    "All of dL/dp and dp/dz together is p - y; the mean over the rows divides it by N.",
)


def check(student):
    """Compare loss and dz with tinynet's and with moved logits, for common and for large ones."""
    z = np.array([[2.0, 1.0, -1.0, 0.3], [0.0, 3.0, 0.5, -0.2], [1.0, -2.0, 0.7, 0.1]])
    labels, N = np.array([0, 2, 3]), 3
    crossentropy = SparseCategoricalCrossentropy(from_logits=True)
    loss = float(crossentropy(labels, z))
    dz = central_differences(lambda: crossentropy(labels, z), z)
    e = np.exp(z)
    p, y = e / e.sum(axis=1, keepdims=True), np.eye(4)[labels]
    columns, whole = e / e.sum(axis=0), e / e.sum()
    shifted = np.exp(z - z.max(axis=1, keepdims=True))
    shifted /= shifted.sum(axis=0)
    of_loss = {
        "p sums over the rows (axis 0), and each row has its own softmax: axis 1":
            -np.log(shifted[range(N), labels]).mean(),
        "p sums over the rows (axis 0); each row has its own softmax: axis 1":
            -np.log(columns[range(N), labels]).mean(),
        "p is divided by the sum of all rows; each row has its own softmax: axis 1":
            -np.log(whole[range(N), labels]).mean(),
        "the sum over the rows stands where their mean belongs: 1/N is missing": loss * N,
        "the mean is over all N C entries; it belongs over the N rows": loss / 4,
        "the logarithm has another base; it is np.log": loss / np.log(2),
        "it is the mean of p, without the logarithm": -p[range(N), labels].mean(),
        "the sign is wrong: a loss is -log p, which is positive": -loss,
        "it is the log of all classes, not of the true one alone": -np.log(p).sum() / N,
    }  # fmt: skip
    of_z = {
        "y - p stands where p - y belongs: the sign is wrong": -dz,
        "1/N is missing: the loss is a mean over N rows": p - y,
        "y is missing: it is p / N": p / N,
        "p is missing: it is -y / N": -y / N,
        "it is dL/dp, not dL/dz: softmax is still to be passed": -y / p / N,
        "softmax is passed as if each p depended on its own z only": -y * (1 - p) / N,
        "(p - y) is multiplied by p (1 - p), as for a sigmoid with squares": (p - y)
        * p
        * (1 - p)
        / N,
        "the mean divides by all N C entries; it belongs over the N rows": (p - y) / z.size,
        "p sums over the rows (axis 0); each row has its own softmax: axis 1": (columns - y) / N,
    }
    student.expect("softmax_crossentropy", {"z": z, "labels": labels}, {"loss": loss, "dz": dz},
                   {"loss": of_loss, "dz": of_z}, N)  # fmt: skip
    sure = np.array([[0.0, 800.0], [1.0, 0.0]])
    large = {"loss": float(crossentropy([0, 0], sure)), "dz": crossentropy.gradient([0, 0], sure)}
    overflow = "for the logits (0, 800) e^z overflows: subtract each row's largest logit first"
    student.expect("softmax_crossentropy", {"z": sure, "labels": np.array([0, 0])}, large,
                   instead=overflow)  # fmt: skip
