"""Optimizers: 30 steps against Keras, the rules once more in plain floats, and one's own loop."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

from tinynet import Sequential, layers, optimizers
from tinynet.optimizers import SGD, Adam, AdamW, RMSprop, schedules
from tinynet.parameters import Parameter

STEPS = 30
NAMES = ("kernel", "bias", "scale")
SHAPES = ((4, 3), (3,), (2, 1, 2))

# (class, options as a tuple of pairs: their repr is the key of a recording)
RULES = [
    ("SGD", ()),
    ("SGD", (("learning_rate", 0.1), ("momentum", 0.9))),
    ("SGD", (("learning_rate", 0.1), ("momentum", 0.8), ("nesterov", True))),
    ("RMSprop", ()),
    ("RMSprop", (("learning_rate", 0.02), ("rho", 0.6), ("epsilon", 1e-2))),
    ("RMSprop", (("learning_rate", 0.01), ("momentum", 0.7))),
    ("RMSprop", (("learning_rate", 0.01), ("centered", True))),
    ("RMSprop", (("learning_rate", 0.01), ("momentum", 0.7), ("centered", True))),
    ("Adam", ()),
    ("Adam", (("learning_rate", 0.02), ("amsgrad", True))),
    ("Adam", (("learning_rate", 0.02), ("beta_1", 0.5), ("beta_2", 0.8), ("epsilon", 1e-2))),
    ("AdamW", (("learning_rate", 0.05),)),
    ("AdamW", (("learning_rate", 0.05), ("weight_decay", 0.3), ("amsgrad", True))),
]
SHARED = [
    ("SGD", (("learning_rate", 0.1), ("clipnorm", 0.7))),
    ("SGD", (("learning_rate", 0.1), ("clipvalue", 0.25))),
    ("SGD", (("learning_rate", 0.1), ("global_clipnorm", 1.5))),
    ("Adam", (("learning_rate", 0.02), ("clipnorm", 0.7))),
    ("RMSprop", (("learning_rate", 0.02), ("global_clipnorm", 1.5), ("weight_decay", 0.1))),
    ("SGD", (("learning_rate", 0.1), ("momentum", 0.5), ("weight_decay", 0.2))),
    ("Adam", (("learning_rate", 0.02), ("clipvalue", 0.1), ("weight_decay", 0.2))),
]
SCHEDULES = [
    ("ExponentialDecay", (0.2, 7, 0.5, True)),
    ("PiecewiseConstantDecay", ((4, 11), (0.2, 0.05, 0.3))),
    ("CosineDecay", (0.2, 20)),
    ("PolynomialDecay", (0.2, 20, 0.01, 2.0)),
    ("InverseTimeDecay", (0.2, 5, 0.5)),
    ("CosineDecayRestarts", (0.2, 6)),
]


def numbers():
    """Three arrays and 30 gradients for each, some of them large enough to be clipped."""
    random = np.random.default_rng(7)
    start = [random.normal(size=s) for s in SHAPES]
    size = random.uniform(0.05, 2, STEPS)
    grads = [[random.normal(size=s) * size[t] for s in SHAPES] for t in range(STEPS)]
    return start, grads


def build(module, name, options):
    return getattr(module, name)(**dict(options))


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


def parameters(dtype="float32"):
    start, _ = numbers()
    return [Parameter(w.astype(dtype), name=n) for w, n in zip(start, NAMES, strict=True)]


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


# ------------------------------------------------------------------------------ learning rate


def test_learning_rate_can_be_read_and_set():
    optimizer = SGD(0.5)
    assert optimizer.learning_rate == optimizer.lr == 0.5
    w = np.array([1.0])
    optimizer.learning_rate = np.float32(0.25)
    assert type(optimizer.learning_rate) is float
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
