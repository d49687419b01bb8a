"""The gpu's sums: over large vectors, in two passes; of a step's losses; of its metrics' hits, so
that no predictions have to come back to the host.
"""

from .. import reference
from .card import runtime
from .machine.call import KERNELS, kernel
from .machine.launches import by_entries, launch

PARTS = 256  # a large sum is first taken in so many parts, at most
SUMS = {"SQUARES": 0, "PENALTY": 1}


def parts_of_a_sum(x, kind, a=0.0, b=0.0):
    """The first pass of a sum over x, in float64; its `own` array holds the parts."""
    count = max(1, min(-(-x.size // (4 * runtime.current().threads)), PARTS))
    partial = runtime.empty((count,), "float64")
    return launch("partial_sums", size=count, own=(partial,), kind=SUMS[kind], x=x, n=x.size, a=a,
                  b=b, partial=partial)  # fmt: skip


@kernel
def penalty_grad(w, l1, l2, *, dw):
    if dw is not None:
        yield by_entries(reference.penalty_grad, {"w": w, "l1": l1, "l2": l2, "dw": dw})
    parts = parts_of_a_sum(w, "PENALTY", l1, l2)  # of the loss, in a recorded step alone
    added = launch("add_penalty", size=1, own=parts.own, dtype=parts.dtype, partial=parts.own[0],
                   count=parts.count)  # fmt: skip
    parts.recorded_only = added.recorded_only = True
    yield from (parts, added)


def add_loss_instruction(losses):
    """Count the weighted losses of a batch towards the step's loss."""
    return launch("add_loss", size=1, losses=losses)


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
