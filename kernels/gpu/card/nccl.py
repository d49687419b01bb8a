"""NCCL, through CuPy: the sum of a vector over the cards of several ranks, a launch of a step.

It is captured with the others, so that gradients stay on the cards and many steps are one graph.
The id by which the cards find each other comes from the first rank, by what connects the processes.
It has never run on a card.
"""

import atexit
import contextlib
import weakref

from ...recording import Unsupported
from . import runtime, survey

_found = weakref.WeakKeyDictionary()  # ranks -> their communicator, or why there is none


class AllReduce:
    """array = the sum of the arrays of all ranks, in place.

    Args:
        communicator: CuPy's NcclCommunicator.
        array: contiguous, of float32 or float64, of the same size on all ranks.
    """

    name, own, recorded_only, when = "all_reduce", (), False, None
    inputs = ()

    def __init__(self, communicator, array):
        self.communicator, self.arrays, self.dtype = communicator, [array], array.dtype.name

    def outputs(self):
        return self.arrays

    def prepare(self, card):
        """Do nothing: the ranks have summed up such an array before, see `_connected`."""

    def start(self, card, control=0):
        nccl, (array,) = card.nccl, self.arrays
        kind = nccl.NCCL_FLOAT32 if self.dtype == "float32" else nccl.NCCL_FLOAT64
        place, stream = array.data.ptr, card.cupy.cuda.get_current_stream().ptr
        self.communicator.allReduce(place, place, array.size, kind, nccl.NCCL_SUM, stream)

    def work(self):
        return 2 * self.arrays[0].nbytes, 0


def sum_instruction(ranks, array):
    """Return the launch that makes a vector the sum of those of all ranks.

    Args:
        ranks: has `rank` and `size`; `gather(value)`, the list of all ranks' values, and
            `first(function)`, on all ranks what it returns on the first. All of them have to call
            this for the same step, the first one that is recorded.

    Raises:
        Unsupported: NCCL can't be used; on all ranks alike.
    """
    if ranks not in _found:
        _found[ranks] = _connected(ranks, array)
    found = _found[ranks]
    if isinstance(found, str):
        raise Unsupported(found)
    return AllReduce(found, array)


def _connected(ranks, array):
    """Return the communicator, which has summed up such an array once: NCCL opens its connections
    then, and not while a graph is captured. A text where a rank can't take part.
    """
    card = runtime.current()
    reason = _of_any(ranks, survey.without(card.nccl))
    if reason is not None:
        return reason
    nccl, error = card.nccl, None
    unique = ranks.first(nccl.get_unique_id)
    try:
        made = nccl.NcclCommunicator(ranks.size, unique, ranks.rank)
    except RuntimeError as failure:  # two ranks on one card, no way between them
        error = f"NCCL can't connect the cards ({failure}); each rank needs a card of its own"
    reason = _of_any(ranks, error)
    if reason is not None:
        return reason
    atexit.register(_close, card, made)
    with card.stream as stream:
        AllReduce(made, card.zeros(array.shape, array.dtype.name)).start(card)
        stream.synchronize()
    return made


def _of_any(ranks, reason):
    """Return the reason of the first rank that has one, or None."""
    reasons = ranks.gather(reason)
    found = [(rank, text) for rank, text in enumerate(reasons) if text is not None]
    return f"rank {found[0][0]}: {found[0][1]}" if found else None


def _close(card, communicator):
    """Give it up without waiting for other ranks; graphs that use it go first."""
    card.forget_graphs()
    with contextlib.suppress(RuntimeError):
        communicator.abort()
