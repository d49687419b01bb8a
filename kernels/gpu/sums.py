"""The gpu's sums over large vectors, in two passes: the loss of a step, penalties, lengths."""

from .. import reference
from .card import runtime
from .machine.call import kernel
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
    yield by_entries(reference.penalty_grad, {"w": w, "l1": l1, "l2": l2, "dw": dw})
    for one in count_penalty(w, l1, l2):
        one.recorded_only = True
        yield one


def add_loss_instruction(losses):
    """Count the weighted losses of a batch towards the step's loss."""
    return launch("add_loss", size=1, losses=losses)


def penalty_instructions(w, regularizer):
    """Count the penalty on w towards the step's loss, without a gradient."""
    return list(count_penalty(w, regularizer.l1, regularizer.l2))


def count_penalty(w, l1, l2):
    parts = parts_of_a_sum(w, "PENALTY", l1, l2)
    yield parts
    (partial,) = parts.own
    added = launch("add_penalty", size=1, own=(partial,), dtype=parts.dtype, partial=partial,
                   count=partial.size)  # fmt: skip
    added.recorded_only = True
    yield added
