"""`train_step` is the only list of what a step does: a subclass changes it for every device.

What a changed step must come to is known from a plain model that is told to do the same by other
means: twice the gradient is SGD at twice the rate, a clipped one is SGD with clipvalue.
"""

import contextlib
import pathlib

import fake_cupy
import numpy as np
import pytest

import tinynet
from tinynet import Sequential, optimizers, regularizers
from tinynet.layers import Dense, Dropout, Input

N, D, C = 20, 5, 3
ROOT = pathlib.Path(tinynet.__file__).parent
RECORDED = "recorded once and replayed"
ON_DEVICES = pytest.mark.parametrize("on", ["reference", "cpu", "gpu"])  # gpu: the stand-in


def as_if_of_tinynet(cls):
    """A class whose steps may be recorded: its methods compute with nothing but kernels."""
    cls.__module__ = "tinynet.models.changed"
    return cls


@as_if_of_tinynet
class TwiceTheGradient(Sequential):
    def train_step(self, x, y, w):
        self.compute_gradients(x, y, w)
        self.context.ops.scale_(2.0, x=self.flat.grads)
        self.update()


@as_if_of_tinynet
class ClippedGradient(Sequential):
    def compute_gradients(self, x, y, w, training=True):
        super().compute_gradients(x, y, w, training)
        self.context.ops.clip_by_value(0.01, g=self.flat.grads)


@as_if_of_tinynet
class HalfTheGradient(optimizers.SGD):
    def step(self, w, g, context=None):
        self.ops.scale_(0.5, x=g)
        super().step(w, g, context)


@as_if_of_tinynet
class OneMore(Sequential):
    def test_step(self, x, y, w):
        super().test_step(x, y, w)
        self.context.add_loss(w)  # the shares of the rows are 1 together

    def predict_step(self, x):
        y = super().predict_step(x)
        doubled = self.context.empty(y.shape, y.dtype)
        self.context.ops.affine(y, 2.0, 0.0, y=doubled)
        return doubled


class OfOnesOwn(Sequential):
    def train_step(self, x, y, w):
        self.compute_gradients(x, y, w)
        self.flat.grads *= 2
        self.update()


def trained(device, cls=Sequential, optimizer=None, change=lambda model: None):
    """What a model of class `cls` holds after two epochs: (weights, losses, model)."""
    tinynet.utils.set_random_seed(1)
    rng = np.random.Generator(np.random.PCG64(3))
    x, y = rng.normal(size=(N, D)), np.arange(N) % C
    card = fake_cupy.in_place_of_a_card() if device == "gpu" else contextlib.nullcontext()
    with card:
        hidden = Dense(4, "relu", kernel_regularizer=regularizers.L2(0.1), dtype="float64")
        last = Dense(C, "softmax", dtype="float64")
        model = cls([Input((D,), dtype="float64"), hidden,
                     Dropout(0.2, seed=3, dtype="float64"), last])  # fmt: skip
        model.compile(optimizer or optimizers.SGD(0.125), "sparse_categorical_crossentropy",
                      device=device)  # fmt: skip
        change(model)
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]
        measured = model.evaluate(x, y, batch_size=8, verbose=0)
        outputs = model.predict(x, verbose=0)
        weights = np.concatenate([w.ravel() for w in model.get_weights()])
        return weights, [*history, measured], outputs, model.explain_execution()


def same(got, expected, rtol=1e-10):
    for a, b in zip(got[:3], expected[:3], strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


CHANGED = {
    "twice": ({"cls": TwiceTheGradient}, {"optimizer": lambda: optimizers.SGD(0.25)}),
    "clipped": ({"cls": ClippedGradient},
                {"optimizer": lambda: optimizers.SGD(0.125, clipvalue=0.01)}),
    "half, in the optimizer": ({"optimizer": lambda: HalfTheGradient(0.125)},
                               {"optimizer": lambda: optimizers.SGD(0.0625)}),
}  # fmt: skip


def made(options):
    return {key: value() if key == "optimizer" else value for key, value in options.items()}


@ON_DEVICES
@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_step_trains_with_the_change_on_every_device(name, on):
    changed, plain = CHANGED[name]
    got = trained(on, **made(changed))
    same(got, trained("reference", **made(plain)))
    assert not np.allclose(got[0], trained("reference")[0], rtol=1e-4)
    assert got[3] == ('eagerly, kernel by kernel: device "reference"' if on == "reference" else
                      RECORDED)  # fmt: skip


@ON_DEVICES
def test_changed_steps_of_evaluate_and_predict(on):
    weights, losses, outputs, how = trained(on, OneMore)
    plain = trained("reference")
    same((weights, losses[:2], outputs), (plain[0], plain[1][:2], 2 * plain[2]))
    assert losses[2] == pytest.approx(plain[1][2] + 1, rel=1e-10)
    assert on == "reference" or how == RECORDED


@ON_DEVICES
def test_a_step_of_ones_own_runs_eagerly_and_says_so(on):
    got = trained(on, OfOnesOwn)
    same(got, trained("reference", optimizer=optimizers.SGD(0.25)))
    if on != "reference":
        assert "(OfOnesOwn) is not one of tinynet's own" in got[3]


def test_a_step_exchanged_on_the_object_alone_runs_eagerly_and_says_so():
    def exchange(model):
        inner = model.train_step

        def train_step(x, y, w):
            inner(x, y, w)
            model.flat.trainable[...] = 0.5

        model.train_step = train_step

    got = trained("cpu", change=exchange)
    assert (got[0] == 0.5).all()
    assert got[3].startswith("eagerly; train: ")
    assert "has a train_step of its own" in got[3]


@pytest.mark.parametrize(
    "call",
    ["self.loss.forward(", "self.loss.backward(", "optimizer.step(", "self.collect(",
     "self.descend", "ops.penalty_grad("],
)  # fmt: skip
def test_no_second_list_of_the_same_calls(call):
    found = [p for p in ROOT.rglob("*.py") for _ in range(p.read_text().count(call))]
    assert len(found) == 1, found
