"""Routines of the compiled kernels, called from Python."""

import ctypes

import numpy as np


def call_routine(function, *args):
    """Call a routine with integers and, last, a number of the dtype that it is to compute in."""
    if not hasattr(function, "routine"):  # uncompiled it is a function of Python's
        return function(*args)
    *numbers, like = args
    address = function.routine.address(np.dtype(type(like)))
    kind = ctypes.c_float if like.dtype == np.float32 else ctypes.c_double
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(numbers), kind)(address)(*numbers, like)
    return None
