"""Layers frozen, thawed or exchanged between two fits: what stays trainable goes on."""

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, optimizers
from tinynet.layers import Dense, Input
from tinynet.optimizers.schedules import ExponentialDecay

DEVICES = ["reference", "cpu"]
OPTIMIZERS = ["SGD", "Adam", "Nadam", "Adafactor", "Adadelta", "Ftrl", "Lamb"]
generator = np.random.default_rng(0)
X, Y = generator.random((16, 5)), generator.random((16, 2))


def compiled(optimizer, device="reference"):
    tinynet.utils.set_random_seed(1)
    layers = [Dense(4, "tanh", name=name, dtype="float64") for name in "abc"]
    model = Sequential([Input((5,), dtype="float64"), *layers, Dense(2, dtype="float64")])
    model.compile(optimizer, "mse", device=device)
    return model


def train(model, epochs=2):
    model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0)


def numbers(optimizer, name):
    """The moments of one layer's parameters."""
    return [v.numpy() for v in optimizer.variables if f"{name}_" in v.name or f"/{name}/" in v.path
            or f"{name}/" in v.kind]  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_adam_by_hand_over_a_freeze_and_a_thaw(device):
    """Every step from its gradient: m, v and t of each parameter live on by themselves."""
    rate = ExponentialDecay(0.05, 5, 0.8)
    model = compiled(optimizers.Adam(rate), device)
    m, v = ({p.path: 0.0 for p in model.weights} for _ in "mv")
    t = 0
    for frozen in (False, True, False):
        model.layers[1].trainable = not frozen
        for _ in range(6):
            g = model.gradients(X, Y)
            assert ("b/kernel" in g) is not frozen
            expected = {p.path: p.numpy() for p in model.weights}
            lr, t = rate(t), t + 1
            for path, dw in g.items():
                m[path] = 0.9 * m[path] + 0.1 * dw
                v[path] = 0.999 * v[path] + 0.001 * dw**2
                step = lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                expected[path] -= step * m[path] / (np.sqrt(v[path]) + 1e-7)
            model.train_on_batch(X, Y)
            assert model.optimizer.iterations == t
            for p in model.weights:
                np.testing.assert_allclose(p.numpy(), expected[p.path], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_moments_and_iterations_stay_for_every_optimizer(name):
    options = {"momentum": 0.9} if name == "SGD" else {}
    model = compiled(getattr(optimizers, name)(0.01, **options))
    train(model)
    kept = {layer: numbers(model.optimizer, layer) for layer in "abc"}
    assert all(len(moments) >= 2 for moments in kept.values())
    model.layers[1].trainable = False
    train(model, epochs=0)
    model._prepare(Y.shape)
    assert model.optimizer.iterations == 8
    assert numbers(model.optimizer, "b") == []
    model.layers[1].trainable, model.layers[0].trainable = True, False
    model._prepare(Y.shape)
    model.layers[0].trainable = True
    model._prepare(Y.shape)
    for layer, moments in kept.items():
        for now, before in zip(numbers(model.optimizer, layer), moments, strict=True):
            np.testing.assert_array_equal(now, before)


def test_an_average_of_a_thawed_layer_begins_with_its_weights():
    model = compiled(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    model.layers[0].trainable = False
    model.train_on_batch(X, Y)
    model.layers[0].trainable = True
    before = model.layers[0].kernel.numpy()
    model.train_on_batch(X, Y)
    average = next(v for v in model.optimizer.variables if v.name == "a_kernel_average").numpy()
    np.testing.assert_allclose(average, (before + model.layers[0].kernel.numpy()) / 2, rtol=1e-12)


def test_a_file_written_between_freezing_and_the_next_fit_has_the_moments(tmp_path):
    model = compiled("adam")
    train(model)
    model.layers[0].trainable = False
    model.save(tmp_path / "m.keras")
    again = tinynet.models.load_model(tmp_path / "m.keras")
    assert again.optimizer.iterations == 8
    for now, before in zip(numbers(again.optimizer, "b"), numbers(model.optimizer, "b"),
                           strict=True):  # fmt: skip
        np.testing.assert_array_equal(now, before)
        assert now.any()


def test_one_optimizer_for_two_models_in_turn():
    optimizer = optimizers.Adam(0.01)
    first, second = compiled(optimizer), compiled(optimizer)
    train(first)
    before = [a.copy() for a in optimizer.arrays()]
    with pytest.raises(
        ValueError,
        match=r"adam: it has taken 8 steps with the weights of another "
        r"model \(a/kernel, ...\).*an optimizer of its own",
    ):
        train(second)  # fmt: skip
    for now, kept in zip(optimizer.arrays(), before, strict=True):
        np.testing.assert_array_equal(now, kept)
    train(first)
    assert optimizer.iterations == 16
    base = Sequential(first.layers[:2])  # it has some of these weights
    base.compile(optimizer, "mse")
    base.fit(X, np.ones((16, 4)), verbose=0)
    assert optimizer.iterations == 17
