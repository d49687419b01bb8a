"""`with untouched(model):` whatever happens inside, afterwards every bit is where it was.

Microscope, probes and monitors take real steps with the real model. Its state is noted beforehand
and put back, also after an error: what `get_state` returns, and beside it the objects, attributes
and arrays within reach, so that gradients, too, and activations of a step are where they were. The
next `fit` comes out bit-equal to one without a look.
"""

from __future__ import annotations

import contextlib
import functools
import types
from typing import TYPE_CHECKING

import numpy as np

from .. import random
from ..configs import naming
from ..core.locks import locked
from ..core.ranks import Alone
from .listen import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ATOMS = (
    str, bytes, int, float, complex, bool, type(None), np.generic, np.dtype, type,
    types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType,
)  # fmt: skip


@contextlib.contextmanager
def untouched(*models: Any) -> Iterator[Any]:
    """Put models, all random streams and the counters of names back at the end of the block.

    Recorded steps are set aside for the time. Other threads wait.
    """
    streams, names = random.get_state(), dict(naming._counters)
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(*models))
        for model in models:
            execution = model.execution
            if execution is not None:
                stack.enter_context(replaced(execution, **vars(type(execution)(model))))
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
        if isinstance(thing, (*ATOMS, Alone)) or id(thing) in seen:  # other ranks write in theirs
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
            notes.append(_attributes(thing))
            waiting.extend(vars(thing).values())
    return notes


def _attributes(thing):
    """Return what puts an object's attributes back, each at once: other threads may read them.

    Left out is `stop_training`, which a callback in another thread may set meanwhile.
    """
    left_out = {"stop_training"}
    before = {name: value for name, value in vars(thing).items() if name not in left_out}

    def put_back():
        now = vars(thing)
        for name in now.keys() - before.keys() - left_out:
            del now[name]
        now.update(before)

    return put_back


def _refill(container, before, fill):
    def put_back():
        container.clear()
        fill(before)

    return put_back
