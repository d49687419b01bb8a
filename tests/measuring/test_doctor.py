"""What is said about a machine without a usable card, and `python -m tinynet doctor`."""

import re
import subprocess
import sys

import cuda_on_cpu
import pytest

import tinynet
from tinynet import kernels
from tinynet.kernels.gpu.card import runtime, survey
from tinynet.kernels.gpu.machine import options

# what is there: (driver, cards, wheels, CuPy importable, the card if it is not an sm_80)
# -> what the one message says
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
    "a card too old for CUDA 13": (
        ((13, 0), 1, {"cupy-cuda13x": "14.2"}, True, (7, 0)),
        [r"from sm_75 on, .*sm_70", r"uninstall -y cupy-cuda13x && pip install 'cupy-cuda12x"],
    ),
    "no CuPy on such a card": (
        ((13, 0), 1, {}, False, (6, 1)),
        [r"pip install 'cupy-cuda12x\[ctk\]'"],
    ),
}


def pretend(monkeypatch, driver, cards, wheels, importable, card=(8, 0)):
    monkeypatch.setattr(survey, "driver_version", lambda: driver)
    monkeypatch.setattr(survey, "cards", lambda: cards)
    monkeypatch.setattr(survey, "capability", lambda: card)
    monkeypatch.setattr(survey, "wheels", lambda: wheels)
    found = object() if importable else None
    monkeypatch.setattr(survey.importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(runtime, "_current", None)


@pytest.mark.parametrize("name", MACHINES)
def test_one_message_says_what_is_wrong_and_what_to_type(name, monkeypatch):
    machine, wanted = MACHINES[name]
    pretend(monkeypatch, *machine)
    message = kernels.why_not("gpu")
    assert "\n" not in message
    for part in wanted:
        assert re.search(part, message), message


@pytest.mark.parametrize("driver", [(12, 4), (13, 0)])
def test_a_cupy_that_does_not_run(monkeypatch, driver):
    pretend(monkeypatch, driver, 1, {"cupy-cuda12x": "14.2"}, True)
    monkeypatch.setitem(sys.modules, "cupy", None)  # its import fails
    message = kernels.why_not("gpu")
    assert "cupy-cuda12x 14.2 is installed, but does not run" in message
    # the same wheel again: one for CUDA 13 beside it would only hide it
    assert message.endswith("pip uninstall -y cupy-cuda12x && pip install 'cupy-cuda12x[ctk]'")


def test_the_capability_is_asked_of_the_driver(monkeypatch, tmp_path):
    (tmp_path / "driver.c").write_text(
        "int cuDeviceGet(int* card, int i) { *card = i + 40; return 0; }\n"
        "int cuDeviceGetAttribute(int* value, int what, int card) {\n"
        "    *value = card != 40 ? -1 : what == 75 ? 8 : what == 76 ? 9 : -1; return 0; }\n"
    )
    command = [cuda_on_cpu.compiler(), "-x", "c", "-shared", "-fPIC", "-o",
               tmp_path / "driver.so", tmp_path / "driver.c"]  # fmt: skip
    subprocess.run(command, check=True)
    monkeypatch.setattr(survey, "DRIVER", str(tmp_path / "driver.so"))
    assert survey.capability() == (8, 9)


def test_hidden_cards_are_mentioned(monkeypatch):
    pretend(monkeypatch, (12, 4), 0, {}, False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES=''" in kernels.why_not("gpu")


def test_compile_without_a_card_leaves_the_model_as_it_was(monkeypatch):
    model = tinynet.Sequential([tinynet.Input((2,)), tinynet.layers.Dense(1)])
    model.compile("sgd", "mse", device="cpu")
    before = (model.optimizer, model.loss, model.device, model.step_context.ops)
    pretend(monkeypatch, None, 0, {}, False)
    with pytest.raises(RuntimeError, match="the gpu device needs an NVIDIA driver"):
        model.compile("adam", "mae", device="gpu")
    assert (model.optimizer, model.loss, model.device, model.step_context.ops) == before


def test_usable_devices(monkeypatch):
    pretend(monkeypatch, None, 0, {}, False)
    assert kernels.usable() == ("reference", "cpu")


def test_doctor_prints_what_there_is():
    done = subprocess.run(
        [sys.executable, "-m", "tinynet", "doctor"], capture_output=True, text=True, check=True
    )
    for line in ("cpu", "  cores: ", "  BLAS: ", "  threads: ", "  Numba: ", "gpu", "  driver: ",
                 "  CuPy: ", "  usable: ", "several processes", "  mpi4py: "):  # fmt: skip
        assert any(text.startswith(line) for text in done.stdout.splitlines()), line


def test_what_the_environment_asks_of_the_gpu_is_told_and_so_is_what_makes_no_sense(monkeypatch):
    for rows, found in (("", "off; .*"), ("256", "on for .* up to 256 rows"), ("x", ".*'x'")):
        monkeypatch.setenv("TINYNET_PERSISTENT", rows)
        assert re.fullmatch(found, options.described()["persistent kernel"])


def test_importing_tinynet_asks_for_no_card():
    code = "import sys, tinynet; import tinynet.kernels.gpu; assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
