"""`python -m tinynet warmup`: compile the CPU kernels ahead of the first fit."""

import argparse
import time


def warmup():
    """Compile every kernel for float32 and float64; what is on disk already costs nothing."""
    import numpy as np

    from .devices import load_ops

    start = time.perf_counter()
    count = load_ops("cpu").warmup(np.float32) + load_ops("cpu").warmup(np.float64)
    print(f"{count} kernels ready after {time.perf_counter() - start:.1f} s")


def main():
    parser = argparse.ArgumentParser(prog="python -m tinynet", description=__doc__)
    parser.add_argument("command", choices=["warmup"])
    parser.parse_args()
    warmup()


if __name__ == "__main__":
    main()
