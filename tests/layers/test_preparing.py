"""CategoryEncoding, Discretization, lookups, Masking, SpatialDropout1D, Dot, and merges by name."""

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet import layers

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 3)).astype(np.float32)
IDS = np.array([[0, 1, 1], [3, 2, 2]])

# name -> (class, options, input)
CASES = {
    "one hot": ("CategoryEncoding", {"num_tokens": 4, "output_mode": "one_hot"}, IDS),
    "one hot of a column": ("CategoryEncoding", {"num_tokens": 4, "output_mode": "one_hot"},
                            IDS[:, :1]),
    "multi hot": ("CategoryEncoding", {"num_tokens": 4}, IDS),
    "count": ("CategoryEncoding", {"num_tokens": 5, "output_mode": "count"}, IDS),
    "bins": ("Discretization", {"bin_boundaries": [-0.5, 0.0, 1.0]}, X),
    "bins, one hot": ("Discretization", {"bin_boundaries": [0.0], "output_mode": "one_hot"}, X),
    "bins, count": ("Discretization", {"bin_boundaries": [0.0], "output_mode": "count"}, X),
}  # fmt: skip


@keras_case
def keras_prepared(keras, case):
    name, options, x = CASES[case]
    return {"y": getattr(keras.layers, name)(**options)(x)}


@keras_case
def keras_boundaries(keras, bins, epsilon):
    layer = keras.layers.Discretization(num_bins=bins, epsilon=epsilon)
    layer.reset_state()
    layer.update_state(X)  # adapt does so, but imports TensorFlow
    layer.finalize_state()
    return {"boundaries": layer.bin_boundaries}


@keras_case
def keras_dot(keras, axes, normalize):
    a, b = RNG_PAIRS
    return {"y": keras.layers.Dot(axes=axes, normalize=normalize)([a, b])}


RNG_PAIRS = RNG.normal(size=(2, 5, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("case", CASES)
def test_categories_are_those_of_keras(case):
    name, options, x = CASES[case]
    layer = getattr(layers, name)(**options)
    y = layer(x)
    np.testing.assert_array_equal(y, keras_prepared(case)["y"])
    assert layer.compute_output_shape((None, *x.shape[1:])) == (None, *y.shape[1:])
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(x), y)
    model = tinynet.Sequential([tinynet.Input(x.shape[1:]), again])
    np.testing.assert_array_equal(model.predict(x, verbose=0), y)


@pytest.mark.parametrize(("bins", "epsilon"), [(4, 0.01), (10, 0.2), (2, 0.05)])
def test_boundaries_of_equally_many(bins, epsilon):
    layer = layers.Discretization(num_bins=bins, epsilon=epsilon)
    layer.adapt(X)
    np.testing.assert_allclose(layer.boundaries, keras_boundaries(bins, epsilon)["boundaries"],
                               rtol=1e-5)  # fmt: skip
    again = layers.Discretization.from_config(layer.get_config())
    np.testing.assert_array_equal(again(X), layer(X))


@pytest.mark.parametrize(
    ("options", "x", "y"),
    [  # by hand, from Keras's documentation
        ({"vocabulary": ["a", "b"]}, ["b", "z", "a"], [2, 0, 1]),
        ({"vocabulary": ["a", "b"], "mask_token": ""}, [["b", ""], ["z", "a"]], [[3, 0], [1, 2]]),
        ({"vocabulary": ["a", "b"], "num_oov_indices": 0}, ["b", "a"], [1, 0]),
        ({"vocabulary": ["a", "b"], "output_mode": "one_hot"}, ["b", "z"],
         [[0, 0, 1], [1, 0, 0]]),
        ({"vocabulary": ["a", "b"], "output_mode": "count", "mask_token": ""},
         [["a", "a", ""], ["b", "z", "z"]], [[0, 2, 0], [2, 0, 1]]),
        ({"vocabulary": ["a"], "output_mode": "multi_hot", "max_tokens": 4,
          "pad_to_max_tokens": True}, [["a", "q"]], [[1, 1, 0, 0]]),
        ({"vocabulary": ["a", "b"], "invert": True}, [2, 0, 1], ["b", "[UNK]", "a"]),
    ],
)  # fmt: skip
def test_string_lookup(options, x, y):
    layer = layers.StringLookup(**options)
    np.testing.assert_array_equal(layer(x), y)
    again = layers.deserialize(layers.serialize(layer))
    np.testing.assert_array_equal(again(x), y)


def test_integer_lookup_tells_unknown_ones_apart_by_their_remainder():
    layer = layers.IntegerLookup(vocabulary=[10, 20, 30], num_oov_indices=2, mask_token=0)
    assert layer.get_vocabulary() == [0, -1, -1, 10, 20, 30]
    np.testing.assert_array_equal(layer([[10, 0, 7, 30, 8]]), [[3, 0, 2, 5, 1]])
    np.testing.assert_array_equal(
        layers.IntegerLookup(vocabulary=[10, 20], invert=True)([1, 0, 2]), [10, -1, 20]
    )


def test_adapting_takes_the_most_frequent(tmp_path):
    layer = layers.StringLookup(max_tokens=3)
    layer.adapt([["x", "y", "z"], ["y", "z", "z"], ["w", "w", "y"]])  # y 3, z 3, w 2, x 1
    assert layer.get_vocabulary() == ["[UNK]", "z", "y"]
    np.testing.assert_array_equal(layer(["y", "w"]), [2, 0])
    (tmp_path / "tokens.txt").write_text("y\nz\n")
    read = layers.StringLookup(vocabulary=str(tmp_path / "tokens.txt"))
    assert read.get_vocabulary(include_special_tokens=False) == ["y", "z"]
    numbers = layers.IntegerLookup()
    numbers.adapt(np.array([5, 5, 7]))
    model = tinynet.Sequential([tinynet.Input((2,)), numbers, layers.CategoryEncoding(3)])
    np.testing.assert_array_equal(
        model.predict([[5, 7], [9, 9]], verbose=0), [[0, 1, 1], [1, 0, 0]]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.StringLookup(vocabulary=["a", "a"]), r"each token once.*\['a'\]"),
        (lambda: layers.StringLookup(vocabulary=[]), "received none"),
        (lambda: layers.StringLookup()(["a"]), "no vocabulary yet"),
        (lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["b"]), "'b' is not in"),
        (lambda: layers.StringLookup(num_oov_indices=2), "0 or 1"),
        (lambda: layers.StringLookup(output_mode="tf_idf"), "output_mode must be one of"),
        (lambda: layers.StringLookup(vocabulary=["a", "b"], max_tokens=2), "more than max_tokens"),
        (lambda: layers.CategoryEncoding(3)([[3]]), r"integers in \[0, 3\), received 3"),
        (lambda: layers.CategoryEncoding(3)([[0.5]]), r"received 0.5"),
        (lambda: layers.CategoryEncoding(3, "int"), "output_mode"),
        (lambda: layers.Discretization(), "one of them"),
        (lambda: layers.Discretization([1.0, 0.0]), "must rise"),
        (lambda: layers.Discretization(num_bins=3)([1.0]), "no boundaries yet"),
        (lambda: layers.Dot(axes=0), "axes must be"),
        (lambda: layers.Dot(axes=1)([np.ones((2, 3)), np.ones((2, 4))]), "3 and 4 entries"),
        (lambda: layers.SpatialDropout1D(0.5)(np.ones((2, 3))), r"\(N, T, D\)"),
        (lambda: layers.BatchNormalization(renorm=True), "renorm=True is not supported"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("axes", [2, 1, (1, 1), (2, 2), -1])
def test_dot_is_that_of_keras_and_has_its_gradient(axes, normalize):
    a, b = RNG_PAIRS
    y = layers.Dot(axes=axes, normalize=normalize)([a, b])
    np.testing.assert_allclose(y, keras_dot(axes, normalize)["y"], rtol=2e-5, atol=2e-6)
    layer = layers.Dot(axes=axes, normalize=normalize, dtype="float64")
    tinynet.gradcheck(layer, [a.astype(float), b.astype(float)])


def test_dot_of_rows():
    a, b = RNG_PAIRS[0][:, 0], RNG_PAIRS[0][:, 1]
    np.testing.assert_allclose(layers.dot([a, b], axes=1), (a * b).sum(1, keepdims=True), rtol=1e-5)


def test_masking_leaves_padding_out_and_dropout_drops_whole_features():
    x = np.array([[[1.0, 2], [9, 9], [3, 4]]])
    model = tinynet.Sequential([tinynet.Input((3, 2)), layers.Masking(9.0),
                                layers.GlobalAveragePooling1D()])  # fmt: skip
    np.testing.assert_allclose(model.predict(x, verbose=0), [[2, 3]])
    tinynet.gradcheck(layers.Masking(9.0, dtype="float64"), x)
    y = layers.SpatialDropout1D(0.5, seed=3)(np.ones((50, 4, 6)), training=True)
    assert set(np.unique(y)) == {0, 2}
    assert (y == y[:, :1]).all()
    assert 0.35 < (y == 0).mean() < 0.65


def test_merges_by_lower_case_names_and_operators():
    a, b = RNG_PAIRS[0][:, 0], RNG_PAIRS[1][:, 0]
    expected = {"add": a + b, "subtract": a - b, "multiply": a * b, "average": (a + b) / 2,
                "maximum": np.maximum(a, b), "minimum": np.minimum(a, b),
                "concatenate": np.concatenate([a, b], axis=1)}  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(layers, name)([a, b]), value, rtol=1e-6)
    u, v = tinynet.Input((4,)), tinynet.Input((4,))
    model = tinynet.Model([u, v], 2 * (u + v) - 1 + (3 - u) * v / 2 - (-v))
    np.testing.assert_allclose(model([a, b]), 2 * (a + b) - 1 + (3 - a) * b / 2 + b, rtol=1e-5,
                               atol=1e-6)  # fmt: skip
    with pytest.raises(TypeError, match="unsupported operand"):
        u + "a"


def test_options_that_are_off_and_constraints():
    layers.BatchNormalization(renorm=False, synchronized=False)
    layers.LayerNormalization(rms_scaling=False)
    with pytest.raises(ValueError, match="use RMSNormalization"):
        layers.LayerNormalization(rms_scaling=True)
    x = np.array([[0, 1], [2, 2]])
    for layer, start in (
        (layers.Embedding(3, 2, embeddings_constraint="non_neg"), "embeddings"),
        (layers.LayerNormalization(gamma_constraint="non_neg"), "gamma"),
    ):
        model = tinynet.Sequential([tinynet.Input((2,)), layer, layers.Flatten(), layers.Dense(1)])
        model.compile(tinynet.optimizers.SGD(5.0), "mse")
        model.fit(x, np.array([4.0, -9.0]), epochs=3, verbose=0)
        assert getattr(layer, start).numpy().min() >= 0
        assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_regularizer(mode):
    w, h = RNG.normal(size=(3, 4)), 1e-6
    regularizer = tinynet.regularizers.OrthogonalRegularizer(0.3, mode)
    u = w / np.linalg.norm(w, axis=1 if mode == "rows" else 0, keepdims=True)
    u = u if mode == "rows" else u.T
    pairs = [abs(u[i] @ u[j]) for i in range(len(u)) for j in range(i)]
    assert regularizer(w) == pytest.approx(0.3 * np.mean(pairs))
    gradient = regularizer.gradient(w)
    for i in np.ndindex(*w.shape):
        up, down = w.copy(), w.copy()
        up[i], down[i] = up[i] + h, down[i] - h
        slope = (regularizer(up) - regularizer(down)) / (2 * h)
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-8)
    model = tinynet.Sequential([layers.Dense(4, kernel_regularizer=regularizer, input_shape=(3,))])
    model.compile("sgd", "mse")
    before = regularizer(model.layers[0].kernel)
    model.fit(np.zeros((4, 3)), np.zeros((4, 4)), epochs=200, verbose=0)
    assert regularizer(model.layers[0].kernel) < before
