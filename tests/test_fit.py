"""`fit`, `evaluate`, `predict` and the single steps: whole histories against Keras, and our own
promises (order, seeds, frozen layers, shared layers)."""

import warnings

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet import Sequential, layers
from tinynet.callbacks import Callback

random = np.random.default_rng(11)
X = random.normal(size=(50, 5)).astype("float32")
IDS = (X[:, 0] * 2 + X[:, 1]).round().astype(int) % 3
ONE_HOT = np.eye(3, dtype="float32")[IDS]
BINARY = (X[:, 0] + X[:, 2] > 0).astype("float32")
REAL = np.stack([X[:, 0] - X[:, 1], X[:, 2] ** 2], axis=1).astype("float32")
WEIGHTS = random.uniform(0.2, 2, 50).astype("float32")
VX = random.normal(size=(20, 5)).astype("float32")
VIDS = (VX[:, 0] * 2 + VX[:, 1]).round().astype(int) % 3
VONE_HOT = np.eye(3, dtype="float32")[VIDS]
VWEIGHTS = random.uniform(0.2, 2, 20).astype("float32")


# Models, the same text for both libraries: k is keras or tinynet.


def classifier(k, classes=3):
    L = k.layers
    return k.Sequential([
        L.Input((5,)), L.Dense(6, activation="relu"), L.Dense(classes, activation="softmax")
    ])  # fmt: skip


def binary(k):
    L = k.layers
    return k.Sequential([
        L.Input((5,)), L.Dense(4, activation="tanh"), L.Dense(1, activation="sigmoid")
    ])  # fmt: skip


def normalized(k):
    L, r = k.layers, k.regularizers
    return k.Sequential([
        L.Input((5,)),
        L.Dense(6, kernel_regularizer=r.L2(0.01), bias_regularizer=r.L1(0.02)),
        L.BatchNormalization(momentum=0.8, gamma_regularizer=r.L1L2(0.01, 0.01)),
        L.Activation("elu"),
        L.Dense(3, activation="softmax"),
    ])  # fmt: skip


def regression(k):
    L = k.layers
    return k.Sequential([L.Input((5,)), L.Dense(7, activation="gelu"), L.Dense(2)])


def inject(model, seed=5):
    """The same weights into either library's model."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        arrays = []
        for w in layer.get_weights():
            arrays.append(random.uniform(0.2, 0.9, w.shape) * (1 if w.ndim == 1 else 0.5))
            if w.ndim == 2:
                arrays[-1] *= random.choice([-1, 1], w.shape)
        layer.set_weights([a.astype("float32") for a in arrays])
    return model


SPARSE = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}

# name -> (model, compile's arguments made by k, fit's arguments made by k)
CASES = {
    "sparse": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.1, momentum=0.9), **SPARSE},
        lambda k: {"x": X, "y": IDS, "batch_size": 16, "validation_data": (VX, VIDS)},
    ),
    "one-hot, weighted": (
        classifier,
        lambda k: {
            "optimizer": k.optimizers.Adam(0.02), "loss": "categorical_crossentropy",
            "metrics": ["accuracy", "mse"], "weighted_metrics": ["accuracy"],
        },
        lambda k: {
            "x": X, "y": ONE_HOT, "batch_size": 12, "sample_weight": WEIGHTS,
            "validation_data": (VX, VONE_HOT, VWEIGHTS), "validation_batch_size": 7,
        },
    ),
    "binary, class weights, split": (
        binary,
        lambda k: {
            "optimizer": "rmsprop", "loss": "binary_crossentropy",
            "metrics": ["accuracy", "Precision"], "weighted_metrics": ["accuracy"],
        },
        lambda k: {
            "x": X, "y": BINARY, "batch_size": 8, "validation_split": 0.3,
            "class_weight": {0: 0.5, 1: 3.0},
        },
    ),
    "split with sample weights": (
        binary,
        lambda k: {"optimizer": "adam", "loss": "bce", "weighted_metrics": ["accuracy"]},
        lambda k: {
            "x": X, "y": BINARY[:, None], "validation_split": 0.25, "sample_weight": WEIGHTS
        },
    ),
    "normalization and penalties": (
        normalized,
        lambda k: {"optimizer": k.optimizers.Adam(0.01, amsgrad=True), **SPARSE},
        lambda k: {"x": X, "y": IDS[:, None], "batch_size": 16, "validation_data": (VX, VIDS)},
    ),
    "regression": (
        regression,
        lambda k: {
            "optimizer": k.optimizers.SGD(0.02, clipnorm=0.5), "loss": k.losses.Huber(0.7),
            "metrics": ["mae", "mse"],
        },
        lambda k: {"x": X, "y": REAL, "batch_size": 9, "sample_weight": WEIGHTS},
    ),
    "schedule and decay": (
        regression,
        lambda k: {
            "optimizer": k.optimizers.AdamW(
                k.optimizers.schedules.CosineDecay(0.05, 10), weight_decay=0.1
            ),
            "loss": "mse",
        },
        lambda k: {"x": X, "y": REAL},
    ),
    "split of float noise": (
        regression,
        lambda k: {"optimizer": "sgd", "loss": "mse"},
        lambda k: {
            "x": np.concatenate([X, X]), "y": np.concatenate([REAL, REAL]), "batch_size": 1,
            "validation_split": 0.9, "epochs": 1,
        },
    ),
    "every second validation": (
        classifier,
        lambda k: {"optimizer": "sgd", **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "validation_freq": 2, "epochs": 5
        },
    ),
    "listed validations": (
        classifier,
        lambda k: {"optimizer": "sgd", **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "validation_freq": [1, 4], "epochs": 5
        },
    ),
    "validation steps": (
        classifier,
        lambda k: {"optimizer": "sgd", **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "validation_steps": 2,
            "validation_batch_size": 7,
        },
    ),
    "too many validation steps": (
        classifier,
        lambda k: {"optimizer": "sgd", **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "validation_steps": 5,
            "validation_batch_size": 7, "epochs": 2,
        },
    ),
    "initial epoch": (
        classifier,
        lambda k: {"optimizer": "adam", **SPARSE},
        lambda k: {"x": X, "y": IDS, "initial_epoch": 2, "epochs": 4},
    ),
    "fewer steps than data": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.3), **SPARSE},
        lambda k: {"x": X, "y": IDS, "batch_size": 16, "steps_per_epoch": 3, "epochs": 4},
    ),
    "more steps than data": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.3), **SPARSE},
        lambda k: {"x": X, "y": IDS, "batch_size": 16, "steps_per_epoch": 6},
    ),
    "steps but no batch size": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.3), **SPARSE},
        lambda k: {"x": X, "y": IDS, "steps_per_epoch": 4},
    ),
    "callbacks": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.5), **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "epochs": 12,
            "callbacks": [
                k.callbacks.LearningRateScheduler(lambda e, lr: lr * 3.0 if e == 3 else lr),
                k.callbacks.ReduceLROnPlateau(patience=1, factor=0.5, cooldown=1),
                k.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
            ],
        },
    ),
}  # fmt: skip


def train(k, name):
    """(model, History, how often the data ran out)."""
    make, compile_with, fit_with = CASES[name]
    model = inject(make(k))
    model.compile(**compile_with(k))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(**{"verbose": 0, "shuffle": False, "epochs": 3, **fit_with(k)})
    ended = [str(w.message) for w in caught if "the data ended" in str(w.message)]
    ran_out = [str(w.message) for w in caught if "ran out of data" in str(w.message)]
    return model, history, len(ended) + len(ran_out)


@keras_case
def keras_fit(keras, name):
    model, history, ran_out = train(keras, name)
    result = {f"history {key}": values for key, values in history.history.items()}
    result |= {f"weights {i:02d}": w for i, w in enumerate(all_weights(model))}
    return result | {"ran out": ran_out, "epochs": history.epoch}


def all_weights(model):
    return [w for layer in model.layers for w in layer.get_weights()]


@pytest.mark.parametrize("name", CASES)
def test_histories_are_those_of_keras(name):
    expected = keras_fit(name)
    model, history, ran_out = train(tinynet, name)
    theirs = {k.removeprefix("history "): v for k, v in expected.items() if "history" in k}
    assert set(history.history) == set(theirs)
    for key, values in theirs.items():
        assert all(type(v) is float for v in history.history[key])
        np.testing.assert_allclose(
            history.history[key], values, rtol=1e-4, atol=1e-6, err_msg=f"{name}: {key}"
        )
    assert history.epoch == expected["epochs"].tolist()
    assert ran_out == expected["ran out"]
    weights = [v for k, v in sorted(expected.items()) if k.startswith("weights")]
    for ours, w in zip(all_weights(model), weights, strict=True):
        np.testing.assert_allclose(ours, w, rtol=1e-3, atol=1e-4)


def test_the_split_of_float_noise_trains_on_nine_rows():
    """floor(100 (1 - 0.9)) is 9, because 1 - 0.9 is a little less than 0.1."""
    rows = Rows()
    model = Sequential([layers.Input((1,)), rows, layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.arange(100.0)[:, None] / 100
    model.fit(x, x, validation_split=0.9, verbose=0, shuffle=False)
    assert sorted(round(v * 100) for v in rows.trained) == list(range(9))
    assert sorted(round(v * 100) for v in rows.tested) == list(range(9, 100))


def test_the_order_of_a_history():
    """loss, metrics, val_loss, val_metrics, as compile names them; Keras sorts by name."""
    model = classifier(tinynet)
    model.compile(
        "sgd", "sparse_categorical_crossentropy",
        metrics=["sparse_categorical_accuracy", "accuracy"], weighted_metrics=["accuracy"],
    )  # fmt: skip
    names = ["loss", "sparse_categorical_accuracy", "accuracy", "weighted_accuracy"]
    history = model.fit(X, IDS, validation_data=(VX, VIDS), verbose=0)
    assert list(history.history) == names + [f"val_{n}" for n in names]
    assert model.history is history
    assert history.params == {"verbose": 0, "epochs": 1, "steps": 2}
    assert model.metrics_names == names
    assert list(model.evaluate(X, IDS, verbose=0, return_dict=True)) == names


# -------------------------------------------------------------------- evaluate, predict, batches


@keras_case
def keras_evaluations(keras):
    return evaluations(keras)


def evaluations(k):
    model = inject(normalized(k))
    model.compile(
        k.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"],
        weighted_metrics=["sparse_categorical_accuracy"],
    )  # fmt: skip
    result = {
        "all": model.evaluate(X, IDS, batch_size=16, verbose=0),
        "steps": model.evaluate(X, IDS, batch_size=16, steps=2, verbose=0),
        "weighted": model.evaluate(X, IDS, sample_weight=WEIGHTS, verbose=0),
        "predict": model.predict(X, batch_size=16, verbose=0),
        "predict steps": model.predict(X, batch_size=16, steps=2, verbose=0),
        "predict_on_batch": model.predict_on_batch(X),
        "call": model(X[:3]),
        "call training": model(X[:3], training=True),
        "test_on_batch": model.test_on_batch(X[:9], IDS[:9], sample_weight=WEIGHTS[:9]),
        "train": [
            model.train_on_batch(X[i : i + 11], IDS[i : i + 11], sample_weight=WEIGHTS[:11])
            for i in (0, 7, 30)
        ],
        "test": model.test_on_batch(VX, VIDS),
        "class weights": model.train_on_batch(X, IDS, class_weight={1: 3.0, 2: 0.1}),
        "in the end": model.predict(VX, verbose=0),
    }
    named = model.evaluate(X, IDS, verbose=0, return_dict=True)
    result |= {f"named {key}": value for key, value in named.items()}
    named = model.train_on_batch(X, IDS, return_dict=True)
    return result | {f"trained {key}": value for key, value in named.items()}


def test_evaluate_predict_and_single_batches_are_those_of_keras():
    expected, ours = keras_evaluations(), evaluations(tinynet)
    assert set(expected) == set(ours)
    for key, value in expected.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-4, atol=1e-6, err_msg=key)
    assert type(ours["all"]) is list
    assert all(type(v) is float for v in ours["all"])


def test_evaluate_without_metrics_is_one_number():
    model = inject(regression(tinynet))
    model.compile("sgd", "mse")
    loss = model.evaluate(X, REAL, verbose=0)
    assert type(loss) is float
    assert loss == pytest.approx(np.mean((model.predict(X, verbose=0) - REAL) ** 2), rel=1e-5)
    assert model.test_on_batch(X, REAL) == pytest.approx(loss, rel=1e-5)
    assert model.evaluate(X, REAL, verbose=0, return_dict=True) == {"loss": loss}


def test_predict_needs_no_compile_and_no_particular_batches():
    model = inject(classifier(tinynet))
    whole = model.predict(X, batch_size=50, verbose=0)
    assert whole.shape == (50, 3)
    assert whole.dtype == np.float32
    for batch_size in (1, 7, 32, 49, 500):
        np.testing.assert_allclose(
            model.predict(X, batch_size=batch_size, verbose=0), whole, rtol=1e-5
        )
    with pytest.warns(UserWarning, match="the data ended after 2 batches"):
        np.testing.assert_allclose(model.predict(X, steps=3, batch_size=25, verbose=0), whole,
                                   rtol=1e-5)  # fmt: skip


def test_results_are_the_callers():
    """What was returned does not change with the next call."""
    model = inject(classifier(tinynet))
    for call in (lambda x: model.predict(x, verbose=0), model.predict_on_batch, model):
        first = call(X[:7])
        kept = first.copy()
        call(X[7:14])
        np.testing.assert_array_equal(first, kept)


def test_a_saturated_output_keeps_its_gradient():
    """Here we differ from Keras on JAX, whose loss ends at -log(1e-7) = 16.1 with gradient 0."""
    model = Sequential([layers.Input((2,)), layers.Dense(2, activation="softmax")])
    model.set_weights([np.array([[30.0, 0], [0, 30.0]]), np.zeros(2)])
    model.compile(tinynet.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    x = np.array([[1.0, 0.0]])
    assert model.evaluate(x, np.array([1]), verbose=0) == pytest.approx(30.0, rel=1e-6)
    model.fit(x, np.array([1]), verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], [[29, 1], [0, 30]], rtol=1e-6)


# ------------------------------------------------------------------------- fit after fit


def test_a_second_fit_goes_on_and_a_new_optimizer_starts_anew():
    def compiled(optimizer):
        model = inject(classifier(tinynet))
        model.compile(optimizer, **SPARSE)
        return model

    whole, halves, anew = (compiled("adam") for _ in range(3))
    options = {"verbose": 0, "shuffle": False}
    whole.fit(X, IDS, epochs=4, **options)
    for _ in range(2):
        halves.fit(X, IDS, epochs=2, **options)
    assert halves.optimizer.iterations == whole.optimizer.iterations == 8
    same(whole, halves)
    anew.fit(X, IDS, epochs=2, **options)
    anew.compile("adam", **SPARSE)
    anew.fit(X, IDS, epochs=2, **options)
    assert anew.optimizer.iterations == 4
    assert not np.array_equal(anew.get_weights()[0], whole.get_weights()[0])


def test_the_same_optimizer_object_keeps_its_state_as_in_keras():
    whole, halves = inject(classifier(tinynet)), inject(classifier(tinynet))
    optimizer = tinynet.optimizers.Adam(0.01)
    whole.compile("adam", **SPARSE)
    whole.optimizer.learning_rate = 0.01
    whole.fit(X, IDS, epochs=4, verbose=0, shuffle=False)
    for _ in range(2):
        halves.compile(optimizer, **SPARSE)
        halves.fit(X, IDS, epochs=2, verbose=0, shuffle=False)
    same(whole, halves)
    # for another model its moments and its count of steps start at zero
    other = inject(classifier(tinynet))
    other.compile(optimizer, **SPARSE)
    other.fit(X, IDS, verbose=0)
    assert optimizer.iterations == 2


def same(a, b):
    for v, w in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


# ---------------------------------------------------------------------------- random order


def small_model(seed):
    tinynet.utils.set_random_seed(seed)
    model = Sequential([
        layers.Dense(8, activation="relu"), layers.Dropout(0.4), layers.BatchNormalization(),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", **SPARSE)
    history = model.fit(X, IDS, batch_size=16, epochs=3, validation_split=0.2, verbose=0)
    return model, history.history


def test_the_same_seed_gives_the_same_bits():
    (a, first), (b, second), (c, third) = small_model(3), small_model(3), small_model(4)
    assert first == second
    same(a, b)
    assert first != third
    assert not np.array_equal(a.get_weights()[0], c.get_weights()[0])


class Rows(layers.Layer):
    """Hands its input on and keeps what it saw."""

    def __init__(self, **options):
        super().__init__(**options)
        self.trained, self.tested, self.batches = [], [], []

    def forward(self, x, training=False):
        (self.trained if training else self.tested).extend(x[:, 0].tolist())
        if training:
            self.batches.append(x[:, 0].tolist())
        return x

    def backward(self, dy):
        return dy


def rows_seen(epochs=1, **options):
    """Row numbers of the batches of each epoch."""
    rows = Rows()
    model = Sequential([layers.Input((1,)), rows, layers.Dense(1)])
    model.compile(tinynet.optimizers.SGD(0.0), "mse")
    x = np.arange(23.0)[:, None]
    model.fit(x, x, batch_size=5, epochs=epochs, verbose=0, **options)
    per_epoch = len(rows.batches) // epochs
    return [rows.batches[i * per_epoch : (i + 1) * per_epoch] for i in range(epochs)]


def flat(batches):
    return [int(v) for batch in batches for v in batch]


def test_shuffling_uses_every_row_once_an_epoch():
    first, second, third = rows_seen(3)
    assert [len(b) for b in first] == [5, 5, 5, 5, 3]
    orders = [flat(epoch) for epoch in (first, second, third)]
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert all(order != sorted(order) for order in orders)
    # across batches, not only within
    assert any(set(b) != set(range(5 * i, min(5 * i + 5, 23))) for i, b in enumerate(first))


def test_shuffling_within_batches_and_not_at_all():
    for epoch in rows_seen(2, shuffle="batch"):
        assert flat(epoch) != list(range(23))
        for i, batch in enumerate(epoch):
            assert sorted(batch) == list(range(5 * i, min(5 * i + 5, 23)))
    assert flat(rows_seen(1, shuffle=False)[0]) == list(range(23))


def test_a_second_fit_has_another_order():
    rows = Rows()
    model = Sequential([layers.Input((1,)), rows, layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.arange(23.0)[:, None] / 23
    for _ in range(2):
        model.fit(x, x, verbose=0)
    assert rows.trained[:23] != rows.trained[23:]
    assert sorted(rows.trained[:23]) == sorted(rows.trained[23:])


def test_steps_per_epoch_goes_through_all_rows():
    epochs = rows_seen(2, steps_per_epoch=2)
    assert [sum(len(b) for b in e) for e in epochs] == [10, 10]
    assert len(set(flat(epochs[0]) + flat(epochs[1]))) == 20  # the second goes on


def test_dropout_masks_follow_the_seed_and_differ_by_step():
    def masks(seed):
        tinynet.utils.set_random_seed(9)
        seen = Rows()
        drop = layers.Dropout(0.5, seed=seed)
        model = Sequential([layers.Input((1,)), drop, seen, layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones((64, 1)), np.ones((64, 1)), batch_size=32, epochs=2, verbose=0)
        return seen.batches

    assert masks(1) == masks(1)
    assert masks(1) != masks(2)
    steps = masks(1)
    assert len(steps) == 4
    assert len({tuple(step) for step in steps}) == 4


# --------------------------------------------------------------------- stopping and failing


class At(Callback):
    """Does something after batch number `batch` of epoch number `epoch`."""

    def __init__(self, epoch, batch, action):
        super().__init__()
        self.at, self.action, self.epoch = (epoch, batch), action, None
        self.batches = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append((self.epoch, batch))
        if (self.epoch, batch) == self.at:
            self.action(self.model)


def stop(model):
    model.stop_training = True


def test_stop_training_ends_the_epoch_but_it_validates():
    model = inject(classifier(tinynet))
    model.compile("sgd", **SPARSE)
    stopper = At(1, 2, stop)
    history = model.fit(X, IDS, batch_size=10, epochs=9, validation_data=(VX, VIDS), verbose=0,
                        callbacks=[stopper])  # fmt: skip
    assert stopper.batches == [(0, b) for b in range(5)] + [(1, b) for b in range(3)]
    assert history.epoch == [0, 1]
    assert all(len(values) == 2 for values in history.history.values())
    assert len(model.fit(X, IDS, epochs=3, verbose=0).epoch) == 3  # the flag was for that fit


def test_a_callback_that_raises_leaves_a_usable_model(capsys):
    model, other = inject(classifier(tinynet)), inject(classifier(tinynet))
    for m in (model, other):
        m.compile("adam", **SPARSE)

    def fail(model):
        raise ZeroDivisionError("in a callback")

    with pytest.raises(ZeroDivisionError, match="in a callback"):
        model.fit(X, IDS, batch_size=10, epochs=2, shuffle=False, callbacks=[At(0, 2, fail)])
    other.fit(X[:30], IDS[:30], batch_size=10, shuffle=False, verbose=0)
    same(model, other)
    assert all(layer.saved is None for layer in model.layers)
    model.fit(X, IDS, shuffle=False, verbose=0)
    other.fit(X, IDS, shuffle=False, verbose=0)
    same(model, other)
    assert capsys.readouterr().out.endswith("\n")


def test_a_callback_may_predict_and_train_goes_on():
    model, other = inject(classifier(tinynet)), inject(classifier(tinynet))

    class Watch(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.predict(VX[:3], verbose=0)
            self.model(VX[:2])

    for m, callbacks in ((model, [Watch()]), (other, [])):
        m.compile("adam", **SPARSE)
        m.fit(X, IDS, batch_size=10, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
    same(model, other)


# ------------------------------------------------------------------- frozen and shared layers


class Passing(layers.Layer):
    """Counts the gradients that come by."""

    gradients = 0

    def forward(self, x, training=False):
        return x

    def backward(self, dy):
        self.gradients += 1
        return dy


def test_frozen_layers_stay_and_nothing_is_sent_below_the_first_trainable_one():
    below, above = Passing(), Passing()
    frozen = layers.Dense(4, activation="relu", kernel_regularizer="l2")
    model = Sequential([
        layers.Input((5,)), below, frozen, above, layers.Dense(4, activation="tanh"),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    frozen.trainable = False
    model.compile("adam", **SPARSE)
    before = model.get_weights()
    model.fit(X, IDS, epochs=2, verbose=0)
    after = model.get_weights()
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == (
        [True] * 2 + [False] * 4
    )
    assert (below.gradients, above.gradients) == (0, 0)
    frozen.trainable = True
    model.fit(X, IDS, epochs=1, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])
    assert (below.gradients, above.gradients) == (0, 2)


def test_a_model_with_everything_frozen_can_be_fitted():
    model = inject(normalized(tinynet))
    model.trainable = False
    model.compile("adam", **SPARSE)
    before = model.get_weights()
    model.fit(X, IDS, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_models_share_layers():
    """What one learns the other knows, and each can go on training by turns."""
    hidden, drop = layers.Dense(6, activation="relu"), layers.Dropout(0.3, seed=1)
    one = Sequential([layers.Input((5,)), hidden, drop, layers.Dense(3, activation="softmax")])
    two = Sequential([layers.Input((5,)), hidden, drop, layers.Dense(2)])
    one.compile("adam", **SPARSE)
    two.compile("adam", "mse")
    for _ in range(2):
        for model, target in ((one, IDS), (two, REAL)):
            start = hidden.get_weights()[0]
            head = model.layers[-1].get_weights()[0]
            model.fit(X, target, verbose=0)
            assert not np.array_equal(hidden.get_weights()[0], start)
            assert not np.array_equal(model.layers[-1].get_weights()[0], head)
    np.testing.assert_array_equal(one.get_weights()[0], two.get_weights()[0])
    assert one.optimizer.iterations == two.optimizer.iterations == 4


def test_a_model_made_of_anothers_layers_does_not_change_its_training():
    """The feature extractor, also within a step: dropout goes on drawing a new mask per step."""
    features = None

    class Look(Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert features.predict(X, verbose=0).shape == (50, 6)

    def trained(disturb):
        nonlocal features
        tinynet.utils.set_random_seed(2)
        model = Sequential([
            layers.Input((5,)), layers.Dense(6, activation="relu"), layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ])  # fmt: skip
        model.compile("adam", **SPARSE)
        model.fit(X, IDS, verbose=0)
        if disturb:
            features = Sequential(model.layers[:-1])
        model.fit(X, IDS, epochs=3, batch_size=16, verbose=0, callbacks=[Look()] * disturb)
        if disturb:
            features.predict(X, batch_size=1, verbose=0)
            assert not model.context.arrays  # it worked in arrays of its own
        assert model.predict(X, verbose=0).shape == (50, 3)
        return model

    same(trained(False), trained(True))


def test_dropout_first_in_another_model_still_passes_its_gradient_here():
    drop = layers.Dropout(0.5, seed=4)

    def model_with(drop):
        tinynet.utils.set_random_seed(1)
        model = Sequential([layers.Input((5,)), layers.Dense(5), drop, layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    alone, shared = model_with(layers.Dropout(0.5, seed=4)), model_with(drop)
    for model in (alone, shared):
        model.fit(X, REAL, shuffle=False, verbose=0)
    other = Sequential([layers.Input((5,)), drop, layers.Dense(2)])
    other.compile("sgd", "mse")
    other.fit(X, REAL, shuffle=False, verbose=0)
    for model in (alone, shared):
        model.fit(X, REAL, shuffle=False, verbose=0)
    same(alone, shared)


# --------------------------------------------------------------------------- kinds of input


@pytest.mark.parametrize("kind", ["uint8", "float64", "int64", "list", "fortran", "strided"])
def test_inputs_of_any_kind(kind):
    numbers = (np.arange(50 * 5).reshape(50, 5) * 37 % 11).astype("float32")
    given = {
        "list": numbers.tolist(),
        "fortran": np.asfortranarray(numbers),
        "strided": np.repeat(numbers, 2, axis=1)[:, ::2],
    }.get(kind)
    given = numbers.astype(kind) if given is None else given
    y = IDS.tolist() if kind == "list" else IDS
    models = [inject(classifier(tinynet)) for _ in range(2)]
    for model, x in zip(models, (numbers, given), strict=True):
        model.compile(tinynet.optimizers.SGD(0.01), **SPARSE)
        model.fit(x, y, epochs=2, batch_size=16, shuffle=kind != "fortran", verbose=0,
                  validation_split=0.2)  # fmt: skip
        model.shuffle_seed = None
        tinynet.utils.set_random_seed(0)
    tolerance = {"rtol": 1e-5, "atol": 1e-6}
    if kind != "fortran":
        models[1].set_weights(models[0].get_weights())  # their orders differed
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)
    np.testing.assert_allclose(
        models[0].predict(numbers, verbose=0), models[1].predict(given, verbose=0), **tolerance
    )


@pytest.mark.parametrize("y", [IDS[:, None], IDS.astype("float32"), IDS.astype("uint8")])
def test_targets_of_any_kind(y):
    results = []
    for target in (IDS, y):
        model = inject(classifier(tinynet))
        model.compile("sgd", **SPARSE)
        history = model.fit(X, target, shuffle=False, verbose=0, validation_data=(VX, VIDS))
        results.append(history.history)
    assert results[0] == results[1]


def test_binary_targets_as_rows_or_columns():
    results = []
    for y in (BINARY, BINARY[:, None], BINARY.astype(bool), BINARY.astype(int)):
        model = inject(binary(tinynet))
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        results.append(model.fit(X, y, shuffle=False, verbose=0).history)
    assert all(result == results[0] for result in results[1:])


def test_a_model_without_a_declared_input_learns_it_from_the_data():
    model = Sequential([layers.Dense(4, activation="relu"), layers.Dense(3, activation="softmax")])
    model.compile("adam", metrics="accuracy", loss="sparse_categorical_crossentropy")
    assert not model.built
    history = model.fit(X, IDS, verbose=0)
    assert list(history.history) == ["loss", "accuracy"]
    assert [w.shape for w in model.get_weights()] == [(5, 4), (4,), (4, 3), (3,)]
    with pytest.raises(ValueError, match=r"rows of shape \(5,\), received \(4,\)"):
        model.predict(X[:, :4], verbose=0)


def test_rows_of_several_axes():
    x, y = X[:48].reshape(16, 3, 5), IDS[:48].reshape(16, 3)
    w = WEIGHTS[:48].reshape(16, 3)
    flat, deep = inject(classifier(tinynet)), Sequential([
        layers.Input((3, 5)), layers.Dense(6, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    deep.set_weights(flat.get_weights())
    for model in (flat, deep):
        model.compile("sgd", **SPARSE)
    one = flat.fit(X[:48], IDS[:48], sample_weight=WEIGHTS[:48], batch_size=12, shuffle=False,
                   verbose=0).history  # fmt: skip
    two = deep.fit(x, y, sample_weight=w, batch_size=4, shuffle=False, verbose=0).history
    for key in one:
        assert one[key] == pytest.approx(two[key], rel=1e-5)
    for a, b in zip(flat.get_weights(), deep.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_float64_models():
    tinynet.config.set_floatx("float64")
    try:
        model = inject(classifier(tinynet))
    finally:
        tinynet.config.set_floatx("float32")
    model.compile("adam", **SPARSE)
    model.fit(X, IDS, verbose=0)
    assert model.predict(X, verbose=0).dtype == np.float64
    assert all(w.dtype == np.float64 for w in model.get_weights())


# ------------------------------------------------------- what the generated cases brought to light


def keras_and_ours(k, hooks, **options):
    """The events of a small fit, and the names of the last logs."""
    seen = []

    def noted(hook):
        def method(self, *args, logs=None):
            seen.append(" ".join([hook, *sorted(logs or args[-1] or ())]))

        return method

    watch = type("Watch", (k.callbacks.Callback,), {hook: noted(hook) for hook in hooks})()
    model = inject(classifier(k))
    model.compile(k.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    rates = k.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    model.fit(X, IDS, epochs=2, verbose=0, validation_data=(VX, VIDS), shuffle=False,
              callbacks=[rates, watch], **options)  # fmt: skip
    model.predict(VX, verbose=0, callbacks=[watch])
    return seen


@keras_case
def keras_seen(keras, *hooks):
    return {"seen": keras_and_ours(keras, hooks, steps_per_epoch=5)}


def test_validation_without_batch_size_has_32_rows_whatever_steps_per_epoch_makes_of_it():
    hooks = ("on_test_batch_end", "on_epoch_end")
    seen = keras_and_ours(tinynet, hooks, steps_per_epoch=5)  # training batches of 10 rows
    assert seen == keras_seen(*hooks)["seen"].tolist()
    assert [event.split()[0] for event in seen] == list(hooks) * 2


def test_on_predict_end_is_handed_nothing():
    hooks = ("on_predict_batch_end", "on_predict_end")
    seen = keras_and_ours(tinynet, hooks, steps_per_epoch=5)
    assert seen == keras_seen(*hooks)["seen"].tolist()
    assert seen == ["on_predict_batch_end outputs", "on_predict_end"]


def test_on_train_end_sees_the_measured_values_not_what_callbacks_added():
    hooks = ("on_train_end",)
    assert keras_and_ours(tinynet, hooks, steps_per_epoch=5) == keras_seen(*hooks)["seen"].tolist()


def one_column(k, x):
    """A straight line from inputs whose last axis is missing or left over."""
    model = inject(k.Sequential([k.layers.Input((1,)), k.layers.Dense(1)]))
    model.compile(k.optimizers.SGD(0.1), "mse")
    history = model.fit(x, 2 * x, epochs=2, verbose=0, shuffle=False, validation_split=0.2).history
    loss = model.evaluate(x, 2 * x, verbose=0)
    batch = model.predict_on_batch(x)
    return {**history, "evaluate": loss, "predict": model.predict(x, verbose=0), "batch": batch}


@keras_case
def keras_one_column(keras, rank):
    return one_column(
        keras, np.linspace(-1, 1, 10, dtype="float32").reshape(10, *(1,) * (rank - 1))
    )


@pytest.mark.parametrize("rank", [1, 2])
def test_x_may_lack_its_last_axis_of_one(rank):
    x = np.linspace(-1, 1, 10, dtype="float32").reshape(10, *(1,) * (rank - 1))
    ours, expected = one_column(tinynet, x), keras_one_column(rank)
    assert set(ours) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_x_may_have_a_last_axis_of_one_left_over():
    model = inject(Sequential([layers.Input((5,)), layers.Dense(2)]))
    np.testing.assert_array_equal(model.predict(X[..., None], verbose=0), model(X))
    np.testing.assert_array_equal(model(X[..., None]), model(X))
