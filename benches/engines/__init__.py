"""The engines of the sweep by name: tinynet's devices, its peers, and the bare matrix products.

Each peer is written as its own experts would write it, and has its own file. A module is imported
only in the process that runs it.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys

from tinynet.kernels import DEVICES, why_not

# name -> (module, class, what it imports, distributions whose versions are reported)
PEERS = {
    "jax": ("jax_scan", "JaxScan", ("jax",), ("jax", "jaxlib")),
    "keras-jax": ("keras_jax", "KerasOnJax", ("keras", "jax"), ("keras", "jax", "jaxlib")),
    "torch": ("pytorch", "Torch", ("torch",), ("torch",)),
    "torch-compile": ("pytorch", "TorchCompiled", ("torch",), ("torch",)),
    "scikit-learn": ("scikit_learn", "ScikitLearn", ("sklearn",), ("scikit-learn",)),
    "torch-gpu": ("pytorch_gpu", "TorchGpu", ("torch",), ("torch", "triton")),
    "jax-gpu": ("jax_scan", "JaxScanGpu", ("jax",),
                ("jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin")),
}  # fmt: skip
# peers on a card -> (what fails without one, what to say then)
ON_A_CARD = {
    "torch-gpu": ("import torch; torch.cuda.init()",
                  "torch sees no GPU: install a build for CUDA from https://pytorch.org"),
    "jax-gpu": ("import jax; jax.devices('cuda')",
                "this jax has no gpu backend: pip install 'jax[cuda12]'"),
}  # fmt: skip
# what a device of tinynet needs beside NumPy
ALSO = {"reference": (), "cpu": ("numba",), "gpu": ("cupy-cuda12x", "cupy-cuda13x")}
DEFAULT_PEERS = ("jax", "keras-jax", "torch", "scikit-learn")
BOUNDS = {"gemm": ("gemm", "Gemm"), "gemm-gpu": ("gemm", "GemmGpu")}


class UnknownEngine(ValueError):
    """A name that no engine has, or a peer that is not installed."""


def check(devices, peers):
    """Raise UnknownEngine unless all of these can be started here."""
    for kind, names, known in (("device", devices, DEVICES), ("peer", peers, tuple(PEERS))):
        for name in names:
            if name not in known:
                raise UnknownEngine(f"unknown {kind} {name!r}; there are: {', '.join(known)}")
    for device in devices:
        if why_not(device) is not None:
            raise UnknownEngine(why_not(device))
    missing = {module: peer for peer in peers for module in PEERS[peer][2] if not installed(module)}
    if missing:
        raise UnknownEngine(
            f"{', '.join(sorted(missing))} not installed, needed by "
            f"{', '.join(sorted(set(missing.values())))}: pip install -e '.[peers]', "
            "or leave it out of --peers"
        )
    for peer in peers:
        if why_not_on_a_card(peer) is not None:
            raise UnknownEngine(why_not_on_a_card(peer))


def installed(module):
    return importlib.util.find_spec(module) is not None


@functools.cache
def why_not_on_a_card(peer):
    """Why a peer can't run on a card here; None where it can, and for those that run elsewhere.

    It is tried in a process of its own, which takes the card's memory with it when it ends.
    """
    if peer not in ON_A_CARD:
        return None
    code, advice = ON_A_CARD[peer]
    environment = {k: v for k, v in os.environ.items() if k != "JAX_PLATFORMS"}
    environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    if done.returncode == 0:
        return None
    said = (done.stderr.strip() or f"it ended with code {done.returncode}").splitlines()[-1]
    return f"{peer}: {advice} ({said})"


def kind_of(name):
    """ "device", "peer" or "bound"."""
    return "device" if name in DEVICES else "peer" if name in PEERS else "bound"


def place_of(name):
    """Where an engine computes: "gpu", or "cpu". Only with those of one place it is compared."""
    return "gpu" if name in ("gpu", "gemm-gpu", *ON_A_CARD) else "cpu"


def bounds_of(devices):
    """The bounds for these devices; BLAS's where there are none, for the peers."""
    places = {place_of(device) for device in devices} or {"cpu"}
    return [name for name in BOUNDS if place_of(name) in places]


def make(name, x, y):
    """The engine `name` on these rows."""
    if name in DEVICES:
        module, arguments = ("tinynet_fit", "TinynetFit"), (name,)
    elif name in BOUNDS:
        module, arguments = BOUNDS[name], ()
    else:
        module, arguments = PEERS[name][:2], ()
    found = getattr(importlib.import_module(f"{__name__}.{module[0]}"), module[1])
    return found(x, y, *arguments)


def versions(name):
    """Distribution -> version of what `name` runs on."""
    names = PEERS[name][3] if name in PEERS else ("numpy",)
    if name in DEVICES:
        names = ("tinynet", "numpy", *ALSO[name])
    return {found: importlib.metadata.version(found) for found in names if _has(found)}


def _has(distribution):
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
