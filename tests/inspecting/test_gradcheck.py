"""The gradient checker: accepts all that tinynet has, and finds what is wrong by 0.1 %."""

import ast
import pathlib

import numpy as np
import pytest

import tinynet
from tinynet import activations, gradcheck, layers, losses
from tinynet.inspecting.gradient_check import GradientError

X = np.random.Generator(np.random.PCG64(1)).normal(size=(5, 4)) * 1.5
CUBE = np.random.Generator(np.random.PCG64(2)).normal(size=(3, 2, 4))
NAMES = [
    "linear", "relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softplus", "softsign",
    "silu", "gelu", "exponential", "hard_sigmoid", "mish", "softmax", "log_softmax",
]  # fmt: skip

LAYERS = [
    *(("Dense", {"units": 3, "activation": name}) for name in NAMES),
    *(("Activation", {"activation": name}) for name in NAMES),
    ("Dense", {"units": 3, "use_bias": False}),
    ("Flatten", {}),
    ("Dropout", {"rate": 0.4, "seed": 1}),
    ("BatchNormalization", {}),
    ("BatchNormalization", {"axis": 1, "scale": False}),
    ("BatchNormalization", {"center": False}),
    ("ReLU", {"negative_slope": 0.1, "max_value": 1.0, "threshold": 0.2}),
    ("LeakyReLU", {}),
    ("ELU", {"alpha": 0.5}),
    ("Softmax", {"axis": 1}),
    ("PReLU", {"alpha_initializer": "random_normal"}),
    ("PReLU", {"alpha_initializer": "random_normal", "shared_axes": [1]}),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("x", [X, CUBE], ids=["matrix", "cube"])
@pytest.mark.parametrize(("name", "options"), LAYERS, ids=str)
def test_every_layer_passes(name, options, x, training):
    layer = getattr(layers, name)(**options, dtype="float64")
    check = gradcheck(layer, x, training=training)
    assert set(check.errors) == {"x", *(p.path for p in layer.trainable_weights)}
    assert max(check.errors.values()) < 1e-6
    assert check.kinks == 0


@pytest.mark.parametrize(("name", "options"), [("gelu", {"approximate": True}),
                                               ("softmax", {"axis": 0})])  # fmt: skip
def test_options_of_activations_pass(name, options):
    f = getattr(activations, name).with_options(**options)
    gradcheck(layers.Activation(f, dtype="float64"), X)


IDS = np.array([0, 3, 1, 1, 2])
ONE_HOT = np.eye(4)[IDS]
SHARES = np.full((5, 4), 0.1) + 0.6 * ONE_HOT
P = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
LOSSES = [
    (losses.SparseCategoricalCrossentropy(), IDS, P),
    (losses.SparseCategoricalCrossentropy(from_logits=True), IDS, X),
    (losses.CategoricalCrossentropy(), ONE_HOT, P),
    (losses.CategoricalCrossentropy(), SHARES, 3 * P),  # rows that sum to 3
    (losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), ONE_HOT, X),
    (losses.CategoricalCrossentropy(from_logits=True), 2 * SHARES, X),
    (losses.BinaryCrossentropy(), ONE_HOT, P),
    (losses.BinaryCrossentropy(label_smoothing=0.2), SHARES, P),
    (losses.BinaryCrossentropy(from_logits=True), SHARES, X),
    (losses.MeanSquaredError(), ONE_HOT, X),
    (losses.MeanSquaredError(reduction="sum"), ONE_HOT, X),
    (losses.MeanAbsoluteError(), ONE_HOT, X),
    (losses.Huber(0.7), ONE_HOT, X),
    (losses.MeanAbsolutePercentageError(), SHARES, X),
    (losses.MeanSquaredLogarithmicError(), SHARES, X),
    (losses.LogCosh(), ONE_HOT, X),
    (losses.CosineSimilarity(), SHARES, X),
    (losses.Hinge(), ONE_HOT, X),
    (losses.SquaredHinge(), 2 * ONE_HOT - 1, X),
    (losses.CategoricalHinge(), ONE_HOT, X),
    (losses.KLDivergence(), SHARES, P),
    (losses.Poisson(), 3 * ONE_HOT, P),
    (losses.BinaryFocalCrossentropy(True, gamma=1.3), SHARES, P),
    (losses.BinaryFocalCrossentropy(from_logits=True), ONE_HOT, X),
    (losses.CategoricalFocalCrossentropy([0.1, 0.2, 0.3, 0.4]), SHARES, P),
    (losses.CategoricalFocalCrossentropy(gamma=0.5, from_logits=True), ONE_HOT, X),
    (losses.SparseCategoricalCrossentropy(ignore_class=1), IDS, P),
]


@pytest.mark.parametrize(("loss", "y", "p"), LOSSES, ids=lambda v: repr(v)[:60])
def test_every_loss_passes(loss, y, p):
    before = p.copy()
    check = gradcheck(loss, y, p)
    assert check.errors["y_pred"] < 1e-6
    assert check.kinks == 0
    np.testing.assert_array_equal(p, before)


def model(*stack, loss="mse", **options):
    built = tinynet.Sequential([layers.Input((4,), dtype="float64"), *stack])
    built.compile("sgd", loss, **options)
    return built


def dense(units, activation=None, **options):
    return layers.Dense(units, activation, dtype="float64", **options)


MODELS = {
    "fused softmax": lambda: (
        model(dense(6, "tanh"), dense(4, "softmax"), loss="sparse_categorical_crossentropy"),
        IDS,
    ),
    "fused sigmoid": lambda: (
        model(dense(6, "gelu"), dense(4, "sigmoid"), loss="binary_crossentropy"),
        ONE_HOT,
    ),
    "softmax in front of mse": lambda: (model(dense(4, "softmax")), ONE_HOT),
    "softmax inside": lambda: (
        model(dense(5, "softmax"), dense(4, "softmax"), loss="categorical_crossentropy"),
        ONE_HOT,
    ),
    "batchnorm, dropout, penalties": lambda: (
        model(
            dense(6, "elu", kernel_regularizer=tinynet.regularizers.L1L2(0.01, 0.02)),
            layers.BatchNormalization(dtype="float64", gamma_regularizer="l2"),
            layers.Dropout(0.3, seed=1, dtype="float64"),
            dense(4, bias_regularizer="l2"),
        ),
        ONE_HOT,
    ),
    "a frozen layer between": lambda: (
        model(dense(6, "tanh"), dense(5, "silu", trainable=False), dense(4)),
        ONE_HOT,
    ),
    "activation layers": lambda: (
        model(
            dense(6),
            layers.PReLU(dtype="float64"),
            dense(4),
            layers.Softmax(dtype="float64"),
            loss="sparse_categorical_crossentropy",
        ),
        IDS,
    ),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("which", MODELS)
def test_models_pass(which, training):
    built, y = MODELS[which]()
    before = built.get_weights()
    x = X.copy()
    check = gradcheck(built, x, y, training=training)
    assert set(check.errors) == {p.path for p in built.trainable_weights}
    assert max(check.errors.values()) < 1e-6
    for now, then in zip(built.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(x, X)


# ---------------------------------------------------------------------------------- what is wrong


class Correct(layers.Layer):
    """y = tanh(x W) and its true backward; the others below each get one thing wrong."""

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], input_shape[-1]), name="kernel")

    def forward(self, x, training=False):
        y = np.tanh(x @ self.kernel.value)
        self.saved = (x, y)
        return y

    def backward(self, dy):
        x, y = self.recall()
        dz = dy * (1 - y * y)
        self.kernel.grad[...] = x.T @ dz
        return dz @ self.kernel.value.T


class WrongDx(Correct):
    def backward(self, dy):
        return super().backward(dy) * 1.001


class WrongDW(Correct):
    def backward(self, dy):
        dx = super().backward(dy)
        self.kernel.grad[...] *= 0.999
        return dx


class WrongEntry(Correct):
    def backward(self, dy):
        dx = super().backward(dy)
        self.kernel.grad[2, 1] *= 1.001
        return dx


class WrongEntryOfDx(Correct):
    def backward(self, dy):
        dx = super().backward(dy)
        dx[3, 0] *= 1.001
        return dx


class Transposed(Correct):
    def backward(self, dy):
        x, y = self.recall()
        dz = dy * (1 - y * y)
        self.kernel.grad[...] = x.T @ dz
        return dz @ self.kernel.value


class TransposedDW(Correct):
    def backward(self, dy):
        dx = super().backward(dy)
        self.kernel.grad[...] = self.kernel.grad.T.copy()
        return dx


class ForgottenActivation(Correct):
    def backward(self, dy):
        return dy @ self.kernel.value.T


class ZeroDx(Correct):
    def backward(self, dy):
        return 0 * super().backward(dy)


class ZeroDW(Correct):
    def backward(self, dy):
        dx = super().backward(dy)
        self.kernel.grad[...] = 0
        return dx


class NanDx(Correct):
    def backward(self, dy):
        return super().backward(dy) * np.nan


class WithoutVariance(layers.BatchNormalization):
    def backward(self, dy):
        _, var, _ = self.recall()
        super().backward(dy)
        dxhat = dy * self.gamma.value
        return (dxhat - dxhat.mean(axis=0)) / np.sqrt(var + self.epsilon)


class WithoutMean(layers.BatchNormalization):
    def backward(self, dy):
        xhat, var, _ = self.recall()
        super().backward(dy)
        dxhat = dy * self.gamma.value
        return (dxhat - xhat * (dxhat * xhat).mean(axis=0)) / np.sqrt(var + self.epsilon)


class ElementwiseSoftmax(layers.Softmax):
    def backward(self, dy):
        _, y = self.recall()
        return dy * y * (1 - y)


class LeakyKink(layers.Layer):
    """A ReLU whose backward lets a tenth through where x is negative."""

    def forward(self, x, training=False):
        self.saved = x
        return np.maximum(x, 0)

    def backward(self, dy):
        return np.where(self.recall() > 0, dy, 0.1 * dy)


def test_the_layer_that_the_wrong_ones_come_from_is_right():
    check = gradcheck(Correct(dtype="float64"), X)
    assert check.kinks == 0
    assert set(check.errors) == {"x", *(k for k in check.errors if k.endswith("/kernel"))}


@pytest.mark.parametrize(
    ("wrong", "array"),
    [
        (WrongDx, "x"), (WrongDW, "kernel"), (WrongEntry, r"kernel\[2, 1\]"),
        (WrongEntryOfDx, r"x\[3, 0\]"), (Transposed, "x"), (TransposedDW, "kernel"),
        (ForgottenActivation, "x"), (ZeroDx, "x"), (ZeroDW, "kernel"), (NanDx, "x"),
        (WithoutVariance, "x"), (WithoutMean, "x"), (ElementwiseSoftmax, "x"), (LeakyKink, "x"),
    ],
)  # fmt: skip
def test_a_wrong_gradient_is_refused(wrong, array):
    with pytest.raises(GradientError, match=rf"{array}.*backward says .* central difference"):
        gradcheck(wrong(dtype="float64"), X)


@pytest.mark.parametrize("wrong", [WrongDx, WrongDW, WrongEntry, ZeroDx, ZeroDW])
def test_a_wrong_layer_in_a_model_is_refused(wrong):
    built = model(dense(4), wrong(dtype="float64"), dense(4, "softmax"),
                  loss="categorical_crossentropy")  # fmt: skip
    with pytest.raises(GradientError, match="kernel"):
        gradcheck(built, X, ONE_HOT)


class WrongLoss(losses.MeanSquaredError):
    def forward(self, y, p, w, logits=False):
        values = super().forward(y, p, w, logits)
        self.dp[1, 2] *= 1.001
        return values


def test_a_wrong_loss_is_refused():
    with pytest.raises(GradientError, match=r"y_pred\[1, 2\]"):
        gradcheck(WrongLoss(), ONE_HOT, X)


def test_a_penalty_wrong_by_a_thousandth_is_refused():
    class Own(tinynet.regularizers.Regularizer):
        def __call__(self, w):
            return float((np.asarray(w) ** 4).sum())

        def gradient(self, w):
            return 4 * 1.001 * np.asarray(w) ** 3

    built = model(dense(4, kernel_regularizer=Own()))
    with pytest.raises(GradientError, match="kernel"):
        gradcheck(built, X, 0 * ONE_HOT)


# -------------------------------------------------------------------- kinks, limits, side effects


def test_kinks_are_counted_and_not_failed():
    x = X.copy()
    x[0, 0] = x[2, 1] = x[4, 3] = 0
    check = gradcheck(layers.ReLU(dtype="float64"), x)
    assert check.kinks == 3
    assert check.errors["x"] < 1e-6
    assert gradcheck(layers.LeakyReLU(dtype="float64"), x).kinks == 3
    assert gradcheck(layers.Activation("tanh", dtype="float64"), x).kinks == 0


def test_float32_is_refused():
    with pytest.raises(ValueError, match=r'needs float64.*Dense.*dtype="float64"'):
        gradcheck(layers.Dense(2), X)
    built = tinynet.Sequential([layers.Dense(2, input_dim=4)])
    built.compile("sgd", "mse")
    with pytest.raises(ValueError, match="needs float64"):
        gradcheck(built, X, np.ones((5, 2)))


def test_float32_inputs_and_lists_are_fine():
    assert gradcheck(dense(2, "tanh"), X.astype("float32")).errors["x"] < 1e-6
    assert gradcheck(dense(2, "tanh"), X.tolist()).errors["x"] < 1e-6


def test_integer_inputs_have_no_gradient():
    check = gradcheck(dense(2, name="d"), np.array([[1, 2], [3, 4]]))
    assert set(check.errors) == {"d/kernel", "d/bias"}


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed(training):
    layer = layers.BatchNormalization(dtype="float64")
    layer(X, training=True)
    before, x, needs_dx = layer.get_weights(), X.copy(), layer.needs_dx
    gradcheck(layer, x, training=training)
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(x, X)
    assert layer.needs_dx is needs_dx


def test_only_some_entries_are_tried():
    calls = []

    class Counting(layers.Activation):
        def forward(self, x, training=False):
            calls.append(1)
            return super().forward(x, training)

    x = np.random.Generator(np.random.PCG64(3)).normal(size=(30, 30))
    gradcheck(Counting("tanh", dtype="float64"), x, entries=10)
    assert 20 <= len(calls) <= 24


def test_the_docstrings_own_layer_works():
    """The class in tinynet/layers/base.py's text, taken from there."""
    text = ast.get_docstring(ast.parse(pathlib.Path(layers.base.__file__).read_text("utf-8")))
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("    class Scale"))
    end = next(i for i in range(start, len(lines)) if lines[i] and not lines[i].startswith(" "))
    namespace = {"tinynet": tinynet}
    exec("\n".join(line[4:] for line in lines[start:end]), namespace)
    Scale = namespace["Scale"]
    layer = Scale(dtype="float64")
    assert gradcheck(layer, X).errors.keys() == {"x", f"{layer.name}/factor"}
    built = model(dense(3, "tanh"), Scale(dtype="float64"), dense(4))
    gradcheck(built, X, ONE_HOT)
    history = built.fit(X, ONE_HOT, epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
