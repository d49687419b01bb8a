"""One-hot, norms, padding against Keras; scalers against scikit-learn."""

import ast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracle import keras_case

from tinynet import utils

# to_categorical


@keras_case
def keras_one_hot(keras, x, num_classes):
    return {"y": keras.utils.to_categorical(np.array(x), num_classes)}


@pytest.mark.parametrize(
    ("x", "num_classes"),
    [((0, 2, 1), None), ((0, 2, 1), 5), (((0,), (2,)), None), (((0, 1), (2, 2)), None),
     ((((1,), (0,)), ((3,), (2,))), 4), (1, 3), ((1.0, 0.0), None), ((True, False), None),
     ((0,), None), ((), 3)],
)  # fmt: skip
def test_to_categorical_is_that_of_keras(x, num_classes):
    y, expected = utils.to_categorical(x, num_classes), keras_one_hot(x, num_classes)["y"]
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32"])
def test_to_categorical_takes_any_real_dtype(dtype):
    y = utils.to_categorical(np.array([2, 0], dtype))
    np.testing.assert_array_equal(y, [[0, 0, 1], [1, 0, 0]])


@given(hnp.arrays("int32", hnp.array_shapes(max_dims=3, max_side=5), elements=st.integers(0, 9)))
def test_to_categorical_inverts_argmax(ids):
    y = utils.to_categorical(ids, 10)
    squeezed = ids[..., 0] if ids.ndim > 1 and ids.shape[-1] == 1 else ids
    np.testing.assert_array_equal(y.argmax(-1), squeezed)
    np.testing.assert_array_equal(y.sum(-1), np.ones(squeezed.shape))


@pytest.mark.parametrize(
    ("x", "num_classes", "message"),
    [
        ([0, -1, -2], None, "0 or more; received -1 in row 1"),
        ([0, 1.5], None, "whole numbers.* received 1.5 in row 1"),
        ([0, np.nan], None, "received nan in row 1"),
        ([np.inf], None, "received inf in row 0"),
        ([0, 1, 7, 8], 7, "below num_classes = 7; received 7 in row 2"),
        ([[0, 1], [9, 0]], 3, r"received 9 in row \(1, 0\)"),
        (["a"], None, "class ids must be integers"),
        ([], None, "empty"),
        ([0], 0, "num_classes must be a positive integer, received 0"),
        ([0], 2.0, "num_classes must be a positive integer, received 2.0"),
        ([0], True, "num_classes must be a positive integer, received True"),
    ],
)
def test_to_categorical_refuses(x, num_classes, message):
    with pytest.raises(ValueError, match=message):
        utils.to_categorical(x, num_classes)


# normalize

VECTORS = ((3.0, 4.0, 0.0), (0.0, 0.0, 0.0), (-1.0, 2.0, 2.0))


@keras_case
def keras_normalize(keras, axis, order, dtype):
    return {"y": keras.utils.normalize(np.array(VECTORS, dtype), axis, order)}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize(("axis", "order"), [(-1, 2), (1, 1), (-1, 3), (-1, np.inf), (-2, 2)])
def test_normalize_is_that_of_keras(axis, order, dtype):
    y = utils.normalize(np.array(VECTORS, dtype), axis, order)
    expected = keras_normalize(axis, order, dtype)["y"]
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_normalize_by_hand():
    np.testing.assert_allclose(utils.normalize([3, 4]), [0.6, 0.8])
    x = np.array([[3.0, 0.0, 1.0], [4.0, 0.0, 1.0]])
    np.testing.assert_allclose(utils.normalize(x, axis=0), [[0.6, 0, 0.5**0.5], [0.8, 0, 0.5**0.5]])
    np.testing.assert_array_equal(x[0], [3, 0, 1])  # the input is left alone


@pytest.mark.parametrize("axis", [2, -3, None, 0.0, (0, 1)])
def test_normalize_refuses(axis):
    with pytest.raises(ValueError, match="axis"):
        utils.normalize(np.ones((2, 2)), axis)


# pad_sequences


@keras_case
def keras_padded(keras, sequences, options):
    # The key of a recording needs plain arguments: sequences come as text.
    return {"x": keras.utils.pad_sequences(ast.literal_eval(sequences), **dict(options))}


RAGGED = "[[1], [2, 3], [], [4, 5, 6, 7]]"


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 1, 3, 6])
def test_pad_sequences_is_that_of_keras(padding, truncating, maxlen):
    options = (("maxlen", maxlen), ("padding", padding), ("truncating", truncating))
    x = utils.pad_sequences(ast.literal_eval(RAGGED), **dict(options))
    expected = keras_padded(RAGGED, options)["x"]
    assert x.dtype == expected.dtype == np.int32
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize(
    ("sequences", "options"),
    [
        (RAGGED, (("value", -1),)),
        (RAGGED, (("dtype", "float32"), ("value", 0.5))),
        ("[[[1, 2]], [[3, 4], [5, 6]], []]", ()),
        ("[[], []]", ()),
        ("[]", (("maxlen", 3),)),
        ("((1, 2), (3,))", (("maxlen", 1),)),
    ],
)
def test_pad_sequences_options(sequences, options):
    x = utils.pad_sequences(ast.literal_eval(sequences), **dict(options))
    expected = keras_padded(sequences, options)["x"]
    assert (x.dtype, x.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(x, expected)


def test_pad_sequences_takes_arrays_and_objects():
    x = utils.pad_sequences([np.array([1, 2]), np.array([3])])
    np.testing.assert_array_equal(x, [[1, 2], [0, 3]])
    x = utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-", padding="post")
    assert x.tolist() == [["a", "-"], ["b", "c"]]


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=6), maxlen=st.integers(1, 8),
    padding=st.sampled_from(["pre", "post"]), truncating=st.sampled_from(["pre", "post"]),
)  # fmt: skip
def test_padded_rows_hold_the_kept_elements_in_order(lengths, maxlen, padding, truncating):
    sequences = [list(range(1, n + 1)) for n in lengths]
    x = utils.pad_sequences(sequences, maxlen, padding=padding, truncating=truncating)
    assert x.shape == (len(lengths), maxlen)
    for row, sequence in zip(x.tolist(), sequences, strict=True):
        kept = sequence[max(0, len(sequence) - maxlen) :]
        kept = kept if truncating == "pre" else sequence[:maxlen]
        zeros = [0] * (maxlen - len(kept))
        assert row == (zeros + kept if padding == "pre" else kept + zeros)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1]], 0), "maxlen must be a positive integer, received 0"),
        (([[1]], 2.0), "maxlen must be a positive integer, received 2.0"),
        (([[1], 5],), "sequence 1 must be a list or an array, received 5"),
        (([[1], "ab"],), "sequence 1 must be .* received 'ab'"),
        ((7,), "sequences must be a list of sequences, received int"),
        (([],), "empty list"),
        (([[1], [[2, 3]]],), r"sequence 1 have shape \(2,\), those before have shape \(\)"),
        (([["a"]],), "sequence 0 can't become int32: .* pass dtype=object for strings"),
        (([[1]], 3, "int32", "pre", "pre", "-"), "value='-' is no int32: pass dtype=object"),
        (([[1]], None, "int32", "front"), "padding must be .* received 'front'"),
        (([[1]], None, "int32", "pre", "back"), "truncating must be .* received 'back'"),
    ],
)
def test_pad_sequences_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        utils.pad_sequences(*arguments)


# Scalers

PAIRS = [
    ("MinMaxScaler", {}, ("data_min_", "data_max_", "data_range_", "scale_", "min_")),
    ("MinMaxScaler", {"feature_range": (-2, 3)}, ("data_min_", "data_range_", "scale_", "min_")),
    ("StandardScaler", {}, ("mean_", "var_", "scale_")),
]


def training_and_test(dtype="float64"):
    rng = np.random.default_rng(0)
    x = rng.normal(5, 30, (50, 4))
    x[:, 2] = 0.1  # constant: rounding leaves a variance that isn't exactly zero
    x[:, 3] = 7
    return x[:40].astype(dtype), x[40:].astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32"])
@pytest.mark.parametrize(("name", "options", "attributes"), PAIRS)
def test_scalers_are_those_of_scikit_learn(name, options, attributes, dtype):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    train, test = training_and_test(dtype)
    ours = getattr(utils, name)(**options).fit(train)
    theirs = getattr(preprocessing, name)(**options).fit(train)
    close = {"rtol": 2e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    for attribute in attributes:
        np.testing.assert_allclose(getattr(ours, attribute), getattr(theirs, attribute), **close)
    assert ours.n_samples_seen_ == theirs.n_samples_seen_ == 40
    for x in (train, test):
        y, expected = ours.transform(x), theirs.transform(x)
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y, expected, **close)
        back = ours.inverse_transform(y)
        np.testing.assert_allclose(back, theirs.inverse_transform(expected), **close)


@pytest.mark.parametrize("name", ["MinMaxScaler", "StandardScaler"])
def test_one_range_for_everything_equals_one_long_column(name):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    images = np.random.default_rng(1).normal(3, 2, (6, 4, 5))
    ours = getattr(utils, name)(axis=None)
    expected = getattr(preprocessing, name)().fit_transform(images.reshape(-1, 1))
    np.testing.assert_allclose(ours.fit_transform(images), expected.reshape(6, 4, 5), atol=1e-12)
    assert np.ndim(ours.scale_) == 0
    assert ours.transform(images[:2, 0]).shape == (2, 5)  # any shape goes with axis=None


def test_images_per_pixel():
    x = np.random.default_rng(2).normal(size=(9, 3, 2))
    for scaler in (utils.MinMaxScaler(), utils.StandardScaler()):
        y = scaler.fit_transform(x)
        flat = type(scaler)().fit_transform(x.reshape(9, 6))
        np.testing.assert_array_equal(y.reshape(9, 6), flat)


def test_values_by_hand():
    train = np.array([[0.0, 10.0], [4.0, 30.0]])
    scaler = utils.MinMaxScaler((-1, 1)).fit(train)
    np.testing.assert_allclose(scaler.transform([[1.0, 40.0]]), [[-0.5, 2.0]])  # no clipping
    np.testing.assert_allclose(utils.StandardScaler().fit_transform(train), [[-1, -1], [1, 1]])
    pixels = np.array([[0, 51], [255, 102]], "uint8")
    y = utils.MinMaxScaler(axis=None).fit_transform(pixels)
    np.testing.assert_allclose(y, [[0, 0.2], [1, 0.4]], rtol=1e-6)
    np.testing.assert_array_equal(pixels, [[0, 51], [255, 102]])  # the input is left alone


@pytest.mark.parametrize("axis", [0, None])
def test_constant_features(axis):
    x = np.full((5, 2), 0.1)
    minmax, standard = utils.MinMaxScaler((2, 4), axis), utils.StandardScaler(axis)
    np.testing.assert_array_equal(minmax.fit_transform(x), np.full((5, 2), 2.0))
    np.testing.assert_allclose(standard.fit_transform(x), np.zeros((5, 2)), atol=1e-16)
    np.testing.assert_allclose(minmax.inverse_transform(minmax.transform(x)), x)
    np.testing.assert_allclose(standard.inverse_transform(standard.transform(x)), x)


@pytest.mark.parametrize("name", ["MinMaxScaler", "StandardScaler"])
@pytest.mark.parametrize(
    ("given_dtype", "result"),
    [("uint8", "float32"), ("int16", "float32"), ("bool", "float32"), ("float16", "float32"),
     ("float32", "float32"), ("int32", "float64"), ("int64", "float64"), ("float64", "float64")],
)  # fmt: skip
def test_dtypes(name, given_dtype, result):
    x = np.array([[0, 1], [1, 1], [1, 0]], given_dtype)
    scaler = getattr(utils, name)()
    y = scaler.fit_transform(x)
    assert y.dtype == result
    assert scaler.inverse_transform(y).dtype == result
    np.testing.assert_allclose(scaler.inverse_transform(y), x.astype("float64"), atol=1e-6)
    assert scaler.scale_.dtype == "float64"


@given(
    x=hnp.arrays("float64", st.tuples(st.integers(1, 6), st.integers(1, 4)),
                 elements=st.floats(-1e3, 1e3).map(lambda v: round(v, 3))),
    axis=st.sampled_from([0, None]),
)  # fmt: skip
def test_properties(x, axis):
    y = utils.MinMaxScaler((-1, 2), axis).fit_transform(x)
    assert y.min() >= -1 - 1e-9
    assert y.max() <= 2 + 1e-9
    scaler = utils.StandardScaler(axis)
    y = scaler.fit_transform(x)
    np.testing.assert_allclose(y.mean(axis), 0, atol=1e-6)
    variance = np.where(x.max(axis) == x.min(axis), 0.0, 1.0)
    np.testing.assert_allclose(y.var(axis), variance, atol=1e-6)
    np.testing.assert_allclose(scaler.inverse_transform(y), x, atol=1e-9)


@pytest.mark.parametrize("name", ["MinMaxScaler", "StandardScaler"])
def test_scalers_refuse(name):
    build = getattr(utils, name)
    for method in ("transform", "inverse_transform"):
        with pytest.raises(ValueError, match=f"{name} is not fitted"):
            getattr(build(), method)(np.ones((2, 2)))
    scaler = build().fit(np.eye(3))
    with pytest.raises(ValueError, match=r"features of shape \(2,\), the scaler .* on \(3,\)"):
        scaler.transform(np.ones((4, 2)))
    bad = np.ones((9, 3))
    bad[4, 1], bad[7, 0] = np.nan, np.inf
    for call in (scaler.transform, scaler.inverse_transform, build().fit, build(axis=None).fit):
        with pytest.raises(ValueError, match=r"NaN or infinity in row 4, 7$"):
            call(bad)
    with pytest.raises(ValueError, match="row 0, 1, 2, 3, 4 and 4 more"):
        build().fit(np.full((9, 3), np.nan))
    with pytest.raises(ValueError, match="real numbers, received an array of dtype complex128"):
        build().fit(np.ones((2, 2), complex))
    with pytest.raises(ValueError, match="must not be empty"):
        build().fit(np.ones((0, 3)))
    with pytest.raises(ValueError, match="single number"):
        build().fit(3.0)
    for axis in (1, -1, True, "0"):
        with pytest.raises(ValueError, match=r"axis must be 0 .* or None"):
            build(axis=axis)
    with pytest.raises(ValueError, match="NaN"):
        scaler.fit(bad)  # leaves what was learned before in place
    np.testing.assert_array_equal(scaler.transform(np.eye(3)), build().fit_transform(np.eye(3)))


@pytest.mark.parametrize("bad", [(1, 1), (2, 1), (0, np.nan), ("0", 1)])
def test_minmax_refuses_ranges(bad):
    with pytest.raises(ValueError, match="feature_range must be"):
        utils.MinMaxScaler(bad)


def test_scaler_configs():
    scaler = utils.MinMaxScaler((0, 2), None)
    assert utils.MinMaxScaler.from_config(scaler.get_config()).get_config() == scaler.get_config()
    assert repr(utils.StandardScaler()) == "StandardScaler(axis=0)"


def test_huge_finite_values_are_not_taken_for_infinity():
    x = np.array([[1e308], [1.7e308]])
    np.testing.assert_allclose(utils.MinMaxScaler().fit_transform(x), [[0], [1]])


# check_number and set_random_seed


def test_check_number():
    assert utils.check_number("n", np.float32(0.5)) == 0.5
    assert type(utils.check_number("n", np.int64(3), low=3)) is float
    with pytest.raises(ValueError, match=r"^n must be a finite number >= 1, received 0$"):
        utils.check_number("n", 0, low=1)
    with pytest.raises(ValueError, match=r"^n must be a finite number > 0, received 0$"):
        utils.check_number("n", 0, above=0)
    for bad in (np.nan, np.inf, -np.inf, 10**400, None, "1", True, np.bool_(True), 1j):
        with pytest.raises(ValueError, match="n must be a finite number"):
            utils.check_number("n", bad)


def test_set_random_seed_is_here_too():
    from tinynet.random import draw_seed, set_random_seed

    assert utils.set_random_seed is set_random_seed
    utils.set_random_seed(4)
    first = draw_seed(), np.random.rand()  # noqa: NPY002  NumPy's global state is fixed as well
    utils.set_random_seed(4)
    assert (draw_seed(), np.random.rand()) == first  # noqa: NPY002
