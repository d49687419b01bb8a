"""Pickles of numbers and arrays, read without giving pickle anything to call.

The three names that occur in the pickle of an array all lead to `Inert`, which keeps its state and
does nothing; any other name is refused. What could allocate far more than the pickle's own size is
refused before it is read.
"""

import io
import pickle
import pickletools
import re

ARRAY_NAMES = {("numpy", "ndarray"), ("numpy", "dtype"),
               ("numpy.core.multiarray", "_reconstruct"),
               ("numpy._core.multiarray", "_reconstruct")}  # fmt: skip
# Enough for lists of integers. Not among them, e.g., BYTEARRAY8, which allocates what it claims.
_OPCODES = """
    PROTO FRAME STOP GLOBAL STACK_GLOBAL REDUCE BUILD MARK BINPUT LONG_BINPUT MEMOIZE BINGET
    LONG_BINGET EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS NONE NEWTRUE
    NEWFALSE BININT BININT1 BININT2 LONG1 BINUNICODE SHORT_BINUNICODE SHORT_BINBYTES
    SHORT_BINSTRING"""
LISTS = frozenset(_OPCODES.split())
DICTS_OF_ARRAYS = LISTS | {"EMPTY_DICT", "SETITEM", "SETITEMS", "BINSTRING", "BINBYTES"}


class Inert:
    """Stands in for NumPy's array and dtype.

    Attributes:
        arguments: it was made with.
        state: of an array (version, shape, dtype, is_fortran, bytes or list of elements).
    """

    def __init__(self, *arguments):
        self.arguments, self.state = arguments, None

    def __setstate__(self, state):
        self.state = state


class _Unpickler(pickle.Unpickler):
    what = "numbers"

    def find_class(self, module, name):
        if (module, name) not in ARRAY_NAMES:
            raise ValueError(f"it holds a pickled {module}.{name}; only {self.what} are read")
        return Inert


def load(data: bytes, what: str, opcodes, most: int, most_containers: int, trusted=False):
    """Return what a pickle holds: numbers, text (as bytes), tuples, lists, dicts, `Inert`s.

    Args:
        data: the pickle.
        what: is expected, in words.
        opcodes: that it may use.
        most: opcodes, runs of integers not counted.
        most_containers: lists and dicts.
        trusted: whether it is known to be harmless, and is not looked through first.

    Raises:
        ValueError, pickle.UnpicklingError and others that pickle has: it is something else.
    """
    if not trusted:
        _scan(data, what, opcodes, most, most_containers)
    reader = _Unpickler(io.BytesIO(data), encoding="bytes")
    reader.what = what
    return reader.load()


_INTEGERS = re.compile(rb"(?:K.|M..|J....)*+", re.DOTALL)  # a run of BININT1, BININT2, BININT


def _scan(data, what, opcodes, most, most_containers):
    """Refuse opcodes that could allocate far more than the pickle's own size."""
    containers, file = 0, io.BytesIO(data)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > most:
            raise ValueError(f"its pickle holds much more than {what}")
        file.seek(_INTEGERS.match(data, file.tell()).end())
        if opcode.name not in opcodes:
            raise ValueError(f"its pickle uses {opcode.name}; only {what} are read")
        if opcode.name == "LONG_BINPUT" and argument > len(data):
            raise ValueError(f"its pickle claims {argument} objects in {len(data)} bytes")
        containers += opcode.name in ("EMPTY_LIST", "EMPTY_DICT")
        if containers > most_containers:  # it takes one byte here, and fifty times that in memory
            raise ValueError(f"its pickle holds more than {most_containers} lists")
