"""Instructions that are made of formulas: of the reference's text, or of a user's.

A formula becomes a small instruction of its own, compiled when it is first used and kept on disk.
"""

import functools
import hashlib
import inspect
import math

import numpy as np
from numba import config

from .. import reference, translate
from ..reference.activations import FUNCTIONS
from ..reference.losses import ELEMENTWISE_LOSSES
from . import elementary
from .machine.call import called, kernel
from .machine.compiling import INSTRUCTIONS
from .machine.native import inner
from .machine.operands import Flat, Number, PerRow, Rows, Span, Wanted, instruction

entry_jit = inner(error_model="numpy", fastmath={"contract", "nsz"}, forceinline=True)


@entry_jit
def maximum(a, b):
    """NaN where one of them is, as NumPy's."""
    return a if a > b or a != a else b


@entry_jit
def minimum(a, b):
    return a if a < b or a != a else b


@entry_jit
def power(x, exponent):
    return x**exponent


def _functions():
    """What the text of a formula calls, by name.

    Uncompiled it is NumPy, which keeps the dtype and has an answer to every number.
    """
    if config.DISABLE_JIT:
        import scipy.special

        known = vars(np) | {"erf": scipy.special.erf, "erfc": scipy.special.erfc}
    else:
        other = {"absolute": abs, "floor": np.floor, "ceil": np.ceil, "arccos": math.acos,
                 "arcsin": math.asin, "arctan": math.atan, "arctan2": math.atan2,
                 "arccosh": math.acosh, "arcsinh": math.asinh, "arctanh": math.atanh}  # fmt: skip
        own = ("exp", "expm1", "log", "log1p", "tanh", "erf", "erfc")
        other |= {name: getattr(elementary, name) for name in own}
        known = vars(math) | other | {"maximum": maximum, "minimum": minimum, "power": power}
    return {name: known[name] for name in translate.FUNCTIONS} | {"inf": math.inf, "nan": math.nan}


@functools.cache
def scalar(formula):
    """The compiled function (T, entries..., options...) -> results for one entry."""
    names = _functions()
    exec(translate.numba(formula, "scalar"), names)  # text that `translate` has printed
    return entry_jit(names["scalar"])


def _registered(name, function, formula, loop):
    """Make an instruction of the text of an annotated loop around `scalar`; returns its name."""
    if not function.__module__.startswith(reference.__name__):  # others may have the same name
        text = translate.numba(formula) + loop
        name += "_" + hashlib.sha256(text.encode()).hexdigest()[:12]
    if name not in INSTRUCTIONS:  # never replaced: programs have the address of its code
        names = {"scalar": scalar(formula), "Number": Number, "Flat": Flat, "Rows": Rows,
                 "PerRow": PerRow, "Wanted": Wanted}  # fmt: skip
        exec(loop.replace("LOOP", name, 1), names)
        instruction(names[name])
    return name


def _parameters(finds, options):
    return ", ".join([*finds, *(f"{o}_: Number" for o in options)])


@functools.cache
def entrywise(name, function, inputs, options=None, absent=(), finds=Flat, upstream=False):
    """(name of the instruction that applies a function to entries of arrays, its arrays' names,
    its options' names).

    Args:
        function, inputs, options, absent: see `translate.read`.
        finds: the annotation of the arrays.
        upstream: multiply what it returns by the entry of a further array.
    """
    formula = translate.read(function, inputs, options, absent)
    entries = [f"{e}_" for e in formula.entries]
    changed = [f"{e}_" for e in formula.changed] or ["out"]
    arrays = dict.fromkeys([*entries, *["dy"] * upstream, *changed])
    if finds == Span:  # the first of its arrays tells where an instruction's range begins
        arrays = dict.fromkeys([*changed, *entries])
    arguments = ", ".join(["T", *(f"{e}[i]" for e in entries), *(f"{o}_" for o in formula.options)])
    results = ", ".join(f"{e}[i]" for e in changed)
    loop = f"""def LOOP({_parameters([f"{a}: {finds!r}" for a in arrays], formula.options)}):
    T = {changed[0]}.dtype.type
    for i in range({changed[0]}.size):
        {results} = {"dy[i] * " if upstream else ""}scalar({arguments})
"""
    names = tuple(a.removesuffix("_") for a in arrays)
    return _registered(name, function, formula, loop), names, formula.options


@functools.cache
def loss(name, value, slope, options):
    """The name of the instruction for a loss: losses_i = w_i mean_c value, and its gradient."""
    formula = translate.join(
        name, translate.read(value, 2, options), translate.read(slope, 2, options)
    )
    finds = ["y_: Rows", "t_: Rows", "w_: PerRow", "losses_: PerRow", "dy_: Wanted"]
    given = [f"p{i}" for i in range(len(formula.options))]
    arguments = ", ".join(["T, y_[i, j], t_[i, j]", *(f"{p}_" for p in given)])
    loop = f"""def LOOP({_parameters(finds, given)}):
    T = y_.dtype.type
    C = T(y_.shape[1])
    for i in range(y_.shape[0]):
        total, share = T(0), w_[i] / C
        if dy_.shape[1]:
            for j in range(y_.shape[1]):
                value, slope = scalar({arguments})
                total += value
                dy_[i, j] = share * slope
        else:
            for j in range(y_.shape[1]):
                total += scalar({arguments})[0]
        losses_[i] = w_[i] * (total / C)
"""
    return _registered(name, value, formula, loop)


sigmoid, softplus = (scalar(translate.read(FUNCTIONS[name][0])) for name in ("sigmoid", "softplus"))


# ------------------------------------------------------------------------------------ the kernels


def _pair(kind, known, prefix):
    """(name of its instruction, f, df) of a formula by name, or of a user's pair."""
    f, df = known[kind] if isinstance(kind, str) else kind
    return f"{prefix}_{f.__name__}".replace("<lambda>", "lambda"), f, df


@kernel
def elementwise(kind, x, params, *, y):
    name, f, _ = _pair(kind, FUNCTIONS, "elementwise")
    name, *_ = entrywise(name, f, 1, len(params))
    yield called(name, (x, y), params)


@kernel
def elementwise_grad(kind, x, y, dy, params, *, dx):
    name, _, df = _pair(kind, FUNCTIONS, "elementwise_grad")
    name, *_ = entrywise(name, df, 2, len(params), upstream=True)
    yield called(name, (x, y, dy, dx), params)


@kernel
def elementwise_loss(kind, y, targets, params, w, *, losses, dy):
    name, f, df = _pair(kind, ELEMENTWISE_LOSSES, "loss")
    yield called(loss(name, f, df, len(params)), (y, targets, w, losses, dy), params)


def of_reference(name, inputs, finds):
    """The kernel of a function of the reference that works entry by entry."""
    function = getattr(reference, name)
    signature = inspect.signature(function)

    def instructions(*args, **outputs):
        given = signature.bind(*args, **outputs).arguments
        yield applied(name, function, inputs, given, finds)

    instructions.__name__ = name
    return kernel(instructions)


def applied(name, function, inputs, given, finds):
    """The instruction that applies a function to its arguments, by name."""
    absent = tuple(sorted(n for n, value in given.items() if value is None))
    op = "_without_".join([name, *absent])
    op, *names = entrywise(op, function, inputs, None, absent, finds)
    return called(op, *([given[n] for n in some] for some in names))
