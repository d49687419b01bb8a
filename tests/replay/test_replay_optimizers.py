"""Recorded updates against the same updates made one by one: rules, options, constraints."""

import numpy as np
import pytest
from replay_runs import C, N, agree, data, labels, maker, small

import tinynet
from tinynet import constraints, layers, optimizers
from tinynet.callbacks import SwapEMAWeights
from tinynet.optimizers import schedules

EMA = {"use_ema": True, "ema_momentum": 0.7}
RULES = {
    "nadam": lambda **o: optimizers.Nadam(0.01, **o),
    "adamax": lambda **o: optimizers.Adamax(0.01, **o),
    "schedule_free": lambda **o: optimizers.ScheduleFreeAdamW(0.01, warmup_steps=3, **o),
    "muon": lambda **o: optimizers.Muon(0.01, **{"weight_decay": None, **o}),
    "adagrad": lambda **o: optimizers.Adagrad(0.05, **o),
    "adadelta": lambda **o: optimizers.Adadelta(0.5, **o),
    "lion": lambda **o: optimizers.Lion(0.003, **o),
    "ftrl": lambda **o: optimizers.Ftrl(0.05, l1_regularization_strength=0.001, beta=0.1, **o),
    "lamb": lambda **o: optimizers.Lamb(0.01, **o),
    "adafactor": lambda **o: optimizers.Adafactor(0.05, **o),
}
OPTIONS = {
    "averaged": EMA,
    "averaged, overwritten": {**EMA, "ema_overwrite_frequency": 3},
    "accumulated": {"gradient_accumulation_steps": 3, "clipnorm": 0.1},
    "scaled": {"loss_scale_factor": 7.0, "clipvalue": 0.01},
    "all": {
        **EMA, "ema_overwrite_frequency": 2, "gradient_accumulation_steps": 2,
        "loss_scale_factor": 0.5, "global_clipnorm": 0.2, "weight_decay": 0.1,
    },
}  # fmt: skip
LIMITS = {
    "columns": lambda: [
        layers.Dense(17, kernel_constraint=constraints.MaxNorm(0.6), bias_constraint="non_neg"),
        layers.Dense(C, "softmax", kernel_constraint="unit_norm"),
    ],
    "rows": lambda: [
        layers.Dense(17, kernel_constraint=constraints.MaxNorm(0.6, axis=1)),
        layers.Dense(C, "softmax", kernel_constraint=constraints.UnitNorm(axis=[0, 1])),
    ],
    "others": lambda: [
        layers.Dense(300, kernel_constraint=constraints.MinMaxNorm(0.2, 0.5, 0.3)),
        layers.BatchNormalization(gamma_constraint="non_neg", beta_constraint="max_norm"),
        layers.PReLU(alpha_constraint=constraints.MinMaxNorm(0.1, 0.3)),
        layers.Dense(C, "softmax", bias_constraint=constraints.MaxNorm(0.01)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("batch_size", [8, 300])
@pytest.mark.parametrize("name", RULES)
def test_each_rule(name, batch_size):
    rows = N if batch_size < 100 else 310
    # the sign that Lion takes of a gradient of 0, a unit that is off, must not come from rounding
    make = maker(lambda: small("tanh"), optimizer=RULES[name])
    recorded = name != "muon"  # it computes with NumPy
    agree(make, data(rows), labels(rows), batch_size=batch_size, recorded=recorded)


@pytest.mark.parametrize(
    ("dtype", "batch_size"), [("float64", 4), ("float32", 4), ("float64", 150)]
)
@pytest.mark.parametrize("options", OPTIONS)
def test_options(options, dtype, batch_size):
    rows = N if batch_size < 100 else 310
    for rule in (lambda: optimizers.Adam(0.01, **OPTIONS[options]),
                 lambda: RULES["lamb"](**OPTIONS[options]),
                 lambda: RULES["adafactor"](**OPTIONS[options])):  # fmt: skip
        make = maker(lambda: small("tanh"), optimizer=rule, dtype=dtype)
        agree(make, data(rows), labels(rows), dtype, epochs=3, batch_size=batch_size)


def test_a_penalty_is_scaled_with_the_loss():
    """A scale is undone before the update: with and without it the run is the same."""

    def layers_():
        return [layers.Dense(4, "tanh", kernel_regularizer="l1_l2"), layers.Dense(C, "softmax")]

    results = [
        agree(maker(layers_, optimizer=lambda o=o: optimizers.SGD(0.1, **o)), data(), labels())
        for o in ({}, {"loss_scale_factor": 1024.0})
    ]
    for name, value in results[0].items():
        np.testing.assert_allclose(results[1][name], value, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [3, 150])
@pytest.mark.parametrize("limits", LIMITS)
def test_constraints(limits, batch_size, threads, monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", str(threads))
    make = maker(LIMITS[limits], optimizer=lambda: optimizers.SGD(0.05, momentum=0.5))
    rows = 310 if batch_size > 100 else N
    agree(make, data(rows), labels(rows), batch_size=batch_size)


def test_constraints_with_all_options():
    make = maker(LIMITS["columns"], optimizer=lambda: optimizers.Adam(0.02, **OPTIONS["all"]))
    agree(make, data(), labels(), batch_size=3)


def test_a_long_stretch_is_one_replay(monkeypatch):
    """Accumulation and averaging need no coming back to Python in between."""
    lengths = []
    inner = tinynet.engine.record.Program.run

    def run(self, x, index, *args, **kwargs):
        lengths.append(len(index) // self.rows)
        return inner(self, x, index, *args, **kwargs)

    monkeypatch.setattr(tinynet.engine.record.Program, "run", run)
    monkeypatch.setattr(tinynet.engine.replay, "SECONDS_PER_CALL", 10.0)
    model = maker(small, optimizer=lambda: optimizers.Adam(0.01, **OPTIONS["all"]))(device="cpu")
    model.fit(data(200), labels(200), batch_size=4, epochs=2, verbose=0)
    assert max(lengths) >= 49
    assert (model.optimizer.step_number, model.optimizer.iterations) == (100, 50)


class Clipped(constraints.Constraint):
    """One of the user's own."""

    def __call__(self, w):
        return np.clip(w, -0.2, 0.2)


@pytest.mark.parametrize("constraint", [Clipped(), lambda w: np.clip(w, -0.2, 0.2)])
def test_a_constraint_of_ones_own_runs_eagerly(constraint):
    def layers_():
        return [
            layers.Dense(4, "tanh", kernel_constraint=constraint), layers.Dense(C, "softmax")
        ]  # fmt: skip

    make = maker(layers_)
    agree(make, data(), labels(), recorded=False)
    model = make(device="cpu")
    model.fit(data(), labels(), verbose=0)
    assert np.abs(model.layers[0].kernel).max() == 0.2
    assert "is not one of tinynet's own" in model.explain_execution()


def test_axes_that_are_not_neighbours_run_eagerly():
    model = maker(small)(device="cpu")
    model.layers[0].kernel.constraint = constraints.MaxNorm()
    model.fit(data(), labels(), verbose=0)
    assert model.explain_execution() == "recorded once and replayed"
    p = tinynet.Parameter(np.ones((2, 3, 2)), constraint=constraints.MaxNorm(1, axis=[0, 2]))
    tinynet.optimizers.SGD().build([p], tinynet.core.devices.load_ops("cpu")).step(
        p.value.reshape(-1), np.zeros(12)
    )
    np.testing.assert_allclose(p.value, np.full((2, 3, 2), 0.5), rtol=1e-6)


def test_changes_between_two_fits_are_noticed():
    """A recording knows of the constraints and options that it was made with."""
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = maker(small, optimizer=lambda: optimizers.Nadam(0.02, use_ema=True))(device=device)
        for change in range(4):
            model.fit(data(), labels(), batch_size=8, verbose=0)
            if change == 0:
                model.layers[0].kernel.constraint = constraints.MaxNorm(0.5)
            elif change == 1:
                model.layers[0].kernel.constraint.max_value = 0.3
                model.optimizer.ema_overwrite_frequency = 2
            else:
                model.optimizer.beta_1, model.optimizer.ema_momentum = 0.5, 0.4
        results.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(*results, rtol=1e-9)


class Halving(schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1 / 2 ** (step // 3)


def test_a_schedule_of_ones_own_is_replayed():
    agree(maker(small, optimizer=lambda: optimizers.Nadam(Halving())), data(), labels())


def test_swapped_averages_in_a_replay():
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = maker(small, optimizer=lambda: optimizers.Adam(0.05, **EMA))(device=device)
        history = model.fit(
            data(), labels(), batch_size=8, epochs=3, verbose=0,
            validation_data=(data()[:7], labels()[:7]), callbacks=[SwapEMAWeights()],
        )  # fmt: skip
        results.append((history.history["val_loss"], model.predict(data(), verbose=0)))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("options", [None, *OPTIONS])
@pytest.mark.parametrize("name", RULES)
def test_the_numbers_of_many_steps_are_those_of_each(name, options):
    rule = RULES[name](**OPTIONS.get(options, {}))
    rule.learning_rate = schedules.ExponentialDecay(0.1, 3, 0.5)
    rule.build([])
    rows = rule.scalars_of_steps(range(5, 9))
    assert rows == [tuple(rule.step_scalars(step).values()) for step in (5, 6, 7, 8)]
    assert len(set(rows)) == 4
    rule.use_ema = not rule.use_ema
    with pytest.raises(RuntimeError, match="use_ema was changed after the first step"):
        rule.scalars_of_steps(range(1))
