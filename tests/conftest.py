"""What every test shares: reproducible randomness and the devices to run on."""

import collections
import contextlib
import functools
import importlib.metadata
import json
import os
import pathlib
import signal

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["PYTHONPATH"] = os.pathsep.join(  # what tests start imports the tinynet that they import
    filter(None, [str(pathlib.Path(__file__).parent.parent), os.environ.get("PYTHONPATH")])
)

import hypothesis
import pytest

# Keras's steps are few and small: XLA is to compile them, not to polish, which takes half the time.
# It ends the process over a flag that it does not know: versions of 0.5 differ, later ones may.
with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    if importlib.metadata.version("jaxlib").split(".")[:2] in (["0", str(i)] for i in range(6, 11)):
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 "
                                           "--xla_cpu_use_fusion_emitters=false")  # fmt: skip

pytest.register_assert_rewrite(  # what they assert is shown like what tests assert
    "damaged", "dataset_files", "fault_runs", "kernel_pairs", "layer_checks", "microscope_again",
    "rank_runs", "replay_runs", "stream_sources",
)  # fmt: skip

hypothesis.settings.register_profile("tinynet", deadline=None, max_examples=40)
hypothesis.settings.load_profile("tinynet")


def pytest_addoption(parser):
    parser.addoption("--parity-cases", type=int, default=200, help="how many cases -m parity draws")
    parser.addoption("--parity-seed", type=int, default=1, help="and from which seed")
    parser.addoption("--parity-from", type=int, default=0, help="and which one is the first")
    parser.addoption("--parity-shrink", type=float, default=120, help="seconds to shrink a case")


def pytest_configure(config):
    config.parity = collections.Counter()  # what tests/parity/test_parity.py found


def pytest_terminal_summary(terminalreporter, config):
    if config.parity:
        terminalreporter.section("cases against Keras")
        for what, count in config.parity.items():
            terminalreporter.line(f"{count:6} {what}")


# Whole models: these tests run on every device.
ON_DEVICES = (
    "test_bad_input",
    "test_callbacks",
    "test_callbacks_files",
    "test_callbacks_following",
    "test_dropout",
    "test_evaluate_predict",
    "test_fit",
    "test_fit_inputs",
    "test_fit_order",
    "test_fit_stopping",
    "test_functional",
    "test_gradient_monitor",
    "test_inputs",
    "test_loss_fit",
    "test_metrics_fit",
    "test_objects",
    "test_open_lengths",
    "test_open_outputs",
    "test_optimizer_fit",
    "test_pieces",
    "test_posts",
    "test_pydataset",
    "test_saving",
    "test_several_outputs",
    "test_shared_layers",
    "test_sparse_inputs",
    "test_streams",
    "test_streams_refuse",
)


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__ in ON_DEVICES:
        from tinynet.kernels import DEVICES

        metafunc.fixturenames.insert(0, "device")
        metafunc.parametrize("device", DEVICES, indirect=True)


def pytest_ignore_collect(collection_path):
    """Of what can't run on a card nothing is imported where only that is asked for."""
    name = collection_path.stem
    if os.environ.get("TINYNET_TESTS_GPU") == "only" and name.startswith("test_"):
        return (name not in ON_DEVICES and "gpu" not in name) or None
    return None


def pytest_collection_modifyitems(config, items):
    """TINYNET_TESTS_GPU=only leaves the tests that run on a card, and on nothing in its place."""
    if os.environ.get("TINYNET_TESTS_GPU") == "only":
        others = [item for item in items if _device_of(item) != "gpu"]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if _device_of(item) == "gpu"]


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        _note(report)


def pytest_collectreport(report):
    if report.failed:
        _note(report)


def _note(report):
    """TINYNET_TESTS_OUTCOMES=FILE: a line of JSON per test, as it ends; a run may be stopped."""
    path = os.environ.get("TINYNET_TESTS_OUTCOMES")
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        said = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        line = {"test": report.nodeid, "outcome": report.outcome, "said": str(said or "")}
        with open(path, "a") as file:
            file.write(json.dumps(line) + "\n")


def _device_of(item):
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("device") or ("gpu" if params.get("card") == "gpu" else None)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; see tests/support/browsing.py."""
    from browsing import chromium

    with chromium() as found:
        yield found


@pytest.fixture
def device(request, monkeypatch):
    """The device that models of this test run on.

    Without a card the gpu's tests are skipped, with the reason; TINYNET_TESTS_GPU=emulated runs
    them on the CPU instead.
    """
    monkeypatch.setenv("TINYNET_DEVICE", request.param)
    if request.param == "gpu" and os.environ.get("TINYNET_TESTS_GPU") == "emulated":
        import fake_cupy

        with fake_cupy.in_place_of_a_card():
            yield request.param
        return
    yield request.param


def pytest_runtest_setup(item):
    """One line of the summary for all tests of a device that is not there."""
    params, device = getattr(getattr(item, "callspec", None), "params", {}), _device_of(item)
    emulated = params.get("device") == "gpu" and os.environ.get("TINYNET_TESTS_GPU") == "emulated"
    if device is not None and not emulated and _why_not(device) is not None:
        pytest.skip(_why_not(device))


@functools.cache
def _why_not(device):
    from tinynet import kernels

    return kernels.why_not(device)


@pytest.fixture(autouse=True)
def _on_its_device(request):
    """pytest sets up only what a test names; `device` counts for those that don't, too."""
    if "device" in getattr(getattr(request.node, "callspec", None), "params", ()):
        request.getfixturevalue("device")


@pytest.fixture(autouse=True)
def _fixed_seed():
    import tinynet

    tinynet.utils.set_random_seed(0)


@pytest.fixture
def two_threads(monkeypatch):
    """Steps are split over two threads, whatever the machine has, and however small they are."""
    from tinynet.kernels.cpu import gemm
    from tinynet.kernels.cpu.machine import program

    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")
    monkeypatch.setattr(program, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(gemm, "LIMITED_FROM", 0)


@pytest.fixture
def interruptible():
    """A shell starts what it runs in the background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def post_data_folder(tmp_path_factory):
    """The files of the data sets that stand in for those of the posts, made once."""
    from post_data import write_data_sets

    folder = tmp_path_factory.mktemp("data")
    write_data_sets(folder)
    return folder
