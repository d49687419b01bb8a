"""Losses that are plain functions: with a derivative beside them, or by central differences."""

import numpy as np
import pytest

import tinynet
from tinynet import losses

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))


def quartic(y, p, factor=1.0):
    return factor * ((p - y) ** 4).mean(axis=-1)


def d_quartic(y, p, factor=1.0):
    return factor * 4 * (p - y) ** 3 / p.shape[-1]


class Quartic(losses.Loss):
    def call(self, y, p):
        return quartic(y, p, 0.5)

    def derivative(self, y, p):
        return d_quartic(y, p, 0.5)


def trained(loss, device="cpu"):
    model = tinynet.Sequential([tinynet.layers.Dense(2, kernel_initializer="ones",
                                                     input_shape=(3,))])  # fmt: skip
    model.compile(tinynet.optimizers.SGD(0.01), loss, device=device)
    model.fit(X, Y, epochs=5, batch_size=4, shuffle=False, verbose=0,
              sample_weight=np.arange(1.0, 7))  # fmt: skip
    return model


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("numeric", [False, True])
def test_a_function_trains_as_the_class_does(numeric, device):
    given = {"numeric": True} if numeric else {"derivative": d_quartic}
    model = trained(losses.LossFunctionWrapper(quartic, factor=0.5, **given), device)
    for a, b in zip(model.get_weights(), trained(Quartic()).get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    said = "quartic is differentiated by central differences" in model.explain_execution()
    assert said == numeric


def test_functions_are_saved_by_name(tmp_path):
    loss = losses.LossFunctionWrapper(quartic, derivative=d_quartic, factor=0.5, reduction="mean")
    model = trained(loss)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="quartic"):
        tinynet.models.load_model(tmp_path / "m.keras")
    with tinynet.saving.custom_object_scope({"quartic": quartic, "d_quartic": d_quartic}):
        again = tinynet.models.load_model(tmp_path / "m.keras")
    assert again.loss.get_config() == loss.get_config()
    assert again.train_on_batch(X, Y) == model.train_on_batch(X, Y)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"LossFunctionWrapper\(fn, derivative=\.\.\.\)"):
        trained(quartic)
    with pytest.raises(NotImplementedError, match="can measure, but not train"):
        trained(losses.LossFunctionWrapper(quartic))
    with pytest.raises(ValueError, match="a value for each row"):
        trained(losses.LossFunctionWrapper(lambda y, p: quartic(y, p).mean(), numeric=True))
    with pytest.raises(TypeError, match="fn must be a function"):
        losses.LossFunctionWrapper("quartic")
    assert losses.LossFunctionWrapper(quartic)(Y, Y + 1) == pytest.approx(1)
