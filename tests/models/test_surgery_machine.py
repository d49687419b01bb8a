"""Random surgery on models: whatever is done to one, the devices agree, and its file loads.

Hypothesis makes up sequences of calls and of changes to a model's attributes. Each is done to two
models that were made alike, one on "reference" and one on "cpu". Both return the same, or raise the
same kind of error with words in it; afterwards both have the same weights and predict the same.
"""

import pathlib
import tempfile

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import tinynet
from tinynet import Sequential, activations, layers, models, optimizers
from tinynet.layers import Dense, Input, Layer

D, ROWS = 4, 24
DEVICES = ("reference", "cpu")
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(ROWS, D))
WIDE = GENERATOR.normal(size=(ROWS, 64))  # targets for up to so many outputs
CLEAR = (ValueError, TypeError, RuntimeError, AttributeError)


class Block(Layer):
    """Holds a list of layers, which may change."""

    def __init__(self, hidden=(), **options):
        super().__init__(**options)
        self.hidden = [layers.deserialize(c) if isinstance(c, dict) else c for c in hidden]

    def call(self, x, training=False):
        for layer in self.hidden:
            x = layer(x, training=training) if isinstance(layer, layers.Dropout) else layer(x)
        return x

    def get_config(self):
        return {**super().get_config(), "hidden": [layers.serialize(one) for one in self.hidden]}


def rectified():
    """A Dense(3, "relu") off its kink for inputs of 0: a bias that BatchNormalization takes away
    again moves by the rounding alone."""
    return Dense(3, "relu", bias_initializer=tinynet.initializers.Constant(0.1))


MAKERS = {
    "dense": lambda n: Dense(1 + n % 5),
    "tanh": lambda n: Dense(1 + n % 5, "tanh", kernel_regularizer="l2"),
    "softmax": lambda n: Dense(2 + n % 3, "softmax", use_bias=bool(n % 2)),
    "glu": lambda n: Dense(2 + 2 * (n % 2), "glu"),
    "penalized": lambda n: Dense(3, activity_regularizer="l2", kernel_constraint="max_norm"),
    "dropout": lambda n: layers.Dropout(n % 10 / 10, seed=n),
    "noise": lambda n: layers.GaussianNoise(n % 10 / 10, seed=n),
    "batch": lambda n: layers.BatchNormalization(),
    "norm": lambda n: layers.LayerNormalization(),
    "prelu": lambda n: layers.PReLU(),
    "relu": lambda n: layers.ReLU(),
    "reshape": lambda n: layers.Reshape((-1, 1 + n % 2)),
    "flatten": lambda n: layers.Flatten(),
    "block": lambda n: Block([rectified(), layers.Dropout(0.5, seed=n)]),
    "stack": lambda n: Sequential([rectified(), layers.BatchNormalization()]),
}
VALUES = {
    "units": [1, 3, 7, 64, 0, "x"],
    "activation": ["relu", "softmax", "linear", "glu", None],
    "rate": [0.0, 0.5, 1.0, 2.0],
    "stddev": [0.0, 0.5],
    "trainable": [True, False],
    "momentum": [0.5],
    "epsilon": [0.1],
    "axis": [-1, 1, 2, 7],
    "use_bias": [True, False],
    "target_shape": [(-1, 3), (2,), (-1,)],
    "needs_dx": [True, False],
    "built": [True],
    "dtype": ["float32", "float64"],
}
MUTATIONS = ["append", "pop", "reverse", "clear", "tuple"]
KINDS, numbers = st.sampled_from(sorted(MAKERS)), st.integers(0, 30)


def parts_of(model):
    return [model, *model.parts()]


class Surgery(RuleBasedStateMachine):
    @initialize(seed=numbers, kinds=st.lists(KINDS, max_size=3), with_input=st.booleans(),
                optimizer=st.sampled_from(["sgd", "adam", "rmsprop"]))  # fmt: skip
    def start(self, seed, kinds, with_input, optimizer):
        self.number, self.models, self.before = seed, None, tinynet.config.floatx()
        tinynet.config.set_floatx("float64")

        def make(_):
            stack = [MAKERS[kind](seed + i) for i, kind in enumerate(kinds)]
            stack = [Input((D,))] * with_input + stack + [Dense(2)]
            return Sequential(stack)

        self.models = [None, None]
        self.replace(make)
        self.both(self.compiler(optimizer))

    def teardown(self):
        if getattr(self, "before", None):
            tinynet.config.set_floatx(self.before)

    # ------------------------------------------------------------------------ doing things twice

    def compiler(self, optimizer=None):
        def compiled(model, device):
            chosen = optimizer or model.optimizer
            chosen = optimizers.get(chosen) if isinstance(chosen, str) else chosen
            model.compile(chosen, "mse", metrics=["mae"], device=device)

        return compiled

    def both(self, action, devices=DEVICES):
        """Do something to both models; returns the results, or None where both raised."""
        self.number += 1
        results = []
        for model, device in zip(self.models, devices, strict=True):
            tinynet.utils.set_random_seed(self.number)
            try:
                results.append(action(model, device))
            except CLEAR as error:
                results.append(error)
        assert all(len(str(one)) > 10 for one in results if isinstance(one, Exception))
        errors = [isinstance(one, Exception) for one in results]
        if any(errors):
            assert all(errors), results
            assert type(results[0]) is type(results[1]), results
            return None
        return results

    def replace(self, action):
        """Put what the action returns in the models' place, if it works."""
        made = self.both(lambda model, device: action(model))
        if made is not None:
            self.models = made

    def agree(self, action):
        results = self.both(action)
        if results is not None:
            for a, b in zip(*map(np.atleast_1d, results), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)

    def targets(self, model, rows):
        shape = model.output_shape
        if shape is None or None in shape[1:]:
            return WIDE[:rows, :2]
        size = int(np.prod(shape[1:]))
        return np.resize(WIDE, (rows, size)).reshape(rows, *shape[1:])

    # ---------------------------------------------------------------------------------- surgery

    @rule(kind=KINDS, n=numbers)
    def add(self, kind, n):
        self.both(lambda model, device: model.add(MAKERS[kind](n)))

    @rule()
    def pop(self):
        self.both(lambda model, device: bool(model.pop()))

    @rule(where=numbers, name=st.sampled_from(sorted(VALUES)), which=numbers)
    def change(self, where, name, which):
        value = VALUES[name][which % len(VALUES[name])]
        if name == "activation":
            value = activations.get(value)

        def action(model, device):
            found = [p for p in model.leaves() if hasattr(p, name)]
            if found:
                setattr(found[where % len(found)], name, value)

        self.both(action)

    @rule(
        where=numbers,
        how=st.sampled_from(["append", "pop", "reverse", "clear", "tuple"]),
        n=numbers,
    )
    def mutate(self, where, how, n):
        def action(model, device):
            model.layers.reverse()  # a copy
            blocks = [p for p in parts_of(model) if isinstance(p, Block)]
            if not blocks:
                return
            block = blocks[where % len(blocks)]
            if how == "tuple":
                block.hidden = tuple(block.hidden)
            elif isinstance(block.hidden, tuple):
                block.hidden = list(block.hidden)
            elif how == "append":
                block.hidden.append(Dense(1 + n % 4, "tanh"))
            elif how != "pop" or block.hidden:
                getattr(block.hidden, how)()

        self.both(action)

    @rule(where=numbers, factor=st.sampled_from([0.0, 0.5, 1.0]))
    def assign(self, where, factor):
        def action(model, device):
            parts = [p for p in parts_of(model) if p.weights]
            if parts:
                part = parts[where % len(parts)]
                part.set_weights([w * factor + 0.01 for w in part.get_weights()])

        self.both(action)

    @rule()
    def nest(self):
        self.replace(lambda model: Sequential([Input((D,)), model, Dense(2)]))
        self.both(self.compiler("adam"))

    @rule(count=st.integers(1, 2))
    def share(self, count):
        """Train another model with some of the layers."""

        def action(model, device):
            other = Sequential([Input((D,)), *model.layers[:count], layers.Flatten(), Dense(2)])
            other.compile("sgd", "mse", device=device)
            other.fit(X, WIDE[:, :2], verbose=0)

        self.both(action)

    @rule(optimizer=st.sampled_from([None, "sgd", "adam"]), swapped=st.booleans())
    def compile(self, optimizer, swapped):
        if swapped:
            self.both(self.compiler(optimizer), DEVICES[::-1])
            self.agree(lambda model, device: model.predict(X, verbose=0).ravel())
        self.both(self.compiler(optimizer))

    # ---------------------------------------------------------------------------------- its use

    @rule(rows=st.integers(1, ROWS), batch=st.integers(1, 10), shuffle=st.booleans())
    def fit(self, rows, batch, shuffle):
        self.agree(lambda model, device: model.fit(
            X[:rows], self.targets(model, rows), batch_size=batch, epochs=2, shuffle=shuffle,
            verbose=0).history["loss"])  # fmt: skip

    @rule(rows=st.integers(1, ROWS))
    def train_on_batch(self, rows):
        self.agree(lambda model, device: model.train_on_batch(X[:rows], self.targets(model, rows)))

    @rule(rows=st.integers(1, ROWS), batch=st.integers(1, 10))
    def evaluate(self, rows, batch):
        self.agree(lambda model, device: model.evaluate(
            X[:rows], self.targets(model, rows), batch_size=batch, verbose=0))  # fmt: skip

    @rule(rows=st.integers(1, ROWS), batch=st.integers(1, 10))
    def predict(self, rows, batch):
        self.agree(lambda model, device: model.predict(
            X[:rows], batch_size=batch, verbose=0).ravel())  # fmt: skip
        self.agree(lambda model, device: model.predict_on_batch(X[:batch]).ravel())

    @rule(training=st.booleans())
    def call(self, training):
        self.agree(lambda model, device: model(X, training=training).ravel())

    @rule()
    def gradients(self):
        def action(model, device):
            found = model.gradients(X, self.targets(model, ROWS))
            return np.concatenate([g.ravel() for g in found.values()]) if found else 0.0

        self.agree(action)

    # ------------------------------------------------------------------------------ files, copies

    @rule(suffix=st.sampled_from([".keras", ".h5"]))
    def save_and_load(self, suffix):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / f"m{suffix}"

            def action(model):
                model.save(path)
                y = model.predict(X, verbose=0) if model.built else None
                try:
                    again = models.load_model(path, custom_objects={"Block": Block})
                except ValueError as error:
                    raise AssertionError("what was saved can't be loaded") from error
                if y is not None:
                    np.testing.assert_allclose(again.predict(X, verbose=0), y, rtol=1e-6, atol=1e-9)
                return again

            self.replace(action)
        self.both(self.compiler())

    @rule(suffix=st.sampled_from([".weights.h5", ".npz", ".h5"]))
    def save_weights(self, suffix):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / f"m{suffix}"

            def action(model, device):
                before = model.get_weights()
                model.save_weights(path)
                model.set_weights([w * 0 for w in before])
                model.load_weights(path)
                for a, b in zip(model.get_weights(), before, strict=True):
                    np.testing.assert_array_equal(a, b)

            self.both(action)

    @rule()
    def clone(self):
        def action(model):
            again = type(model).from_config(model.get_config(), {"Block": Block})
            if model.built and again.built:
                again.set_weights(model.get_weights())
            return again

        self.replace(action)
        self.both(self.compiler("sgd"))

    # ---------------------------------------------------------------------------------- always

    @invariant()
    def they_agree(self):
        if self.models is None or self.models[0] is None:
            return
        a, b = self.models
        assert (a.built, a.input_shape, a.output_shape) == (b.built, b.input_shape, b.output_shape)
        for p, q in zip(a.weights, b.weights, strict=True):
            assert p.trainable == q.trainable
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-6, atol=1e-8)
        if a.built:  # a batch as before the rule, and one as just before
            for _ in range(2):
                self.agree(lambda model, device: model.predict_on_batch(X).ravel())
            self.agree(lambda model, device: model.predict(X, verbose=0).ravel())
            self.agree(lambda model, device: model.predict_on_batch(X).ravel())


def run(examples):
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Surgery, settings=settings(
        max_examples=examples, stateful_step_count=15, deadline=None, print_blob=True,
        derandomize=examples < 100,  # the slow test draws others every time
        suppress_health_check=list(HealthCheck)))  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.usefixtures("two_threads")
def test_random_surgery():
    run(40)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.usefixtures("two_threads")
def test_a_lot_of_random_surgery():
    run(2000)
