"""`keras.ops` on NumPy: values, shapes and dtypes of Keras's."""

import copy
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from oracle import HAVE_KERAS

import tinynet
from tinynet.ops.arrays import NAMES, OF_LINALG

RNG = np.random.default_rng(0)
A, B = RNG.uniform(0.1, 0.9, (2, 3, 4)).astype(np.float32)
S = A[:, :3] @ A[:, :3].T + np.eye(3, dtype=np.float32)
X, I = np.arange(6, dtype=np.int32).reshape(2, 3), np.array([0, 2, 1], np.int32)

CASES = {
    "one array": [(A,), (X,), ([1, 2, 3],), ([1.5, 2.5],), (S,)],
    "two arrays": [(A, B), (A, 2), (A, 0.5), (X, X), ([1, 2], [3, 4]), (S, A)],
    "an axis": [(A, 0), (A, -1), (X, 1), (A, (0, 1))],
    "lists of arrays": [([A, B],), ((A, B), 0), ([X, X], 1)],
    "shapes": [((2, 3),), (3,), ((2, 3), 1.5), (A, (4, 3)), (2, 3)],
    "ids": [(I, 4), (A, I), (A, I, 1), (I, A, 2), (A, 2), (A, I, 4)],
    "three": [(A > 0.5, A, B), (A, 0.2, 0.5), (0.0, 2.0, 5), (1, 9, 2), ("ij,kj->ik", A, B)],
}
# random, or with results that are not determined
APART = {"empty", "empty_like", "imag", "real", "eig", "eigh", "qr", "histogram", "quantile",
         "nanquantile", "percentile", "nanpercentile", "kaiser", "nextafter", "shape", "ndim",
         "size", "matrix_rank", "nan_to_num", "bartlett", "blackman", "hamming",
         "hanning"}  # fmt: skip
MORE = {"cast", "cdist", "divide_no_nan", "erf", "in_top_k", "logsumexp", "one_hot",
        "segment_max", "segment_sum", "solve_triangular", "unstack"}  # fmt: skip
TESTED = sorted({*NAMES, *OF_LINALG, *MORE} - APART)


def results(keras, kind):
    """{name and case: (each result)} of all ops that take such arguments."""
    found = {}
    for name in TESTED:
        op = getattr(keras.ops, name, None)
        if op is None:
            continue
        for i, args in enumerate(CASES[kind]):
            try:
                result = op(*copy.deepcopy(args))
                parts = result if isinstance(result, (list, tuple)) else [result]
                for j, part in enumerate(parts):
                    found[f"{name} {i} {j}"] = np.asarray(part)
            except Exception:  # these arguments are not for this op
                continue
    return {key: value for key, value in found.items() if value.dtype.kind in "fiub"}


@pytest.fixture(scope="module")
def of_keras(tmp_path_factory):
    """What Keras returns, on its NumPy backend, which is quick: kind -> results."""
    if not HAVE_KERAS:
        pytest.skip("Keras is not installed")
    path = tmp_path_factory.mktemp("ops") / "results.npz"
    script = (
        "import sys, warnings, numpy as np\n"
        "warnings.simplefilter('ignore'); np.seterr(all='ignore')\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}\n"
        "import keras, test_ops\n"
        "found = {f'{kind}|{key}': value for kind in test_ops.CASES\n"
        "         for key, value in test_ops.results(keras, kind).items()}\n"
        f"np.savez({str(path)!r}, **found)\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=300)
    with np.load(path) as archive:
        return dict(archive)


@pytest.mark.parametrize("kind", CASES)
def test_ops_are_those_of_keras(kind, of_keras):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = results(tinynet, kind)
    expected = {key.partition("|")[2]: value for key, value in of_keras.items()
                if key.startswith(f"{kind}|")}  # fmt: skip
    both = sorted(got.keys() & expected.keys())
    assert len(both) > 40
    for key in both:
        a, b = got[key], expected[key]
        if a.dtype.kind == b.dtype.kind:  # a few give floats for integers here, or there
            np.testing.assert_allclose(a, b, rtol=5e-5, atol=2e-6, err_msg=f"{key} {kind}")
            assert a.shape == b.shape, key
            assert a.dtype not in (np.float16, np.float64, np.int64), (key, a.dtype)


def test_loops_by_hand():
    ops = tinynet.ops
    assert ops.fori_loop(0, 5, lambda i, v: v + i, 0) == 10
    assert ops.while_loop(lambda i, v: i < 4, lambda i, v: (i + 1, v * 2), (0, 1)) == (4, 16)
    assert ops.while_loop(lambda i: True, lambda i: i + 1, 0, maximum_iterations=7) == 7
    carry, rows = ops.scan(lambda c, x: (c + x, c), 0.0, np.arange(4.0))
    assert carry == 6
    np.testing.assert_array_equal(rows, [0, 0, 1, 3])
    _, rows = ops.scan(lambda c, x: (c + x, c), 0.0, np.arange(4.0), reverse=True)
    np.testing.assert_array_equal(rows, [6, 5, 3, 0])
    np.testing.assert_array_equal(ops.map(lambda r: r.sum(), A), [r.sum() for r in A])
    assert ops.cond(True, lambda: 1, lambda: 2) == 1
    assert ops.switch(5, [lambda x: x, lambda x: -x], 3) == -3
    x = ops.scatter([[0], [2], [0]], [1.0, 2.0, 3.0], (3,))
    np.testing.assert_array_equal(x, [4, 0, 2])
    x = ops.scatter_update(x, [[1], [1]], [5.0, 6.0], reduction="max")
    np.testing.assert_array_equal(x, [4, 6, 2])
    np.testing.assert_array_equal(ops.slice_update(x, [1], [9.0]), [4, 9, 2])
    np.testing.assert_array_equal(ops.slice(x, [1], [-1]), [6, 2])


def test_variables_go_in_and_arrays_come_out_under_keras_s_argument_names():
    ops, v = tinynet.ops, tinynet.Variable(A)
    for f in (lambda a: ops.sum(x=a, axis=0), lambda a: ops.concatenate(xs=[a, a], axis=1),
              lambda a: ops.maximum(x1=a, x2=0.5), lambda a: ops.relu(a),
              lambda a: ops.cast(a, "int32"), lambda a: ops.softmax(x=a),
              lambda a: ops.top_k(a, 2)[0]):  # fmt: skip
        assert isinstance(f(v), np.ndarray)
        np.testing.assert_array_equal(f(v), f(A))
    assert ops.ones((2,), dtype="float64").dtype == ops.sum(A.astype(float)).dtype == "float64"
    with pytest.raises(TypeError, match="holds no numbers yet"):
        ops.sum(tinynet.Input((3,)))
