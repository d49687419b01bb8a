"""What is said about a machine without a usable card, and `python -m tinynet doctor`."""

import re
import subprocess
import sys

import pytest

import tinynet
from tinynet import kernels
from tinynet.kernels import _gpu_runtime, _gpu_survey

# what is there: (driver, cards, wheels, CuPy importable) -> what the one message says
MACHINES = {
    "no driver": ((None, 0, {}, False), [r"needs an NVIDIA driver", r"nvidia\.com/drivers"]),
    "no card": (((12, 4), 0, {}, False), [r"the driver shows 0", "nvidia-smi"]),
    "driver refuses": (((12, 4), "CUDA error 999", {}, False), ["CUDA error 999", "nvidia-smi"]),
    "an old driver": (((11, 8), 1, {}, False), [r"CUDA 12 or later.*11\.8", "update it"]),
    "no CuPy": (((12, 4), 1, {}, False), [r"CuPy, which is not", r"pip install 'cupy-cuda12x\["]),
    "no CuPy, 13": (((13, 0), 1, {}, False), [r"pip install 'cupy-cuda13x\[ctk\]'"]),
    "two wheels": (
        ((12, 4), 1, {"cupy": "14.0", "cupy-cuda12x": "14.2"}, True),
        ["several CuPy wheels.*cupy, cupy-cuda12x", "pip uninstall -y cupy cupy-cuda12x && pip"],
    ),
    "a wheel too new": (
        ((12, 4), 1, {"cupy-cuda13x": "14.2"}, True),
        [r"for CUDA 13.*up to 12\.4", r"uninstall -y cupy-cuda13x && pip install 'cupy-cuda12x"],
    ),
}


def pretend(monkeypatch, driver, cards, wheels, importable):
    monkeypatch.setattr(_gpu_survey, "driver_version", lambda: driver)
    monkeypatch.setattr(_gpu_survey, "cards", lambda: cards)
    monkeypatch.setattr(_gpu_survey, "wheels", lambda: wheels)
    found = object() if importable else None
    monkeypatch.setattr(_gpu_survey.importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(_gpu_runtime, "_current", None)


@pytest.mark.parametrize("name", MACHINES)
def test_one_message_says_what_is_wrong_and_what_to_type(name, monkeypatch):
    machine, wanted = MACHINES[name]
    pretend(monkeypatch, *machine)
    message = kernels.why_not("gpu")
    assert "\n" not in message
    for part in wanted:
        assert re.search(part, message), message


def test_a_cupy_that_does_not_run(monkeypatch):
    pretend(monkeypatch, (12, 4), 1, {"cupy-cuda12x": "14.2"}, True)
    monkeypatch.setitem(sys.modules, "cupy", None)  # its import fails
    assert "cupy-cuda12x 14.2 is installed, but does not run" in kernels.why_not("gpu")


def test_hidden_cards_are_mentioned(monkeypatch):
    pretend(monkeypatch, (12, 4), 0, {}, False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES=''" in kernels.why_not("gpu")


def test_compile_without_a_card_leaves_the_model_as_it_was(monkeypatch):
    model = tinynet.Sequential([tinynet.Input((2,)), tinynet.layers.Dense(1)])
    model.compile("sgd", "mse", device="cpu")
    before = (model.optimizer, model.loss, model.device, model.own_context.ops)
    pretend(monkeypatch, None, 0, {}, False)
    with pytest.raises(RuntimeError, match="the gpu device needs an NVIDIA driver"):
        model.compile("adam", "mae", device="gpu")
    assert (model.optimizer, model.loss, model.device, model.own_context.ops) == before


def test_usable_devices(monkeypatch):
    pretend(monkeypatch, None, 0, {}, False)
    assert kernels.usable() == ("reference", "cpu")


def test_doctor_prints_what_there_is():
    done = subprocess.run(
        [sys.executable, "-m", "tinynet", "doctor"], capture_output=True, text=True, check=True
    )
    for line in ("cpu", "  cores: ", "  BLAS: ", "  threads: ", "  Numba: ", "gpu", "  driver: ",
                 "  CuPy: ", "  usable: "):  # fmt: skip
        assert any(text.startswith(line) for text in done.stdout.splitlines()), line


def test_importing_tinynet_asks_for_no_card():
    code = "import sys, tinynet; import tinynet.kernels.gpu; assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
