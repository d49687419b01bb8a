"""The coach: each mistake gets its line, sound fits get none, and training is not touched."""

import contextlib
import inspect
import io
import pathlib
import re

import numpy as np
import pytest
from parity import build, cases

import tinynet as keras
from tinynet import layers, losses, optimizers
from tinynet.inspecting import coach as coach_module
from tinynet.layers import Activation, Dense, Dropout, Flatten, Input

rng = np.random.default_rng(1)
CENTRES = rng.normal(size=(10, 16))
IDS = rng.integers(0, 10, 640)
X = (CENTRES[IDS] + 0.3 * rng.normal(size=(640, 16))).astype("float32")
PIXELS = np.clip(128 + 60 * X, 0, 255).astype("uint8")
BINARY = (IDS > 4).astype("float32")
REAL = X @ rng.normal(size=(16, 2))
ONE_HOT = np.eye(10)[IDS]


@pytest.fixture(autouse=True)
def _coach(monkeypatch):
    monkeypatch.delenv("TINYNET_COACH", raising=False)
    keras.utils.set_random_seed(3)


def lines(model, x, y, epochs=6, **options):
    """What the coach says during a fit."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        model.fit(x, y, epochs=epochs, verbose=1, **options)
    return [line for line in said.getvalue().splitlines() if line.startswith("coach: ")]


def net(*last, loss, optimizer="adam", hidden=(Dense, 24, "relu"), shape=(16,), **options):
    cls, units, activation = hidden
    first = cls(units, activation, **options)
    model = keras.Sequential([Input(shape), first, *last])
    model.compile(optimizer, loss)
    return model


SPARSE = "sparse_categorical_crossentropy"
FROM_LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)
MISTAKES = {
    "no softmax": (lambda: net(Dense(10), loss=SPARSE), X, IDS,
                   'no probabilities.*no activation.*activation="softmax" or from_logits=True'),
    "no softmax, one-hot": (lambda: net(Dense(10), loss="categorical_crossentropy"), X, ONE_HOT,
                            'no probabilities.*activation="softmax"'),
    "no sigmoid": (lambda: net(Dense(1), loss="binary_crossentropy"), X, BINARY,
                   'no probabilities.*activation="sigmoid"'),
    "relu last": (lambda: net(Dense(10, "relu"), loss=SPARSE), X, IDS,
                  'no probabilities.*ends with relu.*activation="softmax"'),
    "tanh last": (lambda: net(Dense(1, "tanh"), loss="binary_crossentropy"), X, BINARY,
                  'ends with tanh.*activation="sigmoid"'),
    "activation layer": (lambda: net(Dense(10), Activation("elu"), loss=SPARSE), X, IDS,
                         "ends with elu"),
    "softmax twice": (lambda: net(Dense(10, "softmax"), loss=FROM_LOGITS), X, IDS,
                      "softmax is applied twice.*from_logits=True"),
    "sigmoid twice": (lambda: net(Dense(1, "sigmoid"),
                                  loss=losses.BinaryCrossentropy(from_logits=True)), X, BINARY,
                      "sigmoid is applied twice"),
    "two softmax layers": (lambda: net(Dense(10, "softmax"), layers.Softmax(), loss=SPARSE), X, IDS,
                           "softmax is applied twice, by the last two layers"),
    "softmax on one unit": (lambda: net(Dense(1, "softmax"), loss="binary_crossentropy"), X, BINARY,
                            'always 1.*activation="sigmoid"'),
    "softmax on one unit, mse": (lambda: net(Dense(1, "softmax"), loss="mse"), X, BINARY,
                                 "always 1"),
    "one output, categorical": (lambda: net(Dense(1, "sigmoid"), loss="categorical_crossentropy"),
                                X, BINARY, "nothing about class 0.*binary_crossentropy"),
    "SGD(10) on mse": (lambda: net(Dense(2), loss="mse", optimizer=optimizers.SGD(10.0)), X, REAL,
                       r"the loss is (nan|inf).*holds (nan|-?inf).*learning rate 10"),
    "pixels under SGD": (lambda: net(Dense(10, "softmax"), loss=SPARSE, optimizer="sgd"), PIXELS,
                         IDS, "inputs reach 255.*divide x by 255"),
    "images under SGD": (lambda: net(Flatten(), Dense(10, "softmax"), loss=SPARSE, optimizer="sgd",
                                     hidden=(lambda *a: Flatten(), 0, None), shape=(4, 4)),
                         PIXELS.reshape(-1, 4, 4), IDS, "inputs reach 255"),
    "tiny inputs": (lambda: net(Dense(10, "softmax"), loss=SPARSE), X * 1e-5, IDS,
                    "no input is above"),
    "Adam(1)": (lambda: net(Dense(10, "softmax"), loss=SPARSE, optimizer=optimizers.Adam(3.0)), X,
                IDS, "learning rate 3 is large"),
    "SGD(1e-9)": (lambda: net(Dense(10, "softmax"), loss=SPARSE, optimizer=optimizers.SGD(1e-9)),
                  np.tile(X, (3, 1)), np.tile(IDS, 3), "learning rate 1e-09 is small"),
    "dead": (lambda: net(Dense(10, "softmax"), loss=SPARSE, bias_initializer=-50.0 and
                         keras.initializers.Constant(-50.0)), X, IDS, "24 of 24 units.*dense"),
    "saturated": (lambda: net(Dense(10, "softmax"), loss=SPARSE, hidden=(Dense, 24, "tanh"),
                              kernel_initializer=keras.initializers.RandomNormal(stddev=100.0)), X,
                  IDS, "saturated.*tanh"),
    "guessing": (lambda: net(Dense(10, "softmax"), loss=SPARSE, hidden=(Dense, 8, "relu")),
                 np.ones((640, 16)), IDS, r"loss stays at ln 10 = .*that of guessing"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_gets_its_line(mistake):
    make, x, y, words = MISTAKES[mistake]
    found = lines(make(), x, y)
    assert any(re.search(words, line) for line in found), found
    assert len(found) == len(set(found)) <= 2
    for line in found:
        lesson = line[line.rindex("(") + 1 : -1]
        assert (pathlib.Path(__file__).parents[2] / lesson).exists()


def test_the_rate_named_is_the_one_that_did_the_harm():
    make, x, y, words = MISTAKES["Adam(1)"]
    model = make()

    def lower(batch, logs):
        if batch == (len(x) - 1) // 32:  # the last of the first epoch
            model.optimizer.learning_rate = 0.01

    lowers = keras.callbacks.LambdaCallback(on_train_batch_end=lower)
    found = lines(model, x, y, callbacks=[lowers])
    assert any(re.search(words, line) for line in found), found


def test_classes_that_are_missing_from_a_split():
    order = np.argsort(IDS, kind="stable")
    make = MISTAKES["pixels under SGD"][0]
    (line,) = lines(make(), X[order], IDS[order], epochs=1, validation_split=0.2)
    assert "no row of class 8, 9 is among the training rows" in line or "8, 9" in line
    assert lines(make(), X, IDS, epochs=1, validation_split=0.2) == []


def test_learning_by_heart():
    rows = slice(0, 40)
    y = rng.permutation(IDS)[:40] % 2
    model = net(Dense(2, "softmax"), loss=SPARSE, hidden=(Dense, 200, "relu"),
                optimizer=optimizers.Adam(0.01))  # fmt: skip
    held_out = (rng.normal(size=(60, 16)), rng.integers(0, 2, 60))
    (line,) = lines(model, X[rows], y, epochs=40, validation_data=held_out)
    assert "validation loss has risen since epoch" in line
    stop = keras.callbacks.EarlyStopping(patience=100)
    model = net(Dense(2, "softmax"), loss=SPARSE, hidden=(Dense, 200, "relu"))
    assert lines(model, X[rows], y, epochs=40, validation_data=held_out, callbacks=[stop]) == []


def test_where_it_says_nothing(monkeypatch):
    make, x, y, _ = MISTAKES["no softmax"]
    assert lines(make(), x, y, epochs=1)
    assert lines(make(), x, y, epochs=1, coach=False) == []
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for verbose in (0, 2):
            make().fit(x, y, verbose=verbose)
    assert "coach" not in said.getvalue()
    with pytest.raises(ValueError, match="coach must be True or False, received 'no'"):
        make().fit(x, y, coach="no")
    monkeypatch.setenv("TINYNET_COACH", "0")
    assert lines(make(), x, y, epochs=1) == []


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("mistake", ["no softmax", "dead", "saturated", "pixels under SGD", None])
def test_training_is_not_touched(mistake, device):
    ends = []
    for coached in (True, False):
        keras.utils.set_random_seed(5)
        if mistake is None:
            model = net(layers.BatchNormalization(), Dropout(0.5), layers.GaussianNoise(0.1),
                        Dense(10, "softmax"), loss=SPARSE)  # fmt: skip
            x, y = X, IDS
        else:
            make, x, y, _ = MISTAKES[mistake]
            model = make()
        model.compile(model.optimizer, model.loss, metrics=["accuracy"], device=device)
        with contextlib.redirect_stdout(io.StringIO()):
            history = model.fit(x, y, epochs=5, verbose=1, coach=coached, validation_split=0.1)
        ends.append((model.get_weights(), history.history, np.random.random(), model.get_state()))  # noqa: NPY002
    for one, other in zip(ends[0][0], ends[1][0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert ends[0][1:3] == ends[1][1:3]
    assert repr(ends[0][3]) == repr(ends[1][3])


def test_generators_data_sets_and_odd_models():
    """What it can't look at, it says nothing about."""

    class Own(layers.Layer):
        def forward(self, x, training=False):
            return x * 1.0

        def backward(self, dy):
            return dy

    def batches():
        while True:
            yield X[:32], IDS[:32]

    model = net(Own(), Dense(10, "softmax"), loss=SPARSE)
    assert lines(model, batches(), None, steps_per_epoch=3, epochs=3) == []
    a, b = Input((16,)), Input((16,))
    two = keras.Model([a, b], Dense(10, "softmax")(layers.Concatenate()([a, b])))
    two.compile("adam", SPARSE)
    assert lines(two, [X, X], IDS) == []
    (line,) = lines(two, [X, 200 * X], IDS)
    assert "inputs reach" in line


# ------------------------------------------------------------------------------ no false alarm


def told_in(number, folder, patch):
    """What the coach says in the fits of one of the differential tests' cases."""
    fit, said = keras.Sequential.fit, io.StringIO()
    for cls in (keras.Sequential, keras.Functional):
        patch.setattr(cls, "fit", lambda model, *given, **options: fit(
            model, *given, **{**options, "verbose": 1}), raising=False)  # fmt: skip
    with contextlib.redirect_stdout(said):
        build.run(keras, cases.draw(4, number, later=True), folder)
    return [line for line in said.getvalue().splitlines() if line.startswith("coach: ")]


@pytest.mark.parametrize("number", range(8))
def test_sound_configurations_get_no_line(number, tmp_path, monkeypatch):
    """Models, options and data drawn at random, as for the comparison with Keras."""
    assert told_in(number, tmp_path, monkeypatch) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(8, 200))
def test_200_sound_configurations_get_no_line(number, tmp_path, monkeypatch):
    assert told_in(number, tmp_path, monkeypatch) == []


SOUND = {
    "digits": lambda: (net(Dense(10, "softmax"), loss=SPARSE), X, IDS),
    "one-hot": lambda: (net(Dense(10, "softmax"), loss="categorical_crossentropy"), X, ONE_HOT),
    "logits": lambda: (net(Dense(10), loss=FROM_LOGITS), X, IDS),
    "yes or no": lambda: (net(Dense(1, "sigmoid"), loss="binary_crossentropy"), X, BINARY),
    "logit": lambda: (net(Dense(1), loss=losses.BinaryCrossentropy(from_logits=True)), X, BINARY),
    "regression": lambda: (net(Dense(2), loss="mse"), X, REAL),
    "hinge": lambda: (net(Dense(1, "tanh"), loss="hinge"), X, 2 * BINARY - 1),
    "counts": lambda: (net(Dense(1, "exponential"), loss="poisson"), X, IDS),
    "normalized": lambda: (net(Dense(10, "softmax"), loss=SPARSE,
                               hidden=(lambda u, a: layers.BatchNormalization(), 0, 0)),
                           PIXELS, IDS),
    "rescaled": lambda: (net(Dense(10, "softmax"), loss=SPARSE,
                             hidden=(lambda u, a: layers.Rescaling(1 / 255), 0, 0)), PIXELS, IDS),
    "hidden softmax": lambda: (net(Dense(9, "softmax"), Dense(10, "softmax"), loss=SPARSE), X, IDS),
    "deep": lambda: (net(*(Dense(24, "relu") for _ in range(5)), Dense(10, "softmax"), loss=SPARSE),
                     X, IDS),
    "sigmoids": lambda: (net(Dense(10, "softmax"), loss=SPARSE, hidden=(Dense, 24, "sigmoid")), X,
                         IDS),
    "penalty": lambda: (net(Dense(10, "softmax"), loss=SPARSE, kernel_regularizer="l2"), X, IDS),
    "fast": lambda: (net(Dense(10, "softmax"), loss=SPARSE, optimizer=optimizers.Adam(0.02)), X,
                     IDS),
    "slow": lambda: (net(Dense(10, "softmax"), loss=SPARSE, optimizer=optimizers.SGD(1e-3)), X,
                     IDS),
    "multi-hot": lambda: (net(Dense(1, "sigmoid"), loss="binary_crossentropy", optimizer="rmsprop",
                              shape=(2000,)), (rng.random((640, 2000)) < 0.01) * 1.0, BINARY),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_gets_no_line(name):
    model, x, y = SOUND[name]()
    assert lines(model, x, y, epochs=10, validation_split=0.2) == []
    assert lines(model, x, y, epochs=3) == []  # and goes on


def test_it_is_short_enough_to_read():
    assert len(inspect.getsource(coach_module).splitlines()) < 330
