"""The newer optimizers, and averaging, accumulation, scaling and constraints, against Keras."""

import json
import math

import numpy as np
import pytest
from optimizer_cases import NAMES, SHAPES, STEPS, numbers, parameters
from oracle import keras_case

from tinynet import constraints, optimizers
from tinynet.core.parameters import Parameter
from tinynet.optimizers import schedules

RULES = [
    ("Nadam", ()),
    ("Nadam", (("learning_rate", 0.02), ("beta_1", 0.5), ("beta_2", 0.8), ("epsilon", 1e-2))),
    ("Adamax", ()),
    ("Adamax", (("learning_rate", 0.02), ("beta_1", 0.5), ("beta_2", 0.8), ("epsilon", 1e-2))),
    ("Adagrad", (("learning_rate", 0.1),)),
    ("Adagrad", (("learning_rate", 0.1), ("initial_accumulator_value", 0.0), ("epsilon", 1e-2))),
    ("Adadelta", (("learning_rate", 1.0),)),
    ("Adadelta", (("learning_rate", 0.5), ("rho", 0.7), ("epsilon", 1e-2))),
    ("Lion", (("learning_rate", 0.01),)),
    ("Lion", (("learning_rate", 0.01), ("beta_1", 0.6), ("beta_2", 0.8), ("weight_decay", 0.3))),
    ("Ftrl", (("learning_rate", 0.1),)),
    ("Ftrl", (
        ("learning_rate", 0.1), ("learning_rate_power", -0.7), ("initial_accumulator_value", 0.3),
        ("l1_regularization_strength", 0.2), ("l2_regularization_strength", 0.1),
        ("l2_shrinkage_regularization_strength", 0.05), ("beta", 0.2),
    )),
    ("Adafactor", (("learning_rate", 0.3),)),
    ("Adafactor", (("learning_rate", 0.05), ("beta_2_decay", -0.6), ("epsilon_1", 1e-3),
                   ("epsilon_2", 0.1), ("clip_threshold", 0.8), ("relative_step", False))),
    ("Lamb", (("learning_rate", 0.02),)),
    ("Lamb", (("learning_rate", 0.02), ("beta_1", 0.5), ("beta_2", 0.8), ("epsilon", 1e-2))),
]  # fmt: skip
EMA = (("use_ema", True), ("ema_momentum", 0.8))
OPTIONS = [
    ("SGD", EMA),
    ("SGD", (*EMA, ("ema_overwrite_frequency", 3))),
    ("SGD", (("gradient_accumulation_steps", 2),)),
    ("SGD", (("loss_scale_factor", 5.0), ("clipnorm", 0.1))),
    ("SGD", (*EMA, ("ema_overwrite_frequency", 2), ("gradient_accumulation_steps", 3))),
    ("Adam", (("gradient_accumulation_steps", 4), ("weight_decay", 0.2), ("clipvalue", 0.3))),
]
# everything at once, for every rule
ALL = (
    *EMA, ("ema_overwrite_frequency", 4), ("gradient_accumulation_steps", 3),
    ("loss_scale_factor", 4.0), ("global_clipnorm", 2.5), ("weight_decay", 0.1),
)  # fmt: skip
EVERY = [
    ("SGD", (("momentum", 0.7),)), ("RMSprop", (("momentum", 0.5), ("centered", True))),
    ("Adam", (("amsgrad", True),)), ("AdamW", ()), ("Nadam", ()), ("Adamax", ()), ("Adagrad", ()),
    ("Adadelta", ()), ("Lion", ()), ("Ftrl", ()), ("Lamb", ()), ("Adafactor", ()),
]  # fmt: skip
LIMITS = {
    "none": (None, None, None),
    "norms": ("MaxNorm(0.5)", "UnitNorm()", "MinMaxNorm(0.3, 0.8, 0.4, 2)"),
    "signs": ("NonNeg()", None, "MaxNorm(1.1, [0, 1, 2])"),
}


def limits_of(module, which):
    return [text and eval(f"m.{text}", {"m": module}) for text in LIMITS[which]]


def make(module, name, options):
    options = {"learning_rate": 0.05, **dict(options)}
    if name == "scheduled":
        name, rate = "SGD", module.schedules.InverseTimeDecay(0.2, 5, 0.5)
        options["learning_rate"] = rate
    return getattr(module, name)(**options)


@keras_case
def keras_options_run(keras, name, options, limits="none"):
    """Weights after 1, 2 and 30 steps, and all that the optimizer keeps at the end."""
    import jax

    optimizer = make(keras.optimizers, name, options)
    start, grads = numbers()
    variables = [
        keras.Variable(w.astype("float32"), name=n) for w, n in zip(start, NAMES, strict=True)
    ]
    for v, constraint in zip(variables, limits_of(keras.constraints, limits), strict=True):
        v.constraint = constraint
    optimizer.build(variables)
    step = jax.jit(lambda w, kept, g: optimizer.stateless_apply(kept, g, w))
    w, kept = [v.value for v in variables], [v.value for v in optimizer.variables]
    result = {}
    for t in range(STEPS):
        w, kept = step(w, kept, [g.astype("float32") for g in grads[t]])
        if t in (0, 1, STEPS - 1):
            result |= {f"{t}/{n}": a for n, a in zip(NAMES, w, strict=True)}
    for i, (v, a) in enumerate(zip(optimizer.variables, kept, strict=True)):
        name = "variable" if v.name.startswith("variable") else v.name  # without its counter
        result[f"kept {i} {name}"] = a
    return result


def check(name, options, limits="none"):
    expected = keras_options_run(name, options, limits)
    optimizer, ours = make(optimizers, name, options), parameters()
    for p, constraint in zip(ours, limits_of(constraints, limits), strict=True):
        p.constraint = constraint
    _, grads = numbers()
    for t in range(STEPS):
        optimizer.apply([g.astype("float32") for g in grads[t]], ours)
        if t in (0, 1, STEPS - 1):
            for p in ours:
                np.testing.assert_allclose(
                    p.numpy(), expected[f"{t}/{p.name}"], rtol=2e-5, atol=2e-6, err_msg=f"{t}"
                )
    kept = [key for key in expected if key.startswith("kept")]
    assert [key.split()[-1] for key in kept] == [v.name for v in optimizer.variables]
    for key, v in zip(kept, optimizer.variables, strict=True):
        np.testing.assert_allclose(v, expected[key], rtol=1e-4, atol=3e-6, err_msg=key)
    return optimizer


@pytest.mark.parametrize(("name", "options"), RULES + OPTIONS)
def test_thirty_steps_and_what_is_kept_are_those_of_keras(name, options):
    check(name, options)


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_all_options_at_once(name, options):
    """With these, 30 steps are 10 updates, and the average takes over in updates 4 and 8."""
    optimizer = check(name, (*ALL, *options))
    assert (optimizer.step_number, optimizer.iterations) == (30, 10)


def test_a_schedule_counts_steps_and_not_updates():
    optimizer = check("scheduled", (("gradient_accumulation_steps", 3), ("weight_decay", 0.1)))
    assert optimizer.learning_rate == pytest.approx(0.2 / (1 + 0.5 * 30 / 5))


@pytest.mark.parametrize("limits", ["norms", "signs"])
def test_constraints_after_every_step(limits):
    check("SGD", (("momentum", 0.7),), limits)
    # also in the steps that only add up gradients, and after the average has taken over
    check("Adam", ALL, limits)


# ----------------------------------------------------------- the rules again, number by number


def nadam(lr, t, g, w, s):
    mu = [0.9 * (1 - 0.5 * 0.96**i) for i in range(1, t + 2)]
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    m = mu[t] * s["m"] / (1 - math.prod(mu)) + (1 - mu[t - 1]) * g / (1 - math.prod(mu[:-1]))
    return w - lr * m / (math.sqrt(s["v"] / (1 - 0.999**t)) + 1e-7)


def adamax(lr, t, g, w, s):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["u"] = max(0.999 * s.get("u", 0), abs(g))
    return w - lr / (1 - 0.9**t) * s["m"] / (s["u"] + 1e-7)


def adagrad(lr, t, g, w, s):
    s["a"] = s.get("a", 0.1) + g * g
    return w - lr * g / math.sqrt(s["a"] + 1e-7)


def adadelta(lr, t, g, w, s):
    s["a"] = 0.95 * s.get("a", 0) + 0.05 * g * g
    d = math.sqrt(s.get("x", 0) + 1e-7) / math.sqrt(s["a"] + 1e-7) * g
    s["x"] = 0.95 * s.get("x", 0) + 0.05 * d * d
    return w - lr * d


def lion(lr, t, g, w, s):
    d = 0.9 * s.get("m", 0) + 0.1 * g
    s["m"] = 0.99 * s.get("m", 0) + 0.01 * g
    return w - math.copysign(lr, d)


def ftrl(lr, t, g, w, s):
    n = s.get("n", 0.1)
    s["n"] = n + g * g
    s["z"] = s.get("z", 0) + g - (math.sqrt(s["n"]) - math.sqrt(n)) / lr * w
    return -s["z"] * lr / math.sqrt(s["n"])


def lamb(lr, t, g, w, s):
    """For one parameter of one number: |w| / |u| u is |w| in the direction of u."""
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    return w - lr * math.copysign(w, s["m"])


def adafactor(lr, t, g, w, s):
    """For one parameter of one number: u is g / sqrt(v), cut to size 1."""
    b = 1 - t**-0.8
    s["v"] = b * s.get("v", 0) + (1 - b) * (g * g + 1e-30)
    u = g / math.sqrt(s["v"])
    return w - min(lr, 1 / math.sqrt(t)) * max(1e-3, abs(w)) * max(-1, min(u, 1))


@pytest.mark.parametrize("rule", [nadam, adamax, adagrad, adadelta, lion, ftrl, lamb, adafactor])
def test_thirty_steps_in_float64(rule):
    start, grads = numbers()
    w, state = float(start[1][0]), {}
    ours = np.array([w])
    optimizer = optimizers.get({"class_name": rule.__name__, "config": {"learning_rate": 0.03}})
    for t in range(STEPS):
        g = float(grads[t][1][0])
        optimizer.apply([np.array([g])], [ours])
        w = rule(0.03, t + 1, g, w, state)
        assert ours[0] == pytest.approx(w, rel=1e-12)


def test_averaging_and_accumulation_by_hand():
    w, optimizer = np.array([1.0]), optimizers.SGD(0.5, use_ema=True, ema_momentum=0.75)
    for g, weight, average in ((2.0, 0.0, 0.0), (-2.0, 1.0, 0.25), (0.0, 1.0, 0.4375)):
        optimizer.apply([np.array([g])], [w])
        assert (w[0], optimizer.average[0]) == (weight, average)
    optimizer.finalize_variable_values()
    assert w[0] == 0.4375

    w, optimizer = np.array([1.0]), optimizers.SGD(0.5, gradient_accumulation_steps=2)
    for g, weight, updates in ((2.0, 1.0, 0), (4.0, -0.5, 1), (1.0, -0.5, 1), (0.0, -0.75, 2)):
        optimizer.apply([np.array([g])], [w])
        assert (w[0], optimizer.iterations) == (weight, updates)
    assert optimizer.total[0] == 0


def test_swapping_weights_and_averages():
    w = np.array([1.0])
    optimizer = optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5)
    with pytest.raises(ValueError, match="nothing was trained yet"):
        optimizer.swap_average()
    for g in (2.0, -4.0):
        optimizer.apply([np.array([g])], [w])
    for there in (True, False):
        optimizer.swap_average()
        assert (w[0], optimizer.average[0]) == ((1.0, 2.0) if there else (2.0, 1.0))
        assert optimizer.average_in_weights is there
    optimizer.swap_average()
    optimizer.finalize_variable_values()  # the average is in its place already, and stays
    assert (w[0], optimizer.average[0], optimizer.average_in_weights) == (1.0, 1.0, False)
    with pytest.raises(ValueError, match="2 parameters, but averages of 1"):
        optimizer.finalize_variable_values([w, w])
    with pytest.raises(ValueError, match="use_ema=True was not set"):
        optimizers.SGD().swap_average()
    optimizers.SGD().finalize_variable_values()  # nothing to do


# ------------------------------------------------------------------------------------ configs


@keras_case
def keras_optimizer_config(keras, name, options):
    optimizer = make(keras.optimizers, name, options)
    return {"json": json.dumps(keras.optimizers.serialize(optimizer))}


@keras_case
def keras_reads_options(keras, text):
    # keras.optimizers.deserialize does not know Lamb
    optimizer = keras.saving.deserialize_keras_object(json.loads(text))
    return {"config": json.dumps(optimizer.get_config()), "class": type(optimizer).__name__}


@pytest.mark.parametrize(("name", "options"), [*RULES, *((n, (*o, *ALL)) for n, o in EVERY)])
def test_configs_are_those_of_keras_and_travel_both_ways(name, options):
    theirs = json.loads(str(keras_optimizer_config(name, options)["json"]))
    optimizer = make(optimizers, name, options)
    ours = optimizers.serialize(optimizer)
    rate = theirs["config"].pop("learning_rate")  # kept in float32
    assert rate == pytest.approx(ours["config"]["learning_rate"], rel=1e-6)
    del theirs["config"]["name"]  # counts the optimizers of the process
    assert ours | {"config": {k: ours["config"][k] for k in theirs["config"]}} == theirs
    assert set(ours["config"]) - set(theirs["config"]) == {"name", "learning_rate"}
    again = optimizers.deserialize(theirs | {"config": {**theirs["config"], "learning_rate": rate}})
    assert again.learning_rate == rate
    assert type(again).from_config(optimizer.get_config()).get_config() == optimizer.get_config()
    back = keras_reads_options(json.dumps(ours))
    assert str(back["class"]) == name
    config = json.loads(str(back["config"]))
    for key, value in ours["config"].items():
        assert config[key] == (pytest.approx(value) if key == "learning_rate" else value)


class Halving(schedules.LearningRateSchedule):
    config_keys = ("start",)

    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        return self.start / 2**step


def test_a_schedule_of_ones_own_travels():
    config = json.loads(json.dumps(optimizers.serialize(optimizers.Nadam(Halving(0.8)))))
    for read in (optimizers.deserialize, optimizers.get):
        assert read(config, {"Halving": Halving}).rate(2) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="pass custom_objects="):
        optimizers.deserialize(config)


def test_a_rate_from_a_function():
    rates = [0.5]
    w, optimizer = np.array([1.0]), optimizers.SGD(lambda: rates[0])
    for rates[0], expected in ((0.5, 0.5), (0.25, 0.25)):
        optimizer.apply([np.ones(1)], [w])
        assert (w[0], optimizer.learning_rate) == (expected, rates[0])
    with pytest.raises(TypeError, match="can't be set"):
        optimizer.learning_rate = 0.1
    with pytest.raises(TypeError, match="can't be serialized"):
        optimizer.get_config()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda o: o.SGD(use_ema=True, ema_momentum=1.5), r"ema_momentum .* \[0, 1\].* 1.5"),
        (lambda o: o.SGD(use_ema=True, ema_overwrite_frequency=0), "overwrite_frequency .* >= 1"),
        (lambda o: o.SGD(ema_overwrite_frequency=2.5), "ema_overwrite_frequency .* 2.5"),
        (lambda o: o.Adam(gradient_accumulation_steps=1), "gradient_accumulation_steps .* >= 2"),
        (lambda o: o.Adam(gradient_accumulation_steps=True), "gradient_accumulation_steps .* True"),
        (lambda o: o.Adam(loss_scale_factor=0), "loss_scale_factor must be a number > 0"),
        (lambda o: o.Lion(beta_1=0), r"beta_1 must be in \(0, 1\], received 0"),
        (lambda o: o.Lion(beta_2=1.0), "beta_2"),
        (lambda o: o.Nadam(beta_1=1.0), "Nadam: beta_1"),
        (lambda o: o.Adamax(epsilon=-1), "Adamax: epsilon"),
        (lambda o: o.Adagrad(initial_accumulator_value=-1), "initial_accumulator_value"),
        (lambda o: o.Adadelta(rho=1), "Adadelta: rho"),
        (lambda o: o.Ftrl(learning_rate_power=0.5), "learning_rate_power"),
        (lambda o: o.Ftrl(l1_regularization_strength=-0.5), "l1_regularization_strength"),
        (lambda o: o.Lamb(beta_2="x"), "Lamb: beta_2"),
        (lambda o: o.Adafactor(beta_2_decay=0.5), "beta_2_decay must be < 0"),
        (lambda o: o.Adafactor(clip_threshold=0), "clip_threshold must be > 0"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build(optimizers)


# ---------------------------------------------------------------------------------- variables


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_variables_hand_everything_on(name, options):
    """A second optimizer that is given the first one's variables goes on as the first does."""
    _, grads = numbers()
    first, second = (make(optimizers, name, (*options, *ALL)) for _ in range(2))
    ours, others = parameters("float64"), parameters("float64")
    for t in range(7):
        first.apply(grads[t], ours)
    second.build(others)
    second.learning_rate = 0.9  # is among the variables
    for p, q in zip(ours, others, strict=True):
        q.assign(p.numpy())
    second.set_weights([v.numpy() for v in first.variables])
    for t in range(7, 20):
        first.apply(grads[t], ours)
        second.apply(grads[t], others)
    for p, q in zip(ours, others, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    assert first.iterations == second.iterations == 6


def test_variables_that_do_not_fit_change_nothing():
    optimizer = optimizers.Nadam(0.1)
    assert [v.path for v in optimizer.variables] == ["nadam/iteration", "nadam/learning_rate"]
    ps = [Parameter(np.ones(s), n) for s, n in zip(SHAPES, NAMES, strict=True)]
    optimizer.apply([np.ones(s) for s in SHAPES], ps)
    before = [v.numpy() for v in optimizer.variables]
    for wrong, message in (
        (before[:-1], r"expected 9 arrays \(iteration, learning_rate, .*received 8"),
        ([*before[:2], np.ones(4), *before[3:]], r"kernel_momentum has shape \(4, 3\), received"),
        ([before[0] + 5, *before[1:]], "u_product is .* after 6 updates"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.set_weights(wrong)
        for v, a in zip(optimizer.variables, before, strict=True):
            np.testing.assert_array_equal(v, a)
    with pytest.raises(ValueError, match=r"expected an array of shape \(4, 3\)"):
        optimizer.variables[2].assign(np.ones(3))
    scheduled = optimizers.SGD(schedules.CosineDecay(0.1, 5))
    assert [v.path for v in scheduled.variables] == ["sgd/iteration"]


def test_options_that_change_after_the_first_step():
    for option, value in (("use_ema", True), ("gradient_accumulation_steps", 2)):
        w, optimizer = np.ones(2), optimizers.SGD(0.5)
        optimizer.apply([np.ones(2)], [w])
        setattr(optimizer, option, value)
        with pytest.raises(RuntimeError, match="changed after the first step"):
            optimizer.apply([np.ones(2)], [w])
        np.testing.assert_array_equal(w, [0.5, 0.5])
