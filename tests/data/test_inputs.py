"""Everything that can be handed over as an array trains like the same numbers in float32."""

import datetime
import os
import random as python_random
import sys
import tracemalloc

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, layers
from tinynet.data import arrays
from tinynet.utils import split_dataset

random = np.random.default_rng(4)
N, D = 50, 6
X = (random.random((N, D)) < 0.5).astype("float32")  # 0 and 1: every dtype can hold them
Y = (X[:, 0] + 2 * X[:, 1] * X[:, 2]).astype(int) % 3


def run(x, y=Y, weight=None):
    """What a fit with validation, a single step, an evaluation and a prediction leave behind."""
    tinynet.utils.set_random_seed(2)
    model = Sequential([
        layers.Input((D,)), layers.Dense(8, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"batch_size": 8, "epochs": 2, "verbose": 0, "sample_weight": weight}
    history = model.fit(x, y, validation_split=0.2, **options).history
    history |= model.fit(x, y, validation_data=(x, y), shuffle=False, **options).history
    step = model.train_on_batch(x, y)
    measured = model.evaluate(x, y, batch_size=9, verbose=0)
    outputs = [model.predict(x, batch_size=7, verbose=0), model.predict_on_batch(x)]
    return [*history.values(), step, measured, *outputs, *model.get_weights()]


@pytest.fixture
def expected(device):
    if device not in expected_of:
        expected_of[device] = run(X)
    return expected_of[device]


expected_of = {}


def agree(got, expected):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
          "float16", "float32", "float64", "longdouble", ">f4", ">f8", ">i2", "<u8")  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype, expected):
    agree(run(X.astype(dtype)), expected)


def strided(x):
    """Every second row of an array, and every second of its columns."""
    wide = np.full((2 * N, 2 * D), np.nan, "float32")
    wide[::2, ::2] = x
    return wide[::2, ::2]


def with_columns_left_out(x):
    """Rows that stand apart in memory, each of them whole."""
    wide = np.full((N, D + 3), np.nan, "float32")
    wide[:, 1:-2] = x
    return wide[:, 1:-2]


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def unaligned(x):
    room = np.zeros(x.nbytes + 1, np.uint8)
    room[1:] = np.frombuffer(x.tobytes(), np.uint8)
    return np.frombuffer(room, "float32", offset=1).reshape(x.shape)


class OnlyArray:
    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return self.x


class OnlyDLPack:
    def __init__(self, x):
        self.x = x

    def __dlpack__(self, **options):
        return self.x.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()


LAYOUTS = {
    "strided": strided,
    "columns left out": with_columns_left_out,
    "Fortran": np.asfortranarray,
    "backwards": lambda x: x[::-1].copy()[::-1],
    "read-only": read_only,
    "unaligned": unaligned,
    "matrix": lambda x: np.asarray(x).view(np.recarray).view(np.ndarray),
    "list": lambda x: x.tolist(),
    "tuple of rows": tuple,
    "memoryview": memoryview,
    "__array__": OnlyArray,
    "DLPack": OnlyDLPack,
    "masked, nothing hidden": np.ma.MaskedArray,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, expected):
    agree(run(LAYOUTS[layout](X)), expected)


def test_pandas(expected):
    pandas = pytest.importorskip("pandas")
    names = list("abcdef")
    kinds = ["int64", "float32", "bool", "Int64", "Float32", "boolean"]
    for frame in (
        pandas.DataFrame(X, columns=names, index=np.arange(N)[::-1]),
        pandas.DataFrame(X.astype("uint8")),
        pandas.DataFrame(X, columns=names).astype(dict(zip(names[:3], kinds[:3], strict=True))),
        pandas.DataFrame(X, columns=names).astype(dict(zip(names, kinds, strict=True))),
    ):
        for y in (pandas.Series(Y, index=np.arange(N) + 7), pandas.Series(Y, dtype="Int64")):
            agree(run(frame, y), expected)


def test_pandas_columns_that_are_no_numbers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    words, category = frame.assign(c="word"), frame.assign(e=pandas.Categorical(["u", "v"] * 25))
    mixed = frame.assign(d=pandas.Series([1, "2"] * 25, dtype=object))
    days = frame.assign(f=datetime.datetime(2000, 1, 1))
    for bad, column in ((words, "c"), (category, "e"), (mixed, "d"), (days, "f")):
        dtype = str(bad.dtypes[column]).replace("[", r"\[").replace("]", r"\]")
        with pytest.raises(TypeError, match=rf"x: column '{column}' is of dtype {dtype}, expected"):
            run(bad)
    for bad in (words, category):
        with pytest.raises(TypeError, match=r"layers\.StringLookup, .*pandas\.get_dummies"):
            run(bad)
    with pytest.raises(TypeError, match=r"y: column 'label' is of dtype (object|str), expected"):
        run(frame, pandas.Series(["a"] * N, name="label"))
    missing = frame.astype({"b": "Int64"})
    missing.loc[7, "b"] = pandas.NA
    with pytest.raises(ValueError, match=r"x: row 7 holds nan \(at index \(7, 1\)\)"):
        run(missing)


def test_tensors_of_torch(expected):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(X.copy())
    for x in (tensor, tensor.double().requires_grad_(), tensor * torch.ones(1, requires_grad=True),
              tensor.to(torch.uint8), tensor.half(), tensor.T.contiguous().T):  # fmt: skip
        agree(run(x, torch.from_numpy(Y)), expected)
    for x in (tensor.to_sparse(), tensor.bfloat16()):
        with pytest.raises(TypeError, match=r"x: Tensor can't be read as an array: .*(parse|BFl)"):
            run(x)


def test_arrays_of_jax(expected):
    jax = pytest.importorskip("jax")
    agree(run(jax.numpy.asarray(X), jax.numpy.asarray(Y)), expected)


@pytest.mark.parametrize("y", [
    list(Y), Y.astype("uint8"), Y.astype(">i4"), Y.astype("float16"), Y[:, None],
    np.repeat(Y, 2)[::2],
], ids=["list", "uint8", ">i4", "float16", "column", "strided"])  # fmt: skip
def test_targets(y, expected):
    agree(run(X, y), expected)


@pytest.mark.parametrize("layout", ["list", "float64", "strided", "column"])
def test_weights(layout, device):
    weight = random.choice([0.25, 0.5, 2.0], N).astype("float32")
    given = {"list": weight.tolist(), "float64": weight.astype("float64"),
             "strided": np.repeat(weight, 2)[::2], "column": weight[:, None]}  # fmt: skip
    agree(run(X, weight=given[layout]), run(X, weight=weight))


def test_images(device):
    """Rows of three axes, in layouts whose rows do and do not lie whole in memory."""
    x = random.integers(0, 255, (30, 4, 5)).astype("uint8")

    def weights(x):
        tinynet.utils.set_random_seed(1)
        model = Sequential([layers.Flatten(), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(x, x[:, 0, 0] / 255, batch_size=7, verbose=0)
        return model.get_weights()

    expected = weights(x.astype("float32"))
    for same in (x, x.transpose(0, 2, 1).copy().transpose(0, 2, 1), np.asfortranarray(x),
                 x.astype(">u2"), np.repeat(x, 2, axis=0)[::2]):  # fmt: skip
        agree(weights(same), expected)


# -------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("x", "error", "message"), [
    (np.ma.masked_less(X, 0.5), ValueError, r"x: row \d+ holds a masked value; fill it first"),
    (lambda: iter([]), TypeError, "x: expected numbers, received function .*; call it, if it is"),
    (X.astype("datetime64[s]"), TypeError, r"x: expected numbers, received ndarray .*datetime64"),
    (np.zeros(N, "f4, f4"), TypeError, "x: expected numbers, received ndarray of dtype"),
])  # fmt: skip
def test_what_is_no_array(x, error, message):
    with pytest.raises(error, match=message):
        run(x)


def test_validation_data_without_targets_build_nothing():
    model = Sequential([layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"validation_data: expected .* received tuple of 1"):
        model.fit(X, Y, validation_data=(X,), verbose=0)
    assert not model.built


# -------------------------------------------------------------------------------- nothing is copied

MANY, WIDE = 16000, 500
BIG = {
    "uint8": lambda: np.zeros((MANY, WIDE), "uint8"),
    "float64": lambda: np.zeros((MANY, WIDE)),
    "float16": lambda: np.zeros((MANY, WIDE), "float16"),
    ">f4": lambda: np.zeros((MANY, WIDE), ">f4"),
    "Fortran": lambda: np.zeros((MANY, WIDE), "float32", order="F"),
    "strided": lambda: np.zeros((2 * MANY, 2 * WIDE), "uint8")[::2, ::2],
}


@pytest.mark.parametrize("kind", BIG)
def test_no_copy_of_all_rows_is_made(kind, device):
    if device == "gpu" and os.environ.get("TINYNET_TESTS_GPU") == "emulated":
        pytest.skip("the memory of the card is that of the host here")
    x, y = BIG[kind](), np.zeros(MANY)
    model = Sequential([layers.Input((WIDE,)), layers.Dense(2), layers.Dense(1)])
    model.compile("sgd", "mse")

    def use(rows):
        model.fit(x[:rows], y[:rows], batch_size=50, verbose=0, validation_split=0.1,
                  steps_per_epoch=10, validation_steps=2)  # fmt: skip
        model.predict(x[:rows], batch_size=50, steps=10, verbose=0)

    use(1500)  # compiles, records
    tracemalloc.start()
    use(MANY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < min(x.nbytes, MANY * WIDE * 4) / 1.5  # some batches are copied


# ------------------------------------------------------------------------- files mapped into memory


def mapped(tmp_path, array, name="x"):
    np.save(tmp_path / f"{name}.npy", array)
    return np.load(tmp_path / f"{name}.npy", mmap_mode="r")


@pytest.fixture
def every_file_is_large(monkeypatch):
    monkeypatch.setattr(arrays, "READ_AT_ONCE", 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", ">f4"])
def test_mapped_files(dtype, expected, tmp_path, every_file_is_large):
    x, y = mapped(tmp_path, X.astype(dtype)), mapped(tmp_path, Y, "y")
    assert arrays.is_mapped(x)
    assert arrays.is_mapped(np.asarray(x)[3:9])
    assert not arrays.is_mapped(np.array(x))
    agree(run(x, y), expected)


def compiled(loss="sparse_categorical_crossentropy", **options):
    model = Sequential([layers.Input((D,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss, **options)
    return model


def test_a_bad_row_of_a_mapped_file_is_named_when_it_comes(tmp_path, every_file_is_large):
    bad = X.copy()
    bad[37, 2] = np.inf
    x, model = mapped(tmp_path, bad), compiled()
    with pytest.raises(ValueError, match=r"x: row 37 holds inf \(at index \(37, 2\)\)"):
        model.fit(x, Y, batch_size=10, shuffle=False, verbose=0, steps_per_epoch=5)
    done = model.optimizer.iterations
    assert done <= 3  # the fourth batch holds it
    assert model.steps_taken == done
    same = compiled()
    same.set_weights(model.get_weights())
    model.fit(X[:30], Y[:30], batch_size=10, shuffle=False, verbose=0)  # and it goes on
    same.fit(X[:30], Y[:30], batch_size=10, shuffle=False, verbose=0)
    agree(model.get_weights(), same.get_weights())
    for call in (lambda: model.fit(x, Y, verbose=0), lambda: model.predict(x, verbose=0),
                 lambda: model.evaluate(x, Y, verbose=0)):  # fmt: skip
        with pytest.raises(ValueError, match="x: row 37 holds inf"):
            call()
    with pytest.raises(ValueError, match=r"validation \(from row 30\) x: row 7 holds inf"):
        model.fit(x, Y, validation_split=0.4, verbose=0)


def test_a_bad_target_in_a_mapped_file(tmp_path, every_file_is_large):
    bad = Y.copy()
    bad[23] = 3
    with pytest.raises(ValueError, match=r"y\[23:24\]: row 0 has class id 3, .* \[0, 3\)"):
        compiled().fit(X, mapped(tmp_path, bad), verbose=0)
    with pytest.raises(ValueError, match=r"y: .*expects integer class ids of shape"):
        compiled().fit(X, mapped(tmp_path, np.eye(3)[Y]), verbose=0)


def test_class_weights_with_mapped_targets(tmp_path, every_file_is_large):
    weighted = []
    for y in (Y, mapped(tmp_path, Y)):
        tinynet.utils.set_random_seed(3)
        model = compiled()
        model.fit(X, y, class_weight={0: 3.0, 2: 0.5}, verbose=0)
        weighted.append(model.get_weights())
    agree(*weighted)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_a_large_mapped_file_is_not_read_whole(tmp_path):
    rows, columns = 200_000, 784
    with open(tmp_path / "x.bin", "wb") as file:
        file.truncate(rows * columns * 4)  # 627 MB of zeros that take no room on the disk
    x = np.memmap(tmp_path / "x.bin", "float32", "r", shape=(rows, columns))
    y = np.zeros(rows)
    model = Sequential([layers.Input((columns,)), layers.Dense(4), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((500, columns)), y[:500], batch_size=100, verbose=0)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    tracemalloc.start()
    model.fit(x, y, batch_size=100, steps_per_epoch=30, validation_split=0.5, validation_steps=3,
              shuffle=False, verbose=0)  # fmt: skip
    model.predict(x, batch_size=100, steps=3, verbose=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
    assert resident() - before < 120e6


# ------------------------------------------------------------------------------------ split_dataset


@pytest.mark.parametrize(("sizes", "left", "right"), [
    ({"left_size": 0.8}, 40, 10), ({"right_size": 0.25}, 38, 12), ({"left_size": 7}, 7, 43),
    ({"left_size": 0.33}, 16, 34), ({"left_size": 5, "right_size": 0.5}, 5, 25),
    ({"left_size": 0.1, "right_size": 0.2}, 5, 10),
])  # fmt: skip
def test_sizes_of_a_split(sizes, left, right):
    a, b = split_dataset(X, **sizes)
    agree([a, b], [X[:left], X[N - right :]])
    assert np.shares_memory(a, X)


def test_a_shuffled_split_has_the_order_of_keras():
    order = list(range(N))
    python_random.Random(13).shuffle(order)  # what Keras does with its seed
    (x, y), (vx, vy) = split_dataset((X, Y), left_size=0.6, shuffle=True, seed=13)
    agree([x, y, vx, vy], [X[order[:30]], Y[order[:30]], X[order[30:]], Y[order[30:]]])
    tinynet.utils.set_random_seed(1)
    first = split_dataset(Y, 0.5, shuffle=True)
    tinynet.utils.set_random_seed(1)
    agree(first, split_dataset(Y, 0.5, shuffle=True))


def test_what_is_split_keeps_its_kind():
    left, right = split_dataset({"a": X, "b": Y}, right_size=10)
    assert list(left) == ["a", "b"]
    agree([right["a"], right["b"]], [X[40:], Y[40:]])
    assert type(split_dataset([X, Y], 0.5)[0]) is list
    agree(split_dataset([1, 2, 3, 4], left_size=3), [[1, 2, 3], [4]])


@pytest.mark.parametrize(("sizes", "error", "message"), [
    ({}, ValueError, "needs left_size or right_size"),
    ({"left_size": 0}, ValueError, r"left_size must be an int in \[1, 50\), received 0"),
    ({"left_size": 50}, ValueError, "left_size must be an int"),
    ({"right_size": 1.0}, ValueError, r"right_size must be a float in \(0, 1\), received 1.0"),
    ({"right_size": "half"}, TypeError, "right_size must be an int or a float, received 'half'"),
    ({"left_size": 30, "right_size": 21}, ValueError, "30 and 21 rows together, there are 50"),
    ({"left_size": 0.001}, ValueError, "leave one side without any"),
])  # fmt: skip
def test_sizes_that_do_not_fit(sizes, error, message):
    with pytest.raises(error, match=message):
        split_dataset(X, **sizes)


def test_arrays_of_unequal_length_are_not_split():
    with pytest.raises(ValueError, match=r"dataset\[0\] has 50 rows, dataset\[1\] has 49"):
        split_dataset((X, Y[1:]), 0.5)
