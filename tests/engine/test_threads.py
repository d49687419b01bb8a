"""One model, several threads: every answer is right, and fit comes out as if it had been alone."""

import itertools
import random
import sys
import threading

import numpy as np
import pytest

import tinynet
from tinynet import Model, Sequential
from tinynet.callbacks import Callback, LambdaCallback
from tinynet.layers import BatchNormalization, Dense, Dropout, Input

DEVICES = ["reference", "cpu"]
SIZES = (1, 2, 5, 32, 33, 70)
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(120, 6)).astype("float32"), rng.integers(0, 3, 120)


@pytest.fixture(autouse=True)
def switching_often():
    """Threads change places after microseconds: what can go wrong between two lines, does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def net(device, seed=1):
    tinynet.utils.set_random_seed(seed)
    model = Sequential([
        Input((6,)), Dense(16, activation="relu"), Dropout(0.2), BatchNormalization(),
        Dense(3, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], device=device)
    model.shuffle_seed = 7
    return model


def together(*functions, seconds=120):
    """Run functions on threads of their own; raise what one of them raises, or if one hangs."""
    errors = []

    def caught(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=caught, args=(f,), daemon=True) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]


CALLS = {
    "predict": lambda model, n: model.predict(X[:n], verbose=0),
    "predict_on_batch": lambda model, n: model.predict_on_batch(X[:n]),
    "call": lambda model, n: model(X[:n]),
    "evaluate": lambda model, n: model.evaluate(X[:n], Y[:n], verbose=0),
    "test_on_batch": lambda model, n: model.test_on_batch(X[:n], Y[:n]),
    "gradients": lambda model, n: list(model.gradients(X[:n], Y[:n]).values()),
    "layer": lambda model, n: model.layers[0](X[:n]),
    "weights": lambda model, n: model.get_weights(),
}


def same(one, other):
    if isinstance(one, list):
        return all(same(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


REPEATS = [*range(3), *(pytest.param(i, marks=pytest.mark.slow) for i in range(3, 20))]


@pytest.mark.parametrize("repeat", REPEATS)
@pytest.mark.parametrize("device", DEVICES)
def test_mixed_calls_on_one_model_while_another_one_trains(device, repeat):
    model, other, alone = net(device), net(device, seed=3), net(device, seed=3)
    model.fit(X, Y, epochs=2, verbose=0)
    alone.fit(X, Y, epochs=20, verbose=0)
    cases = list(itertools.product(CALLS, SIZES))
    right = {(call, n): CALLS[call](model, n) for call, n in cases}

    def user(seed):
        for call, n in random.Random(seed).choices(cases, k=200):
            assert same(CALLS[call](model, n), right[call, n]), (call, n)

    together(*(lambda seed=8 * repeat + i: user(seed) for i in range(8)),
             lambda: other.fit(X, Y, epochs=20, verbose=0))  # fmt: skip
    assert same(other.get_weights(), alone.get_weights())


@pytest.mark.parametrize("device", DEVICES)
def test_every_prediction_during_fit_is_of_one_step(device):
    options = {"epochs": 6, "verbose": 0, "batch_size": 16, "validation_split": 0.2}
    alone, steps = net(device), set()

    def note(*_):
        steps.add(alone.predict(X, verbose=0).tobytes())

    alone.predict(X, verbose=0)
    seeds = LambdaCallback(on_train_begin=note, on_train_batch_end=note)
    history = alone.fit(X, Y, callbacks=[seeds], **options).history
    model, done, seen = net(device), threading.Event(), []

    def user():
        while not done.is_set():
            seen.append(model.predict(X, verbose=0).tobytes() in steps)
            model.evaluate(X[:40], Y[:40], verbose=0)
            model.gradients(X[:9], Y[:9])
            model.test_on_batch(X[:7], Y[:7])
            model.find_nan(X[:3], Y[:3])

    def fit():
        try:
            assert model.fit(X, Y, **options).history == history
        finally:
            done.set()

    together(fit, user, user)
    assert seen
    assert all(seen)
    assert same(model.get_weights(), alone.get_weights())


@pytest.mark.parametrize("device", DEVICES)
def test_a_second_fit_at_once_is_refused(device):
    alone, model = net(device), net(device)
    alone.fit(X, Y, epochs=2, verbose=0)
    refused, begun = [], threading.Event()

    def others():
        begun.wait(60)
        optimizer = model.optimizer
        for call in (
            lambda: model.fit(X[:, :5], Y, epochs=2, verbose=0),
            lambda: model.compile("sgd", "mse"),
            model.pop,
            lambda: model.add(Dense(3)),
        ):
            with pytest.raises(RuntimeError, match="is being trained by the fit of another thread"):
                call()
            refused.append(call)
        assert model.optimizer is optimizer

    class Pause(Callback):
        def on_epoch_end(self, epoch, logs=None):
            begun.set()
            thread.join(60)

    thread = threading.Thread(target=others)
    thread.start()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[Pause()])
    assert len(refused) == 4
    assert same(model.get_weights(), alone.get_weights())
    model.fit(X, Y, verbose=0)  # and then it may


@pytest.mark.parametrize("device", DEVICES)
def test_models_that_share_layers(device):
    def pair():
        tinynet.utils.set_random_seed(2)
        x = Input((6,))
        h = Dense(4, activation="tanh")(x)
        encoder, whole = Model(x, h), Model(x, Dense(6)(h))
        whole.compile("sgd", "mse", device=device)
        encoder.compile("sgd", "mse", device=device)
        return encoder, whole

    (encoder, whole), (_, alone) = pair(), pair()
    tinynet.utils.set_random_seed(5)  # the order of the rows
    alone.fit(X, X, epochs=5, verbose=0)
    tinynet.utils.set_random_seed(5)
    done = threading.Event()

    def fit():
        whole.fit(X, X, epochs=5, verbose=0)
        done.set()

    def user():
        while not done.is_set():
            assert np.abs(encoder.predict(X, verbose=0)).max() <= 1
            whole.layers[1](X[:3])

    together(fit, user, user)
    assert same(whole.get_weights(), alone.get_weights())
    kernel, bias = alone.get_weights()[:2]
    np.testing.assert_allclose(encoder(X), np.tanh(X @ kernel + bias), atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_no_step_of_train_on_batch_is_lost(device):
    """SGD on the mean of y alone: b moves by -lr 2 (b - y), whichever thread takes the step."""
    model = Sequential([Input((1,)), Dense(1, use_bias=True)])
    model.compile(tinynet.optimizers.SGD(0.25), "mse", device=device)
    x, y = np.zeros((4, 1), "float32"), np.full((4, 1), 1, "float32")

    def user():
        for _ in range(2):
            model.train_on_batch(x, y)

    together(*[user] * 4)
    assert model.optimizer.iterations == 8
    np.testing.assert_allclose(model.get_weights()[1], 1 - 0.5**8)


def test_a_file_saved_during_fit_holds_one_step(tmp_path):
    steps, model = set(), net("cpu")
    done = threading.Event()

    def state(m):
        return b"".join(a.tobytes() for a in m.get_weights())

    def user():
        for i in itertools.count():
            path = tmp_path / f"{i}.weights.h5"
            model.save_weights(path)
            if done.is_set():
                return

    def fit():
        note = LambdaCallback(on_train_begin=lambda _: steps.add(state(model)),
                              on_train_batch_end=lambda *_: steps.add(state(model)))  # fmt: skip
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[note])
        done.set()

    together(fit, user)
    for path in tmp_path.iterdir():
        other = net("cpu", seed=9)
        other.load_weights(path)
        assert state(other) in steps


def test_an_error_in_a_step_leaves_the_model_free():
    class Breaks(tinynet.layers.Layer):
        def forward(self, x, training=False):
            raise ArithmeticError

        def compute_output_shape(self, input_shape):
            return input_shape

    model = Sequential([Input((6,)), Breaks()])
    for call in (model.predict, model.predict_on_batch, model):
        with pytest.raises(ArithmeticError):
            call(X)
    model = net("cpu")
    with pytest.raises(ArithmeticError):
        model.fit(X, Y, verbose=0, callbacks=[LambdaCallback(on_epoch_end=lambda *_: 1 // 0)])
    together(lambda: model.fit(X, Y, verbose=0), seconds=30)
