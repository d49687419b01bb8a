"""A call of Python within a recorded step, between what all threads did before and what they do
after it: for arrays that are exchanged with other processes.
"""

import ctypes

import numpy as np

from .machine.call import Instruction
from .machine.loop import ALONE, COLUMNS, FLAT
from .machine.native import call_back
from .machine.operands import instruction


@instruction
def exchange(word, like):
    """Call the function at k0, on the thread that runs the program."""
    call_back(word[6])


class Callback(int):
    """The address of a Python function of no arguments; it must not raise."""

    def __new__(cls, function):
        compiled = ctypes.CFUNCTYPE(None)(function)
        address = super().__new__(cls, ctypes.cast(compiled, ctypes.c_void_p).value)
        address.compiled = compiled  # as long as the address is in use
        return address


def exchange_instruction(function, arrays, flat):
    """Call function(*arrays), which changes vectors of this device in place.

    Args:
        function: must not raise.
        flat: whether the arrays are flat vectors of gradients or weights: then what updates comes
            after it, and all gradients, those that each thread sums by itself too, before it.
    """
    first = arrays[0]
    mode = FLAT if flat else COLUMNS
    flags = (Callback(lambda: function(*arrays)),)
    array = first if first.size else np.zeros(1, first.dtype)
    return Instruction("exchange", mode, (array.reshape(-1),), (), array.size, (), flags,
                       stage=ALONE)  # fmt: skip
