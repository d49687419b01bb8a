"""Lesson 16: backward through layers that are frozen, or not."""

import itertools

import numpy as np

from ...inspecting.gradient_check import central_differences

HINTS = (
    "Without frozen layers, from the last to the first: gradients[name] = dW(dy), dy = dx(dy).",
    "A frozen layer has no dW, but hands dy on by dx as long as one below it is trainable.",
    "Look for the lowest trainable layer first. There the loop ends, and its dx is not needed.",
)
FROZEN = ("", "a", "ab", "b", "ac", "bc", "abd", "cd", "abcd", "d")


class Recorder:
    """A layer y = x W that keeps a list of what was asked of it."""

    def __init__(self, name, x, W, trainable, asked):
        self.name, self.x, self.W, self.trainable, self.asked = name, x, W, trainable, asked

    def dW(self, dy):
        """Return x^T dy (D, H)."""
        self.asked.append(("dW", self.name))
        return self.x.T @ dy

    def dx(self, dy):
        """Return dy W^T (N, D)."""
        self.asked.append(("dx", self.name))
        return dy @ self.W.T


def check(student):
    """Freeze layers a to d in ten ways; compare with moved weights, and count the products."""
    random = np.random.default_rng(1)
    sizes = (4, 3, 5, 2, 3)
    shapes = zip("abcd", itertools.pairwise(sizes), strict=True)
    Ws = {name: random.standard_normal(shape) for name, shape in shapes}
    x, dy = random.standard_normal((6, 4)), random.standard_normal((6, 3))
    forward = lambda: np.linalg.multi_dot([x, *Ws.values()])  # noqa: E731
    want = {n: central_differences(lambda: (dy * forward()).sum(), W) for n, W in Ws.items()}
    for frozen in FROZEN:
        layers, asked, h = [], [], x
        for name, W in Ws.items():
            layers.append(Recorder(name, h, W, name not in frozen, asked))
            h = h @ W
        _one_way(student, layers, dy, frozen, want, asked)


def _one_way(student, layers, dy, frozen, want, asked):
    function = student.function("backward")
    got = student.run("backward(layers, dy)", lambda: function(list(layers), dy.copy()))
    state = f"of a, b, c, d are frozen: {', '.join(frozen) or 'none'}; "
    require = lambda condition, told: student.require(  # noqa: E731
        condition, "backward", "gradients", state + told
    )
    require(isinstance(got, dict), f"expected a dict, received {type(got).__name__}")
    learning = [n for n in want if n not in frozen]
    require(not set(got) & set(frozen), "a frozen layer has a gradient, and would be trained")
    missing = [n for n in learning if n not in got]
    require(not missing, f"no gradient of {', '.join(missing)}: what lies below a frozen layer may "
            "learn; dx must go on")  # fmt: skip
    require(set(got) == set(learning), f"expected the names {learning}, received {sorted(got)}")
    for name in reversed(learning):
        student.compare("backward", f"gradients['{name}']", got[name], want[name])
    spared = [
        f"dx of {n}" for kind, n in asked if kind == "dx" and not any(m < n for m in learning)
    ]
    require(not spared, f"{', '.join(spared)} is computed for nothing: no layer below it learns")
    spared = [n for kind, n in asked if kind == "dW" and n in frozen]
    require(not spared, f"dW of {', '.join(spared)} is computed for nothing: it is frozen")
    require(len(set(asked)) == len(asked), "a product is computed twice")
