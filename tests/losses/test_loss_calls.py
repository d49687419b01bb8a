"""Losses called on arrays: sample weights of any shape that fits; losses of one's own."""

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet import losses

RNG = np.random.default_rng(0)
P = RNG.uniform(0.1, 0.9, (4, 3, 2)).astype(np.float32)
Y = RNG.uniform(0.1, 0.9, (4, 3, 2)).astype(np.float32)
REDUCTIONS = ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"]
CALLS = {
    "per entry": lambda y, p: (p - y) ** 4,
    "per row": lambda y, p: ((p - y) ** 4).mean(axis=-1),
    "one axis more": lambda y, p: ((p - y) ** 4).sum(axis=-1)[..., None],
    "a number": lambda y, p: ((p - y) ** 4).mean(),
}


def own(keras, call, **options):
    return type("Own", (keras.losses.Loss,), {"call": lambda self, y, p: call(y, p)})(**options)


def found(keras, ndim, weight_shape):
    """{case: value} for a loss of each kind and reduction; a case that can't be is left out."""
    p, y = (a[(slice(None), *(0,) * (3 - ndim))] for a in (P, Y))
    weight = None
    if weight_shape is not None:
        weight = np.resize(np.linspace(0.5, 2, 12), weight_shape).astype("float32")
    values = {}
    for reduction in REDUCTIONS:
        made = {name: own(keras, call, reduction=reduction) for name, call in CALLS.items()}
        if ndim > 1:
            made |= {"mse": keras.losses.MeanSquaredError(reduction),
                     "cosine": keras.losses.CosineSimilarity(reduction=reduction)}  # fmt: skip
        if reduction == "none" or ndim == 1:
            del made["a number"]
        if reduction == "mean_with_sample_weight" and weight is not None and weight.size < 4:
            continue  # Keras divides by the weight, and not by four times the weight
        lacks_axes = weight is not None and weight.size > 1 and weight.ndim < ndim
        spread = reduction == "mean_with_sample_weight" and weight_shape == (4, 1) and ndim == 2
        if lacks_axes or spread:
            del made["per entry"]  # (4,) does not fit (4, 2), for one; and as above
        for name, loss in made.items():
            values[f"{name} {reduction}"] = np.asarray(loss(y, p, weight))
    return values


@keras_case
def keras_loss_calls(keras, ndim, weight_shape):
    return found(keras, ndim, weight_shape)


@pytest.mark.parametrize(
    ("ndim", "weight_shape"),
    [(1, None), (1, ()), (1, (1,)), (1, (4,)), (1, (4, 1)), (2, ()), (2, (1,)), (2, (4,)),
     (2, (4, 1)), (3, ()), (3, (1,)), (3, (4, 3)), (3, None)],
)  # fmt: skip
def test_values_are_those_of_keras(ndim, weight_shape):
    expected, got = keras_loss_calls(ndim, weight_shape), found(tinynet, ndim, weight_shape)
    assert got.keys() == expected.keys()
    for name, value in got.items():
        np.testing.assert_allclose(value.ravel(), expected[name].ravel(), rtol=2e-6, err_msg=name)


def test_one_weight_for_all_under_mean_with_sample_weight_is_the_mean():
    loss = losses.MeanSquaredError("mean_with_sample_weight")
    assert loss(Y, P, 3.0) == pytest.approx(loss(Y, P), rel=1e-6)


class Fourth(losses.Loss):
    """(p - y)^4 in the shape that CALLS says, with the derivative of each row's value, or of the
    batch's."""

    def __init__(self, kind, **options):
        super().__init__(**options)
        self.kind = kind

    def call(self, y, p):
        return CALLS[self.kind](y, p)

    def derivative(self, y, p):
        count = {"one axis more": 1, "a number": p.size}.get(self.kind, p.shape[-1])
        return 4 * (p - y) ** 3 / count


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("reduction", REDUCTIONS[:3])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_of_any_shape_train_by_their_derivative(kind, reduction, weighted):
    x, y = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))
    weight = RNG.uniform(0.5, 2, 5) if weighted else None
    model = tinynet.Sequential([tinynet.layers.Dense(2, dtype="float64", input_shape=(3,))])
    model.compile("sgd", Fourth(kind, reduction=reduction))
    W, before = model.layers[0].kernel, model.layers[0].kernel.numpy()
    gradient, numeric = model.gradients(x, y, sample_weight=weight)[W.path], np.zeros(W.shape)
    for i in np.ndindex(*W.shape):
        for sign in (1, -1):
            W.assign(before)
            W.value[i] += sign * 1e-5
            numeric[i] += sign * model.test_on_batch(x, y, sample_weight=weight) / 2e-5
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("shape", [(2,), (3, 5), (1, 5)])
def test_values_of_other_rows_are_refused(shape):
    class Wrong(losses.Loss):
        def call(self, y, p):
            return np.zeros(shape)

    model = tinynet.Sequential([tinynet.layers.Dense(2, input_shape=(3,))])
    model.compile("sgd", Wrong())
    with pytest.raises(ValueError, match=r"Wrong.call\(y, p\): expected a number, or an arr"):
        model.evaluate(np.zeros((5, 3)), np.zeros((5, 2)), verbose=0)
