"""A look through the microscope changes nothing: weights, moments, generators, training."""

import copy
import random

import numpy as np
import pytest
from microscope_again import (
    CASES,
    IDS,
    X,
    categorical_case,
    compiled,
    data_of,
    dense,
    numbers_of,
    page_of,
    softmax_case,
)

import tinynet
from tinynet import layers


def state_of(model):
    """Everything a training could depend on, as bytes."""
    optimizer = model.optimizer
    return [
        *(p.numpy().tobytes() for p in model.parameters),
        *(p.grad.tobytes() for p in model.trainable_weights),
        *(v.tobytes() for v in optimizer.state.values() if v is not None),
        optimizer.iterations, model.steps_taken, model.passes_taken, model.shuffle_seed,
        repr(tinynet.random._root.bit_generator.state), repr(np.random.get_state()),  # noqa: NPY002
        repr(model.logs()), dict(tinynet.configs.naming._counters),
        [sorted(layer.__dict__) for layer in model.layers], [id(m.version) for m in model.layers],
        model.loss.dp.tobytes(), id(optimizer.version), model.context.step,
        [layer.needs_dx for layer in model.layers],
    ]  # fmt: skip


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("which", CASES)
def test_a_look_leaves_no_mark(which, device, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", device)
    model, y, _ = CASES[which]()
    model.fit(X, y, batch_size=5, epochs=1, verbose=0)
    model.trace(X, y)  # the first look may lay out vectors; from here on nothing may change
    model.train_step(*model.batch(model.dataset(X, y), slice(None)))
    before = copy.deepcopy(state_of(model))
    model.trace(X[:5], y[:5])
    page_of(model, X, y, tmp_path)
    assert state_of(model) == before


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_training_goes_on_bit_equal(device, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", device)
    weights = []
    for look in (False, True):
        model, y, _ = softmax_case()
        if look:
            page_of(model, X, y, tmp_path)
            model.trace(X, y)
        model.fit(X, y, batch_size=5, epochs=1, verbose=0)
        if look:
            model.trace(X, y)
        model.fit(X, y, batch_size=5, epochs=1, verbose=0)
        weights.append([w.tobytes() for w in model.get_weights()])
        assert layers.Dense(3).name  # draws the next automatic name, with a look or without
    assert weights[0] == weights[1]


def test_a_layer_that_draws_numbers_draws_the_same_afterwards():
    class Noisy(layers.Layer):
        def forward(self, x, training=False):
            noise = np.random.normal() + random.random() + tinynet.random.draw_seed() / 2**63  # noqa: NPY002
            self.count = getattr(self, "count", 0) + 1
            layers.Dense(2)  # takes a name
            return x + noise + self.generator.normal()

        def backward(self, dy):
            return dy

    noisy = Noisy(dtype="float64")
    noisy.generator = np.random.Generator(np.random.PCG64(3))
    model = compiled([dense(4, "relu", "a"), noisy, dense(4, "softmax", "c")], "adam",
                     "sparse_categorical_crossentropy")  # fmt: skip
    model.gradients(X, IDS)
    before = copy.deepcopy([*state_of(model), random.getstate(), noisy.count,
                            noisy.generator.bit_generator.state])  # fmt: skip
    model.trace(X, IDS)
    assert [*state_of(model), random.getstate(), noisy.count,
            noisy.generator.bit_generator.state] == before  # fmt: skip


def test_weights_that_are_not_finite_are_shown(tmp_path):
    model, y, _ = categorical_case()
    model.layers[0].kernel.value[1, 2] = np.nan
    html = page_of(model, X, y, tmp_path)
    assert dict(numbers_of(html))["stat.param.a/kernel.bad"] == 1
    assert "NaN" in html
    data_of(html)  # is JSON all the same


def test_an_error_within_leaves_no_mark():
    class Broken(layers.Layer):
        def forward(self, x, training=False):
            return x * 1

        def backward(self, dy):
            raise RuntimeError("not today")

    stack = [dense(4, "relu", "a"), Broken(dtype="float64"), dense(4, "softmax", "c")]
    model = compiled(stack, "adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="not today"):
        model.trace(X, IDS)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert "forward" not in model.layers[0].__dict__
    assert "step" not in model.optimizer.__dict__


def test_trace_agrees_with_gradients_and_fit():
    model, y, _ = softmax_case()
    trace = model.trace(X, y)
    for path, gradient in model.gradients(X, y).items():
        np.testing.assert_array_equal(trace.gradients[path], gradient)
    assert trace.loss.before == model.loss_and_gradients(X, y)[0]
    model.run_eagerly = True
    model.fit(X, y, batch_size=len(X), epochs=1, verbose=0, shuffle=False)
    for p in model.parameters:
        np.testing.assert_array_equal(trace.parameters[p.path].after, p.numpy())
    assert trace.input_gradient.shape == X.shape
    np.testing.assert_array_equal(trace.input_gradient, trace.layer("a").dx)
    assert trace.layer("bn").parts["mean"].shape == (7,)
    with pytest.raises(ValueError, match=r"no layer 'q'.*'a', 'bn', 'drop', 'b', 'c'"):
        trace.layer("q")
