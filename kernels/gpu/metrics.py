"""Metrics that count matching rows: counted within the recorded step, so that no predictions have
to come back to the host.
"""

from .machine.call import KERNELS
from .machine.launches import launch


def count_matches_instructions(name, p, targets, numbers, hits, place, count):
    """Count the rows of a batch that match, towards metric number `place` of `count`.

    Args:
        name: "sparse_matches", "categorical_matches" or "binary_matches".
        p, targets: predictions (N, C), and class ids (N,) or rows (N, C).
        numbers: of the kernel: binary_matches' threshold.
        hits: room (N,).
    """
    match = KERNELS[name].instructions(p, targets, *numbers, hits=hits)
    return [*match, launch("count_hits", size=1, hits=hits, k=place, K=count)]
