"""Formulas of NumPy, read from their source text and printed as code for the devices.

    formula = read(f, inputs=1)       what f(x, *options) returns, for one entry of x
    formula = read(rule, inputs=1)    what rule(g, *options, *, w, m) leaves in one entry of w and m
    formula = join(name, value, slope)       several formulas with the same options as one
    numba(formula)                    the text of a scalar function in Python, for Numba
    cuda(formula)                     the text of a device function in CUDA C++
    javascript(formula)               the text of a function over arrays in JavaScript

A formula is a function whose first `inputs` parameters are arrays that are only read; its other
positional parameters are options (numbers), its keyword-only ones arrays that it changes in place.
Arrays have one shape: the formula says what happens to one entry. `reading` turns its source into
the `form`, expressions without variables, loops and calls; `printing` has a `Dialect` for each
language. NaN and infinities come out as in NumPy. What can't be read raises `Untranslatable`.
"""

from .form import FUNCTIONS, Formula, Node, join
from .printing import CUDA, JAVASCRIPT, PYTHON, Dialect, cuda, javascript, numba
from .reading import read
from .source import Untranslatable

__all__ = ["CUDA", "FUNCTIONS", "JAVASCRIPT", "PYTHON", "Dialect", "Formula", "Node",
           "Untranslatable", "cuda", "javascript", "join", "numba", "read"]  # fmt: skip
