"""The gpu's elementwise losses; the others are a CUDA kernel each."""

from ..reference.losses_elementwise import ELEMENTWISE_LOSSES
from .machine.call import kernel
from .machine.launches import launch, number


@kernel
def elementwise_loss(kind, y, targets, params, w, *, losses, dy):
    options = dict(zip("abcd", (*map(number, params), *[0.0] * 4), strict=False))
    which = list(ELEMENTWISE_LOSSES).index(kind)
    yield launch("elementwise_loss", kind=which, y=y, targets=targets, w=w, losses=losses, dy=dy,
                 **options)  # fmt: skip
