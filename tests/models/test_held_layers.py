"""Layers held by a layer or model of one's own are a part of it; a `call` alone is enough."""

import copy
import io
import pickle

import h5py
import numpy as np
import pytest
from held_models import FIT, C, D, H, X, Y, classes, values
from layer_checks import close
from oracle import keras_case
from replay_runs import RECORDED

import tinynet
from tinynet import Model, Sequential, layers, models
from tinynet.core.parameters import Parameter
from tinynet.core.variable import same
from tinynet.layers import Add, BatchNormalization, Dense, Dropout, Input, Layer

KINDS = ["Attributes", "Lists", "Residual", "Net", "OfTensors"]
both_devices = pytest.mark.parametrize("device", ["reference", "cpu"])


@keras_case
def keras_trains_held(keras, name):
    import pathlib
    import tempfile

    model = classes(keras)[1][name]()
    model(X[:1])
    model.set_weights(values(model.get_weights()))
    model.compile("adam", "mse")
    history = model.fit(X, Y, **FIT).history["loss"]
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/k.weights.h5")
        file = pathlib.Path(f"{folder}/k.weights.h5").read_bytes()
    return {"loss": history, "y": model.predict(X, verbose=0), "count": model.count_params(),
            "file": np.frombuffer(file, np.uint8)}  # fmt: skip


@both_devices
@pytest.mark.parametrize("name", KINDS)
def test_it_trains_and_is_stored_as_in_keras(name, device, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", device)
    expected = keras_trains_held(name)
    kinds, makers = classes(tinynet)
    model = makers[name]()
    model.compile("adam", "mse")
    model.build((None, D))
    model.set_weights(values(model.get_weights()))
    history = model.fit(X, Y, **FIT).history["loss"]
    close(history, expected["loss"], 1e-4)
    close(model.predict(X, verbose=0), expected["y"], 1e-3)
    assert model.count_params() == int(expected["count"])
    if device == "cpu":
        assert model.explain_execution() == RECORDED

    theirs = tmp_path / "k.weights.h5"
    theirs.write_bytes(np.asarray(expected["file"], np.uint8).tobytes())
    model.save_weights(tmp_path / "o.weights.h5")
    assert stored(tmp_path / "o.weights.h5") == stored(theirs)
    again = makers[name]()
    again.build((None, D))
    again.load_weights(theirs)
    close(again.predict(X, verbose=0), expected["y"], 1e-5)

    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras", custom_objects=kinds)
    for suffix in (".npz", ".h5", ".weights.h5"):
        model.save_weights(tmp_path / f"w{suffix}")
        other = makers[name]()
        other.build((None, D))
        other.load_weights(tmp_path / f"w{suffix}")
        np.testing.assert_array_equal(other(X), again(X))
    model.fit(X, Y, **FIT)
    again.fit(X, Y, **FIT)  # with the optimizer's state
    np.testing.assert_array_equal(model(X), again(X))


def stored(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, one: found.setdefault(name, getattr(one, "shape", None)))
    return {name: shape for name, shape in found.items() if shape is not None}


class Scale(Layer):
    def build(self, input_shape):
        self.w = self.add_weight(H, "ones", name="scale")

    def forward(self, x, training=False):
        self.saved = (x,)
        return x * self.w.value

    def backward(self, dy):
        self.w.grad[...] = (dy * self.recall()[0]).sum(axis=0)
        return dy * self.w.value


class Eager(Layer):
    """With a forward and a backward of its own around what it holds."""

    def __init__(self, **options):
        super().__init__(**options)
        own = {"dtype": self.dtype}
        self.dense = [
            Dense(H, "tanh", kernel_regularizer="l2", kernel_constraint="max_norm", **own)
        ]
        self.norm, self.drop = {"n": BatchNormalization(**own)}, Dropout(0.5, **own)
        self.scales = [Parameter(np.full(H, 2.0, self.dtype), "scale")]

    def forward(self, x, training=False):
        x = self.norm["n"](self.dense[0](x))
        self.saved = (x,)
        return self.drop(x * self.scales[0].value)

    def backward(self, dy):
        (x,) = self.recall()
        dy = self.drop.backward(dy)
        if self.scales[0].grad is not None:
            self.scales[0].grad[...] = (dy * x).sum(axis=0)
        dy = self.norm["n"].backward(dy * self.scales[0].value)
        return self.dense[0].backward(dy)


@both_devices
def test_a_backward_of_ones_own_around_held_layers(device):
    """As the same layers in a stack, with dropout, batch normalization and penalties."""
    held = Eager()
    stack = [Dense(H, "tanh", kernel_regularizer="l2", kernel_constraint="max_norm"),
             BatchNormalization(), Scale(), Dropout(0.5)]  # fmt: skip
    results = []
    for inner in ([held], stack):
        model = Sequential([Input((D,)), *inner, Dense(C)])
        model.compile(tinynet.optimizers.SGD(0.1), "mse", device=device)
        for p in model.weights[:-2]:
            p.assign(np.resize(np.float32([0.5, 0.3, 0.7]), p.shape) + (p.name == "scale"))
        model.layers[-1].set_weights([np.full((H, C), 0.2), np.zeros(C)])
        (held.drop if inner == [held] else stack[-1]).key = (7, 0)
        model.fit(X, Y, **FIT)
        flat = np.concatenate([w.ravel() for w in model.get_weights()])
        history = np.float64(model.history.history["loss"])
        results.append([model.predict(X, verbose=0), history, np.sort(flat)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert model.count_params() == Sequential([Input((D,)), Eager(), Dense(C)]).count_params()


def test_the_reason_and_the_paths():
    model = Sequential([Input((D,)), Eager(name="mine"), Dense(C)])
    model.compile("sgd", "mse", device="cpu")
    model.fit(X, Y, verbose=0)
    assert "'mine' (Eager) is not one of tinynet's own" in model.explain_execution()
    assert [p.path for p in model.weights][:1] == ["mine/scale"]
    assert len(model.non_trainable_weights) == 2
    lines = []
    model.summary(print_fn=lines.append)
    held = (D * H + H) + 4 * H + H
    assert f"{held:,}" in lines[0]
    assert f"Total params: {held + H * C + C}" in lines[0]


@pytest.mark.parametrize("name", ["Attributes", "Lists", "Residual"])
def test_gradcheck(name):
    tinynet.config.set_floatx("float64")
    try:
        tinynet.gradcheck(classes(tinynet)[0][name](), X.astype("float64"))
        tinynet.gradcheck(Eager(), X.astype("float64"))
        model = classes(tinynet)[1][name]()
        model.compile("sgd", "mse")
        tinynet.gradcheck(model, X.astype("float64"), Y.astype("float64"))
    finally:
        tinynet.config.set_floatx("float32")


@both_devices
def test_freezing_the_holder_and_one_it_holds(device):
    layer = classes(tinynet)[0]["Lists"](name="held")
    model = Sequential([Input((D,)), layer])
    model.compile("sgd", "mse", device=device)
    count = len(model.trainable_weights)
    layer.hidden[0].trainable = False
    assert len(model.trainable_weights) == count - 2
    before = model.get_weights()
    model.fit(X, Y, **FIT)
    same = [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert same[:2] == [True, True]
    assert sum(same) == 2
    layer.trainable = False
    assert model.trainable_weights == []
    assert all(not part.trainable for part in (*layer.hidden, layer.rest["a"][1][0]))
    frozen = classes(tinynet)[0]["Lists"](trainable=False)
    frozen.build((None, D))
    assert frozen.trainable_weights == []


class Stack(Layer):
    def __init__(self, *sizes, **options):
        super().__init__(**options)
        self.hidden = [Dense(n, "tanh", kernel_initializer="ones") for n in sizes]

    def call(self, x):
        for layer in self.hidden:
            x = layer(x)
        return x


@both_devices
def test_lists_changed_in_place_and_attributes_replaced(device):
    """Grown, shortened, reordered, replaced and deleted: as a model made so."""

    changes = [
        lambda s: s.hidden.append(Dense(H, kernel_initializer="ones")),
        lambda s: s.hidden.__setitem__(0, Dense(H, kernel_initializer="ones")),
        lambda s: s.hidden.__delitem__(1),
        lambda s: s.hidden.reverse(),
        lambda s: setattr(s, "hidden", (Dense(H),)),
        lambda s: s.hidden[0].__setattr__("activation", tinynet.activations.relu),
    ]
    stack = Stack(H, H)
    model = Sequential([Input((D,)), Dense(H), stack, Dense(C)])
    model.compile("sgd", "mse", device=device)
    model.fit(X, Y, **FIT)
    for change in changes:
        change(stack)
        model.fit(X, Y, **FIT)
        assert same(stack.weights, [p for layer in stack.hidden for p in layer.weights])
        assert {*stack.weights} <= {*model.weights}
        assert len(model.optimizer.parameters) == len(model.weights)
        plain = Sequential([Input((D,)), model.layers[0], *stack.hidden, model.layers[2]])
        np.testing.assert_allclose(plain(X), model(X), rtol=1e-5)
    del stack.hidden
    with pytest.raises(AttributeError, match="hidden"):
        model.fit(X, Y, **FIT)


@both_devices
def test_masks_noise_and_modes_inside(device):
    class Noisy(Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.embed, self.drop = layers.Embedding(9, H, mask_zero=True), Dropout(0.5)

        def call(self, x, training=False):
            return self.drop(self.embed(x), training=training)

    tinynet.utils.set_random_seed(2)
    held = Noisy()
    model = Sequential([Input((6,)), held, layers.GlobalAveragePooling1D(), Dense(C)])
    model.compile("sgd", "mse", device=device)
    x = np.arange(24 * 6).reshape(24, 6) % 4
    assert len({model(x, training=True).tobytes() for _ in range(5)}) == 5
    np.testing.assert_array_equal(model(x), model(x))
    plain = Sequential([Input((6,)), held.embed, model.layers[1], model.layers[2]])
    np.testing.assert_allclose(plain(x), model(x), rtol=1e-6)  # padding is left out of the mean


def test_a_layer_inside_of_two_others(tmp_path):
    """It counts once and predicts; its two gradients would overwrite each other."""
    shared = Dense(D, name="shared")
    inner = Sequential([Input((D,)), shared], name="inner")
    model = Sequential([Input((D,)), inner, Dense(D), Stack(name="stack")])
    model.layers[-1].hidden.append(shared)
    assert model.count_params() == 2 * (D * D + D)
    np.testing.assert_allclose(model(X), shared(model.layers[1](shared(X))), rtol=1e-4)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="layer 'shared' is inside 'inner' and 'stack': one grad"):
        model.fit(X, X, verbose=0)
    model.save_weights(tmp_path / "s.weights.h5")
    before = model.get_weights()
    model.set_weights([w * 0 for w in before])
    model.load_weights(tmp_path / "s.weights.h5")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_trains_on_to_the_same_bits(copied):
    model = Sequential([Input((D,)), Eager(), Stack(H, H), Dense(C)])
    model.compile("adam", "mse")
    model.fit(X, Y, **FIT)
    again = copied(model)
    for one in (model, again):
        one.fit(X, Y, **FIT)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    again.layers[1].hidden.pop()
    assert len(again.weights) == len(model.weights) - 2


# ---------------------------------------------------------------------- what can't be recorded


def net(call):
    def __init__(self):
        Model.__init__(self)
        self.a, self.b = Dense(H), Dense(H)

    return type("Net", (Model,), {"__init__": __init__, "call": call})()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda self, x: self.a(x) ** 2, r"call of Net is no graph of layers: \*\* of"),
        (lambda self, x: np.tanh(self.a(x)), "no graph of layers: .* holds no numbers yet"),
        (lambda self, x: None, "no graph of layers: call returned NoneType"),
        (lambda self, x: Dense(H)(self.a(x)), "call makes 'dense.*' .Dense. anew each time"),
        (lambda self, x: self.c(x), "no graph of layers: .* no attribute 'c'"),
    ],
)  # fmt: skip
def test_a_model_with_arithmetic_says_what_is_missing(call, message):
    model = net(call)
    model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=message) as raised:
        model.fit(X, Y, verbose=0)
    assert "a Layer with forward and backward" in str(raised.value)
    assert not model.built
    assert not model.a.built


def test_other_words_for_models():
    class Empty(Model):
        pass

    empty = Empty()
    empty.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=r"empty \(Empty\) has nothing to compute with"):
        empty.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="no weights yet"):
        net(lambda self, x: self.a(x)).count_params()
    with pytest.raises(NotImplementedError, match="a model has no weights of its own"):
        empty.add_weight((2,))
    mixed = Eager()
    mixed.dense = [Dense(H, name="d", dtype="float64")]
    with pytest.raises(ValueError, match="float32, and holds 'd', which is float64"):
        mixed(X)


def test_a_held_call_with_arithmetic_predicts_and_says_why_it_does_not_train():
    class Square(Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.d = Dense(C)

        def call(self, x):
            return self.d(x) ** 2

    layer = Square(name="square")
    model = Sequential([Input((D,)), layer])
    np.testing.assert_allclose(model.predict(X, verbose=0), layer.d(X) ** 2, rtol=1e-6)
    model.compile("sgd", "mse")
    with pytest.raises(
        NotImplementedError,
        match=r"'square' \(Square\) needs a backward.*call is no "
        r"graph of layers: \*\* of",
    ):
        model.fit(X, Y, verbose=0)  # fmt: skip


@both_devices
def test_a_held_call_with_operators_trains_as_the_layers_they_stand_for(device):
    class Half(Layer):
        def __init__(self, inner, **options):
            super().__init__(**options)
            self.inner = inner

        def call(self, x):
            return 3 - self.inner(x) / 2

    inner = Dense(C, "tanh")
    model = Sequential([Input((D,)), Half(inner)])
    plain = Sequential([Input((D,)), Dense(C, "tanh"), layers.Rescaling(-0.5, 3)])
    plain.set_weights(model.get_weights())
    for one in (model, plain):
        one.compile("sgd", "mse", device=device)
        one.fit(X, Y, **FIT)
    close(model.get_weights()[0], plain.get_weights()[0], 1e-5)
    np.testing.assert_allclose(model(X), 3 - inner(X) / 2, rtol=1e-5)


def test_several_inputs():
    class Two(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.add = Dense(H), Dense(H), Add()

        def call(self, inputs):
            a, b = inputs
            return self.add([self.a(a), self.b(b)])

    model = Two()
    model.build([(None, D), (None, C)])
    model.compile("sgd", "mse")
    model.fit([X, Y], np.ones((24, H)), verbose=0)
    expected = model.a(X) + model.b(Y)
    np.testing.assert_allclose(model.predict([X, Y], verbose=0), expected, rtol=1e-5)


@pytest.mark.parametrize("further", [True, False])
def test_a_model_that_makes_layers_in_build(further):
    class Net(Model):
        def build(self, input_shape):
            self.d = Dense(input_shape[-1])
            if further:
                super().build(input_shape)
            self.e = Dense(C)

        def call(self, x):
            return self.e(self.d(x)) if hasattr(self, "e") else self.d(x)

    model = Net()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert model.output_shape == (None, C)
    assert model.count_params() == D * D + D + D * C + C


def test_a_subclass_of_a_subclass_and_a_model_within_a_model():
    class Base(Model):
        def __init__(self):
            super().__init__()
            self.d = Dense(D)

        def call(self, x):
            return self.d(x)

    class Derived(Base):
        def __init__(self):
            super().__init__()
            self.inner = Base()

        def call(self, x):
            return self.inner(super().call(x))

    model = Derived()
    x = Input((D,))
    outer = Model(x, Dense(C)(model(x)))
    outer.compile("sgd", "mse", device="cpu")
    outer.fit(X, Y, verbose=0)
    assert outer.explain_execution() == RECORDED
    assert len(outer.weights) == 6
    np.testing.assert_allclose(model(X), model.inner.d(model.d(X)), rtol=1e-5)
    assert isinstance(model, Base)
    file = io.StringIO()
    outer.summary(print_fn=file.write)
    assert f"{2 * (D * D + D)}" in file.getvalue()
