"""Explicit randomness: every stream is a counter-based generator with a seed one can name.

Nothing here reads NumPy's global state. An object that is given no seed draws one from the root
stream, so one call of `set_random_seed` fixes initial weights, data order and dropout masks.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox).
"""

from __future__ import annotations

import contextlib
import contextvars
import random as python_random
from typing import TYPE_CHECKING

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from .configs.checks import is_integer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_root = np.random.Generator(np.random.Philox())


_own = contextvars.ContextVar("own stream", default=None)


def draw_seed() -> int:
    """A fresh 63-bit seed from the root stream, or from that of `own_stream`."""
    return int((_own.get() or _root).integers(0, 2**63))


@contextlib.contextmanager
def own_stream(seed: int) -> Iterator[Any]:
    """Within the block, seeds are drawn from a stream of their own; the root stream stays as it is.

    A model that is built and trained in such a block depends on this seed alone.
    """
    token = _own.set(generator(check_seed(seed)))
    try:
        yield
    finally:
        _own.reset(token)


def root_state() -> dict[str, Any]:
    """Return where the root stream is."""
    return _root.bit_generator.state


def set_root_state(state: dict[str, Any]) -> None:
    """Let the root stream go on from a state that `root_state` returned."""
    _root.bit_generator.state = state


def get_state() -> dict[str, Any]:
    """Return where all global streams are: tinynet's root, Python's `random`, NumPy's global."""
    return {
        "root": root_state(),
        "python": python_random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002  users draw from it
    }


def set_state(state: dict[str, Any]) -> None:
    """Let the global streams go on from a state that `get_state` returned."""
    set_root_state(state["root"])
    python_random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002


class _Key(ISeedSequence):
    """Philox's key as it is. Given as `key=`, entropy is drawn all the same, which takes longer
    than all else that a small epoch's order needs."""

    def __init__(self, *words: int) -> None:
        self.words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        """Return the words."""
        return np.array(self.words, dtype)


def generator(seed: int, stream: int = 0) -> np.random.Generator:
    """The generator of one stream: the same (seed, stream) always yields the same numbers."""
    return np.random.Generator(np.random.Philox(_Key(seed, stream)))


def check_seed(seed: int) -> int:
    """`seed` as an int in [0, 2^63), or an error that says what was expected."""
    if not (is_integer(seed, 0) and seed < 2**63):
        raise ValueError(f"seed must be an integer in [0, 2**63), received {seed!r}")
    return int(seed)


def set_random_seed(seed: int) -> None:
    """Fix every source of randomness: tinynet's root stream, Python's `random`, NumPy's global.

    Two runs with the same seed, machine and thread count end with bit-equal weights.

    Args:
        seed: integer in [0, 2^32), the range NumPy's global state accepts.
    """
    global _root
    if not (is_integer(seed, 0) and seed < 2**32):
        raise ValueError(f"seed must be an integer in [0, 2**32), received {seed!r}")
    python_random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002  users draw from it, we do not
    _root = generator(int(seed))
