"""How far the card's products are from float64's: in float32, in TF32, and in 3xTF32.

    python benches/precision.py --json errors.json

The error is |out - right| / |right|, Euclidean, of normal matrices; `right` is computed in float64
from the same float32 factors.
"""

import argparse
import contextlib
import json
import os

import numpy as np

from tinynet.kernels import gpu
from tinynet.kernels.gpu.card import runtime
from tinynet.kernels.gpu.passes.tiles import AMPERE, TensorCores, in_tiles
from tinynet.saving.atomic import atomic_write

SIZES = ((512, 784, 300), (8192, 784, 300))  # N, D, H
MODES = {"float32": "0", "tf32": "1"}  # TINYNET_TF32


@contextlib.contextmanager
def multiplying(mode):
    """Within: products in this mode. It is looked at when cuBLAS is opened."""
    before = os.environ.get("TINYNET_TF32")
    os.environ["TINYNET_TF32"] = MODES[mode]
    runtime.current().close_cublas()
    try:
        yield
    finally:
        os.environ.pop("TINYNET_TF32") if before is None else os.environ.update(TINYNET_TF32=before)
        runtime.current().close_cublas()


def errors():
    """A list of {size, mode, error}."""
    random, found = np.random.default_rng(0), []
    for N, D, H in SIZES:
        x, W = (random.standard_normal(shape, dtype=np.float32) for shape in ((N, D), (D, H)))
        right = x.astype(np.float64) @ W.astype(np.float64)
        y, card = gpu.empty((N, H), "float32"), runtime.current()
        launches = gpu.linear.instructions(gpu.from_host(x), gpu.from_host(W), None, y=y)
        ways = [(mode, multiplying(mode), launches) for mode in MODES]
        if card.capability >= AMPERE and card.threads == runtime.THREADS:
            on_tensor_cores = in_tiles(launches, TensorCores(card))
            ways.append(("3xtf32", contextlib.nullcontext(), on_tensor_cores))
        for mode, context, (one,) in ways:
            with context:
                one.start(card)
                error = np.linalg.norm(gpu.to_host(y) - right) / np.linalg.norm(right)
            found.append({"size": f"{N}x{D}x{H}", "mode": mode, "error": float(error)})
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", required=True, metavar="FILE", help="write the errors here")
    options = parser.parse_args()
    gpu.require()
    found = errors()
    for one in found:
        print(f"{one['size']:>14} {one['mode']:<8} {one['error']:.2e}")
    with atomic_write(options.json) as file:
        file.write(json.dumps(found).encode())


if __name__ == "__main__":
    main()
