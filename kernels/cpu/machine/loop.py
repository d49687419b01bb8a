"""The machine that replays a recorded step: one compiled loop for every model.

A program is a table of instructions, one kernel call each. Its work is cut into a share for each
of so many threads. A run of ROWS instructions is done by each share for its part of the batch's
rows, in chunks that fit the cache; COLUMNS instructions are split by the columns (or rows of W)
they write, FLAT ones by ranges of the flat vector of weights. Each run is a stage: the next one
begins when all shares have done it. COLUMNS and FLAT are one stage: a share updates exactly the
weights whose gradients it has computed. What needs all shares' results within a vector is a stage
by itself: APART, or ALONE, which the first share does for all.

Shares say what is computed, and so each bit of the result. Workers, no more than there are cores,
do them: each its own, and when these are done those that nobody has begun, because their worker
waits for a core that another process has.

An instruction is a row of 64-bit words and a row of float64 numbers:

    words    address of its compiled code, kind, rows per sample, d0, d1, d2, k0, k1, k2, then 8
             operands of 3 words: address, bytes per sample, bytes per step
    numbers  up to 8; bit i of `k2` is set where number i is an index into the step's scalars;
             k2 >> 8 is 0, or 1 + the index of the scalar without which (0.0) it is left out: FLAT
"""

import ctypes
import functools
import hashlib
import pathlib

import numpy as np
from numba import njit

from . import native
from .native import call_op, inlined, load, vector

ROWS, COLUMNS, FLAT, APART, ALONE = range(5)
HEAD, OPERANDS, NUMBERS = 9, 8, 8
WORDS = HEAD + 3 * OPERANDS

# What a share has for itself: an int64 vector of these.
(THREAD, THREADS, PARTIAL, SPANS, SPAN_COUNT, LOSS, ROOM, PACKED, LIST, VALUES, TILE_ROWS,
 TILE_VALUES, TILE_COUNTS, SAMPLES, STEP_NUMBER, OWN_GRADS, FLAT_GRADS, STARTS, COLUMN_OF,
 ENTRIES, PLACES, ENTRY_ROWS, FACTORS, CURSORS, NEAR, BATCH_STARTS, BATCH_COLUMNS,
 BATCH_VALUES, TURNED_DX) = range(29)  # fmt: skip
SCRATCH = 29

BLOCK = 64  # rows whose entries are sorted by column together: dW is read and written once for them
TILE = 16  # columns of x that share a cache line
FEATURES = 48  # rows of W that are used together: they fit the nearest cache
SLACK = 16  # entries beyond the last that `not_zero` may write to
TURNED = 48  # up to so many rows dx is computed transposed
FEW_ROWS = 2  # up to so many rows zeros of any x are left out
DTYPES = ("uint8", "float32", "float64", "int64", "int32")  # what gather reads


def kept_on_disk(function, **options):
    """Compile with Numba, keeping the code on disk; only in memory where no folder is writable."""
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError:  # Numba's word for a cache folder that it can't use
        return njit(**options)(function)
    # Numba would look at the function's own file only; what is compiled into it comes from others
    if cache_of(compiled):
        cache_of(compiled)._cache_file._source_stamp = sources()
    return compiled


def cache_of(compiled):
    """Where Numba keeps a function's code on disk; None where it doesn't."""
    cache = getattr(compiled, "_cache", None)
    return cache if hasattr(cache, "_cache_file") else None


@functools.cache
def sources():
    """A digest of all kernels' source: code that was kept on disk is good for this one only."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(__file__).parents[2].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


# Turns of its loop that a worker waits before it does shares of others, some 2 us: workers that
# have a core each come sooner after each other.
HELP_AFTER = 2000


def stages_of(words):
    """Begin and end of each stage of a program, and whether one share does it for all: (S, 3)."""
    found, begin = [], 0
    while begin < len(words):
        kind, end = words[begin, 1], begin + 1
        while end < len(words) and kind < APART and words[end, 1] == kind:
            end += 1
        while end < len(words) and kind == COLUMNS and words[end, 1] == FLAT:
            end += 1
        found.append((begin, end, kind == ALONE))
        begin = end
    return np.array(found, np.int64)


@inlined
def perform(words, number, count, scalars, width, first_step, step, begin, end, chunk, own, losses,
            like):  # fmt: skip
    """Do instructions begin..end of a step for the share that has `own` for itself."""
    mine, loss, samples = vector(own, SCRATCH, np.int64(0)), load(own, LOSS), load(own, SAMPLES)
    if begin == 0:
        vector(loss, 1, 0.0)[0] = 0.0
        mine[STEP_NUMBER] = first_step + step
    if load(words, begin * WORDS + 1) == ROWS:
        last_row = samples * (mine[THREAD] + 1) // mine[THREADS]
        for row in range(samples * mine[THREAD] // mine[THREADS], last_row, chunk):
            stop = row + chunk if row + chunk < last_row else last_row
            for i in range(begin, end):
                word = words + i * WORDS * 8
                call_op(load(word, 0), word, number + i * NUMBERS * 8, row, stop, step, own, like)
    else:  # these split themselves
        for i in range(begin, end):
            word = words + i * WORDS * 8
            when = load(word, 8) >> 8
            given = vector(scalars + step * width * 8, width, 0.0)
            if when == 0 or given[when - 1] != 0.0:
                call_op(load(word, 0), word, number + i * NUMBERS * 8, 0, samples, step, own, like)
    if end == count:
        vector(losses, 1, 0.0)[0] = vector(loss, 1, 0.0)[0]


@kept_on_disk
def replay(words, count, numbers, number, stages, ends, scalars, width, steps, first_step, chunk,
           shares, most, meeting, worker, workers, losses, like):  # fmt: skip
    """Run a program `steps` times; every worker calls this. Arrays are given by their addresses.

    Args:
        words, numbers: the instructions, (count, WORDS) int64 and (count, NUMBERS) float64.
        number: room for the running step's numbers, (count, NUMBERS) float64, this worker's own.
        stages: what `stages_of` says of the words, (ends, 3).
        scalars: the steps' own numbers (steps, width) float64.
        first_step: number of the first step, keys the dropout masks.
        chunk: samples that go through a run of ROWS instructions together.
        shares: what each share has for itself, (most, SCRATCH) int64.
        meeting: what the workers know of each other, see `native.claim`; zeros at first.
        worker, workers: the number of this one, and of how many.
        losses: (most, steps) float64; each share's part of each step's loss is written.
        like: any number of the dtype.
    """
    stage, mode = 0, native.float_mode()
    native.set_float_mode(mode | native.FLUSH)
    given, now = vector(numbers, count * NUMBERS, 0.0), vector(number, count * NUMBERS, 0.0)
    for step in range(steps):
        scalar = vector(scalars + step * width * 8, width, 0.0)
        for i in range(count):
            varies = load(words, i * WORDS + 8)
            for k in range(i * NUMBERS, (i + 1) * NUMBERS):
                now[k] = scalar[np.int64(given[k])] if varies & 1 else given[k]
                varies >>= 1
        for s in range(ends):
            begin, end = load(stages, 3 * s), load(stages, 3 * s + 1)
            alone = load(stages, 3 * s + 2)
            stage += 1
            t, by, last = worker, workers, 1 if alone else most  # its own, by and by all
            goal, spins, turns = stage * most, 0, native.patience(meeting, stage * most, most)
            while t < last or (workers > 1 and native.atomic_load(meeting) < goal):
                if t < last:
                    if workers == 1 or native.claim(meeting, t, stage):
                        perform(words, number, count, scalars, width, first_step, step, begin, end,
                                chunk, shares + t * SCRATCH * 8, losses + (t * steps + step) * 8,
                                like)  # fmt: skip
                        if workers > 1:
                            native.arrive(meeting, most if alone else 1, goal)
                    t += by
                    continue
                spins += 1
                if spins == HELP_AFTER and not alone:
                    t, by = 0, 1
                if spins > turns:
                    native.sleep_until(meeting, goal)
    native.set_float_mode(mode)


def run(words, numbers, number, stages, scalars, steps, first_step, chunk, shares, meeting, worker,
        workers, losses, like):  # fmt: skip
    """`replay` for arrays: words (I, WORDS), scalars (steps, K), shares (T, SCRATCH) and so on."""
    replay(address_of(words), len(words), address_of(numbers), address_of(number),
           address_of(stages), len(stages), address_of(scalars), scalars.shape[1], steps,
           first_step, chunk, address_of(shares), len(shares), address_of(meeting), worker, workers,
           address_of(losses), like)  # fmt: skip


def address_of(array):
    """Where an array's data begin: the first field of NumPy's C structure, after an object's head.

    A replay asks some ten times; `__array_interface__` would take 1.5 to 3 us each.
    """
    return _pointer_at(id(array) + object.__basicsize__).value


_pointer_at, _sample = ctypes.c_void_p.from_address, np.zeros(1)
if address_of(_sample) != _sample.__array_interface__["data"][0]:  # an interpreter of another make

    def address_of(array):
        return array.__array_interface__["data"][0]
