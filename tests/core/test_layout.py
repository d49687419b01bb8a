"""Layers and parameters are found by one walk, and found again as soon as anything has changed."""

import copy

import numpy as np
import pytest
from replay_runs import RECORDED, C, D, data, labels

import tinynet
from tinynet import Model, Sequential, activations, constraints, models, regularizers
from tinynet.core import layout
from tinynet.layers import Add, BatchNormalization, Dense, Dropout, Input, Layer

DEVICES = ["reference", "cpu"]


def net(device="reference", **options):
    tinynet.utils.set_random_seed(1)
    inner = Sequential([Input((6,)), Dense(5, "relu", kernel_regularizer="l2"), Dropout(0.2)])
    x = Input((D,))
    h = inner(BatchNormalization()(Dense(6, "tanh", kernel_constraint="max_norm")(x)))
    model = Model(x, Dense(C, "softmax")(Add()([h, Dense(5)(x)])))
    model.compile("adam", "sparse_categorical_crossentropy", device=device, **options)
    return model


@pytest.fixture
def walks(monkeypatch):
    """Which layers and models a walk began at."""
    begun, walk = [], layout.Layout.__init__

    def counted(self, root):
        begun.append(root.name)
        walk(self, root)

    monkeypatch.setattr(layout.Layout, "__init__", counted)
    return begun


def test_a_second_step_walks_through_no_layer(walks):
    model = net()
    rows = model.dataset(data(), labels())
    model._prepare(rows.y.shape)
    model.train_step(*model.batch(rows, slice(None)))
    assert walks
    walks.clear()
    model.train_step(*model.batch(rows, slice(None)))
    model.test_step(*model.batch(rows, slice(None)))
    assert walks == []
    model.layers[1].trainable = False
    model.train_on_batch(data(), labels())
    assert model.name in walks


@pytest.mark.usefixtures("two_threads")
def test_a_second_fit_records_nothing():
    model = net("cpu")
    options = {"batch_size": 8, "verbose": 0, "validation_data": (data(), labels())}
    model.fit(data(), labels(), **options)
    assert model.explain_execution() == RECORDED
    known = model.layout
    before = {key: program for key, (_, program) in model.execution.programs.items()}
    model.fit(data(), labels(), **options)
    after = {key: program for key, (_, program) in model.execution.programs.items()}
    assert model.layout is known
    assert len(before) == 4  # batches of 8 and 4 rows, trained and tested
    assert all(before[key] is after[key] for key in before)


def test_what_a_layout_holds():
    model = net()
    found = model.layout
    inner = model.get_layer(index=3)
    assert [type(part).__name__ for part in found.parts] == [
        "Functional", "InputLayer", "Dense", "BatchNormalization", "Sequential", "Dense",
        "Dropout", "Dense", "Add", "Dense",
    ]  # fmt: skip
    assert found.leaves == [part for part in found.parts if part not in (model, inner)]
    assert found.parameters == model.weights
    names = [p.name for p in found.frozen]
    assert names == ["moving_mean", "moving_variance"]
    assert [p.path for p in found.regularized] == [inner.layers[0].kernel.path]
    assert [p.path for p in found.constrained] == [model.layers[1].kernel.path]
    assert inner.weights == inner.layers[0].weights


CHANGES = {
    "frozen": lambda m: setattr(m.layers[1], "trainable", False),
    "a parameter": lambda m: setattr(m.layers[1].bias, "trainable", False),
    "within": lambda m: setattr(m.layers[3].layers[0], "trainable", False),
    "activation": lambda m: setattr(m.layers[3].layers[0], "activation", activations.sigmoid),
    "rate": lambda m: setattr(m.layers[3].layers[1], "rate", 0.7),
    "regularizer": lambda m: setattr(m.layers[1].kernel, "regularizer", regularizers.L1(0.2)),
    "factor": lambda m: setattr(m.layers[3].layers[0].kernel.regularizer, "l2", 0.4),
    "constraint": lambda m: setattr(m.layers[1].kernel, "constraint", constraints.NonNeg()),
    "limit": lambda m: setattr(m.layers[1].kernel.constraint, "max_value", 0.1),
    "momentum": lambda m: setattr(m.layers[2], "momentum", 0.2),
}


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_between_two_steps_counts_in_the_next_one(name):
    """The same as in a model that is made with the change and given the same weights."""
    results = []
    for device in DEVICES:
        model = net(device)
        model.train_on_batch(data(), labels())
        known = model.layout
        CHANGES[name](model)
        assert model.layout is not known
        fresh = copy_with(model, device, CHANGES[name])
        results.append([[m.train_on_batch(data(), labels()), *m.get_weights()]
                        for m in (model, fresh)])  # fmt: skip
        if device == "cpu":
            assert model.explain_execution() == RECORDED
    for changed, fresh in results:
        for a, b in zip(changed, fresh, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def copy_with(model, device, change):
    """A model of its own that was never recorded before, with the same state as `model`."""
    fresh = net(device)
    fresh.set_weights(model.get_weights())
    change(fresh)
    fresh.steps_taken = model.steps_taken
    for one, other in zip(fresh.leaves(), model.leaves(), strict=True):
        if hasattr(other, "key"):
            one.key = other.key
    fresh.ensure_flat()
    fresh.optimizer.build(fresh.trainable_weights, fresh.context.ops)
    known = {key: v for v, key in keyed(model)}
    for v, key in keyed(fresh):
        v.assign(known[key].numpy())
    return fresh


def keyed(model):
    """Each variable of the optimizer, and of which parameter it is by its place in the model."""
    places = {p: i for i, p in enumerate(model.weights)}
    return [(v, (places.get(v.parameter), v.kind)) for v in model.optimizer.variables]


def test_what_is_no_change():
    """Nothing is laid out anew after changes elsewhere, after setting weights or a rate."""
    model = net()
    model.train_on_batch(data(), labels())
    known, flat = model.layout, model.flat
    net().train_on_batch(data(), labels())
    model.optimizer.learning_rate = 0.1
    model.set_weights(model.get_weights())
    model.train_on_batch(data(), labels())
    model.predict(data(), verbose=0)
    assert model.layout is known
    assert model.flat is flat


def test_an_attribute_of_an_own_layer_is_noticed():
    class Scale(Layer):
        factor = 1.0

        def forward(self, x, training=False):
            return self.factor * x

        def backward(self, dy):
            return self.factor * dy

    model = Sequential([Input((D,)), Scale(), Dense(1)])
    known = model.layout
    model.layers[0].factor = 3.0
    assert model.layout is not known


def test_a_copy_finds_its_own_layers():
    layer = Dense(2)
    layer.build((None, 3))
    assert layer.weights
    again = copy.copy(layer.layout)
    assert again is None


# ------------------------------------------------------------------------------ layers that move


@pytest.mark.parametrize("device", DEVICES)
def test_the_list_of_layers_is_a_copy(device, tmp_path):
    model = Sequential([Input((4,)), Dense(8), Dense(5), Dense(3)])
    model.layers.pop()
    model.layers.pop()
    model.layers.append(Dense(1))
    model.layers[-1] = Dense(2)
    assert [layer.units for layer in model.layers] == [8, 5, 3]
    model.add(Dense(2))
    model.compile("sgd", "mse", device=device)
    model.fit(np.ones((6, 4)), np.ones((6, 2)), verbose=0)
    assert np.isfinite(model.predict(np.ones((6, 4)), verbose=0)).all()
    model.save(tmp_path / "m.keras")
    again = tinynet.models.load_model(tmp_path / "m.keras")
    one = np.ones((1, 4))
    np.testing.assert_allclose(again.predict(one, verbose=0), model.predict(one, verbose=0),
                               rtol=1e-5)  # fmt: skip


@pytest.mark.parametrize("model", [
    lambda: Sequential([Input((4,)), Dense(3)], name="mine"),
    lambda: (lambda x: Model(x, Dense(3)(x), name="mine"))(Input((4,))),
], ids=["Sequential", "Functional"])  # fmt: skip
def test_layers_can_not_be_set(model):
    model = model()
    before = model.layers
    with pytest.raises(AttributeError, match=r"mine: the layers can't be set; use add\(\) and pop"):
        model.layers = []
    assert model.layers == before


@pytest.mark.parametrize("make", [lambda: Dense(3), lambda: Sequential([Dense(3), Dense(2)])])
@pytest.mark.parametrize("built", [False, True])
def test_a_dtype_can_not_be_set(make, built, tmp_path):
    """Layers of two dtypes could be saved, and their file not be loaded."""
    layer = make()
    if built:
        layer(data())
    with pytest.raises(AttributeError, match="dtype"):
        layer.dtype = "float64"
    assert layer.dtype == "float32"
    model = Sequential([layer, Dense(3)])
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    assert again.predict(data(), verbose=0).dtype == "float32"


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("device", DEVICES)
def test_layers_come_and_go_between_fits(device):
    model = Sequential([Input((D,)), Dense(8, "relu"), Dense(5), Dense(C, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", device=device)
    model.fit(data(), labels(), verbose=0)
    top = model.pop()
    model.add(Dense(7, "tanh"))
    model.add(Dense(2, "softmax"))
    model.fit(data(), labels(classes=2), verbose=0)
    first, second, third, last = (layer.get_weights() for layer in model.layers)
    h = np.maximum(data() @ first[0] + first[1], 0) @ second[0] + second[1]
    z = np.tanh(h @ third[0] + third[1]) @ last[0] + last[1]
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(data(), verbose=0), expected, rtol=1e-4, atol=1e-6)
    assert top not in model.layers
    assert [p.shape[-1] for p in model.flat.trained] == [8, 8, 5, 5, 7, 7, 2, 2]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("declared", [False, True])
def test_a_stack_without_layers_is_as_if_it_never_had_some(declared, compiled, tmp_path):
    model = Sequential([Input((D,)), Dense(8)] if declared else [Dense(8)])
    if compiled:
        model.compile("sgd", "mse")
    model.predict(data(), verbose=0)
    model.pop()
    assert (model.built, model.input_shape, model.output_shape) == (False, None, None)
    assert model.get_config()["build_input_shape"] is None
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"empty{suffix}")
        models.load_model(tmp_path / f"empty{suffix}").add(Dense(1))
    for one in (model, models.clone_model(model), copy.deepcopy(model)):
        assert one.layers == []
        one.add(Dense(2))
        assert one.built == declared
        columns = D if declared else D + 1
        assert one.predict(np.ones((3, columns)), verbose=0).shape == (3, 2)


@pytest.mark.parametrize("device", DEVICES)
def test_a_model_whose_inner_model_was_changed_does_not_run(device):
    inner = Sequential([Input((D,)), Dense(4), Dense(6)], name="inner")
    x = Input((D,))
    for model in (Sequential([Input((D,)), inner, Dense(2)]), Model(x, Dense(2)(inner(x)))):
        model.compile("sgd", "mse", device=device)
        model.fit(data(), np.ones((20, 2)), verbose=0)
        before = model.get_weights()
        last = inner.pop()
        match = r"layer 'inner' was changed: it gives \(None, 4\).*built with \(None, 6\)"
        with pytest.raises(ValueError, match=match):
            model.predict(data(), verbose=0)
        with pytest.raises(ValueError, match=match):
            model.fit(data(), np.ones((20, 2)), verbose=0)
        inner.add(last)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        model.fit(data(), np.ones((20, 2)), verbose=0)


@pytest.mark.parametrize("device", DEVICES)
def test_a_layer_that_gives_another_shape_than_when_it_was_built(device):
    model = Sequential([Input((D,)), Dense(4, name="first"), Dense(3)])
    model.predict(data(), verbose=0)
    model.compile("sgd", "mse", device=device)
    model.layers[0].units = 400
    with pytest.raises(ValueError, match="layer 'first' was changed"):
        model.predict(data(), verbose=0)
    model.layers[0].units = 4
    model.predict(data(), verbose=0)


def test_no_model_inside_itself():
    model = Sequential([Input((4,)), Dense(4)], name="model")
    outer = Sequential([Input((4,)), model, Dense(4)], name="outer")
    for inside in (model, outer):
        with pytest.raises(ValueError, match="model can't become a layer inside itself"):
            model.add(inside)
    assert len(model.layers) == 1
    assert outer.predict(np.ones((2, 4)), verbose=0).shape == (2, 4)


def test_a_dropout_layer_in_two_models():
    """A layer without parameters, too, goes back to the model that takes the step."""
    shared = Dropout(0.5, seed=1)
    x, y = np.ones((4, D)), np.ones((4, D))
    outcomes = []
    for others in (0, 1):
        tinynet.utils.set_random_seed(1)
        model = Sequential([Input((D,)), Dense(D), shared])
        model.compile("sgd", "mse", device="reference")
        for _ in range(3):
            model.train_on_batch(x, y)
            if others:
                other = Sequential([Input((D,)), shared, Dense(D)])
                other.compile("sgd", "mse", device="reference")
                other.train_on_batch(x, y)
        outcomes.append(model.get_weights())
    np.testing.assert_array_equal(outcomes[0][0], outcomes[1][0])


# -------------------------------------------------------------------------------------- building


def test_a_built_layer_is_not_built_again():
    layer = Dense(3, kernel_initializer="ones")
    layer.build((None, 4))
    assert (layer.built, layer.input_shape, layer.output_shape) == (True, (None, 4), (None, 3))
    layer.kernel.assign(np.full((4, 3), 2.0))
    np.testing.assert_array_equal(layer(np.ones((1, 4))), [[8, 8, 8]])
    assert len(layer.weights) == 2
    with pytest.raises(ValueError, match="is built already, for input of shape"):
        layer.build((None, 4))
    with pytest.raises(ValueError, match="is built already"):
        layer.build((None, 5))
    assert len(layer.weights) == 2


BUILDS = {
    "Dense": ({"units": 3}, (4,)),
    "Embedding": ({"input_dim": 5, "output_dim": 2}, (4,)),
    "BatchNormalization": ({}, (4,)),
    "LayerNormalization": ({}, (4,)),
    "RMSNormalization": ({}, (4,)),
    "PReLU": ({}, (4,)),
    "Normalization": ({}, (4,)),
}


@pytest.mark.parametrize("name", BUILDS)
def test_build_counts(name, tmp_path):
    options, shape = BUILDS[name]
    layer = getattr(tinynet.layers, name)(**options)
    layer.build((8, *shape))  # any number of rows
    assert layer.built
    assert layer.input_shape == (None, *shape)
    weights = layer.weights
    model = Sequential([Input(shape), layer])
    assert all(a is b for a, b in zip(model.weights, weights, strict=True))
    with pytest.raises(ValueError, match="is built already"):
        layer.build((None, *shape))
    model.save_weights(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.weights.h5")


def test_an_embedding_is_built_without_a_shape():
    layer = tinynet.layers.Embedding(5, 2)
    layer.build()
    assert layer.built
    assert layer.embeddings.shape == (5, 2)
    kept = layer.embeddings.numpy()
    np.testing.assert_array_equal(layer(np.array([[1, 4]])), kept[[[1, 4]]])
    layer.input_dim = 9
    with pytest.raises(ValueError, match=r"was changed: .*\(5, 2\).* would be .*\(9, 2\)"):
        layer(np.array([[1, 8]]))
    with pytest.raises(TypeError, match="input_shape"):
        Dense(2).build()


def test_own_layers_that_build_on_another_build():
    class Shifted(Dense):
        def build(self, input_shape):
            super().build(input_shape)
            assert not self.built
            self.shift = self.add_weight((self.units,), "ones", name="shift")

        def forward(self, x, training=False):
            return super().forward(x, training) + self.shift.value

    class Plain(Layer):
        def build(self, shape):
            self.w = self.add_weight((shape[-1],), "ones", name="w")
            super().build(shape)

        def forward(self, x, training=False):
            return x * self.w.value

    shifted, plain = Shifted(2, kernel_initializer="ones"), Plain()
    shifted.build((None, 3))
    np.testing.assert_array_equal(shifted(np.ones((1, 3))), [[4, 4]])
    assert [w.name for w in shifted.weights] == ["kernel", "bias", "shift"]
    plain.build(shape=(None, 3))
    np.testing.assert_array_equal(plain(np.ones((1, 3))), [[1, 1, 1]])
    assert [w.name for w in plain.weights] == ["w"]


def test_a_build_that_fails_leaves_nothing():
    class Greedy(Dense):
        def build(self, input_shape):
            super().build(input_shape)
            raise MemoryError("no room")

    layer = Greedy(2)
    for _ in range(2):
        with pytest.raises(MemoryError):
            layer.build((None, 3))
    assert not layer.built
    assert layer.weights == []
