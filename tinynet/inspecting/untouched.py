"""`with untouched(model):` whatever happens inside, afterwards every bit is where it was.

The microscope takes real training steps on the real model. Weights, gradients, moments, counters,
metrics, generators and names are noted beforehand and put back, also after an error, so that the
next `fit` comes out bit-equal to one without a look.
"""

import contextlib
import random as python_random
import types

import numpy as np

from .. import random
from ..configs import naming

ATOMS = (
    str, bytes, int, float, complex, bool, type(None), np.generic, np.dtype, type,
    types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType,
)  # fmt: skip
LEFT_OUT = {"execution"}  # recorded programs: an eager step does not reach them


@contextlib.contextmanager
def untouched(*roots):
    """Put everything that can be reached from `roots`, and all random streams, back at the end."""
    notes = _notes(roots)
    counters, root = dict(naming._counters), random._root
    stream, python = root.bit_generator.state, python_random.getstate()
    legacy = np.random.get_state()  # noqa: NPY002  a layer of the user's may draw from it
    try:
        yield
    finally:
        for put_back in reversed(notes):
            put_back()
        naming._counters.clear()
        naming._counters.update(counters)
        random._root, root.bit_generator.state = root, stream
        python_random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002


def _notes(roots):
    """For each array, container and object within reach, what puts it back."""
    seen, notes, waiting = set(), [], list(roots)
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, ATOMS) or id(thing) in seen:
            continue
        seen.add(id(thing))
        if hasattr(thing, "dtype") and hasattr(thing, "shape") and hasattr(thing, "__setitem__"):
            notes.append(_array(thing))
        elif isinstance(thing, np.random.Generator):
            notes.append(_stream(thing.bit_generator))
        elif isinstance(thing, np.random.BitGenerator):
            notes.append(_stream(thing))
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
            kept = dict(thing.__dict__)
            notes.append(_refill(thing.__dict__, kept, thing.__dict__.update))
            waiting.extend(value for key, value in kept.items() if key not in LEFT_OUT)
    return notes


def _array(array):
    before = array.copy()

    def put_back():
        array[...] = before

    return put_back


def _stream(bit_generator):
    before = bit_generator.state

    def put_back():
        bit_generator.state = before

    return put_back


def _refill(container, before, fill):
    def put_back():
        container.clear()
        fill(before)

    return put_back
