"""Functional models and models inside models: values, layer order and training against Keras."""

import json

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet import Input, Model, Sequential, gradcheck, layers

random = np.random.default_rng(3)
X = random.normal(size=(50, 4)).astype("float32")
Z = random.normal(size=(50, 3)).astype("float32")
IDS = random.integers(0, 3, 50)
REAL = random.normal(size=(50, 2)).astype("float32")


# Models, the same text for both libraries: k is keras or tinynet.


def merges(k):
    """Every merge layer, a layer that is used twice, tensors with several readers."""
    L = k.layers
    a = k.Input((4,), name="a")
    shared = L.Dense(5, activation="tanh", name="shared")
    h = L.Dense(4, activation="relu", name="h")(a)
    s, t = shared(a), shared(h)
    largest = L.Maximum(name="largest")([s, t])
    total = L.Add(name="total")([s, t, largest])
    difference = L.Subtract(name="difference")([s, t])
    product = L.Multiply(name="product")([s, largest, t])
    mean = L.Average(name="mean")([product, total])
    least = L.Minimum(name="least")([mean, difference])
    joined = L.Concatenate(name="joined")([least, h, total])
    return k.Model(a, L.Dense(3, activation="softmax", name="out")(joined), name="merges")


def nested(k):
    """A model in a model in a model; the last one ends in the fused softmax."""
    L = k.layers
    inner = k.Sequential(
        [L.Input((6,)), L.Dense(5, activation="relu"), L.BatchNormalization(), L.Dense(4)],
        name="inner",
    )
    a = k.Input((4,), name="a")
    middle = k.Model(a, inner(L.Dense(6, activation="tanh")(a)), name="middle")
    top = k.Sequential([L.Input((4,)), L.Dense(3, activation="softmax")], name="top")
    return k.Sequential([k.Input((4,)), middle, L.Activation("relu"), top], name="nested")


def residual(k):
    """Skip connections around blocks that keep the width."""
    L = k.layers
    x = a = k.Input((4,), name="a")
    for i in range(3):
        block = L.Dense(4, activation="relu", name=f"block{i}", kernel_regularizer="l2")(x)
        x = L.Add(name=f"skip{i}")([x, block])
    return k.Model(a, L.Dense(3, activation="softmax", name="out")(x), name="residual")


def of_images(k):
    """Concatenation along an axis in the middle, of rank 3."""
    L = k.layers
    a = k.Input((4,), name="a")
    rows = L.Dense(6, activation="tanh", name="rows")(a)
    tall = k.Sequential([k.Input((6,)), L.Dense(6, name="deep")], name="tall")(rows)
    joined = L.Concatenate(axis=1, name="joined")([rows, tall])
    return k.Model(a, L.Dense(3, activation="softmax", name="out")(joined), name="of_images")


MODELS = {one.__name__: one for one in (merges, nested, residual, of_images)}


def weights_for(model, seed=1):
    random = np.random.default_rng(seed)
    return [random.uniform(0.1, 0.6, w.shape) * random.choice([-1, 1], w.shape) if w.ndim > 1
            else random.uniform(0.1, 0.6, w.shape) for w in model.get_weights()]  # fmt: skip


def trained(k, build, **options):
    model = build(k)
    model.set_weights(weights_for(model))
    model.compile(k.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"],
                  **options)  # fmt: skip
    history = model.fit(X, IDS, batch_size=16, epochs=3, shuffle=False, verbose=0,
                        validation_data=(X[:20], IDS[:20]))  # fmt: skip
    result = {f"weight{i}": w for i, w in enumerate(model.get_weights())}
    return model, {**history.history, **result, "p": model.predict(X, verbose=0)}


@keras_case
def keras_trained_graph(keras, name):
    model, result = trained(keras, MODELS[name])
    names = json.dumps([layer.name for layer in model.layers])
    return {**result, "names": np.frombuffer(names.encode(), np.uint8)}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("eagerly", [False, True], ids=["", "eager"])
def test_training_equals_keras(name, eagerly, device):
    expected = keras_trained_graph(name)
    model, result = trained(tinynet, MODELS[name], run_eagerly=eagerly)
    names = json.loads(bytes(expected["names"]))
    if name != "nested":  # there automatic names count on
        assert [layer.name for layer in model.layers] == names
    for key, value in result.items():
        np.testing.assert_allclose(value, expected[key], rtol=2e-4, atol=1e-5, err_msg=key)
    replayed = device == "cpu" and not eagerly
    assert model.explain_execution() == "recorded once and replayed" or not replayed


@pytest.mark.parametrize("rows", [16, 50, 200])
def test_few_and_many_rows_give_the_same_step(rows, device):
    """The machine splits batches in other ways as they grow; a shared layer adds up in all."""
    x, y = np.resize(X, (rows, 4)), np.resize(IDS, rows)
    gradients = []
    for eagerly in (False, True):
        model = merges(tinynet)
        model.set_weights(weights_for(model))
        model.compile(tinynet.optimizers.SGD(0.5), "sparse_categorical_crossentropy",
                      run_eagerly=eagerly)  # fmt: skip
        before = model.get_weights()
        model.fit(x, y, batch_size=rows, epochs=1, verbose=0)
        gradients.append([a - b for a, b in zip(before, model.get_weights(), strict=True)])
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_finite_differences(name):
    tinynet.config.set_floatx("float64")
    try:
        model = MODELS[name](tinynet)
    finally:
        tinynet.config.set_floatx("float32")
    model.set_weights(weights_for(model))
    model.compile("sgd", "sparse_categorical_crossentropy")
    check = gradcheck(model, X[:7], IDS[:7])
    assert len(check.errors) == len(model.trainable_weights)


MERGES = [
    layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum,
    layers.Concatenate,
]  # fmt: skip


@pytest.mark.parametrize("kind", MERGES, ids=lambda c: c.__name__)
@pytest.mark.parametrize("count", [2, 3])
def test_merge_layers_by_finite_differences(kind, count):
    if kind is layers.Subtract and count > 2:
        pytest.skip("Subtract takes two")
    x = [np.random.default_rng(i).normal(size=(3, 2, 4)) for i in range(count)]
    check = gradcheck(kind(dtype="float64"), x)
    assert set(check.errors) == {f"x[{i}]" for i in range(count)}
    if kind is layers.Concatenate:
        x[0] = x[0][:, :1]
        gradcheck(layers.Concatenate(axis=1, dtype="float64"), x)


@keras_case
def keras_merged(keras, name, tied):
    x = _pair(tied)
    return {"y": getattr(keras.layers, name)()(x)}


def _pair(tied):
    x = [X[:, :3], Z]
    return [np.round(a) for a in x] if tied else x


@pytest.mark.parametrize("kind", MERGES, ids=lambda c: c.__name__)
@pytest.mark.parametrize("tied", [False, True])
def test_merge_layers_called_on_arrays(kind, tied):
    y = kind()(_pair(tied))
    np.testing.assert_allclose(y, keras_merged(kind.__name__, tied)["y"], rtol=1e-6)


def test_equal_entries_share_the_gradient():
    layer = layers.Maximum()
    layer([np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 5.0, 0.0]])], training=True)
    a, b = layer.backward(np.ones((1, 3), "float32"))
    assert a.tolist() == [[0.5, 0, 1]]
    assert b.tolist() == [[0.5, 1, 0]]


# ---------------------------------------------------------------------------- models as layers


def test_transfer_of_frozen_lower_layers(device):
    base = Sequential([Input((4,)), layers.Dense(6, activation="relu"), layers.Dense(5)])
    base.compile("adam", "mse")
    base.fit(X, np.resize(REAL, (50, 5)), epochs=1, verbose=0)
    base.trainable = False
    kept = base.get_weights()
    model = Sequential([base, layers.Dropout(0.2), layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    head = model.get_weights()[4:]
    model.fit(X, IDS, epochs=2, verbose=0)
    for a, b in zip(kept, base.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(head[0], model.get_weights()[4])
    assert len(model.trainable_weights) == 2
    # the base goes on living on its own
    np.testing.assert_array_equal(base.get_weights()[0], model.get_weights()[0])
    base.trainable = True
    base.compile("adam", "mse")
    base.fit(X, np.resize(REAL, (50, 5)), epochs=1, verbose=0)
    assert not np.allclose(kept[0], base.get_weights()[0])
    model.fit(X, IDS, epochs=1, verbose=0)
    np.testing.assert_array_equal(base.get_weights()[0], model.get_weights()[0])


def test_a_model_that_begins_inside_another(device):
    whole = Sequential([Input((4,)), layers.Dense(6, activation="relu", name="low"),
                        layers.Dense(3, activation="softmax", name="high")])  # fmt: skip
    features = Model(whole.inputs, whole.get_layer("low").output)
    W, b = whole.get_layer("low").get_weights()
    np.testing.assert_allclose(features.predict(X, verbose=0), np.maximum(X @ W + b, 0), rtol=1e-5,
                               atol=1e-6)  # fmt: skip
    whole.compile("adam", "sparse_categorical_crossentropy")
    whole.fit(X, IDS, epochs=1, verbose=0)
    W, b = whole.get_layer("low").get_weights()
    np.testing.assert_allclose(features.predict(X, verbose=0), np.maximum(X @ W + b, 0), rtol=1e-5,
                               atol=1e-6)  # fmt: skip


def test_outputs_of_every_layer(device):
    model = merges(tinynet)
    everything = Model(model.inputs, [layer.output for layer in model.layers if len(
        layer.nodes) == 1])  # fmt: skip
    outputs = everything.predict(X, verbose=0)
    assert [a.shape for a in outputs] == [(50, *t.shape[1:]) for t in everything.outputs]
    np.testing.assert_array_equal(outputs[0], X)
    np.testing.assert_allclose(outputs[-1], model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    called = everything(X)
    np.testing.assert_allclose(called[3], outputs[3], rtol=1e-5, atol=1e-6)


def test_training_can_be_fixed_where_a_layer_is_applied():
    a = Input((4,))
    dropout = layers.Dropout(0.5)
    model = Model(a, dropout(a, training=True))
    assert (model(np.ones((64, 4))) == 0).any()
    model = Model(a, layers.Dropout(0.5)(a, training=False))
    model.compile("sgd", "mse")
    assert model(np.ones((64, 4)), training=True).all()


# ----------------------------------------------------------------------------------- configs


@pytest.mark.parametrize("name", MODELS)
def test_config_round_trip(name):
    model = MODELS[name](tinynet)
    config = json.loads(json.dumps(model.get_config()))
    again = Model.from_config(config)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert json.loads(json.dumps(again.get_config())) == config


# ---------------------------------------------------------------------------- several inputs


def two(k, named=False):
    """Numbers of two kinds, one of them an image; the second also goes straight to the output."""
    L = k.layers
    a, b = k.Input((4,), name="a"), k.Input((3, 1), name="b")
    flat = L.Flatten(name="flat")(b)
    h = L.Concatenate(name="join")([L.Dense(5, activation="relu", name="d")(a), flat])
    out = L.Dense(3, activation="softmax", name="out")(L.Dense(6, activation="tanh", name="e")(h))
    return k.Model({"first": a, "second": b} if named else [a, b], out, name="two")


def arrays(kind):
    first, second = X, Z[:, :, None]
    return {
        "list": [first, second], "tuple": (first, second), "names": {"a": first, "b": second},
        "keys": {"second": second, "first": first},
    }[kind]  # fmt: skip


@keras_case
def keras_two(keras, options):
    return _fit_two(keras, two(keras), arrays("list"), dict(options))[1]


def _fit_two(k, model, x, options):
    model.set_weights(weights_for(model))
    model.compile(k.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, IDS, batch_size=16, epochs=3, shuffle=False, verbose=0, **options)
    result = {f"weight{i}": w for i, w in enumerate(model.get_weights())}
    evaluated = model.evaluate(x, IDS, verbose=0)
    return model, {**history.history, **result, "p": model.predict(x, verbose=0), "e": evaluated}


@pytest.mark.parametrize("kind", ["list", "tuple", "names", "keys"])
@pytest.mark.parametrize("options", [(), (("validation_split", 0.3),)], ids=["", "split"])
def test_two_inputs_equal_keras(kind, options, device):
    expected = keras_two(options)
    model = two(tinynet, kind == "keys")
    model, result = _fit_two(tinynet, model, arrays(kind), dict(options))
    for key, value in result.items():
        np.testing.assert_allclose(value, expected[key], rtol=2e-4, atol=1e-5, err_msg=key)
    assert model.explain_execution() == "recorded once and replayed" or device != "cpu"
    np.testing.assert_allclose(model(arrays(kind)), result["p"], rtol=1e-5, atol=1e-6)


def test_two_inputs_of_other_kinds(device):
    """uint8, sparse, a generator: the numbers of plain arrays."""
    from scipy.sparse import csr_array

    a = (np.abs(X) * 3).astype("uint8")
    b = np.maximum(Z, 0)[:, :, None]
    results = []
    for x in ([a.astype("float32"), b], [a, b], [csr_array(a), b], "batches"):
        model = two(tinynet)
        model.set_weights(weights_for(model))
        model.compile("sgd", "sparse_categorical_crossentropy")
        if x == "batches":
            batches = (([a[i : i + 10], b[i : i + 10]], IDS[i : i + 10]) for i in range(0, 50, 10))
            model.fit(batches, verbose=0)
        else:
            model.fit(x, IDS, batch_size=10, shuffle=False, verbose=0)
        results.append(model.get_weights())
    for other in results[1:]:
        for one, two_ in zip(results[0], other, strict=True):
            np.testing.assert_allclose(one, two_, rtol=1e-5, atol=1e-7)


def test_shuffling_keeps_the_inputs_together(device):
    rows = np.arange(50, dtype="float32")[:, None]
    a, b = Input((1,)), Input((1,))
    model = Model([a, b], layers.Subtract()([a, b]))
    model.compile("sgd", "mse")
    history = model.fit([rows, rows], np.zeros((50, 1)), epochs=2, verbose=0)
    assert history.history["loss"] == [0, 0]


def test_inputs_that_do_not_fit():
    model = two(tinynet)
    model.compile("sgd", "sparse_categorical_crossentropy")
    image = Z[:, :, None].copy()
    for x, message in (
        (X, r"x: expected a list of 2 arrays, for the inputs \['a', 'b'\], received ndarray"),
        ([X], "x: expected 2 arrays.*received 1"),
        ([X, image[:9]], r"differ in their number of rows \(a: 50, b: 9\)"),
        ([X, X], r"x\['b'\]: two expects rows of shape \(3, 1\), received \(4,\)"),
        ({"a": X, "c": image}, r"expected the inputs \['a', 'b'\], received \['a', 'c'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, IDS, verbose=0)
    image[3, 0] = np.nan
    with pytest.raises(ValueError, match=r"x\[1\]: row 3 holds nan"):
        model.fit([X, image], IDS, verbose=0)


# ------------------------------------------------------------------------------------ errors


def test_what_can_not_be_a_model():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    h = layers.Dense(3, name="h")(a)
    with pytest.raises(ValueError, match="depend on the input 'a'"):
        Model(b, h)
    with pytest.raises(ValueError, match="no output depends on the input 'b'"):
        Model([a, b], h)
    with pytest.raises(TypeError, match="inputs must be symbolic"):
        Model(X, h)
    with pytest.raises(ValueError, match="depend on the input 'a'"):
        Model(h, layers.Concatenate()([a, layers.Dense(2)(h)]))
    with pytest.raises(ValueError, match="names must be unique"):
        Model(a, layers.Dense(3, name="h")(h))
    with pytest.raises(TypeError, match="needs inputs and outputs"):
        Model()
    with pytest.raises(ValueError, match="takes one input, received a list of 2"):
        layers.Dense(3)([a, b])
    with pytest.raises(ValueError, match="inputs of one shape"):
        layers.Add()([a, h])
    with pytest.raises(ValueError, match="takes a list of 2 or more inputs, received one"):
        layers.Add()(a)
    with pytest.raises(ValueError, match="takes a list of 2 inputs, received a list of 3"):
        layers.Subtract()([a, b, a])
    with pytest.raises(ValueError, match="may differ on axis 2 only"):
        layers.Concatenate()([Input((2, 3)), Input((3, 4))])
    with pytest.raises(ValueError, match="axis must be an int other than 0"):
        layers.Concatenate(axis=0)
    with pytest.raises(TypeError, match="holds no numbers"):
        np.asarray(h)
    with pytest.raises(TypeError, match="holds no numbers"):
        bool(h)
    with pytest.raises(AttributeError, match="applied to symbolic tensors 0 times"):
        _ = layers.Dense(2).output
