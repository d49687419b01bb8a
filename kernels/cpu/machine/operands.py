"""An instruction of the machine: its signature, its compilation, and how it finds its operands.

Every instruction has the same C signature, so that the machine calls it by address:

    (words, numbers, first, last, step, scratch, like) -> nothing

For ROWS, first..last are the samples of this chunk; COLUMNS and FLAT find their share in `scratch`.
An instruction is compiled when a program first contains it, and kept on disk.
"""

import sys

import numpy as np
from numba import config, njit, types

from .loop import (
    FLAT_GRADS,
    HEAD,
    LINE,
    NUMBERS,
    OWN_GRADS,
    SAMPLES,
    SCRATCH,
    SPAN_COUNT,
    SPANS,
    THREAD,
    THREADS,
    WORDS,
    kept_on_disk,
)
from .native import matrix, size_of, vector
from .plain import address_of_function

jit = njit(nogil=True, error_model="numpy")
INSTRUCTIONS = {}  # name -> Instruction


class Instruction:
    """Compiled lazily, once per dtype; `address(dtype)` is what the machine calls."""

    said_so = False  # that something is being compiled; once per process

    def __init__(self, function):
        self.name = function.__name__
        self.dispatcher = kept_on_disk(function)
        self.addresses = {}

    def address(self, dtype):
        if dtype not in self.addresses and config.DISABLE_JIT:
            self.addresses[dtype] = address_of_function(self.dispatcher)
        if dtype not in self.addresses:
            like = types.float32 if dtype == np.float32 else types.float64
            signature = types.void(*[types.int64] * 6, like)
            self.dispatcher.compile(signature)
            if self.dispatcher.stats.cache_misses and not Instruction.said_so:
                Instruction.said_so = True
                print("tinynet compiles its CPU kernels (some seconds, once)", file=sys.stderr)
            compiled = self.dispatcher.overloads[signature.args]
            name = compiled.fndesc.llvm_cfunc_wrapper_name
            self.addresses[dtype] = compiled.library.get_pointer_to_function(name)
        return self.addresses[dtype]


def instruction(function):
    INSTRUCTIONS[function.__name__] = Instruction(function)
    return function


# ------------------------------------------------------------------------- finding the operands


@jit
def word_of(words):
    return vector(words, WORDS, np.int64(0))


@jit
def number_of(numbers):
    return vector(numbers, NUMBERS, 0.0)


@jit
def at(word, i, row, step):
    """Address of operand i for sample `row` of step number `step` of the stretch."""
    place = HEAD + 3 * i
    return word[place] + row * word[place + 1] + step * word[place + 2]


@jit
def rows_of(word, i, first, last, step, like):
    """Operand i for samples first..last as (rows, D)."""
    return matrix(at(word, i, first, step), (last - first) * word[2], word[3], like)


@jit
def flat_rows(word, i, first, last, step, like):
    """The same as one vector."""
    return vector(at(word, i, first, step), (last - first) * word[2] * word[3], like)


@jit
def whole(word, i, n, like):
    """Operand i, which belongs to no sample: n numbers, or none where it is not there."""
    address = word[HEAD + 3 * i]
    return vector(address, n if address else 0, like)


@jit
def scratch_of(scratch):
    return vector(scratch, SCRATCH, np.int64(0))


@jit
def share(D, mine):
    """This thread's part of D columns: first and last."""
    return D * mine[THREAD] // mine[THREADS], D * (mine[THREAD] + 1) // mine[THREADS]


@jit
def pieces(word, mine):
    """low and high of this thread's spans, cut to the instruction's range; empty ones left out."""
    count = mine[SPAN_COUNT]
    spans = vector(mine[SPANS], 2 * count, np.int64(0))
    for s in range(count):
        low, high = max(spans[2 * s], word[3]), min(spans[2 * s + 1], word[3] + word[4])
        if low < high:
            yield low, high


@jit
def flat(word, i, low, high, like):
    """Entries low..high of operand i, or none where it is not there."""
    address, n = word[HEAD + 3 * i], high - low
    return vector(address + (low - word[3]) * size_of(like), n if address else 0, like)


@jit
def padded(n, like):
    """Bytes of n numbers, filled up to whole cache lines."""
    return (n * size_of(like) + LINE - 1) // LINE * LINE


@jit
def own_gradient(word, i, mine):
    """Operand i, an address in the flat gradients, in this thread's vector of gradients."""
    return mine[OWN_GRADS] + word[HEAD + 3 * i] - mine[FLAT_GRADS]


@jit
def is_first(first, mine):
    """Whether this is the first chunk of the thread's rows."""
    return first == mine[SAMPLES] * mine[THREAD] // mine[THREADS]
