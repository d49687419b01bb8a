"""The machine that replays a recorded step: one compiled loop for every model.

A program is a table of instructions, one kernel call each. Threads walk through it together. A run
of ROWS instructions is done by each thread for its share of the batch's rows, in chunks that fit
the cache; COLUMNS instructions are split by the columns (or rows of W) they write, FLAT ones by
ranges of the flat vector of weights. A barrier stands between runs, except between COLUMNS and
FLAT: a thread updates exactly the weights whose gradients it has computed.

An instruction is a row of 64-bit words and a row of float64 numbers:

    words    address of its compiled code, mode, rows per sample, d0, d1, d2, k0, k1, k2, then 8
             operands of 3 words: address, bytes per sample, bytes per step
    numbers  up to 8; bit i of `k2` is set where number i is an index into the step's scalars;
             k2 >> 8 is 0, or 1 + the index of the scalar without which (0.0) it is left out: FLAT
"""

import functools
import hashlib
import pathlib

import numpy as np
from numba import njit

from .native import FLUSH, barrier, call_op, float_mode, set_float_mode, vector

ROWS, COLUMNS, FLAT = range(3)
HEAD, OPERANDS, NUMBERS = 9, 8, 8
WORDS = HEAD + 3 * OPERANDS

# What a thread has for itself: an int64 vector of these.
(THREAD, THREADS, COUNTER, PARTIAL, SPANS, SPAN_COUNT, LOSS, ROOM, SMALL, LIST, VALUES, TILE_ROWS,
 TILE_VALUES, TILE_COUNTS, SAMPLES, STEP_NUMBER, OWN_GRADS, FLAT_GRADS, STARTS, COLUMN_OF,
 ENTRIES, PLACES, ENTRY_ROWS, FACTORS, CURSORS, NEAR, BATCH_STARTS, BATCH_COLUMNS,
 BATCH_VALUES, TURNED_DY, TURNED_DX) = range(31)  # fmt: skip
SCRATCH = 31

BLOCK = 64  # rows whose entries are sorted by column together: dW is read and written once for them
LINE = 64  # bytes of a cache line
TILE = 16  # columns of x that share a cache line
FEATURES = 48  # rows of W that are used together: they fit the nearest cache
SLACK = 16  # entries beyond the last that `not_zero` may write to
TURNED = 64  # up to so many rows dx is computed transposed
FEW_ROWS = 2  # up to so many rows BLAS would spend its time on packing W
DTYPES = ("uint8", "float32", "float64", "int64", "int32")  # what gather reads


def kept_on_disk(function, **options):
    """Compile with Numba, keeping the code on disk; only in memory where no folder is writable."""
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError:  # Numba's word for a cache folder that it can't use
        return njit(**options)(function)
    # Numba would look at the function's own file only; what is compiled into it comes from others
    cache = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if cache is not None:
        cache._source_stamp = sources()
    return compiled


@functools.cache
def sources():
    """A digest of all kernels' source: code that was kept on disk is good for this one only."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(__file__).parents[2].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@kept_on_disk
def replay(words, numbers, number, scalars, steps, first_step, chunk, scratch, losses, like):
    """Run a program `steps` times; every thread calls this with a `scratch` of its own.

    Args:
        words, numbers: the instructions, (I, WORDS) int64 and (I, NUMBERS) float64.
        number: room for the running step's numbers, (I, NUMBERS) float64, this thread's own.
        scalars: the steps' own numbers (steps, K) float64.
        first_step: number of the first step, keys the dropout masks.
        chunk: samples that go through a run of ROWS instructions together.
        scratch: see above, (SCRATCH,) int64.
        losses: (steps,) float64; this thread's share of each step's loss is written.
        like: any number of the dtype.
    """
    thread, threads, samples = scratch[THREAD], scratch[THREADS], scratch[SAMPLES]
    first_row, last_row = samples * thread // threads, samples * (thread + 1) // threads
    loss = vector(scratch[LOSS], 1, 0.0)
    w, n, mine = words.ctypes.data, number.ctypes.data, scratch.ctypes.data
    mode = float_mode()
    set_float_mode(mode | FLUSH)
    for step in range(steps):
        loss[0] = 0.0
        scratch[STEP_NUMBER] = first_step + step
        for i in range(len(words)):
            for k in range(NUMBERS):
                number[i, k] = numbers[i, k]
                if words[i, 8] >> k & 1:
                    number[i, k] = scalars[step, np.int64(numbers[i, k])]
        begin = 0
        while begin < len(words):
            kind, end = words[begin, 1], begin + 1
            while end < len(words) and words[end, 1] == kind:
                end += 1
            if kind == ROWS:
                for row in range(first_row, last_row, chunk):
                    stop = min(row + chunk, last_row)
                    for i in range(begin, end):
                        call_op(words[i, 0], w + i * WORDS * 8, n + i * NUMBERS * 8, row, stop,
                                step, mine, like)  # fmt: skip
            else:  # these split themselves
                for i in range(begin, end):
                    when = words[i, 8] >> 8
                    if when and scalars[step, when - 1] == 0.0:
                        continue
                    call_op(words[i, 0], w + i * WORDS * 8, n + i * NUMBERS * 8, 0, samples, step,
                            mine, like)  # fmt: skip
            if end == len(words) or not (kind == COLUMNS and words[end, 1] == FLAT):
                barrier(scratch[COUNTER], threads)
            begin = end
        losses[step] = loss[0]
    set_float_mode(mode)
