"""What was measured on this machine, kept in the cache folder: `TINYNET_CACHE_DIR`, else the
system's; a file for each model, batch size, machine and version.
"""

import contextlib
import functools
import hashlib
import json
import os
import pathlib

from ..datasets._files import cache_folder
from ..saving.atomic import atomic_write
from .subject import as_json

FORMAT = 1
MOST_BYTES = 1 << 20  # of a file
NOT_OF_SPEED = ("learning_rate", "seed", "name", "trainable_weights")


def folder() -> pathlib.Path:
    """Return where the files lie."""
    return cache_folder() / "speed"


def key(model, batch, devices, shapes, density) -> dict:
    """Return all that a measurement depends on."""
    from .. import __version__

    return {
        "architecture": architecture(model), "batch": batch, "rows": repr(shapes),
        "density": max(round(density, 1), 0.1), "dtype": model.dtype, "devices": sorted(devices),
        "machine": machine("gpu" in devices), "tinynet": __version__, "kernels": kernels_digest(),
    }  # fmt: skip


def architecture(model) -> str:
    """Return a digest of layers, loss, optimizer and metrics, whatever they are named."""
    config = json.loads(as_json(model))
    names = [layer.name for layer in (model, *model.parts())]
    numbers = {name: f"#{i}" for i, name in enumerate(dict.fromkeys(names))}

    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in NOT_OF_SPEED}
        if isinstance(value, list):
            return [plain(v) for v in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    return _digest(plain(config))


def machine(with_gpu) -> str:
    """Return processor, threads, versions; and card, driver and CuPy. BLAS follows from these."""
    import importlib.metadata  # takes as long to import as all of this package

    from ..core.devices import survey_of_cpu, survey_of_gpu
    from .machine import processor

    parts = [processor(), f"{survey_of_cpu()['threads'].split()[0]} threads"]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scipy", "numba")]
    forced = os.environ.get("OPENBLAS_CORETYPE")
    parts += [f"OPENBLAS_CORETYPE={forced}"] if forced else []
    if with_gpu:
        found = survey_of_gpu()
        parts += [f"{name} {found[name]}" for name in ("card", "driver", "CuPy", "TF32", "cuBLASLt",
                  "persistent kernel") if name in found]  # fmt: skip
    return ", ".join(parts)


@functools.cache
def kernels_digest() -> str:
    """Return a digest of the sources of all devices."""
    from ..core.devices import kernel_sources

    digest = hashlib.sha256()
    for path in kernel_sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def load(wanted):
    """Return what `save` kept under this key, or None; a damaged file counts as none."""
    try:
        path = _path(wanted)
        if path.stat().st_size > MOST_BYTES:
            return None
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    right = isinstance(found, dict) and (found.get("format"), found.get("key")) == (FORMAT, wanted)
    return found["result"] if right and _is_result(found.get("result"), wanted) else None


def save(wanted, result):
    """Keep a measurement; returns the path, or None where the folder can't be written."""
    path = _path(wanted)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            text = json.dumps({"format": FORMAT, "key": wanted, "result": result}, indent=1)
            file.write(text.encode())
        return path


def _is_result(result, wanted):
    """Return whether it has times > 0 for each device."""
    if not isinstance(result, dict) or sorted(result) != wanted["devices"]:
        return False
    times = [one.get("seconds_per_step") if isinstance(one, dict) else None
             for one in result.values()]  # fmt: skip
    return all(
        isinstance(t, list) and t and all(isinstance(s, float) and 0 < s < 1e6 for s in t)
        for t in times
    )


def _path(wanted):
    return folder() / f"{_digest(wanted)}.json"


def _digest(value):
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
