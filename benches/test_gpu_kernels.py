"""Each kernel of the gpu device: us, GFLOP/s or GB/s, and the share of the bound (gpu_kernels.py).

    pytest benches/test_gpu_kernels.py --benchmark-json kernels.json

The shapes are those of a step of 784-300-200-100-10 with 512 and with 8192 rows.
"""

import pytest
from gpu_kernels import measure
from kernel_cases import NAMES

from tinynet.kernels import why_not
from tinynet.kernels.gpu.card import runtime


@pytest.mark.parametrize("rows", [512, 8192])
@pytest.mark.parametrize("name", NAMES)
def test_kernel(benchmark, record_property, name, rows):
    if why_not("gpu") is not None:
        pytest.skip(why_not("gpu"))
    cuda = runtime.current().cupy.cuda
    cache = cuda.runtime.getDeviceProperties(cuda.Device().id)["l2CacheSize"]
    row, again = measure(name, rows, cache)
    for key, value in row.items():
        record_property(key, value)
        benchmark.extra_info[key] = value
    benchmark.pedantic(again, rounds=3, iterations=1)
