"""Metrics that count matching rows: counted within the recorded step, so that no predictions have
to come back to the host.
"""

from .machine.call import CONTROL, Launch
from .machine.launches import on_rows


def count_matches_instructions(name, p, targets, numbers, hits, place, count):
    """Count the rows of a batch that match, towards metric number `place` of `count`.

    Args:
        name: "sparse_matches", "categorical_matches" or "binary_matches".
        p, targets: predictions (N, C), and class ids (N,) or rows (N, C).
        numbers: of the kernel: binary_matches' threshold.
        hits: room (N,).
    """
    match = on_rows(name, (p, targets), tuple(map(float, numbers)), outputs=(hits,))
    total = Launch("count_hits", "blocks", 1, (CONTROL, hits, hits.size, place, count), match.dtype)
    return [match, total]
