"""Models made of parts of other models: symbolic ends, shared layers, pieces cut out, shapes."""

import numpy as np
import pytest

from tinynet import Input, Model, Sequential, gradcheck, layers, models

random = np.random.default_rng(5)
X = random.normal(size=(24, 4)).astype("float32")


def autoencoder():
    i = Input((4,), name="i")
    h = layers.Dense(2, activation="tanh", name="h")(i)
    return i, h, Model(i, layers.Dense(4, name="y")(layers.Dense(3, "relu", name="m")(h)))


def test_the_ends_of_a_model_are_the_base_of_another(device):
    i, _, whole = autoencoder()
    assert whole.input is i
    assert whole.inputs == [i]
    assert whole.outputs == [whole.output]
    stack = Sequential([Input((4,)), layers.Dense(4, name="s"), layers.Dense(4, name="t")])
    for base in (whole, stack):
        head = layers.Dense(1, name="head")
        model = Model(base.input, head(base.output))
        W, b = head.get_weights()
        expected = base.predict(X, verbose=0) @ W + b
        np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)
        later = Input((4,))
        assert base(later) is not base.output  # the base's own ends stay as they are
        assert base.output.node.layer is base.layers[-1]


def test_a_layers_output_is_that_of_its_first_application():
    stack = Sequential([Input((4,)), layers.Dense(3), layers.Dense(2)])
    low, high = stack.layers
    first = low.output
    other = Sequential([*stack.layers[:1], layers.Dense(5)])
    Sequential([Input((4,)), low])
    assert low.output is first
    assert low.input is stack.input
    stack.pop()
    stack.add(layers.Dense(6))
    assert low.output is first
    assert stack.output.shape == (None, 6)
    assert Model(stack.input, low.output).output_shape == (None, 3)
    assert other.input is not stack.input
    with pytest.raises(AttributeError, match="0 times; begin with Input"):
        _ = layers.Dense(1).output
    with pytest.raises(AttributeError, match="0 times; begin"):
        _ = type(high)(2).input


def test_a_decoder_cut_out_of_an_autoencoder(device, tmp_path):
    i, h, whole = autoencoder()
    encoder, decoder = Model(i, h), Model(h, whole.output)
    whole.compile("adam", "mse")
    whole.fit(X, X, epochs=2, verbose=0)
    code = encoder.predict(X, verbose=0)
    expected = whole.predict(X, verbose=0)
    np.testing.assert_allclose(decoder.predict(code, verbose=0), expected, rtol=1e-5, atol=1e-6)
    decoder.save(tmp_path / "d.keras")
    loaded = models.load_model(tmp_path / "d.keras")
    np.testing.assert_array_equal(loaded.predict(code, verbose=0), decoder.predict(code, verbose=0))
    before = encoder.get_weights()
    decoder.compile("sgd", "mse")
    decoder.fit(code, X, verbose=0)  # trains what it shares with the whole, and nothing below
    assert not np.allclose(whole.predict(X, verbose=0), expected)
    for a, b in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_between_several_inner_tensors(device):
    i = Input((4,))
    low, side = layers.Dense(3, name="low")(i), layers.Dense(2, name="side")(i)
    joined = layers.Concatenate()([layers.Dense(2, name="mid")(low), side, low])
    model = Model({"l": low, "s": side}, [joined, low])
    a, b = X[:, :3], X[:, :2]
    found, passed = model.predict({"s": b, "l": a}, verbose=0)
    W, bias = next(layer for layer in model.layers if layer.name == "mid").get_weights()
    np.testing.assert_allclose(found, np.concatenate([a @ W + bias, b, a], axis=1), rtol=1e-5,
                               atol=1e-6)  # fmt: skip
    np.testing.assert_array_equal(passed, a)
    with pytest.raises(ValueError, match="depend on the input"):
        Model(low, joined)


def test_models_are_called_on_dicts_lists_and_single_tensors():
    a, b = Input((4,), name="a"), Input((2,), name="b")
    y = layers.Dense(3)(layers.Concatenate()([a, b]))
    arrays = [X, X[:, :2]]
    expected = Model([a, b], y)(arrays)
    for inner in (Model([a, b], y), Model({"a": a, "b": b}, y), Model([a, b], [y])):
        c, d = Input((4,)), Input((2,))
        for given in ([c, d], (c, d), {"b": d, "a": c}, {"b": d, "a": c, "not used": c}):
            model = Model([c, d], inner(given))
            np.testing.assert_allclose(model(arrays), expected, rtol=1e-6)
        with_more = {"a": X, "b": X[:, :2], "c": X[:3]}
        np.testing.assert_allclose(inner.predict(with_more, verbose=0), expected, rtol=1e-5)
        with pytest.raises(ValueError, match=r"expected the inputs \['a', 'b'\], received \['a'\]"):
            inner({"a": c})
    single = Model([a], layers.Dense(2)(a))
    np.testing.assert_allclose(single.predict([X], verbose=0), single(X), rtol=1e-5, atol=1e-6)
    assert single([Input((4,))]).shape == (None, 2)
    assert single.input == [a]
    with pytest.raises(TypeError, match="received a dict with"):
        layers.Dense(2)({"a": a})


def test_layers_shared_between_stacks_train_for_all_of_them(device):
    shared = layers.Dense(4, "tanh", name="shared")
    stacks = [
        Sequential([Input((4,)), shared, layers.Dense(2)]),
        Sequential([shared, layers.Dropout(0.2), layers.Dense(3)]),
        Sequential([Input((4,)), layers.Dense(4), shared]),
    ]
    i = Input((4,))
    everything = Model(i, layers.Concatenate()([stack(i) for stack in stacks]))
    for model in [*stacks, everything]:
        before = shared.get_weights()[0]
        model.compile("sgd", "mse")
        model.fit(X, np.ones((24, model.output_shape[-1])), epochs=1, verbose=0)
        assert not np.allclose(before, shared.get_weights()[0])
        expected = np.concatenate([stack.predict(X, verbose=0) for stack in stacks], axis=1)
        np.testing.assert_allclose(everything.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", [1, -1])
def test_a_layer_inside_of_several_others_has_the_sum_of_their_gradients(order, device):
    """Also beside itself, above and below others, in a model in a model and in a layer's call."""

    class Held(layers.Layer):
        def __init__(self, inner, **options):
            super().__init__(**options)
            self.inner = inner

        def call(self, x):
            return self.inner(self.inner(x))

    shared = layers.Dense(4, "tanh", name="shared", dtype="float64")
    drop = layers.Dropout(0.4, seed=3, name="drop", dtype="float64")
    made = {"dtype": "float64"}
    i = Input((4,), **made)
    parts = [
        Sequential([Input((4,), **made), shared, drop, layers.Dense(2, **made)]),
        Sequential([Input((4,), **made), layers.Dense(4, **made), shared, drop]),
        Model(i, Sequential([layers.Dense(4, **made), Sequential([shared])])(i)),
        shared,
        Held(shared, **made),
    ][::order]
    model = Model(i, layers.Concatenate(**made)([part(i) for part in parts]))
    model.compile("sgd", "mse", device=device)
    targets = random.normal(size=(24, model.output_shape[-1]))
    gradcheck(model, X.astype(float), targets)
    before = shared.get_weights()[0]
    model.fit(X, np.ones((24, model.output_shape[-1])), verbose=0)
    assert not np.allclose(before, shared.get_weights()[0])


def test_input_shape_counts_in_the_first_layer_only():
    model = Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(2, input_shape=(30,))])
    assert model.output_shape == (None, 2)
    assert Sequential([Input((4,)), layers.Dense(3, input_dim=9)]).predict(X, verbose=0).shape == (
        24, 3,
    )  # fmt: skip
    assert layers.Dense(3, input_shape=(9,))(Input((4,))).shape == (None, 3)
    with pytest.raises(ValueError, match=r"expects rows of shape \(9,\), received \(4,\)"):
        Sequential([layers.Dense(3, input_shape=(9,))]).predict(X, verbose=0)


def test_a_batch_size_is_shown_and_binds_nothing(device, tmp_path):
    i = Input((4,), batch_size=8)
    graph = Model(i, layers.Dense(3)(i))
    stack = Sequential([Input(batch_shape=(8, 4)), layers.Dense(3)])
    for k, model in enumerate((graph, stack)):
        assert (model.input_shape, model.output_shape) == ((8, 4), (8, 3))
        assert model.layers[-1].output.shape == (8, 3)
        model.compile("sgd", "mse")
        model.fit(X, X[:, :3], verbose=0)
        model.save(tmp_path / f"{k}.keras")
        loaded = models.load_model(tmp_path / f"{k}.keras")
        assert loaded.input_shape == (8, 4)
        np.testing.assert_array_equal(loaded.predict(X[:5], verbose=0),
                                      model.predict(X[:5], verbose=0))  # fmt: skip
    with pytest.raises(ValueError, match="batch_size must be"):
        Input((4,), batch_size=0)


def test_output_shapes_of_batches():
    i = Input((None, 4))
    graph = Model(i, [layers.Dense(3)(i), layers.GlobalAveragePooling1D()(i)])
    assert graph.compute_output_shape((7, 5, 4)) == [(7, 5, 3), (7, 4)]
    assert graph.compute_output_shape((None, None, 4)) == [(None, None, 3), (None, 4)]
    for stack in (Sequential([layers.Dense(3)]), Sequential([Input((4,)), layers.Dense(3)])):
        assert stack.compute_output_shape((7, 4)) == (7, 3)
        with pytest.raises(ValueError, match=r"expected input of shape .* received \(None, 5\)"):
            stack.compute_output_shape((7, 5))
    two = Model(i, [layers.Dense(3)(i), i])
    with pytest.raises(ValueError, match="has 2 outputs, a layer of a Sequential has one"):
        Sequential([Input((6, 4)), two])


def test_one_output_in_a_list_or_a_dict(device):
    """It is one output: predictions are an array, or the dict; targets come in any of the forms."""
    y = X[:, :2]
    results = []
    for form in ("tensor", "list", "dict"):
        for target in (y, [y], {"out" if form == "dict" else "d": y}):
            a = Input((4,))
            h = layers.Dense(2, kernel_initializer="ones", name="d")(a)
            outputs = {"tensor": h, "list": [h], "dict": {"out": h}}[form]
            model = Model([a], outputs)
            model.compile("sgd", "mse", metrics=["mae"])
            history = model.fit(
                [X], target, shuffle=False, verbose=0, validation_split=0.25
            ).history
            assert list(history) == ["loss", "mae", "val_loss", "val_mae"]
            assert model.output_shape == (None, 2)
            p, q = model.predict(X, verbose=0), model.predict_on_batch(X)
            if form == "dict":
                assert list(p) == list(q) == list(model(X)) == ["out"]
                p, q = p["out"], q["out"]
            results += [p, q]
            assert np.size(model.train_on_batch(X, target)) == 2
    for p in results:
        np.testing.assert_allclose(p, results[0], rtol=1e-5)
    with pytest.raises(ValueError, match="y: there is no output 'other'; there are"):
        model.fit(X, {"other": y}, verbose=0)


def test_sparse_matrices_for_some_of_the_inputs(device):
    """Each input is multiplied as it comes, or made dense where a layer can't do with it."""
    from scipy.sparse import csr_array, csr_matrix

    a, b = (np.where(random.random((24, n)) < 0.3, random.normal(size=(24, n)), 0) for n in (6, 5))
    results = []
    for x in (
        [a, b],
        [csr_array(a), csr_array(b)],
        [a, csr_matrix(b)],
        {"u": csr_array(a), "v": b},
    ):
        u, v = Input((6,), name="u"), Input((5,), name="v")
        low = layers.Dense(3, kernel_initializer="ones")(u)
        h = layers.Concatenate()([low, layers.Flatten()(v), layers.Dense(2, bias_initializer="ones",
                                  kernel_initializer="ones")(v)])  # fmt: skip
        model = Model([u, v], [layers.Dense(2, kernel_initializer="ones")(h), v])
        model.compile("sgd", ["mse", None])
        model.fit(x, X[:, :2], shuffle=False, verbose=0)
        results.append(np.concatenate(model.predict(x, verbose=0), axis=1))
    for p in results:
        np.testing.assert_allclose(p, results[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("below", [0, 1])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_model_whose_output_is_its_input_hands_the_gradient_on(below, outputs, device):
    """As if it were not there; of two outputs that are the input, with the sum."""
    i, x = Input((4,)), Input((4,))
    h = layers.Dense(4, name="below")(x) if below else x
    same = Model(i, [i] * outputs)(h)
    through = Model(x, layers.Dense(2, name="above")(layers.Add()(same) if outputs > 1 else same))
    factor = layers.Rescaling(float(outputs))
    plain = Model(x, layers.Dense(2, name="other")(factor(h)))
    plain.layers[-1].set_weights(through.layers[-1].get_weights())
    found = []
    for model in (through, plain):
        model.compile("sgd", "mse")
        found.append([model.predict(X, verbose=0), *model.gradients(X, X[:, :2]).values()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    through.fit(X, X[:, :2], verbose=0)
