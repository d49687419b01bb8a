"""`keras.ops` on NumPy: values, shapes and dtypes of Keras's."""

import numpy as np
import pytest
from oracle import keras_case

import tinynet

RNG = np.random.default_rng(0)
A, B = RNG.uniform(0.1, 0.9, (2, 3, 4)).astype(np.float32)
S = A[:, :3] @ A[:, :3].T + np.eye(3, dtype=np.float32)
X, I = np.arange(6, dtype=np.int32).reshape(2, 3), np.array([0, 2, 1], np.int32)

CASES = {
    "one array": [(A,), (X,), (A > 0.5,), ([1, 2, 3],), ([1.5, 2.5],), (S,)],
    "two arrays": [(A, B), (A, 2), (A, 0.5), (X, X), ([1, 2], [3, 4]), (S, A)],
    "an axis": [(A, 0), (A, -1), (X, 1), (A, (0, 1))],
    "lists of arrays": [([A, B],), ((A, B), 0), ([X, X], 1)],
    "shapes": [((2, 3),), (3,), ((2, 3), 1.5), (A, (4, 3)), (2, 3)],
    "ids": [(I, 4), (A, I), (A, I, 1), (I, A, 2), (A, 2), (A, I, 4)],
    "three": [(A > 0.5, A, B), (A, 0.2, 0.5), (0.0, 2.0, 5), (1, 9, 2), ("ij,kj->ik", A, B)],
}
# what only one of the two takes, or where dtypes are NumPy's: numbers of bool, ranks, histograms
APART = {"histogram", "imag", "real", "matrix_rank", "is_tensor", "multi_hot", "eig", "eigh", "qr",
         "svd", "empty", "empty_like", "map", "vectorized_map", "cond", "switch", "scan",
         "while_loop", "fori_loop", "dtype", "convert_to_numpy", "stop_gradient", "kaiser",
         "nan_to_num", "size", "layer_normalization", "rms_normalization", "nextafter", "ndim",
         "shape", "bartlett", "blackman", "hamming", "hanning"}  # fmt: skip


def results(keras, kind):
    """{name and case: (each result)} of all ops that take such arguments."""
    found = {}
    for name in sorted(set(tinynet.ops.__dict__) - APART):
        op = getattr(keras.ops, name, None)
        if name.startswith("_") or not callable(op):
            continue
        for i, args in enumerate(CASES[kind]):
            try:
                result = op(*args)
                parts = result if isinstance(result, (list, tuple)) else [result]
                for j, part in enumerate(parts):
                    found[f"{name} {i} {j}"] = np.asarray(part)
            except Exception:  # these arguments are not for this op
                continue
    return {key: value for key, value in found.items() if value.dtype.kind in "fiub"}


@keras_case
def keras_ops(keras, kind):
    return results(keras, kind)


@pytest.mark.parametrize("kind", CASES)
def test_ops_are_those_of_keras(kind):
    with np.errstate(all="ignore"):
        got = results(tinynet, kind)
    expected = keras_ops(kind)
    both = sorted(got.keys() & expected.keys())
    assert len(both) > 40
    integers = {"ceil", "floor", "trunc", "round", "hard_tanh", "leaky_relu", "moments"}
    for key in both:
        a, b, name = got[key], expected[key], key.split()[0]
        np.testing.assert_allclose(a, b, rtol=5e-5, atol=2e-6, err_msg=f"{key} {kind}")
        assert a.shape == b.shape, key
        if b.dtype.kind != "b" and a.dtype != np.float16 and name not in integers:
            assert a.dtype == b.dtype, (key, a.dtype, b.dtype)


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
