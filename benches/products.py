"""The net of the benches, and its step's matrix products alone: the bound that BLAS sets."""

import itertools

import numpy as np

WIDTHS = (784, 300, 200, 100, 10)


class Products:
    """The matrix products of a step, by NumPy: forward, dW of every layer, dx of all but the first.

    Args:
        batch: rows; widths: of the net's layers, from its inputs on; dtype: of the arrays.
    """

    def __init__(self, batch, widths=WIDTHS, dtype="float32"):
        arrays = list(_arrays(batch, widths, dtype))
        self.forward = [(x, W, y) for x, W, _, y, _, _ in arrays]
        self.backward = []
        for x, W, dy, _, dx, dW in arrays[::-1]:
            self.backward.append((x.T, dy, dW))
            if dx is not None:
                self.backward.append((dy, W.T, dx))

    def run(self):
        """Compute those of a training step."""
        self.predict()
        for a, b, out in self.backward:
            np.matmul(a, b, out=out)

    def predict(self):
        """Compute those forward."""
        for a, b, out in self.forward:
            np.matmul(a, b, out=out)


def make_products_on_the_card(batch):
    """The same on the gpu device, captured: its `run(steps)` returns when they are done."""
    from on_the_card import Captured

    from tinynet.kernels import gpu

    launches = []
    for arrays in _arrays(batch):
        x, W, dy, y, dx, dW = (None if a is None else gpu.from_host(a) for a in arrays)
        launches += [*gpu.linear.instructions(x, W, None, y=y),
                     *gpu.linear_dW.instructions(x, dy, dW=dW)]  # fmt: skip
        if dx is not None:
            launches += gpu.linear_dx.instructions(dy, W, dx=dx)
    return Captured(launches)


def _arrays(batch, widths=WIDTHS, dtype="float32"):
    """Of each layer: x, W, dy, y, dx (None for the first), dW."""
    random = np.random.default_rng(0)

    def array(*shape):
        return random.standard_normal(shape, dtype=dtype)

    for i, (D, H) in enumerate(itertools.pairwise(widths)):
        dx = array(batch, D) if i else None
        yield (array(batch, D), array(D, H), array(batch, H), array(batch, H), dx, array(D, H))
