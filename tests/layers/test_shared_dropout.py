"""A layer with random numbers that is applied several times in one step draws for each of them."""

import numpy as np
import pytest

import tinynet
from tinynet.kernels import reference
from tinynet.layers import (
    Add,
    AlphaDropout,
    Concatenate,
    Dense,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Input,
)
from tinynet.models import Model, Sequential

N, D, SEED = 6, 5, 11


def halves(model, x):
    """What a model of two concatenated applications gives in training: each one's part."""
    return np.split(model(x, training=True), 2, axis=-1)


def mask(use, step):
    m = np.empty((N, D), np.float32)
    reference.dropout_mask(0.5, (SEED, use), step, 0, mask=m)
    return m


def test_each_application_has_the_mask_of_its_number():
    a = Input((D,))
    shared = Dropout(0.5, seed=SEED)
    model = Model(a, Concatenate()([shared(a), shared(a)]))
    alone = Model(a, Dropout(0.5, seed=SEED)(a))
    x = np.ones((N, D), np.float32)
    first, second = halves(model, x)
    step = model.context.step
    np.testing.assert_array_equal(first, mask(0, step))
    np.testing.assert_array_equal(second, mask(1, step))
    np.testing.assert_array_equal(first, alone(x, training=True))  # as if it were the only one
    assert (first != second).any()


@pytest.mark.parametrize("layer", [AlphaDropout(0.5, seed=3), GaussianDropout(0.5, seed=3),
                                   GaussianNoise(0.5, seed=3)])  # fmt: skip
def test_other_noise_differs_too(layer):
    a = Input((D,))
    first, second = halves(
        Model(a, Concatenate()([layer(a), layer(a)])), np.ones((N, D), np.float32)
    )
    assert (first != second).mean() > 0.2


def test_models_within_models():
    """Twice two applications: four masks."""
    a, b = Input((D,)), Input((D,))
    shared = Dropout(0.5, seed=SEED)
    inner = Model(b, Concatenate()([shared(b), shared(b)]))
    model = Model(a, Concatenate()([inner(a), inner(a)]))
    y = model(np.ones((N, D), np.float32), training=True)
    step = model.context.step
    for use, part in enumerate(np.split(y, 4, axis=-1)):
        np.testing.assert_array_equal(part, mask(use, step))
    stack = Sequential([Input((D,)), Dropout(0.5, seed=SEED)])
    first, second = halves(
        Model(a, Concatenate()([stack(a), stack(a)])), np.ones((N, D), np.float32)
    )
    assert (first != second).any()


def siamese():
    tinynet.utils.set_random_seed(5)
    a = Input((D,), dtype="float64")
    tower = Sequential([Dense(4, activation="tanh"), Dropout(0.4, seed=1)])
    noise, drop = GaussianNoise(0.3, seed=2), Dropout(0.3, seed=SEED)
    left, right = drop(tower(a)), drop(tower(noise(noise(a))))
    return Model(a, Dense(1)(Add()([left, right])))


@pytest.fixture
def in_float64():
    before = tinynet.config.floatx()
    tinynet.config.set_floatx("float64")
    yield
    tinynet.config.set_floatx(before)


def test_gradients(in_float64):
    rng = np.random.default_rng(0)
    model = siamese()
    model.compile("sgd", "mse")
    tinynet.gradcheck(model, rng.normal(size=(N, D)), rng.normal(size=(N, 1)), training=True)


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}])
def test_recorded_and_eager_on_cpu_as_on_the_reference(in_float64, options):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, D)), rng.normal(size=(40, 1))

    def trained(**options):
        model = siamese()
        model.compile("adam", "mse", **options)
        model.fit(x, y, epochs=3, batch_size=8, verbose=0)
        return model

    expected, model = trained(device="reference"), trained(device="cpu", **options)
    for a, b in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)
    if not options:
        assert model.explain_execution() == "recorded once and replayed"
