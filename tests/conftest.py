"""What every test shares: reproducible randomness and the devices to run on."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import pytest

hypothesis.settings.register_profile("tinynet", deadline=None, max_examples=40)
hypothesis.settings.load_profile("tinynet")


@pytest.fixture(autouse=True)
def _fixed_seed():
    import tinynet

    tinynet.utils.set_random_seed(0)
