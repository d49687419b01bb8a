"""Functions that make models for the wrappers; importable by the processes of a grid search."""

import tinynet
from tinynet import layers


def made(X, y, units=5, rate=0.05):
    """A classifier for columns of 0 and 1, one for each class; else a regressor."""
    classes = y.shape[1] if y.ndim == 2 and y.shape[1] > 1 and ((y == 0) | (y == 1)).all() else 0
    model = tinynet.Sequential([
        layers.Input((X.shape[1],)), layers.Dense(units, "relu"),
        layers.Dense(classes or y.shape[1], "softmax" if classes else None),
    ])  # fmt: skip
    model.compile(tinynet.optimizers.Adam(rate), "categorical_crossentropy" if classes else "mse")
    return model
