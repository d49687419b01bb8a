"""Optimizers in a loop of one's own; rates, configs, refusals."""

import json
import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimizer_cases import RULES, SHARED, build, numbers, parameters
from oracle import keras_case

import tinynet
from tinynet import Sequential, layers, optimizers
from tinynet.core.parameters import Parameter
from tinynet.optimizers import SGD, Adam, AdamW, RMSprop, schedules

# ----------------------------------------------------------------------------- one's own loop


@pytest.mark.parametrize("make", [SGD, RMSprop, Adam, AdamW])
@pytest.mark.parametrize("clip", [{}, {"clipnorm": 0.1}, {"clipvalue": 0.1}])
def test_gradients_stay_as_they_are(make, clip):
    for count in (1, 3):  # a single array must not be handed through without a copy
        grads = [np.full((2, 2), 3.0, np.float32) for _ in range(count)]
        weights = [np.ones((2, 2), np.float32) for _ in range(count)]
        make(**clip).apply(grads, weights)
        assert all((g == 3).all() for g in grads)
        assert all((w < 1).all() for w in weights)


def test_apply_and_apply_gradients_are_the_same():
    _, grads = numbers()
    one, two, three = parameters(), parameters(), parameters()
    a, b, c = (Adam(0.05) for _ in range(3))
    for t in range(5):
        a.apply(grads[t], one)
        b.apply_gradients(zip(grads[t], two, strict=True))
        c.apply(grads[t], three if t == 0 else None)  # None: the same ones again
    for p, q, r in zip(one, two, three, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        np.testing.assert_array_equal(p.numpy(), r.numpy())
    assert a.iterations == b.iterations == c.iterations == 5


def test_parameters_of_layers_and_models():
    """A step by `apply` with the model's gradients is a step by `train_on_batch`."""
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    y = np.array([0, 1, 1, 0, 1, 0, 0, 1])
    models = [
        Sequential([layers.Input((3,)), layers.Dense(4, "relu"), layers.Dense(2, "softmax")])
        for _ in range(2)
    ]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        model.compile(Adam(0.1), "sparse_categorical_crossentropy")
    own = Adam(0.1)
    for _ in range(3):
        models[0].train_on_batch(x, y)
        own.apply(list(models[1].gradients(x, y).values()), models[1].trainable_weights)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_other_parameters_than_before():
    optimizer = Adam(0.1)
    first, other = np.ones(3), np.ones(3)
    optimizer.apply([np.ones(3)], [first])
    kept = first.copy()
    moment = optimizer.state["m"].copy()
    for wrong in ([other], [first, other]):
        with pytest.raises(ValueError, match=r"already updates other parameters.*new optimizer"):
            optimizer.apply([np.ones(3)] * len(wrong), wrong)
    np.testing.assert_array_equal(other, np.ones(3))
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(optimizer.state["m"], moment)
    assert optimizer.iterations == 1
    optimizer.apply([np.ones(3)], [first])
    assert optimizer.iterations == 2


@pytest.mark.parametrize(
    ("grads", "weights", "message"),
    [
        ([np.ones(2)], [], "no parameters"),
        ([], [np.ones(2)], "0 gradients for 1 parameters"),
        ([np.ones(2)], [np.ones(2), np.ones(2)], "1 gradients for 2 parameters"),
        ([np.ones(2), np.ones(3)], [np.ones(2), np.ones(2)], r"gradient 1 .*\(3,\).*\(2,\)"),
        ([np.ones((2, 1))], [np.ones(2)], r"gradient 0 .*\(2, 1\).*\(2,\)"),
        ([np.ones(2)], [np.ones(2, int)], "parameter 0 .*float.*int64"),
        ([np.ones(2)], [[1.0, 2.0]], "parameter 0 .*list"),
        ([np.array(["a", "b"])], [np.ones(2)], "gradient 0 .*<U1"),
    ],
)
def test_what_does_not_fit_changes_nothing(grads, weights, message):
    optimizer = SGD(0.1, momentum=0.9)
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.apply(grads, weights)
    assert optimizer.iterations == 0
    assert optimizer.parameters is None
    assert all((np.asarray(w) == np.asarray([1, 1])).all() for w in weights if type(w) is not list)


def test_apply_without_any_parameters():
    with pytest.raises(ValueError, match="no parameters"):
        SGD().apply([np.ones(2)])
    with pytest.raises(ValueError, match="no parameters"):
        SGD().apply_gradients([])


def test_exclude_from_weight_decay_by_object_and_by_name():
    """An object is left out itself, not whatever has its path within its own."""
    names = ("dense/kernel", "big_dense/kernel", "dense/bias")
    ps = [Parameter(np.ones(2), "p", path=path) for path in names]
    optimizer = SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[ps[0]], var_names=["bias"])
    optimizer.apply([np.zeros(2)] * 3, ps)
    assert [p.value[0] for p in ps] == [1.0, 0.95, 1.0]

    arrays = [np.ones(2), np.ones(2)]
    optimizer = SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[arrays[1]])
    optimizer.apply([np.zeros(2)] * 2, arrays)
    assert [a[0] for a in arrays] == [0.95, 1.0]


@pytest.mark.parametrize("built", [False, True])
def test_variables_are_left_out_of_decay_and_constrained_as_in_keras(built):
    answers = []
    for library in (keras, tinynet):
        start = np.array([[-1.0, 2.0], [3.0, -4.0]])
        held, free, plain = (library.Variable(start, name=name) for name in ("held", "free", "a"))
        held.constraint = library.constraints.NonNeg()
        optimizer = library.optimizers.SGD(0.5, weight_decay=0.1)
        optimizer.exclude_from_weight_decay(var_list=[free])
        if built:
            optimizer.build([held, free, plain])
        optimizer.apply_gradients([(library.ops.ones((2, 2)), v) for v in (held, free, plain)])
        answers.append([np.asarray(v) for v in (held, free, plain)])
    np.testing.assert_allclose(*answers, rtol=1e-6)


# ------------------------------------------------------------------------------ learning rate


def test_learning_rate_can_be_read_and_set():
    optimizer = SGD(0.5)
    assert optimizer.learning_rate == optimizer.lr == 0.5
    w = np.array([1.0])
    optimizer.learning_rate = np.float32(0.25)
    assert isinstance(optimizer.learning_rate, float)
    optimizer.apply([np.ones(1)], [w])
    optimizer.lr = 1
    optimizer.apply([np.ones(1)], [w])
    assert w[0] == -0.25
    for wrong in (-0.1, math.nan, math.inf, "0.1", None, True, [0.1]):
        with pytest.raises(ValueError, match="learning_rate must be a number >= 0 or a schedule"):
            optimizer.learning_rate = wrong
        assert optimizer.learning_rate == 1.0


def test_a_scheduled_rate_can_not_be_set():
    optimizer = SGD(schedules.ExponentialDecay(0.4, 1, 0.5))
    rates = []
    for _ in range(3):
        rates.append(optimizer.learning_rate)
        optimizer.apply([np.ones(1)], None if optimizer.parameters else [np.ones(1)])
    assert rates == pytest.approx([0.4, 0.2, 0.1])
    assert optimizer.rate(0) == pytest.approx(0.4)
    with pytest.raises(TypeError, match=r"follows ExponentialDecay.* can't be set"):
        optimizer.learning_rate = 0.1
    assert optimizer.learning_rate == pytest.approx(0.05)


# ------------------------------------------------------------------------------------ configs


@keras_case
def keras_reads_optimizer(keras, text):
    optimizer = keras.optimizers.deserialize(json.loads(text))
    config = optimizer.get_config()
    return {"config": json.dumps(config), "class": type(optimizer).__name__}


@pytest.mark.parametrize(("name", "options"), RULES + SHARED)
def test_configs_travel(name, options):
    optimizer = build(optimizers, name, options)
    stored = json.dumps(optimizers.serialize(optimizer))
    again = optimizers.deserialize(json.loads(stored))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    for key, value in options:
        assert again.get_config()[key] == value
    theirs = keras_reads_optimizer(stored)
    assert str(theirs["class"]) == name
    config = json.loads(str(theirs["config"]))
    for key, value in optimizer.get_config().items():
        # Keras keeps the learning rate in float32
        assert config[key] == (pytest.approx(value, rel=1e-6) if key == "learning_rate" else value)


def test_config_with_a_schedule():
    optimizer = Adam(schedules.CosineDecay(0.1, 10))
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))
    assert again.rate(5) == pytest.approx(0.05)
    theirs = json.loads(
        str(keras_reads_optimizer(json.dumps(optimizers.serialize(optimizer)))["config"])
    )
    assert theirs["learning_rate"]["class_name"] == "CosineDecay"


def test_get():
    assert type(optimizers.get("adam")) is Adam
    assert type(optimizers.get("RMSprop")) is type(optimizers.get("rmsprop")) is RMSprop
    assert optimizers.get(SGD).learning_rate == 0.01
    assert optimizers.get({"class_name": "SGD", "config": {"momentum": 0.5}}).momentum == 0.5
    ready = SGD(0.3)
    assert optimizers.get(ready) is ready
    with pytest.raises(ValueError, match=r"unknown optimizer 'adma'; did you mean '[Aa]dam"):
        optimizers.get("adma")
    with pytest.raises(TypeError, match=r"optimizer must be .* received 3"):
        optimizers.get(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-0.1), "sgd: learning_rate must be a number >= 0 .* received -0.1"),
        (lambda: SGD("fast"), "learning_rate .* 'fast'"),
        (lambda: SGD(momentum=1.0), r"SGD: momentum must be in \[0, 1\), received 1.0"),
        (lambda: SGD(momentum=-0.1), "momentum .* -0.1"),
        (lambda: RMSprop(rho=1.5), "RMSprop: rho .* 1.5"),
        (lambda: RMSprop(momentum="0.9"), "RMSprop: momentum .* '0.9'"),
        (lambda: RMSprop(epsilon=-1e-7), "RMSprop: epsilon must be .* >= 0, received -1e-07"),
        (lambda: Adam(beta_1=1), "Adam: beta_1 .* received 1"),
        (lambda: Adam(beta_2=math.nan), "Adam: beta_2 .* nan"),
        (lambda: Adam(epsilon="tiny"), "Adam: epsilon must be .* 'tiny'"),
        (lambda: AdamW(beta_2=-1), "AdamW: beta_2 .* -1"),
        (lambda: AdamW(weight_decay=-0.1), "weight_decay must be a number >= 0, received -0.1"),
        (lambda: SGD(clipnorm=0), "clipnorm must be a number > 0, received 0"),
        (lambda: SGD(clipvalue=-1), "clipvalue must be a number > 0, received -1"),
        (lambda: SGD(global_clipnorm=math.inf), "global_clipnorm must be .* inf"),
        (lambda: SGD(clipnorm=1, clipvalue=1), r"only one way of clipping.*clipnorm.*clipvalue"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_state_size():
    for optimizer, vectors in (
        (SGD(), 0), (SGD(momentum=0.9), 1), (RMSprop(), 1), (RMSprop(momentum=0.1), 2),
        (RMSprop(centered=True, momentum=0.1), 3), (Adam(), 2), (Adam(amsgrad=True), 3),
    ):  # fmt: skip
        optimizer.build([Parameter(np.zeros((3, 4), np.float32)), Parameter(np.zeros(5, "f4"))])
        assert optimizer.state_size() == (17 * vectors, 4 * 17 * vectors)


def test_an_optimizer_of_ones_own():
    class SignDescent(optimizers.Optimizer):
        def update(self, w, g, lr):
            w -= lr * np.sign(g)

    w = np.array([1.0, 2.0])
    SignDescent(0.5).apply([np.array([3.0, -4.0])], [w])
    np.testing.assert_array_equal(w, [0.5, 2.5])
    with pytest.raises(NotImplementedError, match=r"Optimizer needs update"):
        optimizers.Optimizer(0.1).apply([np.ones(2)], [w])


@given(
    shapes=st.lists(st.lists(st.integers(1, 4), min_size=0, max_size=3), min_size=1, max_size=4),
    make=st.sampled_from([
        lambda: SGD(0.1, momentum=0.9),
        lambda: RMSprop(0.1, centered=True),
        lambda: Adam(0.1, amsgrad=True, clipvalue=0.5),
    ]),
)  # fmt: skip
def test_a_list_is_as_good_as_each_array_alone(shapes, make):
    """The rules are entry by entry: the flat vector must not mix parameters up."""
    random = np.random.default_rng(len(shapes))
    together = [random.normal(size=s) for s in shapes]
    alone = [w.copy() for w in together]
    optimizer, singles = make(), [make() for _ in shapes]
    for _ in range(3):
        grads = [random.normal(size=s) for s in shapes]
        optimizer.apply(grads, together)
        for single, g, w in zip(singles, grads, alone, strict=True):
            single.apply([g], [w])
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
