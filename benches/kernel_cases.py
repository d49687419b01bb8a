"""What the kernel benches time: each kernel with the arrays of a step of 784-300-200-100-10.

Each device's bench makes its own calls of them, and compares its results with the reference before
it takes any time.
"""

import dataclasses
import functools
import itertools

import numpy as np
from products import WIDTHS

from tinynet.kernels import reference

D, H, C = *WIDTHS[:2], WIDTHS[-1]
PARAMETERS = sum((a + 1) * b for a, b in itertools.pairwise(WIDTHS))


@dataclasses.dataclass
class Case:
    """A kernel's inputs, its outputs, and what bounds it.

    Attributes:
        args: inputs, without the name of an activation.
        outputs: arrays to copy (they are updated, or fully overwritten), or None.
        product: the two factors, where the kernel is a matrix product.
    """

    args: tuple
    outputs: dict
    product: tuple = None

    def call(self, name):
        """(kernel, arguments, outputs in arrays of their own) of the case called `name`."""
        kernel, _, kind = name.partition(" ")
        outputs = {k: None if v is None else v.copy() for k, v in self.outputs.items()}
        return kernel, ((kind, *self.args) if kind else self.args), outputs

    def expected(self, name):
        """The outputs by the reference."""
        kernel, args, outputs = self.call(name)
        getattr(reference, kernel)(*args, **outputs)
        return outputs

    @property
    def bytes(self):
        """Inputs are read once, outputs written once; what is updated in place counts twice."""
        arrays = [a for a in (*self.args, *self.outputs.values()) if isinstance(a, np.ndarray)]
        updated = [v for k, v in self.outputs.items() if v is not None and k in ("w", "m", "v")]
        return sum(a.nbytes for a in arrays) + sum(a.nbytes for a in updated)

    def rate(self, seconds):
        """(number, unit): GFLOP/s of a product, GB/s of anything else."""
        if self.product:
            a, b = self.product
            return 2 * a.shape[0] * a.shape[1] * b.shape[1] / seconds / 1e9, "GFLOP/s"
        return self.bytes / seconds / 1e9, "GB/s"


def check(name, found, expected):
    """Raise AssertionError unless the outputs of the case `name` are the reference's."""
    for key, value in expected.items():
        if value is not None:
            np.testing.assert_allclose(
                found[key], value, rtol=2e-3, atol=2e-3, err_msg=f"{name}: {key}"
            )


@functools.cache
def cases(rows):
    """Name of a case ("kernel", or "kernel activation") -> Case, for a step of so many rows."""
    random = np.random.default_rng(0)

    def array(*shape):
        return random.standard_normal(shape, dtype=np.float32)

    def probabilities(*shape):
        p = np.exp(array(*shape))
        return (p / p.sum(axis=1, keepdims=True)).astype(np.float32)

    N = rows
    x, z, W, b, dy = array(N, D), array(N, H), array(D, H), array(H), array(N, H)
    ids, shares = random.integers(0, C, N), np.full(N, 1 / N, np.float32)
    g, moment = array(PARAMETERS), np.abs(array(PARAMETERS))
    return {
        "linear": Case((x, W, b), {"y": z}, (x, W)),
        "linear_dW": Case((x, dy), {"dW": W}, (x.T, dy)),
        "linear_dx": Case((dy, W), {"dx": x}, (dy, W.T)),
        "sum_rows": Case((dy,), {"out": b}),
        "add": Case((z, dy), {"y": z}),
        "multiply": Case((z, dy), {"y": z}),
        "elementwise relu": Case((z, ()), {"y": z}),
        "elementwise_grad relu": Case((z, z, dy, ()), {"dx": z}),
        "elementwise sigmoid": Case((z, ()), {"y": z}),
        "elementwise_grad sigmoid": Case((z, z, dy, ()), {"dx": z}),
        "elementwise gelu": Case((z, ()), {"y": z}),
        "softmax": Case((z,), {"y": z}),
        "softmax_grad": Case((probabilities(N, H), dy), {"dx": z}),
        "dropout_mask": Case((0.3, (1, 2), 5, 0), {"mask": z}),
        "batchnorm": Case((z, b, b, 1e-3), {"y": z, "xhat": z, "mean": b, "var": b}),
        "sparse_softmax_crossentropy": Case(
            (array(N, C), ids, shares),
            {"p": array(N, C), "losses": shares, "dz": array(N, C)},
        ),
        "sgd": Case((g, 1e-3, 0.9, False), {"w": g, "m": g}),
        "rmsprop": Case((g, 1e-3, 0.9, 0.0, 1e-7), {"w": g, "v": moment, "a": None, "m": None}),
        "adam": Case((g, 1e-3, 0.9, 0.999, 1e-7), {"w": g, "m": g, "v": moment, "v_max": None}),
    }


NAMES = tuple(cases(1))
