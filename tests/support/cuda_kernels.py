"""The CUDA kernels that are made from the reference's formulas, each one of them."""

import functools
import inspect
import itertools

from tinynet.kernels import reference
from tinynet.kernels.gpu.card import formulas, sources
from tinynet.kernels.gpu.machine.call import outputs_of
from tinynet.kernels.reference.activations import FUNCTIONS
from tinynet.kernels.reference.losses import ELEMENTWISE_LOSSES

# entry by entry -> how many arrays each reads, and which ones of those that it changes may be None
ENTRYWISE = {
    "affine": (1,), "multiply": (2,), "add": (2,), "add_to": (1,), "maximum": (2,),
    "maximum_grad": (3,), "moving_average": (1,), "deviation": (1,), "activity_penalty_grad": (2,),
    "penalty_grad": (1,), "clip_by_value": (0,), "scale_": (0,), "sgd": (1, "m"),
    "rmsprop": (1, "a", "m"), "adam": (1, "v_max"), "nadam": (1,), "adamax": (1,),
    "schedule_free_adam": (1,), "adagrad": (1,),
    "adadelta": (1,), "lion": (1,), "ftrl": (1,), "accumulate": (0,), "ema": (0,),
    "not_negative": (0,),
}  # fmt: skip


def framed(family, kind):
    """The kernel of an activation or loss of the reference."""
    loss = family == "elementwise_loss"
    f, _ = (ELEMENTWISE_LOSSES if loss else FUNCTIONS)[kind]
    count = len(inspect.signature(f).parameters) - (2 if loss else 1)
    return formulas.framed(family, kind, count)


@functools.cache
def made():
    """All that can be made from the reference."""
    found = []
    for family in formulas.frames():
        kinds = ELEMENTWISE_LOSSES if family == "elementwise_loss" else FUNCTIONS
        found += [framed(family, kind) for kind in kinds]
    for name, (inputs, *optional) in ENTRYWISE.items():
        function = getattr(reference, name)
        for absent in itertools.product(*((None, a) for a in optional)):
            absent = {*absent} - {None}
            absent = tuple(a for a in outputs_of(function) if a in absent)
            found.append(formulas.entrywise(function, inputs, absent))
    return tuple(found)


@functools.cache
def finishing():
    """The activations that the kernel `product` may go on with."""
    few = (k for k in made() if k.family in ("elementwise", "elementwise_grad"))
    return tuple(k for k in few if "p3" not in k.declared)


@functools.cache
def every():
    """Name -> kernel, of the files and made from the reference."""
    return sources.kernels() | {kernel.name: kernel for kernel in made()}


def program():
    """All of them in one text."""
    return sources.source(made(), finishing())
