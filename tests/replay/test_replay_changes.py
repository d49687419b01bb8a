"""Whatever changes between steps or fits, a recorded step does not go on as before."""

import gc

import numpy as np
import pytest
from replay_runs import C, D, N, data, labels, maker, on, small

import tinynet
from tinynet import Sequential, activations, losses, optimizers, regularizers
from tinynet.layers import BatchNormalization, Dense, Dropout, Input

pytestmark = pytest.mark.usefixtures("two_threads")


def compile_again(model):
    rule = optimizers.SGD(0.3, momentum=0.5)
    model.compile(rule, losses.SparseCategoricalCrossentropy(), device=model.device,
                  metrics=["accuracy"])  # fmt: skip


def retrain_within_another_model(model):
    top = Dense(2, activation="softmax", dtype=model.dtype)
    other = Sequential([Input((D,)), *model.layers[:-1], top])
    other.compile("sgd", "sparse_categorical_crossentropy", device=model.device)
    other.fit(data(), labels(N, 2), verbose=0)


def exchange_top(model):
    model.pop()
    model.add(Dense(C, activation="softmax", name="top", dtype=model.dtype))


CHANGES = {
    "rate": lambda m: setattr(m.layers[1], "rate", 0.9),
    "no rate": lambda m: setattr(m.layers[1], "rate", 0.0),
    "activation": lambda m: setattr(m.layers[0], "activation", activations.tanh),
    "last activation": lambda m: setattr(m.layers[-1], "activation", activations.sigmoid),
    "momentum": lambda m: setattr(m.layers[2], "momentum", 0.1),
    "frozen": lambda m: setattr(m.layers[0], "trainable", False),
    "frozen normalization": lambda m: setattr(m.layers[2], "trainable", False),
    "all frozen": lambda m: setattr(m, "trainable", False),
    "clipnorm": lambda m: setattr(m.optimizer, "clipnorm", 0.001),
    "beta_1": lambda m: setattr(m.optimizer, "beta_1", 0.1),
    "rate of learning": lambda m: setattr(m.optimizer, "learning_rate", 0.5),
    "weight_decay": lambda m: setattr(m.optimizer, "weight_decay", 0.5),
    "exclusions": lambda m: m.optimizer.exclude_from_weight_decay(m.layers[0].weights),
    "penalty": lambda m: setattr(m.layers[0].kernel.regularizer, "l2", 0.5),
    "other penalty": lambda m: setattr(m.layers[0].kernel, "regularizer", regularizers.L1(0.3)),
    "no penalty": lambda m: setattr(m.layers[0].kernel, "regularizer", None),
    "compile": compile_again,
    "set_weights": lambda m: m.set_weights([w + 0.1 for w in m.get_weights()]),
    "pop, add": exchange_top,
    "shared": retrain_within_another_model,
    "smoothing": lambda m: setattr(m.loss, "from_logits", True),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_changes_between_fits_are_noticed(name):
    results = []
    for options in ({"device": "reference"}, {"device": "cpu"}):
        tinynet.utils.set_random_seed(1)
        model = maker(
            lambda: [Dense(6, "relu", kernel_regularizer=regularizers.L2(0.01)),
                     Dropout(0.3, seed=3), BatchNormalization(), Dense(C, "softmax", name="last")],
            optimizer=lambda: optimizers.AdamW(0.02, weight_decay=0.01),
        )(**options)  # fmt: skip
        logs = []
        for turn in range(3):
            fitted = model.fit(data(), labels(), batch_size=8, verbose=0)
            logs += [*fitted.history["loss"], *model.evaluate(data(), labels(), verbose=0)]
            logs += list(model.predict(data(), verbose=0).ravel())
            if turn == 0:
                CHANGES[name](model)
        results.append(np.concatenate([logs, *[w.ravel() for w in model.get_weights()]]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9, atol=1e-11)


def test_a_new_optimizer_at_the_old_ones_address_is_a_new_one():
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = maker(small)(device=device)
        for i in range(8):
            model.compile(optimizers.Adam(0.01, beta_1=i / 10), "sparse_categorical_crossentropy",
                          device=device)  # fmt: skip
            gc.collect()
            model.fit(data(), labels(), batch_size=8, verbose=0)
        results.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def test_loaded_weights_are_used(tmp_path):
    model = maker(small)(device="cpu")
    before = model.predict(data(), verbose=0)
    model.save_weights(tmp_path / "w.npz")
    model.fit(data(), labels(), epochs=3, verbose=0)
    assert not np.allclose(model.predict(data(), verbose=0), before)
    model.load_weights(tmp_path / "w.npz")
    np.testing.assert_array_equal(model.predict(data(), verbose=0), before)


def test_a_learning_rate_set_by_a_callback_and_one_set_within_an_epoch():
    def rates(model, number, logs):
        model.optimizer.learning_rate = 0.1 / (1 + number)

    for hook in ("on_epoch_begin", "on_train_batch_end"):
        results = []
        for device in ("reference", "cpu"):
            tinynet.utils.set_random_seed(1)
            model = maker(small, optimizer=lambda: optimizers.SGD(0.3))(device=device)
            model.fit(data(), labels(), 4, 3, verbose=0, callbacks=[on(hook, rates)])
            results.append(model.predict(data(), verbose=0))
        np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end"])
def test_another_model_with_shared_layers_is_trained_within_a_callback(hook):
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = maker(lambda: [*small(), Dense(C, "softmax")])(device=device)
        action = on(hook, lambda m, *args: retrain_within_another_model(m))
        model.fit(data(), labels(), 8, 2, verbose=0, callbacks=[action])
        model.fit(data(), labels(), 8, 2, verbose=0)
        results.append(model.predict(data(), verbose=0))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-8)
