"""A rehearsal of benches/gpu_report.py without a card: with this folder on PYTHONPATH every Python
begins with the stand-in for one (fake_cupy) in its place, and the benches are small.

    PYTHONPATH=tests/support/rehearsal python benches/gpu_report.py --total-minutes 4 \\
        --batches 4 8 --data random --folder /tmp/rehearsal
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support"), str(ROOT / "benches")]

import fake_cupy  # noqa: E402

card = fake_cupy.in_place_of_a_card()  # entered for as long as the process lives
card.__enter__()
sys.modules["cupy"] = fake_cupy

import products  # noqa: E402

products.WIDTHS = (784, 8, 10)

import proof  # noqa: E402

proof.CASES, proof.ORDERS = ((4, 2, 1),), (2,)
