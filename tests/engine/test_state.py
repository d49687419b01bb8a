"""State: a part says what it remembers, and whatever goes on from it ends with the same bits."""

import ast
import inspect
import json
import textwrap

import numpy as np
import pytest
import resume_runs as runs
from crashed_runs import Crash, every

import tinynet
from tinynet import layers, models
from tinynet.core.state import pack, unpack
from tinynet.inspecting.untouched import untouched
from tinynet.kernels import DEVICES

X, IDS, REAL = runs.X, runs.IDS, runs.REAL


class Drawing(layers.Layer):
    """Counts its training steps, and scales by a number that its own generator draws."""

    def __init__(self, **options):
        super().__init__(**options)
        self.random, self.count = np.random.default_rng(5), 0

    def forward(self, x, training=False):
        if training:
            self.count += 1
        self.saved = 1 + self.random.normal() / 10 + (0.1 if self.count % 3 == 0 else 0)
        return x * np.float32(self.saved)

    def backward(self, dy):
        return dy * np.float32(self.saved)

    def get_state(self):
        return {**super().get_state(), "count": self.count}

    def set_state(self, state):
        super().set_state(state)
        self.count = state["count"]


def build(device="reference", extra=(), units=5, seed=1):
    tinynet.utils.set_random_seed(seed)
    model = tinynet.Sequential([
        layers.Input((6,)), layers.Dense(units, "tanh"), layers.BatchNormalization(), *extra,
        layers.Dropout(0.3), layers.Dense(3, "softmax"),
    ])  # fmt: skip
    rule = tinynet.optimizers.Adam(0.02, use_ema=True, gradient_accumulation_steps=2)
    model.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"], device=device)
    return model


def steps(model, count):
    """Train on batches of 7 rows; the logs of each step."""
    return [model.train_on_batch(X[i : i + 7], IDS[i : i + 7]) for i in range(count)]


def written(state):
    """The state as it comes back from a file."""
    arrays = []
    return unpack(json.loads(json.dumps(pack(state, arrays))), arrays)


@pytest.mark.parametrize("device", DEVICES, indirect=True)
def test_another_model_goes_on_from_a_state_to_the_same_bits(device):
    first = build(device)
    steps(first, 5)
    first.optimizer.learning_rate = 0.01
    state = written(first.get_state())
    expected = steps(first, 4)
    other = build(device, seed=2)  # it was never trained, and draws other masks
    other.set_state(state)
    assert other.steps_taken == 5
    assert steps(other, 4) == expected
    for a, b in zip(other.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert other.optimizer.learning_rate == 0.01
    first.set_state(state)  # and back, as often as one likes
    assert steps(first, 4) == expected


def test_metrics_and_orders_are_in_the_state():
    first, other = build(), build(seed=2)
    first.fit(X, IDS, batch_size=8, epochs=2, verbose=0)
    other.set_state(written(first.get_state()))
    assert other.logs() == first.logs()
    histories = [m.fit(X, IDS, batch_size=8, verbose=0).history for m in (first, other)]
    assert histories[0] == histories[1]


def test_the_state_of_another_model_is_refused_and_nothing_changes():
    model = build()
    steps(model, 3)
    before = repr(written(model.get_state()))
    wider, deeper = build(units=6), build(extra=[layers.Dense(5)])
    plain = build()
    plain.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for other, message in (
        (wider, r"kernel: expected shape \(6, 5\), received \(6, 6\)"),
        (deeper, "has 4 layers, the state is of 5"),
        (plain, "expected .* arrays"),
    ):
        steps(other, 1)
        with pytest.raises(ValueError, match=message):
            model.set_state(other.get_state())
        assert repr(written(model.get_state())) == before


@pytest.mark.parametrize("batch", [4, 9, 17])
def test_a_layer_of_ones_own_says_what_it_remembers(tmp_path, batch):
    def run(*callbacks):
        model = build(extra=[Drawing()])
        fit = model.fit(X, IDS, 9, 3, 0, list(callbacks))
        return model.get_weights(), fit.history, model.layers[2].count

    weights, history, count = run()
    with pytest.raises(RuntimeError, match="crash"):
        run(every(tmp_path), Crash(batch))
    found, again, steps_seen = run(every(tmp_path), Crash(10**9))
    for a, b in zip(found, weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (again, steps_seen) == (history, count) == (history, 30)


def test_untouched_in_the_middle_of_fit_and_with_layers_that_were_exchanged():
    class Look(tinynet.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            with untouched(self.model):
                self.model.layers[2].random = np.random.default_rng(6)
                self.model.fit(X, IDS, verbose=0)
                self.model.evaluate(X, IDS, verbose=0)
                tinynet.utils.set_random_seed(8)
            assert self.model.course is not None

    weights = []
    for callbacks in ([], [Look()]):
        model = build(extra=[Drawing()])
        history = model.fit(X, IDS, batch_size=30, epochs=2, verbose=0, callbacks=callbacks)
        assert history.epoch == [0, 1]
        assert model.course is None
        weights.append([*model.get_weights(), np.array(tinynet.random.draw_seed())])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_fit_reads_as_the_algorithm():
    tree = ast.parse(textwrap.dedent(inspect.getsource(models.Model.fit)))
    (function,) = tree.body
    text = function.body[0]
    assert isinstance(text.value, ast.Constant)
    lines = len(inspect.getsource(models.Model.fit).splitlines())
    assert lines - (text.end_lineno - text.lineno + 1) < 40
    assert sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 2 <= 16
