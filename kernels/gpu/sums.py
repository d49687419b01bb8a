"""The gpu's sums over large vectors, in two passes: the loss of a step, penalties, lengths."""

from .card import runtime
from .machine.call import CONTROL, Launch, kernel
from .machine.launches import number, on_entries, plain

PARTS = 256  # a large sum is first taken in so many parts, at most
SUMS = {"SQUARES": 0, "PENALTY": 1}


def parts_of_a_sum(x, kind, a=0.0, b=0.0):
    """The first pass of a sum over x, in float64; its `own` array holds the parts."""
    dtype, threads = plain(x), runtime.current().threads
    count = max(1, min(-(-x.size // (4 * threads)), PARTS))
    partial = runtime.empty((count,), "float64")
    args = (SUMS[kind], x, x.size, number(a), number(b), partial)
    return Launch("partial_sums", "blocks", count, args, dtype, (partial,))


@kernel
def penalty_grad(w, l1, l2, *, dw):
    if dw is not None:
        args = (w, number(l1), number(l2), w.size, dw)
        yield on_entries("penalty_grad", (w, dw), args)
    parts = parts_of_a_sum(w, "PENALTY", l1, l2)  # of the loss, in a recorded step alone
    parts.recorded_only, (partial,) = True, parts.own
    yield parts
    yield Launch("add_penalty", "blocks", 1, (CONTROL, partial, partial.size), parts.dtype,
                 (partial,), recorded_only=True)  # fmt: skip


def add_loss_instruction(losses):
    """Count the weighted losses of a batch towards the step's loss."""
    args = (CONTROL, losses, losses.size)
    return Launch("add_loss", "blocks", 1, args, plain(losses))
