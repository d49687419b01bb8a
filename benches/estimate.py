"""How long a step of the benches' net ought to take on an H200: on paper, from what is launched.

    python benches/estimate.py > benches/results/gpu-estimate.md

No card is needed, and none was used: the step is recorded on the stand-in of the tests, and its
launches are counted with their blocks, bytes and operations. The rest is data sheets and the usual
times of launches and barriers, below; a factor of 1.5 either way is no surprise.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support"), str(ROOT / "benches")]

import fake_cupy  # noqa: E402
import numpy as np  # noqa: E402
from products import WIDTHS  # noqa: E402

import tinynet as keras  # noqa: E402
from tinynet.kernels.gpu.card import runtime as card_runtime  # noqa: E402
from tinynet.kernels.gpu.machine.call import Product  # noqa: E402
from tinynet.kernels.gpu.machine.order import levels  # noqa: E402
from tinynet.kernels.gpu.passes.fusion import counted, fused  # noqa: E402
from tinynet.kernels.gpu.passes.tiles import Scalar, TensorCores, in_tiles  # noqa: E402

BATCHES = (8, 32, 128, 512, 2048, 8192, 16384)
MULTIPROCESSORS, THREADS, WARP = 132, 256, 32
CACHE = 50e6  # bytes of the L2 cache: a step that moves no more finds its data there
MEMORY, FROM_CACHE = 4.0e12, 7e12  # bytes/s that are reached
PER_BLOCK = 6e9  # bytes/s of a block: 256 threads with four loads of 4 bytes under way for 0.7 us
FP32 = 67e12 * 0.8  # operations/s of products by cuBLAS
SCALAR = 67e12 * 0.4  # by our own tiles of the persistent kernel
TENSOR = 495e12 * 0.5 / 3  # by mma.sync in TF32, three for one
LAUNCH, BARRIER = 2.5e-6, 2e-6  # from one launch of a graph to the next; of all blocks
LATENCY = 1e-6  # of the shortest work
DEPTH = 256  # numbers of a part of a deep product


def machine_of(rows):
    """The recorded training step for batches of so many rows."""
    model = keras.Sequential([keras.Input((WIDTHS[0],))])
    for width in WIDTHS[1:-1]:
        model.add(keras.layers.Dense(width, activation="relu"))
    model.add(keras.layers.Dense(WIDTHS[-1], activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", device="gpu")
    data = model.dataset(np.zeros((rows, WIDTHS[0]), np.float32), np.zeros(rows, np.int64))
    model._prepare(data.target_shape)
    counted_there = model.execution._counted(data.y)
    return model.execution.program("train", rows, data, counted_there).machine


def seconds(launch, runtime, bandwidth, rate):
    """What a launch takes on a card that is otherwise idle, without what comes before it."""
    size, operations = launch.work()
    if launch.name.startswith("gather"):
        size *= 2  # rows of the data set are read as well
    if isinstance(launch, Product):
        m, n, k = launch.sizes
        blocks = -(-m // 128) * -(-n // 64) * -(-k // DEPTH)
    else:
        blocks = launch.blocks(runtime)
    busy = min(1, blocks / MULTIPROCESSORS)
    moved = size / min(bandwidth, max(blocks, 1) * PER_BLOCK * (8 if operations else 1))
    return LATENCY + max(moved, operations / (rate * busy))


def estimates(rows):
    """{name: microseconds} and what was counted."""
    machine, runtime = machine_of(rows), card_runtime.current()
    step = [machine._gather(False), *machine.step]
    size = sum(one.work()[0] for one in step)
    bandwidth = FROM_CACHE if size < CACHE else MEMORY

    def chain(launches, rate):
        return sum(LAUNCH + seconds(one, runtime, bandwidth, rate) for one in launches) * 1e6

    bare = [machine._gather(False), *machine.bare]
    groups = levels(in_tiles(bare, Scalar(runtime)))
    tensor = counted(fused(in_tiles(bare, TensorCores(runtime))), machine.dtype)
    products = [one for one in step if isinstance(one, Product)]
    persistent = sum(
        BARRIER + sum(seconds(one, runtime, bandwidth, SCALAR) - LATENCY for one in group) + LATENCY
        for group in groups
    )
    return {
        "launches": len(step), "MB": size / 1e6,
        "GFLOP": sum(one.work()[1] for one in step) / 1e9,
        "products alone": sum(one.work()[1] for one in products) / FP32 * 1e6,
        "graph": chain(step, FP32),
        "3xTF32": chain(tensor, TENSOR) if rows >= 2048 else None,
        "persistent": persistent * 1e6 if rows <= 512 else None, "barriers": len(groups),
    }  # fmt: skip


def table():
    head = ["batch", "launches", "MB", "GFLOP", "products alone, us", "graph, us", "3xTF32, us",
            "barriers", "persistent, us"]  # fmt: skip
    lines = [head, ["---:"] * len(head)]
    fake_cupy.THREADS, fake_cupy.WARP = THREADS, WARP
    fake_cupy.MULTIPROCESSORS = MULTIPROCESSORS
    with fake_cupy.in_place_of_a_card():
        for rows in BATCHES:
            found = estimates(rows)
            lines.append([
                f"{rows:,}", str(found["launches"]), f"{found['MB']:.1f}", f"{found['GFLOP']:.2f}",
                *("" if us is None else f"{us:.0f}"
                  for us in (found["products alone"], found["graph"], found["3xTF32"])),
                str(found["barriers"]) if found["persistent"] else "",
                f"{found['persistent']:.0f}" if found["persistent"] else "",
            ])  # fmt: skip
    return (
        "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        .replace("|  |", "| |")
        .replace("|  |", "| |")
    )


def main():
    print(f"""# A training step on an H200, on paper

{"-".join(map(str, WIDTHS))}, Adam, float32; made by `benches/estimate.py` from the launches of the
recorded step, their bytes and operations. **Nothing here was measured, and none of it has ever run
on a real card**; `benches/gpu_report.py` measures it.

{table()}""")


if __name__ == "__main__":
    main()
