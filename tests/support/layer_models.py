"""What the tests of models of the rarer layers share."""

import numpy as np
import pytest

from tinynet import layers

both_devices = pytest.mark.parametrize("device", ["reference", "cpu"])
D, T, V = 4, 3, 6


def targets(rows=8):
    return np.arange(rows) % 3


def ids(rows=8, steps=T):
    return (np.arange(rows * steps).reshape(rows, steps) * 5 + np.arange(rows)[:, None]) % V


RANDOM = {
    "GaussianNoise": lambda: layers.GaussianNoise(0.5, seed=3),
    "GaussianDropout": lambda: layers.GaussianDropout(0.3, seed=3),
    "AlphaDropout": lambda: layers.AlphaDropout(0.3, seed=3),
    "AlphaDropout, shared": lambda: layers.AlphaDropout(0.3, (None, 1), seed=3),
}
