"""Parameters as arrays, and the flat vectors that they are views of."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import layers
from tinynet.core.parameters import FlatParameters, Parameter
from tinynet.kernels import reference


def parameter(*shape, start=0, **options):
    value = np.arange(start, start + np.prod(shape), dtype="float32").reshape(shape)
    return Parameter(value, **options)


# ---------------------------------------------------------------------------- like an array


def test_a_parameter_is_array_like():
    p = parameter(2, 3, name="kernel")
    assert (p.shape, p.dtype, p.ndim, p.size) == ((2, 3), np.float32, 2, 6)
    np.testing.assert_array_equal(np.asarray(p), [[0, 1, 2], [3, 4, 5]])
    assert np.asarray(p, dtype="float64").dtype == np.float64
    assert np.sum(p) == 15
    assert float(np.asarray(Parameter(np.array(2.5)))) == 2.5
    assert repr(p) == "<Parameter kernel shape=(2, 3) dtype=float32 trainable=True>"
    assert parameter(1, path="dense/kernel").path == "dense/kernel"


def test_what_numpy_gives_is_a_copy():
    p = parameter(3)
    for copy in (p.numpy(), np.array(p), np.asarray(p)):
        copy[...] = 9
        np.testing.assert_array_equal(p.value, [0, 1, 2])


def test_assign():
    p = parameter(2, 2)
    value = p.value
    assert p.assign([[1, 2], [3, 4]]) is p
    assert p.value is value  # in place
    np.testing.assert_array_equal(p.numpy(), [[1, 2], [3, 4]])
    assert p.dtype == np.float32
    given = np.ones((2, 2))
    p.assign(given)
    given[...] = 5
    np.testing.assert_array_equal(p.numpy(), np.ones((2, 2)))
    p.assign(parameter(2, 2, start=4))
    np.testing.assert_array_equal(p.numpy(), [[4, 5], [6, 7]])


@pytest.mark.parametrize("wrong", [1.0, [1, 2], np.ones((2, 2, 1)), np.ones((3, 2))])
def test_assign_of_another_shape_changes_nothing(wrong):
    p = parameter(2, 2, name="kernel", path="dense/kernel")
    match = f"dense/kernel: expected an array of shape (2, 2), received {np.shape(wrong)}"
    with pytest.raises(ValueError, match=re.escape(match)):
        p.assign(wrong)
    np.testing.assert_array_equal(p.numpy(), [[0, 1], [2, 3]])


def test_a_frozen_parameter_has_no_gradient():
    p = parameter(3)
    np.testing.assert_array_equal(p.grad, np.zeros(3))
    p.trainable = False
    assert p.grad is None
    p.trainable = True
    assert p.grad.shape == (3,)
    assert parameter(3, trainable=False).grad is None


# ------------------------------------------------------------------------------ flat vectors


def test_views_alias_the_flat_vectors():
    a, b = parameter(2, 3), parameter(3, start=6)
    flat = FlatParameters([a, b], reference)
    np.testing.assert_array_equal(flat.values, np.arange(9))
    assert flat.values.dtype == np.float32
    assert flat.grads.shape == (9,)
    flat.values[...] *= 2
    np.testing.assert_array_equal(a.numpy(), [[0, 2, 4], [6, 8, 10]])
    b.assign([1, 1, 1])
    a.grad[...] = 5
    np.testing.assert_array_equal(flat.values[6:], [1, 1, 1])
    np.testing.assert_array_equal(flat.grads, [5] * 6 + [0] * 3)
    flat.grads[...] = 7
    assert (b.grad == 7).all()
    assert flat.slices == [slice(0, 6), slice(6, 9)]


def test_the_trainable_ones_come_first():
    frozen, a, stat, b = (parameter(n, start=10 * n) for n in (1, 2, 3, 4))
    frozen.trainable = stat.trainable = False
    flat = FlatParameters([frozen, a, stat, b], reference)
    np.testing.assert_array_equal(flat.values, [20, 21, 40, 41, 42, 43, 10, 30, 31, 32])
    np.testing.assert_array_equal(flat.trainable, [20, 21, 40, 41, 42, 43])
    assert np.shares_memory(flat.trainable, flat.values)
    assert flat.grads.size == 6
    assert flat.slices == [slice(0, 2), slice(2, 6)]
    assert frozen.grad is None
    assert stat.grad is None
    assert flat.trained == [a, b]
    assert flat.frozen == [frozen, stat]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.booleans()), max_size=6))
def test_laying_out_again_keeps_every_value(spec):
    parameters = [parameter(n, m, start=10 * i) for i, (n, m, _) in enumerate(spec)]
    before = [p.numpy() for p in parameters]
    first = FlatParameters(parameters, reference)
    assert first.holds(parameters)
    for p, (_, _, trainable) in zip(parameters, spec, strict=True):
        p.trainable = trainable
    assert first.holds(parameters) == all(t for _, _, t in spec)
    second = FlatParameters(parameters, reference)
    assert second.holds(parameters)
    assert first.holds(parameters) == (not parameters)
    for p, value, (_, _, trainable) in zip(parameters, before, spec, strict=True):
        np.testing.assert_array_equal(p.numpy(), value)
        assert (p.grad is not None) == trainable
        assert p.size == 0 or np.shares_memory(p.value, second.values)
    assert second.grads.size == sum(p.size for p in parameters if p.trainable)


def test_holds_notices_more_or_fewer_parameters():
    a, b, c = parameter(2), parameter(2), parameter(2)
    flat = FlatParameters([a, b], reference)
    assert flat.holds([a, b])
    assert not flat.holds([a])
    assert not flat.holds([a, b, c])
    assert not flat.holds([a, c])


def test_nothing_to_hold():
    flat = FlatParameters([], reference)
    assert (flat.values.size, flat.grads.size, flat.slices) == (0, 0, [])


def test_dtypes_must_agree():
    a, b = parameter(2, path="d/kernel"), Parameter(np.zeros(2), path="d/bias")
    with pytest.raises(ValueError, match=r"share one dtype, .*kernel: float32, d/bias: float64"):
        FlatParameters([a, b], reference)
    assert a.home is None


# ----------------------------------------------------------------------------------- in models


def fitted(stack, **options):
    model = tinynet.Sequential(stack)
    model.compile(tinynet.optimizers.SGD(0.1), "mse")
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    return model


def test_a_model_keeps_all_its_weights_in_one_vector():
    model = fitted([layers.Dense(5, input_dim=3), layers.BatchNormalization(), layers.Dense(2)])
    for p in model.parameters:
        assert np.shares_memory(p.value, model.flat.values)
        assert p.home is model.flat
    assert model.flat.values.size == model.count_params() == 20 + 20 + 12
    assert model.flat.grads.size == 42
    before = model.get_weights()
    model.flat.values[...] += 1
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then + np.float32(1))


def test_freezing_a_layer_lays_out_again_and_stops_its_training():
    model = fitted([layers.Dense(5, input_dim=3), layers.Dense(4), layers.Dense(2)])
    model.layers[1].trainable = False
    before = model.get_weights()
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    after = model.get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert changed == [True, True, False, False, True, True]
    assert model.flat.grads.size == 20 + 10
    assert model.layers[1].kernel.grad is None
    model.layers[1].trainable = True
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    assert not np.array_equal(model.layers[1].get_weights()[0], after[2])


def test_two_models_may_share_a_layer():
    shared = layers.Dense(3, input_dim=3, name="shared")
    first = fitted([shared, layers.Dense(2)])
    assert shared.kernel.home is first.flat
    second = fitted([shared, layers.Dense(2)])
    assert shared.kernel.home is second.flat
    for model in (first, second, first):
        before, others = shared.get_weights(), [m.layers[1].get_weights() for m in (first, second)]
        model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
        assert shared.kernel.home is model.flat
        assert not np.array_equal(shared.get_weights()[0], before[0])
        np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])
        for m, then in zip((first, second), others, strict=True):
            assert np.array_equal(m.layers[1].get_weights()[0], then[0]) == (m is not model)


def test_results_of_a_models_layer_stay_as_they_are():
    model = tinynet.Sequential([layers.Dense(3, "tanh", input_dim=3), layers.Dense(2)])
    model.compile("sgd", "mse")
    hidden = model.layers[0](np.full((4, 3), 0.3))
    before = hidden.copy()
    model.fit(np.ones((8, 3)), np.zeros((8, 2)), batch_size=4, epochs=2, verbose=0)
    np.testing.assert_array_equal(hidden, before)
