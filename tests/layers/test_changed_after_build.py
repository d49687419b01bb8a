"""Options that decide the weights' shapes, changed when there are weights: never out of bounds."""

import numpy as np
import pytest

from tinynet import Sequential, layers
from tinynet.layers import Dense, Embedding, Input

X = np.ones((6, 3, 2))
CASES = {
    "units": (lambda: Dense(4), "units", 7),
    "fewer units": (lambda: Dense(4), "units", 2),
    "bias": (lambda: Dense(4), "use_bias", False),
    "no bias": (lambda: Dense(4, use_bias=False), "use_bias", True),
    "layer axis": (lambda: layers.LayerNormalization(), "axis", 1),
    "layer axes": (lambda: layers.LayerNormalization(), "axis", [1, 2]),
    "root mean square axis": (lambda: layers.RMSNormalization(), "axis", 1),
    "batch axis": (lambda: layers.BatchNormalization(), "axis", 1),
    "scale": (lambda: layers.BatchNormalization(scale=False), "scale", True),
    "prelu": (lambda: layers.PReLU(), "shared_axes", [1]),
    "shared prelu": (lambda: layers.PReLU(shared_axes=[1, 2]), "shared_axes", None),
    "vocabulary": (lambda: Embedding(9, 2), "input_dim", 100),
    "width": (lambda: Embedding(9, 2), "output_dim", 5),
}


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_until_it_is_changed_back(case, device, tmp_path):
    make, name, value = CASES[case]
    layer = make()
    model = Sequential([Input((3, 2)), layer, layers.Flatten(), Dense(2)])
    model.compile("sgd", "mse", device=device)
    model.fit(X, np.ones((6, 2)), verbose=0)
    y, before = model.predict(X, verbose=0), getattr(layer, name)
    setattr(layer, name, value)
    uses = [
        lambda: model.predict(X, verbose=0), lambda: model(X), lambda: layer(X),
        lambda: model.fit(X, np.ones((6, 2)), verbose=0), lambda: model.save(tmp_path / "m.keras"),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(ValueError, match=r"was changed: its weights are .* would be"):
            use()
    setattr(layer, name, before)
    np.testing.assert_array_equal(model.predict(X, verbose=0), y)


def test_another_axis_that_does_not_exist():
    model = Sequential([Input((4,)), layers.BatchNormalization()])
    model.layers[0].axis = 7
    with pytest.raises(ValueError, match="axis 7"):
        model.predict(np.ones((3, 4)), verbose=0)
