"""The tests of the gpu's kernels in a process that compute-sanitizer watches.

    compute-sanitizer --error-exitcode 9 python benches/sanitized.py

CuPy hands out parts of large blocks of memory; here each array has memory of its own, so that what
is read or written beyond its end is seen.
"""

import os
import pathlib

ROOT = pathlib.Path(__file__).parent.parent


def main():
    import cupy
    import pytest

    cupy.cuda.set_allocator(None)
    os.environ["TINYNET_TESTS_GPU"] = "only"
    os.chdir(ROOT)
    tests = ["tests/kernels/test_gpu_kernels.py", "tests/replay/test_gpu_persistent.py"]
    return pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests])


if __name__ == "__main__":
    raise SystemExit(main())
