"""What was changed to something that its constructor refuses is not saved, nor computed with."""

import numpy as np
import pytest

import tinynet as keras
from tinynet import layers, losses, metrics, optimizers

X = np.random.default_rng(0).normal(size=(24, 4))


def made():
    model = keras.Sequential([
        layers.Input((4,)), layers.Dense(3, "relu", kernel_regularizer="l2"), layers.Dropout(0.5),
        keras.Sequential([layers.BatchNormalization(), layers.LeakyReLU()]), layers.Dense(4),
    ])  # fmt: skip
    model.compile(optimizers.SGD(momentum=0.5), losses.Huber(),
                  metrics=[metrics.TopKCategoricalAccuracy(k=1)])  # fmt: skip
    return model


def inner(model):
    return model.layers[2].layers


CHANGES = {
    "units": (lambda m: m.layers[0], "units", 0, "units must be an int >= 1, received 0"),
    "rate": (lambda m: m.layers[1], "rate", 2.0, r"rate must be in \[0, 1\], received 2.0"),
    "epsilon": (lambda m: inner(m)[0], "epsilon", -1, "epsilon must be .* >= 0, received -1"),
    "slope": (lambda m: inner(m)[1], "negative_slope", -2.0, "negative_slope must be >= 0"),
}
OTHERS = {
    "momentum": (lambda m: m.optimizer, "momentum", 7.0, r"SGD.*momentum must be in \[0, 1\)"),
    "clipnorm": (lambda m: m.optimizer, "clipnorm", -1.0, "SGD.*clipnorm must be a number > 0"),
    "delta": (lambda m: m.loss, "delta", -1, "Huber.*delta must be > 0, received -1"),
    "k": (lambda m: m.metrics_given[0], "k", -3, "TopK.*k must be an int >= 1, received -3"),
    "l2": (lambda m: m.layers[0].kernel_regularizer, "l2", -5.0, "Dense.*l2 must be .* >= 0"),
    "stddev": (lambda m: m.layers[0], "kernel_initializer",
               {"class_name": "RandomNormal", "config": {"stddev": -1.0}}, "stddev must be"),
    "no string": (lambda m: m.layers[0], "name", 5, "must be strings, and unique"),
    "no name": (lambda m: m.layers[2], "name", "", "must be strings, and unique"),
    "a name twice": (lambda m: m.layers[0], "name", "dropout", "must be strings, and unique"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("change", CHANGES | OTHERS)
def test_it_is_not_saved(change, suffix, tmp_path):
    keras.utils.clear_session()
    model, path = made(), tmp_path / f"m{suffix}"
    model.save(path)
    before = path.read_bytes()
    part, name, value, words = (CHANGES | OTHERS)[change]
    setattr(part(model), name, value)
    with pytest.raises(ValueError, match=words):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_computed_with_it(change, device):
    model = made()
    model.compile(optimizers.Adam(), "mse", device=device)
    model.fit(X, X, verbose=0)
    part, name, value, words = CHANGES[change]
    part = part(model)
    good = getattr(part, name)
    setattr(part, name, value)
    state = [w.copy() for w in model.get_weights()]
    for call in (lambda: model.fit(X, X, verbose=0), lambda: model.predict(X, verbose=0),
                 lambda: model(X), lambda: model.train_on_batch(X, X)):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            call()
    assert all(map(np.array_equal, model.get_weights(), state))
    setattr(part, name, good)
    model.fit(X, X, verbose=0)


def test_looking_at_the_options_draws_no_seed(tmp_path):
    def drawn(look):
        keras.utils.set_random_seed(5)
        model = made()
        if look:
            model.save(tmp_path / "m.keras")
            model.layers[1].rate = 0.25
            model.predict(X, verbose=0)
        return keras.random.draw_seed()

    assert drawn(look=True) == drawn(look=False)
