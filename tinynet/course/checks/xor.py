"""Lesson 3: weights by hand, for XOR."""

import numpy as np

from ...layers import Dense

HINTS = (
    "A unit with the weights (1, 1) and the bias 0 answers 0, 1, 1, 2: it counts the ones.",
    "It is right but for the last row. A unit that is on in that row alone has the bias -1.",
    "V takes the second unit's answer away from the first one's, as often as needed.",
)
ROWS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([0.0, 1.0, 1.0, 0.0])
OTHERS = {"OR": [0, 1, 1, 1], "AND": [0, 0, 0, 1], "the opposite of XOR": [1, 0, 0, 1],
          "the opposite of OR": [1, 0, 0, 0], "the opposite of AND": [1, 1, 1, 0],
          "x1 alone": [0, 0, 1, 1], "x2 alone": [0, 1, 0, 1]}  # fmt: skip


def check(student):
    """Put the weights into tinynet's layers and look at the four answers."""
    got = student.run("weights()", student.function("weights"))
    got = student.parts("weights", got, ["W", "b", "V", "c"])
    shapes = {"W": (2, 2), "b": (2,), "V": (2,), "c": ()}
    for name, shape in shapes.items():
        came = np.shape(got[name])
        student.require(came == shape, "weights", name, f"shape {came}, expected {shape}")
        finite = np.isfinite(np.asarray(got[name], float)).all()
        student.require(finite, "weights", name, "not all of it is finite")
    hidden, output = Dense(2, "relu", dtype="float64"), Dense(1, dtype="float64")
    hidden.build_once((None, 2))
    output.build_once((None, 2))
    hidden.set_weights([np.asarray(got["W"], float), np.asarray(got["b"], float)])
    output.set_weights([np.asarray(got["V"], float)[:, None], np.array([float(got["c"])])])
    answers = np.array(output(hidden(ROWS)))[:, 0]
    told, name = _kind(answers, ROWS @ got["W"] + got["b"], got["V"])
    if not np.allclose(answers, XOR):
        n = int(np.abs(answers - XOR).argmax())
        row = f"\n    row {ROWS[n].astype(int)}: yours {answers[n]:.6g}, right {XOR[n]:.6g}"
        student.require(False, "weights", name, told + row)


def _kind(answers, z, V):
    """Return a sentence about four wrong answers, and the name of what is to be mended."""
    for j in range(2):
        if (z[:, j] <= 0).all():
            return f"hidden unit {j} is off for all four rows, as if it were not there", "b"
    if not V.all():
        return f"hidden unit {np.flatnonzero(V == 0)[0]} has the weight 0: nothing hears it", "V"
    if (z >= 0).all():
        return "no unit bends: for these rows relu changes nothing, and the answer is flat", "b"
    for name, values in OTHERS.items():
        if np.allclose(answers, values):
            return f"this is {name}", "V"
    if np.ptp(answers - XOR) < 1e-9:
        return "every answer is off by the same: that is what c is for", "c"
    if np.allclose(z[:, 0], z[:, 1]):
        return "both hidden units are the same: together they are one", "b"
    ratio = answers[1]
    if ratio and np.allclose(answers, ratio * XOR):
        return f"every answer is {ratio:.4g} times the right one", "V"
    wrong = np.flatnonzero(~np.isclose(answers, XOR))
    count = ("all four rows are", "one row is", "two rows are", "three rows are")[len(wrong) % 4]
    return f"{count} wrong", "V"
