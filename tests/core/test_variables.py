"""Parameters, an optimizer's variables and a metric's stand wherever an array may stand."""

import json
import math
import operator
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as keras

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv,
          operator.mod, operator.pow, operator.lt, operator.le, operator.gt, operator.ge,
          operator.eq, operator.ne, np.maximum, np.hypot]  # fmt: skip
UNARY = [operator.neg, operator.pos, abs, np.exp, np.sum, np.asarray, np.transpose, np.shape, len,
         list, np.linalg.norm, lambda a: a.T, lambda a: a[0], lambda a: a[..., 1:], np.mean,
         lambda a: a.item(2), lambda a: a.ndim, lambda a: a.dtype, lambda a: a.size]  # fmt: skip
A = np.arange(1, 7, dtype=np.float32).reshape(2, 3) / 4


def parameter():
    layer = keras.layers.Dense(3, kernel_initializer=lambda shape, dtype=None: A)
    layer.build((None, 2))
    return layer.kernel


def in_a_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((1, 2)), np.ones((1, 3)))
    return model.layers[0].kernel.assign(A)


def moment():
    optimizer = keras.optimizers.Adam()
    optimizer.build([parameter()])
    return optimizer.variables[2].assign(A)


KINDS = {"parameter": parameter, "in a model": in_a_model, "moment": moment,
         "metric": lambda: keras.metrics.Metric().add_variable((2, 3)).assign(A),
         "variable": lambda: keras.Variable(A)}  # fmt: skip


@pytest.fixture(params=KINDS)
def variable(request):
    return KINDS[request.param]()


def equal(a, b):
    assert type(a) is type(b)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("other", [2, 0.5, np.float64(2), A + 1, A[0], np.ones((2, 3), int)])
def test_operators_are_those_of_the_array(variable, other):
    for f in BINARY:
        equal(f(variable, other), f(A, other))
        equal(f(other, variable), f(other, A))
    equal(variable @ A.T, A @ A.T)
    equal(A.T @ variable, A.T @ A)


def test_functions_are_those_of_the_array(variable):
    for f in UNARY:
        equal(f(variable), f(A))
    assert {variable: 1}[variable] == 1
    with pytest.raises(ValueError, match="ambiguous"):
        bool(variable)


def test_what_reads_does_not_change_and_what_assigns_does(variable):
    variable[0][...] = 9
    variable.numpy()[...] = 9
    next(iter(variable))[...] = 9
    np.asarray(variable)[...] = 9
    equal(variable.numpy(), A)
    assert variable.assign_add(A) is variable
    assert variable.assign_sub(0.25) is variable
    equal(variable.numpy(), A + A - np.float32(0.25))
    before = variable
    variable *= 2
    assert variable is before
    equal(variable.numpy(), 2 * (A + A - np.float32(0.25)))
    with pytest.raises(ValueError, match=r"expected an array of shape \(2, 3\), received \(2,\)"):
        variable.assign([1, 2])


@pytest.mark.parametrize(
    ("made", "value", "dtype"),
    [
        (lambda: keras.Variable([1, 2.5]), [1, 2.5], "float32"),
        (lambda: keras.Variable(3), 3, "float32"),
        (lambda: keras.Variable(3, dtype="int32"), 3, "int32"),
        (lambda: keras.Variable("ones", shape=(2,)), [1, 1], "float32"),
        (lambda: keras.Variable(lambda shape, dtype=None: np.full(shape, 7.0, dtype), shape=(1, 2),
                                dtype="float64"), [[7, 7]], "float64"),
    ],
)  # fmt: skip
def test_variables_of_ones_own(made, value, dtype):
    variable = made()
    assert variable.dtype == dtype
    assert variable.trainable
    np.testing.assert_array_equal(variable, value)


# ------------------------------------------------------------------- an optimizer's two numbers


@given(value=st.floats(1e-9, 1e9), number=st.integers(0, 10**9), k=st.sampled_from([None, 2, 7]))
def test_learning_rate_and_iterations_are_plain_numbers_that_can_be_assigned(value, number, k):
    optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=k)
    optimizer.learning_rate.assign(np.float64(value))
    optimizer.iterations.assign(number)
    for got, plain in ((optimizer.learning_rate, value), (optimizer.iterations, number)):
        assert got == plain
        assert type(got.value) is type(plain)
        assert got.numpy() == plain
        assert type(got.value)(got) == plain
        assert got.shape == ()
        assert hash(got) == hash(plain)
        assert repr(got) == str(got) == repr(plain)
        assert f"{got:.3g}" == f"{plain:.3g}"
        assert json.dumps([got]) == json.dumps([plain])
        assert type(pickle.loads(pickle.dumps(got))) is type(plain)
        assert np.float64(2) * got == 2 * plain
        assert math.sqrt(got) == math.sqrt(plain)
    assert optimizer.iterations.assign_add(2) == number + 2
    assert optimizer.learning_rate.assign_sub(value / 2) == optimizer.learning_rate == value / 2
    with pytest.raises(ValueError, match="learning_rate must be"):
        optimizer.learning_rate.assign(-1.0)
    with pytest.raises(ValueError, match=r"learning_rate: expected an array of shape \(\)"):
        optimizer.learning_rate.assign([1.0])
    assert optimizer.learning_rate == value / 2


@pytest.mark.parametrize("number", [-1, 1.5, math.nan, math.inf, True, None, "x", np.float32(2.5)])
def test_numbers_of_steps_that_are_none(number):
    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
    optimizer.iterations = 3
    for set_it in (optimizer.iterations.assign, lambda n: setattr(optimizer, "iterations", n)):
        with pytest.raises(ValueError, match=r"sgd: iterations must be an integer >= 0, received"):
            set_it(number)
    with pytest.raises(ValueError, match="sgd: iteration must be an integer >= 0, received"):
        optimizer.variables[0].assign(number)
    assert (optimizer.iterations, optimizer.step_number) == (3, 6)
    optimizer.iterations.assign(np.float32(4))
    optimizer.iterations.assign_sub(2.0)
    assert (optimizer.iterations, optimizer.step_number) == (2, 4)


def test_a_scheduled_rate_can_be_read_and_not_assigned():
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    optimizer.iterations.assign(10)
    assert optimizer.learning_rate.numpy() == pytest.approx(0.05)
    with pytest.raises(TypeError, match="follows"):
        optimizer.learning_rate.assign(0.2)


def test_a_rate_in_the_logs_is_kept_by_history_and_snapshots(tmp_path):
    class Rates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["rate"] = self.model.optimizer.learning_rate
            self.model.optimizer.learning_rate.assign(self.model.optimizer.learning_rate / 2)

    x, histories = np.ones((4, 2)), []
    for epochs in (1, 3):  # the second one goes on from the first one's snapshot
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.5), "mse")
        history = model.fit(x, x[:, :1], epochs=epochs, verbose=0, callbacks=[Rates()],
                            resume=tmp_path)  # fmt: skip
        histories.append(history.history["rate"])
    assert histories == [[0.5], [0.5, 0.25, 0.125]]


# --------------------------------------------------------------------------- gradients of None


@pytest.mark.parametrize("make", [keras.optimizers.Adam, keras.optimizers.SGD,
                                  keras.optimizers.Adafactor, keras.optimizers.Ftrl])  # fmt: skip
def test_no_gradient_leaves_the_parameter_and_its_moments(make):
    options = {"momentum": 0.9} if make is keras.optimizers.SGD else {}
    alone, both = make(0.1, weight_decay=0.1, **options), make(0.1, weight_decay=0.1, **options)
    (a,), (b, c) = ([keras.Variable(A) for _ in range(n)] for n in (1, 2))
    for step in range(3):
        alone.apply([A - step], trainable_variables=[a])
        with pytest.warns(UserWarning, match="no gradient for second"):
            both.apply_gradients([(A - step, b), (None, named(c, "second"))])
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(c, A)
    kept = [v for v in both.variables if v.belongs_to is both.parameters[1]]
    fresh = make(0.1, weight_decay=0.1, **options).build([keras.Parameter(A, "second")])
    started = [v for v in fresh.variables if v.belongs_to is not None]
    assert kept
    for v, w in zip(kept, started, strict=True):
        np.testing.assert_array_equal(v, w)
    with pytest.raises(ValueError, match="no gradient for any of 2 parameters"):
        both.apply([None, None])


def named(variable, name):
    variable.path = name
    return variable
