"""The engines of the sweep by name: tinynet's devices, its peers, and the bare matrix products.

Each peer is written as its own experts would write it, and has its own file. A module is imported
only in the process that runs it.
"""

import importlib
import importlib.metadata
import importlib.util

from tinynet.kernels import DEVICES, why_not

# name -> (module, class, what it imports, distributions whose versions are reported)
PEERS = {
    "jax": ("jax_scan", "JaxScan", ("jax",), ("jax", "jaxlib")),
    "keras-jax": ("keras_jax", "KerasOnJax", ("keras", "jax"), ("keras", "jax", "jaxlib")),
    "torch": ("pytorch", "Torch", ("torch",), ("torch",)),
    "torch-compile": ("pytorch", "TorchCompiled", ("torch",), ("torch",)),
    "scikit-learn": ("scikit_learn", "ScikitLearn", ("sklearn",), ("scikit-learn",)),
}
# what a device of tinynet needs beside NumPy
ALSO = {"reference": (), "cpu": ("numba",), "gpu": ("cupy-cuda12x", "cupy-cuda13x")}
DEFAULT_PEERS = ("jax", "keras-jax", "torch", "scikit-learn")
GEMM = "gemm"


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


def installed(module):
    return importlib.util.find_spec(module) is not None


def kind_of(name):
    """ "device", "peer" or "bound"."""
    return "device" if name in DEVICES else "peer" if name in PEERS else "bound"


def make(name, x, y):
    """The engine `name` on these rows."""
    if name in DEVICES:
        module, arguments = ("tinynet_fit", "TinynetFit"), (name,)
    elif name == GEMM:
        module, arguments = ("gemm", "Gemm"), ()
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
