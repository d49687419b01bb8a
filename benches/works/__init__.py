"""Workloads: dense networks as users train them, their data, and the engines that can.

An engine of a workload is a class with `__init__(case, x, y)`, `load(weights)`, `fit(epochs,
shuffle) -> losses of the epochs`, `predict(x)` and `one(row)`; `unable(case)` says why it can't do
a case, or None. Preparation (conversion, compilation) belongs into `__init__` and the first calls,
which are not timed.
"""

import dataclasses
import importlib
import importlib.util

import images
import numpy as np

PREDICTED_AT_ONCE = 1024
LOSS_TOLERANCE = 2e-3  # relative, of the losses of two epochs of a few steps
# Engines that are right differ by 1e-5 to 5e-4 (order of summation, where Adam adds epsilon).


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, its data and how it is trained.

    Attributes:
        widths: units from the input to the output; norm, dropout: behind each hidden layer.
        loss: "classes" (softmax, class ids), "binary" (sigmoid) or "mse"; an mse whose output is
            as wide as its input learns the input.
        data: "mnist", "dense", "csr" (one entry in a hundred), "several" (three inputs).
    """

    name: str
    widths: tuple
    rows: int
    batch: int
    epochs: int = 1
    loss: str = "classes"
    optimizer: str = "adam"
    data: str = "dense"
    norm: bool = False
    dropout: float = 0.0
    dtype: str = "float32"


WIDE, SHOWCASE = (784, 2048, 2048, 10), (784, 300, 200, 100, 10)
CASES = {case.name: case for case in (
    Case("4-16-16-3, 100 rows", (4, 16, 16, 3), 100, 32, 20),
    Case("20-64-64-2", (20, 64, 64, 2), 4096, 32, 3),
    Case("784-128-10", (784, 128, 10), 20_000, 32, data="mnist"),
    Case("784-300-200-100-10 at 32", SHOWCASE, 20_000, 32, data="mnist"),
    Case("784-300-200-100-10 at 512", SHOWCASE, 55_000, 512, data="mnist"),
    Case("784-512-512-10", (784, 512, 512, 10), 20_000, 128, data="mnist"),
    Case("784-2048-2048-10", WIDE, 6400, 128, data="mnist"),
    Case("784, 3 of 1024, 10", (784, 1024, 1024, 1024, 10), 12_800, 256, data="mnist"),
    Case("autoencoder", (784, 128, 64, 128, 784), 25_600, 256, loss="mse", data="mnist"),
    Case("tabular, norm, dropout", (50, 128, 64, 5), 20_000, 128, norm=True, dropout=0.3),
    Case("regression", (100, 256, 128, 64, 1), 20_000, 64, loss="mse"),
    Case("20 layers of 64", (64, *[64] * 20, 10), 6400, 32),
    Case("IMDB-like, CSR", (10_000, 16, 16, 1), 20_480, 512, 2, loss="binary", data="csr"),
    Case("three inputs", (96, 128, 64, 5), 20_000, 128, data="several"),
    Case("784-128-10, float64", (784, 128, 10), 20_000, 128, data="mnist", dtype="float64"),
    Case("784-128-10, SGD", (784, 128, 10), 20_000, 32, data="mnist", optimizer="sgd"),
    Case("784-128-10, RMSprop", (784, 128, 10), 20_000, 32, data="mnist", optimizer="rmsprop"),
)}  # fmt: skip

# name -> (module, class, what it imports)
ENGINES = {
    "tinynet": ("like_keras", "Tinynet", "numba"),
    "reference": ("like_keras", "Reference", "numpy"),
    "keras-jax": ("like_keras", "KerasOnJax", "keras"),
    "torch": ("pytorch", "Torch", "torch"),
    "torch-compile": ("pytorch", "TorchCompiled", "torch"),
    "jax": ("jax_scan", "Jax", "jax"),
    "scikit-learn": ("scikit_learn", "ScikitLearn", "sklearn"),
    "products": ("products", "Alone", "numpy"),
}
PEERS = tuple(name for name in ENGINES if name not in ("tinynet", "reference", "products"))


def installed(name):
    return importlib.util.find_spec(ENGINES[name][2]) is not None


def engine(name):
    """The class of an engine."""
    module, kind, _ = ENGINES[name]
    return getattr(importlib.import_module(f"works.{module}"), kind)


def data(case, kind="mnist"):
    """x and y of a case: an array, a CSR matrix, or a list of three arrays.

    Args:
        kind: what stands for MNIST, see `images.KINDS`.
    """
    random = np.random.default_rng(0)
    N, D, C = case.rows, case.widths[0], case.widths[-1]
    if case.data == "mnist":
        x, y = images.load(kind)
        x, y = (np.resize(a, (N, *a.shape[1:])) for a in (x, y))
    elif case.data == "csr":
        import scipy.sparse

        x = scipy.sparse.random(N, D, 0.01, "csr", np.float32, random)
        x.sort_indices()
        y = random.integers(0, 2, N)
    else:
        x = random.standard_normal((N, D), dtype=np.float32)
        y = random.integers(0, C, N)
    if case.loss == "mse":
        y = x if D == C else x @ random.standard_normal((D, C), dtype=np.float32) / D**0.5
    if case.loss == "binary":
        y = y.astype(case.dtype)[:, None]
    if case.data != "csr":
        x = x.astype(case.dtype)
    y = y.astype(case.dtype) if case.loss == "mse" else y
    return (np.split(x, 3, axis=1) if case.data == "several" else x), y


def first(x, rows):
    return [part[:rows] for part in x] if isinstance(x, list) else x[:rows]


def small(case):
    """The same case for its proof: eight steps, no dropout, whose draws are each engine's own."""
    return dataclasses.replace(case, rows=min(8 * case.batch, case.rows), dropout=0.0)
