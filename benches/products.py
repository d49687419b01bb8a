"""The net of the benches, and its step's matrix products alone: the bound that BLAS sets."""

import itertools

import numpy as np

WIDTHS = (784, 300, 200, 100, 10)


def make_products(batch):
    """The step's matrix products: forward, dW of every layer, dx of all but the first."""
    random = np.random.default_rng(0)

    def array(*shape):
        return random.standard_normal(shape, dtype=np.float32)

    jobs = []
    for i, (D, H) in enumerate(itertools.pairwise(WIDTHS)):
        x, W, dy = array(batch, D), array(D, H), array(batch, H)
        jobs += [(x, W, array(batch, H)), (x.T, dy, array(D, H))]
        if i:
            jobs.append((dy, W.T, array(batch, D)))

    def run():
        for a, b, out in jobs:
            np.matmul(a, b, out=out)

    return run
