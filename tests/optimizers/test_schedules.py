"""Learning-rate schedules against Keras, step by step, and their configs."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

from tinynet.optimizers import schedules

# (class name, keyword arguments as a tuple of pairs: their repr is the key of a recording)
CASES = [
    ("ExponentialDecay", (("decay_steps", 30), ("decay_rate", 0.7))),
    ("ExponentialDecay", (("decay_steps", 30), ("decay_rate", 0.7), ("staircase", True))),
    ("InverseTimeDecay", (("decay_steps", 20), ("decay_rate", 0.5))),
    ("InverseTimeDecay", (("decay_steps", 20), ("decay_rate", 0.5), ("staircase", True))),
    ("PolynomialDecay", (("decay_steps", 100),)),
    ("PolynomialDecay", (("decay_steps", 80), ("end_learning_rate", 0.01), ("power", 2.5))),
    ("PolynomialDecay", (("decay_steps", 60), ("power", 0.5), ("cycle", True))),
    ("CosineDecay", (("decay_steps", 150),)),
    ("CosineDecay", (("decay_steps", 90), ("alpha", 0.1))),
    ("CosineDecay", (("decay_steps", 90), ("warmup_target", 0.5), ("warmup_steps", 40))),
    ("CosineDecay", (("decay_steps", 90), ("alpha", 0.2), ("warmup_target", 0.5))),
    ("CosineDecay", (("decay_steps", 90), ("warmup_steps", 40))),  # no target: no warm-up
    ("CosineDecayRestarts", (("first_decay_steps", 25),)),
    ("CosineDecayRestarts", (("first_decay_steps", 40), ("t_mul", 1.0), ("m_mul", 0.8))),
    ("CosineDecayRestarts", (("first_decay_steps", 20), ("t_mul", 1.5), ("alpha", 0.1))),
    ("CosineDecayRestarts", (("first_decay_steps", 8), ("t_mul", 3.0), ("m_mul", 0.5))),
]
STEPS = range(201)


def build(module, name, options):
    return getattr(module, name)(initial_learning_rate=0.3, **dict(options))


@keras_case
def keras_rates(keras, name, options):
    import jax

    schedule = build(keras.optimizers.schedules, name, options)
    if name.startswith("Cosine"):
        # Their conditions would be compiled anew for every step. The others stay uncompiled: XLA
        # replaces a division by a product, which moves the corners of ceil by a step.
        schedule = jax.jit(schedule)
    return {"rates": [float(schedule(step)) for step in STEPS]}


@pytest.mark.parametrize(("name", "options"), CASES)
def test_rates_are_those_of_keras(name, options):
    schedule = build(schedules, name, options)
    rates = [schedule(step) for step in STEPS]
    assert all(type(rate) is float for rate in rates)
    np.testing.assert_allclose(rates, keras_rates(name, options)["rates"], rtol=1e-5, atol=1e-7)


@keras_case
def keras_pieces(keras):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([50, 120, 121], [1.0, 0.5, 2, 0.1])
    return {"rates": [float(schedule(step)) for step in STEPS]}


def test_piecewise_boundaries_belong_to_the_left():
    schedule = schedules.PiecewiseConstantDecay([50, 120, 121], [1.0, 0.5, 2, 0.1])
    np.testing.assert_allclose([schedule(s) for s in STEPS], keras_pieces()["rates"], rtol=1e-6)
    assert [schedule(s) for s in (0, 50, 51, 120, 121, 122)] == [1.0, 1.0, 0.5, 0.5, 2.0, 0.1]


@given(
    first=st.integers(1, 50),
    t_mul=st.sampled_from([1.0, 1.25, 1.5, 2.0, 3.0]),
    cycle=st.integers(1, 6),
)
def test_a_cycle_restarts_on_its_first_step(first, t_mul, cycle):
    """The logarithm that finds the cycle must not be a hair too small on the boundary itself."""
    schedule = schedules.CosineDecayRestarts(1.0, first, t_mul=t_mul, m_mul=0.5)
    start = first * sum(t_mul**i for i in range(cycle))
    if start != int(start):
        return
    assert schedule(int(start)) == pytest.approx(0.5**cycle)
    length = first * t_mul ** (cycle - 1)
    last = 0.5**cycle * (1 + math.cos(math.pi * (1 - 1 / length)))
    assert schedule(int(start) - 1) == pytest.approx(last)


def test_values_by_hand():
    assert schedules.ExponentialDecay(0.1, 10, 0.5)(20) == pytest.approx(0.025)
    assert schedules.InverseTimeDecay(0.1, 10, 0.5)(20) == pytest.approx(0.05)
    assert schedules.PolynomialDecay(0.1, 10, 0.0)(4) == pytest.approx(0.06)
    assert schedules.CosineDecay(0.1, 10)(5) == pytest.approx(0.05)
    assert schedules.CosineDecay(0.1, 10)(np.array(10)) == pytest.approx(0.0, abs=1e-15)
    warm = schedules.CosineDecay(0.0, 10, warmup_target=1.0, warmup_steps=4)
    assert [warm(s) for s in (0, 1, 4, 9, 14, 99)] == pytest.approx([0, 0.25, 1, 0.5, 0, 0])


ALL = [*CASES, ("PiecewiseConstantDecay", (("boundaries", (5, 9)), ("values", (1.0, 0.5, 0.1))))]


def any_schedule(module, name, options):
    if name == "PiecewiseConstantDecay":
        return getattr(module, name)(**{key: list(value) for key, value in options})
    return build(module, name, options)


@keras_case
def keras_schedule_config(keras, name, options):
    module = keras.optimizers.schedules
    return {"json": json.dumps(module.serialize(any_schedule(module, name, options)))}


@keras_case
def keras_reads_schedule(keras, text):
    schedule = keras.optimizers.schedules.deserialize(json.loads(text))
    return {"rates": [float(schedule(step)) for step in (0, 7, 100)]}


@pytest.mark.parametrize(("name", "options"), ALL)
def test_configs_are_those_of_keras_and_travel_both_ways(name, options):
    schedule = any_schedule(schedules, name, options)
    config = schedules.serialize(schedule)
    assert config == json.loads(str(keras_schedule_config(name, options)["json"]))
    again = schedules.deserialize(json.loads(json.dumps(config)))
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    expected = keras_reads_schedule(json.dumps(config))["rates"]
    np.testing.assert_allclose([again(s) for s in (0, 7, 100)], expected, rtol=1e-5, atol=1e-7)


def test_get():
    schedule = schedules.CosineDecay(0.1, 10)
    assert schedules.get(schedule) is schedule
    assert schedules.get(None) is None
    assert schedules.get(schedules.serialize(schedule)).get_config() == schedule.get_config()
    with pytest.raises(ValueError, match="did you mean 'CosineDecay'"):
        schedules.deserialize({"class_name": "CosinDecay", "config": {}})


def test_a_schedule_of_ones_own():
    class Halving(schedules.LearningRateSchedule):
        config_keys = ("start",)

        def __init__(self, start):
            self.start = start

        def __call__(self, step):
            return self.start / 2**step

    assert schedules.get(Halving(0.8))(2) == pytest.approx(0.2)
    found = schedules.deserialize(schedules.serialize(Halving(0.8)), {"Halving": Halving})
    assert found.start == 0.8
    with pytest.raises(NotImplementedError, match="__call__"):
        schedules.LearningRateSchedule()(0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda s: s.ExponentialDecay(0.1, 0, 0.5), "decay_steps must be .* > 0, received 0"),
        (lambda s: s.ExponentialDecay("0.1", 1, 0.5), "initial_learning_rate must be .* '0.1'"),
        (lambda s: s.ExponentialDecay(float("nan"), 1, 0.5), "initial_learning_rate .* nan"),
        (lambda s: s.ExponentialDecay(0.1, 1, -0.5), "decay_rate must be .* received -0.5"),
        (lambda s: s.InverseTimeDecay(0.1, -3, 0.5), "decay_steps must be .* received -3"),
        (lambda s: s.InverseTimeDecay(0.1, 3, True), "decay_rate must be .* received True"),
        (lambda s: s.PolynomialDecay(0.1, 0), "decay_steps"),
        (lambda s: s.PolynomialDecay(0.1, 1, power=-1), "power must be .* received -1"),
        (lambda s: s.CosineDecay(0.1, None), "decay_steps must be .* received None"),
        (lambda s: s.CosineDecay(0.1, 9, warmup_target=1, warmup_steps=-1), "warmup_steps"),
        (lambda s: s.CosineDecayRestarts(0.1, 0), "first_decay_steps"),
        (lambda s: s.CosineDecayRestarts(0.1, 9, t_mul=0.5), "t_mul must be .* >= 1"),
        (lambda s: s.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "2 values and 2 boundaries"),
        (lambda s: s.PiecewiseConstantDecay([2, 2], [1, 1, 1]), "boundaries must increase"),
        (lambda s: s.CosineDecay(0.1, 9)(-1), "step must be .* >= 0, received -1"),
        (lambda s: s.CosineDecay(0.1, 9)([1, 2]), "step must be"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build(schedules)
