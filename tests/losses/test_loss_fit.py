"""Models trained with every loss: a few steps against Keras, with weights and without; rows that
are ignored; losses given as functions, by shape, and written by hand."""

import re

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet import losses

random = np.random.default_rng(23)
X = random.normal(size=(30, 5)).astype("float32")
IDS = (X[:, 0] * 2 + X[:, 1]).round().astype(int) % 3
ONE_HOT = np.eye(3, dtype="float32")[IDS]
YES_NO = (X[:, :3] > 0.3).astype("float32")
REAL = (X[:, :3] * X[:, 1:4]).astype("float32")
COUNTS = random.poisson(2, (30, 3)).astype("float32")
SHARES = random.dirichlet(np.ones(3), 30).astype("float32")
IGNORING = np.where(np.arange(30) % 4 == 1, -1, IDS)
IGNORING[10:15] = -1  # one whole batch
WEIGHTS = random.uniform(0.2, 2, 30).astype("float32")

# name -> (last activation, targets, the loss as k has it)
CASES = {
    "mape": (None, REAL + 3, lambda k: "mape"),
    "msle": ("softplus", COUNTS, lambda k: "msle"),
    "log_cosh": (None, REAL, lambda k: "log_cosh"),
    "cosine": (None, REAL, lambda k: k.losses.CosineSimilarity()),
    "hinge": ("tanh", YES_NO, lambda k: "hinge"),
    "hinge of signs": (None, 2 * YES_NO - 1, lambda k: k.losses.Hinge(reduction="sum")),
    "squared_hinge": ("tanh", YES_NO, lambda k: "squared_hinge"),
    "categorical_hinge": ("relu", ONE_HOT, lambda k: "categorical_hinge"),
    "kld": ("softmax", SHARES, lambda k: "kld"),
    "poisson": ("exponential", COUNTS, lambda k: "poisson"),
    "binary focal": ("sigmoid", YES_NO, lambda k: "binary_focal_crossentropy"),
    "binary focal, balanced": (
        None, YES_NO,
        lambda k: k.losses.BinaryFocalCrossentropy(True, 0.3, 1.5, True, 0.1),
    ),
    "categorical focal": ("softmax", ONE_HOT, lambda k: "categorical_focal_crossentropy"),
    "categorical focal, alpha": (
        None, ONE_HOT,
        lambda k: k.losses.CategoricalFocalCrossentropy([0.2, 0.5, 1.0], 1.5, True, 0.1),
    ),
    "function": ("tanh", REAL, lambda k: k.losses.mean_absolute_error),
    "crossentropy, ids": ("softmax", IDS, lambda k: "crossentropy"),
    "crossentropy, columns": ("softmax", IDS[:, None], lambda k: "ce"),
    "crossentropy, one-hot": ("softmax", ONE_HOT, lambda k: "CE"),
    "crossentropy, binary": ("sigmoid", YES_NO[:, :1], lambda k: "crossentropy"),
    "ignoring": ("softmax", IGNORING,
                 lambda k: k.losses.SparseCategoricalCrossentropy(ignore_class=-1)),
    "ignoring, sum": (
        None, IGNORING,
        lambda k: k.losses.SparseCategoricalCrossentropy(True, ignore_class=-1, reduction="sum"),
    ),
    "ignoring, by weights": (
        None, IGNORING,
        lambda k: k.losses.SparseCategoricalCrossentropy(
            True, ignore_class=-1, reduction="mean_with_sample_weight"
        ),
    ),
}  # fmt: skip


def train(k, name, weighted):
    """History, evaluation and final weights."""
    last, y, loss = CASES[name]
    L, random = k.layers, np.random.default_rng(5)
    units = y.shape[1] if name.endswith("binary") else 3
    model = k.Sequential([L.Input((5,)), L.Dense(4, "tanh"), L.Dense(units, last)])
    for layer in model.layers:
        W, b = layer.get_weights()
        layer.set_weights([random.normal(0, 0.4, a.shape).astype("float32") for a in (W, b)])
    model.compile(k.optimizers.SGD(0.02 if name == "mape" else 0.1), loss(k))
    weights = WEIGHTS if weighted else None
    history = model.fit(X, y, 5, 2, verbose=0, shuffle=False, sample_weight=weights)
    measured = model.evaluate(X, y, 12, verbose=0, sample_weight=weights)
    arrays = [w for layer in model.layers for w in layer.get_weights()]
    result = {"history": history.history["loss"], "measured": measured}
    return model, result | {f"weights {i}": w for i, w in enumerate(arrays)}


@keras_case
def keras_training(keras, name, weighted):
    return train(keras, name, weighted)[1]


# all of them with weights; without, those whose mean is their own
RUNS = [(name, weighted) for name in CASES for weighted in (False, True)
        if weighted or "ignoring" in name]  # fmt: skip


@pytest.mark.parametrize(("name", "weighted"), RUNS)
def test_a_few_steps_are_those_of_keras(name, weighted, device):
    expected = keras_training(name, weighted)
    model, got = train(tinynet, name, weighted)
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-4, atol=2e-6, err_msg=key)
    assert device == "reference" or model.explain_execution() == "recorded once and replayed"
    # something was learned, and not by chance the same numbers
    assert got["history"][0] != got["history"][1]


def test_ignored_rows_are_as_if_they_were_not_there():
    kept = IGNORING >= 0
    results = []
    for rows in (slice(None), kept):
        tinynet.utils.set_random_seed(3)
        model = tinynet.Sequential([tinynet.layers.Dense(3, "softmax", input_shape=(5,))])
        model.compile("adam", losses.SparseCategoricalCrossentropy(ignore_class=-1))
        model.fit(X[rows], IGNORING[rows], batch_size=30, epochs=3, verbose=0)
        results.append([*model.get_weights(), model.evaluate(X[rows], IGNORING[rows], verbose=0)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


# ------------------------------------------------------------------------- losses of one's own


class Quartic(losses.Loss):
    """A value and its derivative, by hand."""

    def call(self, y, p):
        return ((p - y) ** 4).mean(axis=-1)

    def derivative(self, y, p):
        return 4 * (p - y) ** 3 / p.shape[-1]


class Weighted(losses.Loss):
    """The same in one method."""

    def forward(self, y, p, w, logits=False):
        self.dp = w[:, None] * 4 * (p - y) ** 3 / p.shape[-1]
        return w * ((p - y) ** 4).mean(axis=-1)


@keras_case
def keras_quartic(keras, weighted):
    class Quartic(keras.losses.Loss):
        def call(self, y, p):
            return keras.ops.mean((p - y) ** 4, axis=-1)

    return fit_quartic(keras, Quartic(reduction="sum"), weighted)


def fit_quartic(k, loss, weighted):
    model = k.Sequential([k.layers.Input((5,)), k.layers.Dense(3, "tanh")])
    model.set_weights([np.full((5, 3), 0.1, "float32"), np.zeros(3, "float32")])
    model.compile(k.optimizers.SGD(0.01), loss)
    history = model.fit(X, REAL, batch_size=7, epochs=3, verbose=0, shuffle=False,
                        sample_weight=WEIGHTS if weighted else None)  # fmt: skip
    W, b = model.layers[-1].get_weights()
    return {"loss": history.history["loss"], "W": W, "b": b}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cls", [Quartic, Weighted])
def test_a_loss_of_ones_own_trains_as_in_keras(cls, weighted):
    expected = keras_quartic(weighted)
    got = fit_quartic(tinynet, cls(reduction="sum"), weighted)
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-4, atol=1e-6, err_msg=key)


def test_the_checker_knows_losses_of_ones_own():
    for cls in (Quartic, Weighted):
        tinynet.gradcheck(cls(), REAL.astype(float), X[:, :3].astype(float))

    class Wrong(Quartic):
        def derivative(self, y, p):
            return 1.001 * super().derivative(y, p)

    with pytest.raises(AssertionError, match=r"y_pred.*relative error 1\.0e-03"):
        tinynet.gradcheck(Wrong(), REAL.astype(float), X[:, :3].astype(float))


def test_the_docstrings_example_works():
    text = losses.Loss.__doc__
    lines = text[text.index("class Quartic") : text.index("is used like")].splitlines()
    code = "\n".join(line.removeprefix("        ") for line in lines)
    names = {"keras": tinynet}
    exec(code, names)
    loss = names["Quartic"]()
    assert loss([[0.0, 0.0]], [[1.0, 2.0]]) == 8.5
    assert loss.gradient([[0.0, 0.0]], [[1.0, 2.0]]).tolist() == [[2.0, 16.0]]
    assert loss.name == "quartic"
    tinynet.gradcheck(loss, REAL.astype(float), X[:, :3].astype(float))


class OnlyMeasures(losses.Loss):
    def call(self, y, p):
        return ((p - y) ** 4).mean(axis=-1)


def test_without_a_derivative_a_loss_can_measure_but_not_train():
    model = tinynet.Sequential([tinynet.layers.Dense(3, input_shape=(5,))])
    model.compile("sgd", OnlyMeasures())
    before = model.get_weights()
    errors = model.predict(X, verbose=0) - REAL
    assert model.evaluate(X, REAL, verbose=0) == pytest.approx(np.mean(errors**4), rel=1e-5)
    with pytest.raises(NotImplementedError, match=r"OnlyMeasures can measure, .*derivative\(y, p"):
        model.fit(X, REAL, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("method", "returned", "message"),
    [
        ("call", lambda y, p: p[:2] - y[:2], "Bad.call(y, p): expected a number, or an array of "
         "6 rows, received shape (2, 3)"),
        ("derivative", lambda y, p: p[:, 0], "Bad.derivative(y, p): expected an array of shape "
         "(6, 3), received (6,)"),
    ],
)  # fmt: skip
def test_what_such_a_loss_returns_must_fit(method, returned, message):
    Bad = type("Bad", (Quartic,), {method: lambda self, y, p: returned(y, p)})
    with pytest.raises(ValueError, match=re.escape(message)):
        Bad().gradient(REAL[:6], X[:6, :3])


@pytest.mark.parametrize("parent", ["MeanSquaredError", "SparseCategoricalCrossentropy"])
def test_a_call_that_nobody_would_use(parent):
    """In Keras it would take the place of the parent's; here the parent has its own forward."""
    with pytest.raises(TypeError, match=r"Mine defines call and derivative, which .*forward"):
        type("Mine", (getattr(losses, parent),), dict(vars(Quartic)))

    class Both(losses.MeanSquaredError):
        call, forward = Quartic.call, Weighted.forward

    assert Both()(REAL, X[:, :3]) == pytest.approx(Quartic()(REAL, X[:, :3]))


def test_a_function_of_ones_own_is_refused():
    model = tinynet.Sequential([tinynet.layers.Dense(3, input_shape=(5,))])
    with pytest.raises(TypeError, match=r"function.*losses.Loss with call.*derivative\(y, p\)"):
        model.compile("sgd", lambda y, p: np.mean((p - y) ** 2))


# --------------------------------------------------------------------------------- in a model


def test_crossentropy_chooses_once_and_says_what_does_not_fit():
    model = tinynet.Sequential([tinynet.layers.Dense(3, "softmax", input_shape=(5,))])
    model.compile("sgd", "crossentropy")
    with pytest.raises(ValueError, match=r"CategoricalCrossentropy expects.*\('N', 3\)"):
        model.fit(X, ONE_HOT[:, :2], verbose=0)
    model.fit(X, IDS, verbose=0)  # a refused call has chosen nothing
    assert type(model.loss) is losses.SparseCategoricalCrossentropy
    with pytest.raises(ValueError, match="SparseCategoricalCrossentropy expects integer class ids"):
        model.evaluate(X, ONE_HOT, verbose=0)


def test_a_loss_of_another_dtype_than_the_model():
    model = tinynet.Sequential([tinynet.layers.Dense(3, input_shape=(5,))])
    model.compile("sgd", losses.MeanSquaredError(dtype="float64"))
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"MeanSquaredError: dtype='float64' in a model.*float32"):
        model.fit(X, REAL, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    model.compile("sgd", losses.MeanSquaredError(dtype="float32"))
    model.fit(X, REAL, verbose=0)


def test_hinge_leaves_the_targets_of_metrics_alone():
    model = tinynet.Sequential([tinynet.layers.Dense(1, "sigmoid", input_shape=(5,))])
    model.compile("sgd", "hinge", metrics=["accuracy"])
    measured = model.evaluate(X, YES_NO[:, 0], verbose=0)
    said = model.predict(X, verbose=0)[:, 0] > 0.5
    assert measured[1] == pytest.approx(np.mean(said == YES_NO[:, 0]))
