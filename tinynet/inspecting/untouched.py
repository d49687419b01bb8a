"""`with untouched(model):` whatever happens inside, afterwards every bit is where it was.

Microscope, probes and monitors take real steps with the real model. Its state is noted beforehand
and put back, also after an error: what `get_state` returns, and beside it the objects, attributes
and arrays within reach, so that gradients, too, and activations of a step are where they were. The
next `fit` comes out bit-equal to one without a look.
"""

import contextlib
import functools
import types

import numpy as np

from .. import random
from ..configs import naming
from ..core.locks import locked
from .listen import replaced

ATOMS = (
    str, bytes, int, float, complex, bool, type(None), np.generic, np.dtype, type,
    types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType,
)  # fmt: skip


@contextlib.contextmanager
def untouched(*models):
    """Put models, all random streams and the counters of names back at the end of the block.

    Recorded steps are set aside for the time. Other threads wait.
    """
    streams, names = random.get_state(), dict(naming._counters)
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(*models))
        for model in models:
            stack.enter_context(replaced(model, execution=None))
        states, notes = [model.get_state() for model in models], _notes(models)
        try:
            yield
        finally:
            for put_back in reversed(notes):
                put_back()
            for model, state in zip(models, states, strict=True):
                model.set_state(state)
            naming._counters.clear()
            naming._counters.update(names)
            random.set_state(streams)


def _notes(roots):
    """Return what puts each array, container and object within reach back."""
    seen = {id(model.course) for model in roots}  # a `fit` that goes on
    notes, waiting = [], list(roots)
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, ATOMS) or id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, np.random.Generator):
            stream = thing.bit_generator
            notes.append(functools.partial(setattr, stream, "state", stream.state))
        elif hasattr(thing, "dtype") and hasattr(thing, "__setitem__") and hasattr(thing, "flags"):
            if getattr(thing.flags, "writeable", True):
                notes.append(functools.partial(thing.__setitem__, ..., thing.copy()))
        elif isinstance(thing, dict):
            notes.append(_refill(thing, dict(thing), thing.update))
            waiting.extend(thing.values())
        elif isinstance(thing, (list, set)):
            extend = thing.extend if isinstance(thing, list) else thing.update
            notes.append(_refill(thing, list(thing), extend))
            waiting.extend(thing)
        elif isinstance(thing, (tuple, frozenset)):
            waiting.extend(thing)
        elif hasattr(thing, "__dict__"):
            waiting.append(vars(thing))
    return notes


def _refill(container, before, fill):
    def put_back():
        if not isinstance(container, dict) or list(container) != list(before):
            container.clear()
        fill(before)  # attributes are there all the time: other threads may read them

    return put_back
