"""The form of a formula: operations on nodes, independent of the language that they come from.

A node's kind says how it is computed, as NumPy promotes: "real" and "mask" are entries of arrays,
in the arrays' dtype; "number" and "flag" are the same for all entries and computed in float64, as
Python computes with options, before they meet an entry.
"""

import dataclasses
import functools
import math
import operator

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """An operation on other nodes, or a leaf: ("entry" or "option", name), ("constant", text).

    Attributes:
        op: an operator as Python writes it, "select" (of condition, then, else), "real" (a number
            in the arrays' dtype), or a name of `FUNCTIONS`.
        args: nodes, or of a leaf its name or its value as text.
        kind: "real", "mask", "number" or "flag", see above.
    """

    op: str
    args: tuple
    kind: str

    @property
    def value(self):
        """Of a constant: its value."""
        return float(self.args[0]) if self.kind == "number" else self.args[0] == "1.0"


@dataclasses.dataclass(frozen=True)
class Formula:
    """What happens to one entry.

    Attributes:
        name: the function's.
        entries: names of the arrays, in order; options: of the numbers.
        results: (name of the array that is changed, or None for what is returned; its node) each.
    """

    name: str
    entries: tuple
    options: tuple
    results: tuple

    @property
    def changed(self):
        """The arrays that the formula writes to."""
        return tuple(target for target, _ in self.results if target)


make = functools.cache(Node)  # equal nodes are one object


def constant(value):
    kind = "flag" if isinstance(value, bool | np.bool_) else "number"
    return make("constant", (repr(float(value)),), kind)


def join(name, *formulas):
    """One formula with the results of several that have the same options."""
    entries = dict.fromkeys(e for f in formulas for e in f.entries)
    results = tuple(r for f in formulas for r in f.results)
    return Formula(name, tuple(entries), formulas[0].options, results)


# What every dialect has a word for; the names are NumPy's, the values C's.
FUNCTIONS = {
    "absolute": "fabs", "arccos": "acos", "arcsin": "asin", "arctan": "atan", "arctan2": "atan2",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "ceil": "ceil",
    "copysign": "copysign", "cos": "cos", "cosh": "cosh", "erf": "erf", "erfc": "erfc",
    "exp": "exp", "expm1": "expm1", "floor": "floor",
    "log": "log", "log10": "log10", "log1p": "log1p", "log2": "log2", "maximum": "larger",
    "minimum": "smaller", "power": "pow", "sin": "sin", "sinh": "sinh", "sqrt": "sqrt",
    "tan": "tan", "tanh": "tanh",
}  # fmt: skip
FOLD = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": np.divide, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "&": operator.and_, "|": operator.or_, "^": operator.ne, "not": operator.not_,
    "negative": operator.neg, "erf": math.erf, "erfc": math.erfc,
}  # fmt: skip
COMPARISONS, LOGIC = ("<", "<=", ">", ">=", "==", "!="), ("&", "|", "^", "not")


def of_entries(node):
    return node.kind in ("real", "mask")


def as_real(node):
    """A node as an entry of an array of floats."""
    if node.kind == "real":
        return node
    if node.kind == "number":
        return make("real", (node,), "real")
    return make("select", (node, as_real(constant(1)), as_real(constant(0))), "real")


def as_number(node):
    if node.kind != "flag":
        return node
    return operation("select", node, constant(1), constant(0))


def as_truth(node):
    if node.kind in ("mask", "flag"):
        return node
    return operation("!=", node, constant(0))


def operation(op, *args):
    """The node of an operation or function, its arguments brought to one kind."""
    if op == "**":
        return _power(*args)
    if op in ("maximum", "minimum") and sum(map(of_entries, args)) == 1:
        # one comparison is enough where only one side can be NaN; an option never is
        x, bound = sorted(args, key=of_entries, reverse=True)
        return operation("select", operation("<" if op == "maximum" else ">", x, bound), bound, x)
    entries = any(map(of_entries, args))
    truths = all(a.kind in ("mask", "flag") for a in args)
    if op in LOGIC:
        args = tuple(map(as_truth, args))
    elif op == "select":
        condition, a, b = args
        if condition.op == "constant":
            return a if condition.value else b
        if a is b:
            return a
        truths = all(x.kind in ("mask", "flag") for x in (a, b))
        if not truths:
            a, b = (as_real(x) if entries else as_number(x) for x in (a, b))
        args = (condition, a, b)
    else:
        args = tuple(as_real(a) if entries else as_number(a) for a in args)
    if op in COMPARISONS or op in LOGIC or (op == "select" and truths):
        kind = "mask" if entries else "flag"
    else:
        kind = "real" if entries else "number"
    if all(a.op == "constant" for a in args):
        with np.errstate(all="ignore"):
            fold = FOLD.get(op) or getattr(np, op)
            return constant(fold(*(a.value for a in args)))
    return make(op, args, kind)


def _power(x, exponent):
    """x ** exponent: roots and small powers without the logarithm that others take."""
    if exponent.op == "constant":
        known = {0: lambda: operation("+", operation("*", x, constant(0)), constant(1)),
                 1: lambda: x, 2: lambda: operation("*", x, x),
                 3: lambda: operation("*", operation("*", x, x), x),
                 4: lambda: operation("*", *[operation("*", x, x)] * 2),
                 -1: lambda: operation("/", constant(1), x),
                 0.5: lambda: operation("sqrt", x)}  # fmt: skip
        if exponent.value == 0:
            return as_real(constant(1)) if of_entries(x) else constant(1)
        if exponent.value in known:
            return known[exponent.value]()
    power = operation("power", x, exponent)
    if not of_entries(x) or of_entries(exponent):
        return power
    for special in (2.0, 0.5):  # decided once for all entries
        case = operation("==", exponent, constant(special))
        power = operation("select", case, _power(x, constant(special)), power)
    return power
