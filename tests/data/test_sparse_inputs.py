"""A sparse x trains like the same numbers in an array, to rounding, and is never made dense."""

import os
import sys
import tracemalloc

import numba
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import layers
from tinynet.data import SparseRows
from tinynet.kernels import load

random = np.random.default_rng(6)
N, D = 300, 40
X = (random.random((N, D)) < 0.1) * random.integers(1, 4, (N, D))
X[17] = 0  # a row without entries
Y = (X[:, :8].sum(axis=1) > 1).astype(int)
WEIGHT = random.random(N)
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _in_float64():
    """So that nothing but a wrong sum makes a difference."""
    tinynet.config.set_floatx("float64")
    yield
    tinynet.config.set_floatx("float32")


def stack(*more, first=None):
    first = layers.Dense(5, activation="relu") if first is None else first
    model = tinynet.Sequential(
        [layers.Input((D,)), first, *more, layers.Dense(1, activation="sigmoid")]
    )
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    return model


def run(x, make=stack, **fit):
    """Histories, a step, an evaluation, predictions and weights."""
    tinynet.utils.set_random_seed(1)
    model = make()
    options = {"batch_size": 32, "epochs": 2, "verbose": 0, **fit}
    history = model.fit(x, Y, **options).history
    step = model.train_on_batch(x[:9], Y[:9])
    measured = model.evaluate(x, Y, batch_size=50, verbose=0)
    outputs = [model.predict(x, batch_size=64, verbose=0), model.predict_on_batch(x[:3])]
    return [*history.values(), step, measured, *outputs, *model.get_weights()], model


def agree(got, expected):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE)


FITS = {
    "plain": {},
    "rows one by one": {"batch_size": 1, "epochs": 1},
    "few": {"batch_size": 2, "epochs": 1},
    "many": {"batch_size": 200},
    "all": {"batch_size": N},
    "split": {"validation_split": 0.3, "batch_size": 150, "validation_batch_size": 20},
    "weights": {"sample_weight": WEIGHT, "validation_split": 0.1},
    "class weights": {"class_weight": {0: 0.5, 1: 2.0}},
    "steps": {"steps_per_epoch": 5, "epochs": 4},
    "in order": {"shuffle": False, "batch_size": 130},
    "within batches": {"shuffle": "batch", "batch_size": 130},
}


@pytest.mark.parametrize("fit", FITS)
def test_ways_to_fit(fit, device):
    got, model = run(scipy.sparse.csr_matrix(X), **FITS[fit])
    agree(got, run(X.astype(float), **FITS[fit])[0])
    if device == "cpu":
        assert model.explain_execution() == "recorded once and replayed"
        for _, program in model.execution.programs.values():
            assert program.copied == 0  # read where they are


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch_size", [7, 140])
def test_threads(threads, batch_size, monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", str(threads))
    fit = {"batch_size": batch_size}
    agree(run(scipy.sparse.csr_array(X), **fit)[0], run(X.astype(float), **fit)[0])


FORMATS = ("csr_matrix", "csr_array", "csc_matrix", "csc_array", "coo_matrix", "coo_array",
           "lil_array", "bsr_array")  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name):
    results = []
    for x in (getattr(scipy.sparse, name)(X), X.astype(float)):
        tinynet.utils.set_random_seed(1)
        model = stack()
        history = model.fit(x, Y, batch_size=32, epochs=2, verbose=0, validation_split=0.2).history
        outputs = model.predict(x, verbose=0)
        results.append([*history.values(), model.evaluate(x, Y, verbose=0), outputs])
    agree(*results)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "uint16", "int32", "int64", "float32",
                                   "float64", "longdouble"])  # fmt: skip
@pytest.mark.parametrize("batch_size", [30, 200])
def test_dtypes(dtype, batch_size):
    x = scipy.sparse.csr_matrix(X.astype(dtype))
    dense = X.astype("bool" if dtype == "bool" else "float64").astype("float64")
    agree(run(x, batch_size=batch_size)[0], run(dense, batch_size=batch_size)[0])


def test_wide_column_numbers():
    x = scipy.sparse.csr_matrix(X)
    x.indices, x.indptr = x.indices.astype("int64"), x.indptr.astype("int64")
    assert x.indices.dtype == np.int64
    agree(run(x, batch_size=140)[0], run(X.astype(float), batch_size=140)[0])


def test_entries_out_of_order_and_twice():
    x = scipy.sparse.csr_matrix(X)
    twice = scipy.sparse.csr_matrix(
        (np.repeat(x.data / 2, 2)[::-1], np.repeat(x.indices, 2)[::-1],
         (2 * (x.nnz - x.indptr))[::-1]), shape=x.shape,
    )  # fmt: skip
    before = twice.indices.copy()
    agree(run(twice)[0], run(X[::-1].astype(float))[0])
    np.testing.assert_array_equal(twice.indices, before)  # the user's matrix is as it was


OTHERS = {
    "dropout first": lambda: stack(first=layers.Dropout(0.3, seed=1)),
    "normalization first": lambda: stack(first=layers.BatchNormalization()),
    "flatten first": lambda: stack(first=layers.Flatten()),
    "normalization behind": lambda: stack(layers.BatchNormalization(), layers.Dropout(0.2, seed=1)),
    "penalty": lambda: stack(first=layers.Dense(5, kernel_regularizer="l2", use_bias=False)),
    "frozen": lambda: stack(first=layers.Dense(5, trainable=False)),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("batch_size", [30, 150])
def test_other_models(name, batch_size):
    fit = {"make": OTHERS[name], "batch_size": batch_size, "validation_split": 0.2}
    agree(run(scipy.sparse.csr_matrix(X), **fit)[0], run(X.astype(float), **fit)[0])


class Doubled(layers.Dense):
    """A layer of one's own, which knows nothing of sparse matrices."""

    def forward(self, x, training=False):
        assert x.shape == (len(x), D)
        assert not scipy.sparse.issparse(x)
        return super().forward(2 * x, training)


def test_a_layer_of_ones_own_gets_an_array():
    make = lambda: stack(first=Doubled(5))  # noqa: E731
    agree(run(scipy.sparse.csr_matrix(X), make=make)[0], run(X.astype(float), make=make)[0])


def test_eagerly():
    def make():
        model = stack()
        model.compile("adam", "binary_crossentropy", run_eagerly=True)
        return model

    agree(run(scipy.sparse.csr_matrix(X), make=make)[0], run(X.astype(float), make=make)[0])


def test_sparse_and_dense_in_turn():
    """One recorded step serves both."""
    x = scipy.sparse.csr_matrix(X)
    mixed, dense = stack(), stack()
    mixed.shuffle_seed = dense.shuffle_seed = 4
    dense.set_weights(mixed.get_weights())
    for batch_size in (30, 150):
        for same in (x, X, x.astype(float), X.astype(float)):
            mixed.fit(same, Y, batch_size=batch_size, verbose=0)
            dense.fit(X.astype(float), Y, batch_size=batch_size, verbose=0)
            agree(mixed.get_weights(), dense.get_weights())


def test_gradients():
    model = stack()
    sparse, dense = (model.gradients(x, Y) for x in (scipy.sparse.csr_matrix(X), X))
    assert sparse.keys() == dense.keys()
    agree(sparse.values(), dense.values())


# ---------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(("change", "error", "message"), [
    (lambda x: x.astype(complex), TypeError, "x: expected numbers, received csr_matrix of .*compl"),
    (lambda x: x[:0], ValueError, r"x: expected at least one row, received shape \(0, 40\)"),
    (lambda x: x[:, :30], ValueError, r"x: .* expects rows of shape \(40,\), received \(30,\)"),
    (lambda x: x[:200], ValueError, "x has 200 rows, y has 300"),
    (lambda x: scipy.sparse.coo_array(np.ones(N)), ValueError, r"x: expected a matrix \(N, D\)"),
])  # fmt: skip
def test_what_does_not_fit(change, error, message):
    model = stack()
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.fit(change(scipy.sparse.csr_matrix(X)), Y, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_nan_among_the_entries():
    bad = X.astype(float)
    bad[120, 31] = np.nan
    model = stack()
    where = r"row 120 holds nan \(at index \(120, 31\)\); 1 of 300 rows are not finite"
    for call in (lambda x: model.fit(x, Y, verbose=0), lambda x: model.predict(x, verbose=0)):
        with pytest.raises(ValueError, match=f"x: {where}"):
            call(scipy.sparse.csr_matrix(bad))
    with pytest.raises(ValueError, match=r"validation \(from row 90\) x: row 30 holds nan"):
        model.fit(scipy.sparse.csc_matrix(bad), Y, verbose=0, validation_split=0.7)


def test_damaged_matrices():
    """SciPy takes any numbers for columns; read blindly, they lead out of W."""
    for column in (D, -1, 10**6):
        x = scipy.sparse.csr_matrix(X)
        row, x.indices[40] = np.searchsorted(x.indptr, 40, "right") - 1, column
        with pytest.raises(
            ValueError, match=rf"x: row {row} has an entry in column {column}, .*40"
        ):
            stack().fit(x, Y, verbose=0)
    for change in (lambda p: p[::-1].copy(), lambda p: p + 1, lambda p: np.append(p[:-1], 10**6)):
        x = scipy.sparse.csr_matrix(X)
        x.indptr = change(x.indptr)
        with pytest.raises(ValueError, match="x: indptr of the csr_matrix is damaged"):
            stack().predict(x, verbose=0)


def test_sparse_targets():
    with pytest.raises(TypeError, match=r"^y: a csr_matrix is taken for x only; use y.toarray\(\)"):
        stack().fit(X, scipy.sparse.csr_matrix(Y[:, None]), verbose=0)


# ------------------------------------------------------------------------------------- the pieces


@given(st.integers(1, 6), st.integers(1, 5), st.data())
def test_rows(n, width, data):
    numbers = st.lists(st.integers(0, 2), min_size=width, max_size=width)
    dense = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)))
    x = SparseRows.of(scipy.sparse.csr_matrix(dense), "x")
    first = data.draw(st.integers(0, n - 1))
    index = np.array(data.draw(st.lists(st.integers(0, n - 1 - first), min_size=1, max_size=7)))
    for rows, expected in ((x[first:], dense[first:]), (x[first:][index], dense[first:][index]),
                           (x[::2], dense[::2]), (x[:-1], dense[:-1])):  # fmt: skip
        assert rows.shape == expected.shape
        assert len(rows) == len(expected)
        np.testing.assert_array_equal(rows.dense("float32"), expected)
        np.testing.assert_array_equal(rows.matrix("float32").toarray(), expected)


def test_slices_share_their_entries():
    x = SparseRows.of(scipy.sparse.csr_matrix(X), "x")
    assert np.shares_memory(x[10:20].values, x.values)


def test_products_of_the_kernels(device):
    ops, W, b = load(device), random.normal(size=(D, 3)), random.normal(size=3)
    dy, y, dW = random.normal(size=(N, 3)), np.empty((N, 3)), np.empty((D, 3))
    x = scipy.sparse.csr_array(X.astype(float))
    there_W, there_b, there_dy, y, dW = map(ops.from_host, (W, b, dy, y, dW))
    ops.linear(x, there_W, there_b, y=y)
    ops.linear_dW(x, there_dy, dW=dW)
    np.testing.assert_allclose(ops.to_host(y), X @ W + b, **TOLERANCE)
    np.testing.assert_allclose(ops.to_host(dW), X.T @ dy, **TOLERANCE)


def test_a_thread_writes_its_own_rows_of_dW_only():
    """Two threads in the same rows would go unnoticed most of the time."""
    from tinynet.kernels.cpu.zeros import sparse as sparse_ops

    @numba.njit
    def add_outer(*given):
        sparse_ops.add_outer(*given)

    x, dy, H = scipy.sparse.csr_array(X.astype(float)), random.normal(size=(N, 3)), 3
    for low, high in ((0, 13), (13, 29), (29, D), (5, 5)):
        dW = np.zeros((D, H))
        add_outer(
            x.indptr.astype(np.int64), x.indices, x.data, low, high, dy.ctypes.data,
            dW.ctypes.data, H,
        )  # fmt: skip
        expected = X.T @ dy
        expected[:low] = expected[high:] = 0
        np.testing.assert_allclose(dW, expected, **TOLERANCE)


# ------------------------------------------------------------------------------------------ memory


def resident():
    """Bytes of memory that this process holds at the moment."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_no_dense_batch_is_made():
    """Ten thousand words: a batch of 2000 rows would take 160 MB, all rows 1.6 GB."""
    rows, words, ones = 20_000, 10_000, 20
    columns = np.sort(random.integers(0, words // ones, (rows, ones)) + np.arange(0, words, 500))
    x = scipy.sparse.csr_matrix(
        (np.ones(rows * ones, "uint8"), columns.ravel(), np.arange(0, rows * ones + 1, ones)),
        shape=(rows, words),
    )
    y = np.zeros(rows)
    model = tinynet.Sequential([layers.Input((words,)), layers.Dense(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x[:50], y[:50], verbose=0)
    before = resident()
    model.fit(x, y, batch_size=2000, verbose=0, validation_split=0.1)
    model.predict(x, batch_size=2000, verbose=0)
    assert resident() - before < 80e6


@pytest.mark.parametrize("rows", [1, 3])
def test_memory_goes_by_the_entries_and_the_weights_not_by_the_columns(rows):
    """1 kB a column and thread was once kept for entries that never come."""
    columns = 1 << 17
    x = scipy.sparse.random(rows, columns, 1e-4, "csr", random_state=1)
    model = tinynet.Sequential([layers.Input((columns,)), layers.Dense(2), layers.Dense(1)])
    model.compile("sgd", "mse", device="cpu")
    tracemalloc.start()
    model.fit(x, np.zeros(rows), verbose=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.explain_execution() == "recorded once and replayed"
    assert peak < 450 * columns


@pytest.mark.parametrize("rows", [1, 3, 64, 70])
def test_few_rows_of_many_zeros(rows):
    """Room for the entries of fewer rows than are sorted together."""
    x = random.random((rows, 3000)) * (random.random((rows, 3000)) < 0.02)
    ends = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = tinynet.Sequential([layers.Input((3000,)), layers.Dense(5, "tanh"),
                                    layers.Dense(1)])  # fmt: skip
        model.compile("sgd", "mse", device=device)
        model.fit(x, x[:, :1], epochs=3, batch_size=rows, verbose=0)
        ends.append(model.get_weights())
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, **TOLERANCE)
