"""What every test shares: reproducible randomness and the devices to run on."""

import collections
import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import pytest

hypothesis.settings.register_profile("tinynet", deadline=None, max_examples=40)
hypothesis.settings.load_profile("tinynet")


def pytest_addoption(parser):
    parser.addoption("--parity-cases", type=int, default=200, help="how many cases -m parity draws")
    parser.addoption("--parity-seed", type=int, default=1, help="and from which seed")


def pytest_configure(config):
    config.parity = collections.Counter()  # what tests/test_parity.py found


def pytest_terminal_summary(terminalreporter, config):
    if config.parity:
        terminalreporter.section("cases against Keras")
        for what, count in config.parity.items():
            terminalreporter.line(f"{count:6} {what}")


# Whole models: these tests run on every device.
ON_DEVICES = (
    "test_bad_input",
    "test_callbacks",
    "test_dropout",
    "test_fit",
    "test_functional",
    "test_gradient_monitor",
    "test_inputs",
    "test_loss_fit",
    "test_metrics_fit",
    "test_optimizer_fit",
    "test_posts",
    "test_saving",
    "test_sparse_inputs",
    "test_streams",
)


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__ in ON_DEVICES:
        from tinynet.kernels import DEVICES

        metafunc.fixturenames.insert(0, "device")
        metafunc.parametrize("device", DEVICES, indirect=True)


@pytest.fixture
def device(request, monkeypatch):
    """The device that models of this test run on."""
    monkeypatch.setenv("TINYNET_DEVICE", request.param)
    return request.param


@pytest.fixture(autouse=True)
def _on_its_device(request):
    """pytest sets up only what a test names; `device` counts for those that don't, too."""
    if "device" in getattr(getattr(request.node, "callspec", None), "params", ()):
        request.getfixturevalue("device")


@pytest.fixture(autouse=True)
def _fixed_seed():
    import tinynet

    tinynet.utils.set_random_seed(0)
