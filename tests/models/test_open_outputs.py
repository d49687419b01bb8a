"""Models of one's own learn how many outputs they have when they are built, after `compile`."""

import numpy as np
import pytest
from oracle import live_keras

import tinynet


def opened(library, form):
    """A model of one's own with two outputs, which are known once it is built."""

    class Net(library.Model):
        def __init__(self, **options):
            super().__init__(**options)
            self.a, self.b = (library.layers.Dense(1, kernel_initializer="ones", name=name)
                              for name in "ab")  # fmt: skip

        def call(self, x):
            a, b = self.a(x), self.b(x)
            return {"a": a, "b": b} if form == "dict" else [a, b]

    return library.saving.register_keras_serializable("opened")(Net)()


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own
@pytest.mark.parametrize("built", ["by fit", "by a call"])
@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("dict", {"loss": {"a": "mse", "b": "mae"}, "loss_weights": {"a": 1.0, "b": 3.0}}),
        ("dict", {"loss": {"a": "mse", "b": "mae"}, "metrics": {"a": "mae", "b": ["mse", "mae"]}}),
        ("list", {"loss": ["mse", "mae"], "metrics": [["mae"], ["mse"]]}),
        ("list", {"loss": "mse"}),
    ],
)
def test_a_model_of_ones_own_is_compiled_before_it_is_built(form, options, built, device):
    x, histories = np.ones((4, 3), "float32"), []
    y = {name: np.zeros((4, 1)) for name in "ab"}
    y = y if form == "dict" else list(y.values())
    for library in (live_keras(), tinynet):
        model = opened(library, form)
        model.compile("sgd", **options)
        if built == "by a call":
            model(x)
        history = model.fit(x, y, epochs=2, verbose=0).history
        histories.append((history["loss"], sorted(map(tuple, history.values()))))
        answers = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(histories[0][0], histories[1][0], rtol=1e-6)
    if "metrics" in options:
        np.testing.assert_allclose(*(values for _, values in histories), rtol=1e-6)
    assert answers[0] < histories[1][0][0]


def test_what_does_not_fit_open_outputs():
    x, y = np.ones((4, 3)), [np.zeros((4, 1))] * 2
    model = opened(tinynet, "list")
    model.compile("sgd", ["mse", "mae", "mse"])
    with pytest.raises(ValueError, match="loss: expected 2 entries, for the outputs"):
        model.fit(x, y, verbose=0)
    assert not model.built
    model.compile("sgd", ["mse", "mae"], loss_weights=[1, 2])
    again = tinynet.saving.model_from_json(model.to_json())
    assert again.loss_given == (["mse", "mae"], [1, 2])
    model.compile("sgd")
    assert model.predict(x, verbose=0)[0].shape == (4, 1)
    with pytest.raises(TypeError, match="a function has no derivative"):
        opened(tinynet, "list").compile("sgd", [lambda y, p: 0, "mse"])
