"""An instruction of the machine: its signature, and how it finds its operands.

Every instruction has the same C signature, so that the machine calls it by address:

    (words, numbers, first, last, step, scratch, like) -> nothing

For ROWS, first..last are the samples of this chunk; COLUMNS and FLAT find their share in `scratch`.
An instruction is compiled when a program first contains it (`compiling`), and kept on disk.

Most are written as a loop over arrays whose annotations say how each is found (`Rows`, `Number`,
...); `instruction` makes the function of that signature around it:

    @instruction
    def affine(x: Flat, scale: Number, shift: Number, y: Flat):
        ...

The others get what their parameters name (`GIVEN`), and find their operands with it.
"""

import inspect

import numpy as np

from . import loop
from .compiling import INSTRUCTIONS, Compiled
from .loop import HEAD, NUMBERS, SAMPLES, SCRATCH, THREAD, THREADS, WORDS, kept_on_disk
from .native import LINE, columns, inlined, inner, matrix, operand_address, size_of, vector  # noqa: F401

jit = inner(error_model="numpy")
# Sums may be reordered (that makes them vector code), NaN and infinity keep their meaning.
LOOPS = {"reassoc", "contract", "nsz"}
loop_jit = inner(error_model="numpy", fastmath=LOOPS)


def instruction(function):
    """Register the code of the machine's signature that calls `function`.

    What formulas are made of (`formulas`) belongs to no module: other processes don't know it.
    """
    options = {"fastmath": LOOPS} if function.__annotations__ else {}
    made = Compiled(
        function.__name__,
        lambda: kept_on_disk(_around(function), no_cpython_wrapper=True, **options),
        importable=function.__module__ is not None,
        function=function,
    )
    made.operands = tuple(a for a in function.__annotations__.values() if "{i}" in a)
    INSTRUCTIONS[made.name] = made
    return function


# ------------------------------------------------------------------------- finding the operands


at = operand_address(HEAD)


@inlined
def rows_of(word, i, first, last, step, like):
    """Operand i for samples first..last as (rows, D)."""
    return matrix(at(word, i, first, step), (last - first) * word[2], word[3], like)


@inlined
def flat_rows(word, i, first, last, step, like):
    """The same as one vector."""
    return vector(at(word, i, first, step), (last - first) * word[2] * word[3], like)


@inlined
def whole(word, i, n, like):
    """Operand i, which belongs to no sample: n numbers, or none where it is not there."""
    address = word[HEAD + 3 * i]
    return vector(address, n if address else 0, like)


@inlined
def part(word, i, low, high, like):
    """Entries low..high of operand i, or none where it is not there."""
    address = word[HEAD + 3 * i]
    return vector(address + low * size_of(like), high - low if address else 0, like)


@inlined
def share(D, mine):
    """This thread's part of D columns: first and last."""
    return D * mine[THREAD] // mine[THREADS], D * (mine[THREAD] + 1) // mine[THREADS]


@inlined
def piece(word, mine, number):
    """low and high of a span of this thread's, cut to the instruction's range; perhaps empty."""
    span, end = vector(mine[loop.SPANS] + 16 * number, 2, np.int64(0)), word[3] + word[4]
    low, high = span[0], span[1]
    return low if low > word[3] else word[3], high if high < end else end


@jit
def pieces(word, mine):
    """low and high of each of this thread's spans; empty ones left out."""
    for number in range(mine[loop.SPAN_COUNT]):
        low, high = piece(word, mine, number)
        if low < high:
            yield low, high


@inlined
def flat(word, i, low, high, like):
    """Entries low..high of operand i that begins at number d0 of a flat vector, or none."""
    return part(word, i, low - word[3], high - word[3], like)


@inlined
def padded(n, like):
    """Bytes of n numbers, filled up to whole cache lines."""
    return (n * size_of(like) + LINE - 1) // LINE * LINE


@inlined
def own_gradient(word, i, mine):
    """Operand i, an address in the flat gradients, in this thread's vector of gradients."""
    return mine[loop.OWN_GRADS] + word[HEAD + 3 * i] - mine[loop.FLAT_GRADS]


@inlined
def is_first(first, mine):
    """Whether this is the first chunk of the thread's rows."""
    return first == mine[SAMPLES] * mine[THREAD] // mine[THREADS]


@inlined
def index_of(word, i, n):
    return vector(word[HEAD + 3 * i], n, np.int64(0))


@jit
def key_of(word, i):
    key = vector(word[HEAD + 3 * i], 2, np.uint64(0))
    return key[0], key[1]


@jit
def step_number(given, mine):
    """The number of a step: the one given, or where that is -1 the running one's."""
    return given if given >= 0 else mine[loop.STEP_NUMBER]


@inlined
def cast(x, y):
    """y = x in y's dtype."""
    for i in range(x.size):
        y[i] = x[i]


@loop_jit
def total_of(x):
    """Sum of a vector in float64."""
    result = 0.0
    for i in range(x.size):
        result += np.float64(x[i])
    return result


# ------------------------------------------------------------------- what annotations stand for
# The text that finds an operand: number {i} of the arrays, {k} of the numbers.

# arrays with rows, this chunk's:
Rows = "matrix(at(word, {i}, first, step), (last - first) * word[2], word[3], like)"  # (rows, d0)
Flat = "vector(at(word, {i}, first, step), (last - first) * word[2] * word[3], like)"
Wide = "matrix(at(word, {i}, first, step), (last - first) * word[2], word[4], like)"  # (rows, d1)
Wanted = ("matrix(at(word, {i}, first, step), (last - first) * word[2], "
          "word[3] if word[HEAD + 3 * {i}] else 0, like)")  # (rows, d0), or (rows, 0)  # fmt: skip
PerRow = "vector(at(word, {i}, first, step), (last - first) * word[2], like)"  # (rows,)
Labels = "vector(at(word, {i}, first, step), (last - first) * word[2], np.int64(0))"  # (rows,)
# arrays with rows, all of them, and this thread's columns:
Columns = ("columns(at(word, {i}, 0, step) + low * size_of(like), last * word[2], high - low, "
           "word[3] * size_of(like), like)")  # fmt: skip
# this thread's part of d0 numbers, or none:
Share = "part(word, {i}, low, high, like)"
# arrays that belong to no row, whole (d0 or d1 numbers, or none where None was given):
Whole = "whole(word, {i}, word[3], like)"
WholeD1 = "whole(word, {i}, word[4], like)"
Index, IndexD1 = "index_of(word, {i}, word[3])", "index_of(word, {i}, word[4])"
Key = "key_of(word, {i})"  # two uint64
# a part of a flat vector, or none:
Span = "flat(word, {i}, low, high, like)"
Number = "number[{k}]"
StepLoss = "vector(mine[loop.LOSS], 1, 0.0)"  # (1,) of float64
Flag, Flag1, D1 = "word[6]", "word[7]", "word[4]"
StepNumber = "step_number(word[6], mine)"
FirstRow = "word[7] + first * word[2]"  # of this chunk in all batches; k1: that of the batch
WITH_ROWS = (Rows, Flat, Wide, Wanted, PerRow, Labels, Columns)
INTEGERS = (Labels, Index, IndexD1, Key)


# what a function without annotations may ask for beside first, last, step, scratch and like, and
# low and high, its thread's part of d0 columns
GIVEN = {"word": "word", "number": "number", "mine": "mine", "n": "(last - first) * word[2]",
         "D": "word[3]", "H": "word[4]", "item": "size_of(like)"}  # fmt: skip


def _around(function):
    """Return the function of the machine's signature that calls `function` with its operands."""
    names, annotated, i, k = inspect.signature(function).parameters, function.__annotations__, 0, 0
    arguments = [] if annotated else [GIVEN.get(name, name) for name in names]
    for annotation in annotated.values():
        arguments.append(annotation.format(i=i, k=k))
        i, k = i + ("{i}" in annotation), k + ("{k}" in annotation)
    call = f"called({', '.join(arguments)})"
    text = [
        f"def {function.__name__}(words, numbers, first, last, step, scratch, like):",
        f"    word = vector(words, {WORDS}, np.int64(0))",
    ]
    if "number" in call:
        text.append(f"    number = vector(numbers, {NUMBERS}, 0.0)")
    if "mine" in call or "low" in call:
        text.append(f"    mine = vector(scratch, {SCRATCH}, np.int64(0))")
    if "low" in names or {Columns, Share} & set(annotated.values()):
        text.append("    low, high = share(word[3], mine)")
    elif Span in annotated.values():
        text.append("    for number_of_span in range(mine[loop.SPAN_COUNT]):")
        text.append("        low, high = piece(word, mine, number_of_span)")
        call = f"    if low < high:\n            {call}"
    text.append(f"    {call}\n")
    scope = {**globals(), "called": inlined(function)}
    # as if it stood in this file: there Numba finds a folder to keep its code in
    exec(compile("\n".join(text), __file__, "exec"), scope)
    return scope[function.__name__]
