"""Optimizers: 30 steps against Keras, and the rules once more in plain floats."""

import math

import numpy as np
import pytest
from optimizer_cases import NAMES, RULES, SHARED, STEPS, build, numbers, parameters
from oracle import keras_case

from tinynet import optimizers
from tinynet.optimizers import SGD, Adam, AdamW, schedules

SCHEDULES = [
    ("ExponentialDecay", (0.2, 7, 0.5, True)),
    ("PiecewiseConstantDecay", ((4, 11), (0.2, 0.05, 0.3))),
    ("CosineDecay", (0.2, 20)),
    ("PolynomialDecay", (0.2, 20, 0.01, 2.0)),
    ("InverseTimeDecay", (0.2, 5, 0.5)),
    ("CosineDecayRestarts", (0.2, 6)),
]


def add_schedule(module, kind, arguments):
    arguments = [list(a) if isinstance(a, tuple) else a for a in arguments]
    return getattr(module.schedules, kind)(*arguments)


def keras_weights(keras, optimizer, exclude=()):
    start, grads = numbers()
    variables = [
        keras.Variable(w.astype("float32"), name=n) for w, n in zip(start, NAMES, strict=True)
    ]
    if exclude:
        optimizer.exclude_from_weight_decay(var_names=list(exclude))
    result = {}
    for t in range(STEPS):
        optimizer.apply([g.astype("float32") for g in grads[t]], variables)
        if t in (0, 1, STEPS - 1):
            result |= {f"{t}/{v.name}": v.numpy() for v in variables}
    return result


def check_like_keras(optimizer, expected):
    ours = parameters()
    _, grads = numbers()
    for t in range(STEPS):
        optimizer.apply([g.astype("float32") for g in grads[t]], ours)
        assert optimizer.iterations == t + 1
        if t in (0, 1, STEPS - 1):
            for p in ours:
                assert p.dtype == np.float32
                np.testing.assert_allclose(
                    p.numpy(),
                    expected[f"{t}/{p.name}"],
                    rtol=1e-5,
                    atol=1e-6,  # weights of size 1
                )


@keras_case
def keras_rule(keras, name, options):
    return keras_weights(keras, build(keras.optimizers, name, options))


@pytest.mark.parametrize(("name", "options"), RULES + SHARED)
def test_thirty_steps_are_those_of_keras(name, options):
    check_like_keras(build(optimizers, name, options), keras_rule(name, options))


@keras_case
def keras_excluding(keras, *names):
    return keras_weights(keras, keras.optimizers.AdamW(0.05, weight_decay=0.3), names)


@pytest.mark.parametrize("names", [("bias",), ("bias", "sca")])
def test_parameters_without_weight_decay_as_in_keras(names):
    optimizer = AdamW(0.05, weight_decay=0.3)
    optimizer.exclude_from_weight_decay(var_names=names)
    check_like_keras(optimizer, keras_excluding(*names))


@keras_case
def keras_scheduled(keras, kind, arguments):
    rate = add_schedule(keras.optimizers, kind, arguments)
    return keras_weights(keras, keras.optimizers.SGD(rate, weight_decay=0.1))


@pytest.mark.parametrize(("kind", "arguments"), SCHEDULES)
def test_thirty_scheduled_steps_are_those_of_keras(kind, arguments):
    rate = add_schedule(optimizers, kind, arguments)
    check_like_keras(SGD(rate, weight_decay=0.1), keras_scheduled(kind, arguments))


# ----------------------------------------------------------- the rules again, number by number


def sgd(lr, momentum=0.0, nesterov=False):
    m = 0.0

    def step(w, g, t):
        nonlocal m
        m = momentum * m - lr * g
        return w + (momentum * m - lr * g if nesterov else m)

    return step


def rmsprop(lr, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    v = a = m = 0.0

    def step(w, g, t):
        nonlocal v, a, m
        v = rho * v + (1 - rho) * g * g
        a = rho * a + (1 - rho) * g
        m = momentum * m + lr * g / math.sqrt((v - a * a if centered else v) + epsilon)
        return w - m

    return step


def adam(lr, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False):
    m = v = largest = 0.0

    def step(w, g, t):
        nonlocal m, v, largest
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        largest = max(largest, v) if amsgrad else v
        alpha = lr * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        return w - alpha * m / (math.sqrt(largest) + epsilon)

    return step


def adamw(lr, weight_decay=0.004, **options):
    inner = adam(lr, **options)
    return lambda w, g, t: inner(w * (1 - lr * weight_decay), g, t)


@pytest.mark.parametrize(("name", "options"), RULES)
def test_thirty_steps_in_float64(name, options):
    options = {"learning_rate": 0.01, **dict(options)}
    ours = parameters("float64")
    start, grads = numbers()
    optimizer = getattr(optimizers, name)(**options)
    for t in range(STEPS):
        optimizer.apply(grads[t], ours)
    rule = {"SGD": sgd, "RMSprop": rmsprop, "Adam": adam, "AdamW": adamw}[name]
    lr = options.pop("learning_rate")
    for i, p in enumerate(ours):
        assert p.dtype == np.float64
        expected = np.empty(p.shape)
        for at in np.ndindex(p.shape):
            step, w = rule(lr, **options), float(start[i][at])
            for t in range(STEPS):
                w = step(w, float(grads[t][i][at]), t + 1)
            expected[at] = w
        np.testing.assert_allclose(p.numpy(), expected, rtol=1e-12, atol=1e-14)


def test_one_step_by_hand():
    w = np.array([1.0, -2.0])
    SGD(0.1).apply([np.array([0.5, 4.0])], [w])
    np.testing.assert_allclose(w, [0.95, -2.4], rtol=1e-15)
    # The first step of Adam is lr in the direction of the sign, whatever the gradient's size.
    w = np.array([1.0, -2.0])
    Adam(0.1, epsilon=0.0).apply([np.array([0.5, -400.0])], [w])
    np.testing.assert_allclose(w, [0.9, -1.9], rtol=1e-14)
    # clipped to the norm 5 first, and then decayed by 1 - 0.1 * 0.5
    w = np.array([1.0, -2.0])
    SGD(0.1, clipnorm=5.0, weight_decay=0.5).apply([np.array([6.0, 8.0])], [w])
    np.testing.assert_allclose(w, [0.95 - 0.3, -1.9 - 0.4], rtol=1e-14)


def test_clipping_per_parameter_and_of_all_together():
    grads = [np.array([3.0, 4.0]), np.array([0.6, 0.8]), np.array([0.0])]
    by = {}
    for option in ("clipnorm", "global_clipnorm", "clipvalue"):
        weights = [np.zeros(2), np.zeros(2), np.zeros(1)]
        SGD(1.0, **{option: 2.0}).apply(grads, weights)
        by[option] = [-w for w in weights]
    factor = 2 / math.sqrt(25 + 1)
    np.testing.assert_allclose(np.concatenate(by["clipnorm"]), [1.2, 1.6, 0.6, 0.8, 0])
    np.testing.assert_allclose(
        np.concatenate(by["global_clipnorm"]), np.array([3, 4, 0.6, 0.8, 0]) * factor
    )
    np.testing.assert_allclose(np.concatenate(by["clipvalue"]), [2, 2, 0.6, 0.8, 0])


def test_weight_decay_uses_the_rate_of_the_step():
    w = np.array([1.0])
    optimizer = SGD(schedules.PiecewiseConstantDecay([0], [0.5, 0.1]), weight_decay=0.1)
    for expected in (0.95, 0.95 * 0.99):
        optimizer.apply([np.zeros(1)], [w])
        assert w[0] == pytest.approx(expected, rel=1e-14)
