"""The net of the benches, and its step's matrix products alone: the bound that BLAS sets."""

import itertools

import numpy as np

WIDTHS = (784, 300, 200, 100, 10)


def make_products(batch):
    """The step's matrix products: forward, dW of every layer, dx of all but the first."""
    jobs = []
    for x, W, dy, y, dx, dW in _arrays(batch):
        jobs += [(x, W, y), (x.T, dy, dW)]
        if dx is not None:
            jobs.append((dy, W.T, dx))

    def run():
        for a, b, out in jobs:
            np.matmul(a, b, out=out)

    return run


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


def _arrays(batch):
    """Of each layer: x, W, dy, y, dx (None for the first), dW."""
    random = np.random.default_rng(0)

    def array(*shape):
        return random.standard_normal(shape, dtype=np.float32)

    for i, (D, H) in enumerate(itertools.pairwise(WIDTHS)):
        dx = array(batch, D) if i else None
        yield (array(batch, D), array(D, H), array(batch, H), array(batch, H), dx, array(D, H))
