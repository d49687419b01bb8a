"""Routines: what several instructions call, compiled once for each dtype.

A function that another one calls becomes, with Numba, part of the other's code, and is compiled
anew with it. A routine does not: its callers know it by a symbol, as they know BLAS's. What it
stands for must be known before a caller is compiled or read from disk: see `compiling`.
"""

import inspect

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiling import ROUTINES, Compiled
from .loop import kept_on_disk
from .native import I64


class Routine(Compiled):
    """Code that is called by its symbol; see `Compiled`."""

    def __init__(self, function, **options):
        def make():
            return kept_on_disk(function, no_cpython_wrapper=True, **options)

        super().__init__(f"tinynet_{function.__name__}", make, True, function)
        self.count = len(inspect.signature(function).parameters) - 1

    def signature(self, like):
        return types.void(*[types.int64] * self.count, like)

    def found(self, dtype, address):
        llvm.add_symbol(f"{self.name}_{dtype}", address)
        super().found(dtype, address)


def routine(**options):
    """A decorator: have a function of integers, and a number `like` that is the last, called by its
    symbol in compiled code. Uncompiled it stays what it is.
    """

    def decorate(function):
        if config.DISABLE_JIT:
            return function
        made = ROUTINES[f"tinynet_{function.__name__}"] = Routine(function, **options)

        def call(typing_context, *args):
            like = types.unliteral(args[-1])
            if np.dtype(like.name) not in made.addresses:
                raise RuntimeError(f"{made.name} was not compiled before what calls it")

            def generate(context, builder, signature, args):
                kind = ir.FunctionType(ir.VoidType(), [I64] * made.count + [args[-1].type])
                name = f"{made.name}_{like.name}"
                builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)
                return context.get_dummy_value()

            return types.void(*[types.int64] * made.count, like), generate

        first = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        given = inspect.signature(function).parameters.values()
        call.__signature__ = inspect.Signature([first, *given])
        called = intrinsic(call)
        called.routine = made
        return called

    return decorate
