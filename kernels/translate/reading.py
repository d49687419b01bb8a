"""Reading a function: its AST, run through with nodes in place of arrays."""

import ast
import importlib
import inspect
import types

import numpy as np

from .form import (
    LOGIC,
    Formula,
    Node,
    as_number,
    as_real,
    as_truth,
    constant,
    make,
    of_entries,
    operation,
)
from .functions import ARGUMENTS, DERIVED, OPERATORS, name_of
from .source import MAY_BE_USED, Untranslatable, definition

SYMBOLS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.BitAnd: "&",
    ast.BitOr: "|", ast.BitXor: "^", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


class _Absent(Untranslatable):
    """Arithmetic with an array that is None: such a branch can't be meant."""


class _Cell:
    """A local value: what an array holds at this point, or a number."""

    def __init__(self, node, fixed=None):
        self.node = node
        self.fixed = fixed  # why it can't be changed in place


_DTYPE, _CAST = object(), object()  # what `x.dtype` and `x.dtype.type` stand for


def read(function, inputs=1, options=None, absent=()):
    """The formula of a function.

    Args:
        function: a function written in Python whose source can be found.
        inputs: how many of its first parameters are arrays.
        options: how many numbers follow; the others keep their defaults. None: all that there are.
        absent: keyword-only arrays that are None.

    Raises:
        Untranslatable: the source can't be found, or has something that is not known here.
    """
    if not isinstance(function, types.FunctionType):
        raise Untranslatable(f"{function!r}: not a function that is written in Python")
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    changed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    if len(positional) + len(changed) < len(parameters):
        raise Untranslatable(f"{function.__qualname__}: its parameters can't be *args or **options")
    reading, names = tuple(p.name for p in positional[:inputs]), positional[inputs:]
    options = len(names) if options is None else options
    given = tuple(p.name for p in names[:options])
    arguments = {name: _Cell(make("entry", (name,), "real"), "an argument") for name in reading}
    arguments |= {name: _Cell(make("option", (name,), "number")) for name in given}
    arguments |= {p.name: p.default for p in names[options:]}
    cells = {n: _Cell(make("entry", (n,), "real")) for n in changed if n not in absent}
    reader = _Reader(function)
    reader.cells.extend(cells.values())
    result = reader.run(function, arguments | dict.fromkeys(absent) | cells)
    results = [(n, c.node) for n, c in cells.items() if c.node.args != (n,)]
    if result is not None:
        results.insert(0, (None, as_real(result)))
    if not results:
        raise Untranslatable(f"{function.__qualname__}: it neither returns nor changes anything")
    return Formula(function.__name__, (*reading, *cells), given, tuple(results))


class _Reader:
    """Runs through functions statement by statement, with nodes in place of arrays."""

    def __init__(self, function):
        self.cells, self.frames = [], []  # all cells; (function, lines, names) of the open calls

    def fail(self, node, why, kind=Untranslatable):
        function, lines, _ = self.frames[-1]
        line = lines[node.lineno - 1].strip() if node.lineno <= len(lines) else ""
        raise kind(f"{function.__code__.co_filename}:{node.lineno}: {line!r}: {why}; a formula may "
                   f"use {MAY_BE_USED}")  # fmt: skip

    def run(self, function, arguments):
        """Read a call; returns the node (or tuple of nodes) of its result, or None."""
        node, lines = definition(function)
        self.frames.append((function, lines, arguments))
        lone = isinstance(node, ast.Lambda)
        result = self.value(node.body) if lone else self.block(node.body)
        self.frames.pop()
        return result

    # ------------------------------------------------------------------------------- statements

    def block(self, statements):
        """Read statements one after another; returns the result of the function, or None."""
        for i, s in enumerate(statements):
            if isinstance(s, ast.Return):
                return None if s.value is None else self.value(s.value)
            if isinstance(s, ast.If):
                test, rest = self.flag(s.test), statements[i + 1 :]
                if test.op == "constant":
                    return self.block([*(s.body if test.value else s.orelse), *rest])
                if any(isinstance(n, ast.Return) for n in ast.walk(s)):
                    return self.branch(s, test, [*s.body, *rest], [*s.orelse, *rest])
                self.branch(s, test, s.body, s.orelse)
            elif isinstance(s, ast.Assign):
                value = self.assigned(s.value)
                for target in s.targets:
                    self.assign(target, value)
            elif isinstance(s, ast.AnnAssign) and s.value is not None:
                self.assign(s.target, self.assigned(s.value))
            elif isinstance(s, ast.AugAssign):
                self.augment(s)
            elif isinstance(s, ast.Import | ast.ImportFrom):
                self.imports(s)
            elif isinstance(s, ast.Expr):
                if not isinstance(s.value, ast.Constant):  # a docstring
                    self.value(s.value)
            elif not isinstance(s, ast.Pass):
                self.fail(s, f"a statement of the kind {type(s).__name__}")
        return None

    def branch(self, s, test, body, orelse):
        """Both ways of an `if` on an option, and which of their values holds."""
        function, lines, names = self.frames[-1]
        before, outcomes, reason = [c.node for c in self.cells], [], None
        for statements in (body, orelse):
            self.frames[-1] = (function, lines, dict(names))
            depth = len(self.frames)
            try:
                result = self.block(statements)
                outcomes.append((result, [c.node for c in self.cells], self.frames[-1][2]))
            except _Absent as error:  # NumPy could not go this way either
                reason = error
                del self.frames[depth:]
            for cell, node in zip(self.cells, before, strict=False):
                cell.node = node
        if not outcomes:
            raise reason
        (result, then, names_1), (other, els, names_2) = outcomes[0], outcomes[-1]
        for i, cell in enumerate(self.cells):
            a = then[i] if i < len(then) else cell.node
            b = els[i] if i < len(els) else cell.node
            cell.node = operation("select", test, a, b) if len(outcomes) > 1 else a
        merged = {}
        for name in names_1.keys() & names_2.keys():
            a, b = names_1[name], names_2[name]
            if a is not b and isinstance(a, _Cell) and isinstance(b, _Cell):
                a = self.cell(operation("select", test, a.node, b.node), "one of two arrays")
            merged[name] = a
        self.frames[-1] = (function, lines, merged)
        if (result is None) != (other is None):
            self.fail(s, "a result in one branch only")
        return result if result is None else operation("select", test, result, other)

    def cell(self, node, fixed=None):
        self.cells.append(_Cell(node, fixed))
        return self.cells[-1]

    def assigned(self, e):
        """What a name is going to stand for: another name's array itself, or a new value."""
        if isinstance(e, ast.Name) and isinstance(self.frames[-1][2].get(e.id), _Cell):
            return self.frames[-1][2][e.id]
        value = self.value(e)
        return self.cell(value) if isinstance(value, Node) else value

    def assign(self, target, value):
        names = self.frames[-1][2]
        if isinstance(target, ast.Tuple):
            if not isinstance(value, tuple) or len(value) != len(target.elts):
                self.fail(target, "several names for one value")
            for t, v in zip(target.elts, value, strict=True):
                self.assign(t, self.cell(v) if isinstance(v, Node) else v)
        elif isinstance(target, ast.Name):
            names[target.id] = value
        elif self.whole(target):
            self.change(target, target.value.id, value.node if isinstance(value, _Cell) else value)
        else:
            self.fail(target, f"an assignment to {ast.unparse(target)}")

    def whole(self, e):
        """Whether this is `name[...]` or `name[:]`."""
        return (
            isinstance(e, ast.Subscript) and isinstance(e.value, ast.Name)
            and ast.unparse(e.slice) in ("...", ":")
        )  # fmt: skip

    def change(self, e, name, node):
        """Write to the array that a name stands for."""
        cell = self.frames[-1][2].get(name)
        if not isinstance(cell, _Cell):
            kind = _Absent if cell is None else Untranslatable
            self.fail(e, f"{name} is not an array", kind)
        if cell.fixed:
            self.fail(e, f"{name} is {cell.fixed}, and changed in place")
        cell.node = as_real(node) if cell.node.kind == "real" else node

    def augment(self, s):
        target = s.target.value if self.whole(s.target) else s.target
        if not isinstance(target, ast.Name):
            self.fail(s, f"an assignment to {ast.unparse(s.target)}")
        old = self.value(target)
        new = self.binary(s, type(s.op), old, self.value(s.value))
        if of_entries(old):
            self.change(s, target.id, new)
        else:
            self.frames[-1][2][target.id] = self.cell(new)

    def imports(self, s):
        for alias in s.names:
            if isinstance(s, ast.ImportFrom) and not s.level:
                found = getattr(importlib.import_module(s.module), alias.name)
            elif isinstance(s, ast.Import) and (alias.asname or "." not in alias.name):
                found = importlib.import_module(alias.name)
            else:
                self.fail(s, "this import")
            self.frames[-1][2][alias.asname or alias.name] = found

    # ------------------------------------------------------------------------------ expressions

    def value(self, e):
        """The node of an expression; of what is no number (None, a function, a module) itself."""
        method = getattr(self, f"_{type(e).__name__}", None)
        if method is None:
            self.fail(e, f"an expression of the kind {type(e).__name__}")
        return method(e)

    def node(self, e):
        """The same, where it must be a number or an array."""
        return self.number(e, self.value(e))

    def number(self, e, value):
        if isinstance(value, Node):
            return value
        kind = _Absent if value is None else Untranslatable
        self.fail(e, f"{ast.unparse(e)} is {value!r}, not a number or an array", kind)

    def flag(self, e):
        """The truth of a condition that is the same for all entries."""
        truth = as_truth(self.node(e))
        if truth.kind == "mask":
            self.fail(e, "a condition on entries: write np.where(condition, a, b), & and |")
        return truth

    def lift(self, value):
        """A Python number as a node; anything else as it is."""
        plain = bool | int | float | np.bool_ | np.integer | np.floating
        return constant(value) if isinstance(value, plain) else value

    def _Constant(self, e):
        return self.lift(e.value)

    def _Name(self, e):
        function, _, names = self.frames[-1]
        if e.id in names:
            value = names[e.id]
            return value.node if isinstance(value, _Cell) else self.lift(value)
        closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        if e.id in closure:
            return self.lift(closure[e.id].cell_contents)
        for known in (function.__globals__, vars(importlib.import_module("builtins"))):
            if e.id in known:
                return self.lift(known[e.id])
        self.fail(e, f"{e.id} has no value here")

    def _Attribute(self, e):
        value = self.value(e.value)
        if isinstance(value, Node):
            if e.attr == "dtype":
                return _DTYPE
            self.fail(e, f".{e.attr} of an array")
        if value is _DTYPE and e.attr == "type":
            return _CAST
        if not hasattr(value, e.attr):
            self.fail(e, f"{ast.unparse(e)} has no value")
        return self.lift(getattr(value, e.attr))

    def _Tuple(self, e):
        return tuple(self.node(x) for x in e.elts)

    def _Subscript(self, e):
        if not self.whole(e):
            self.fail(e, f"entries by their place: {ast.unparse(e)}")
        return self.value(e.value)

    def _UnaryOp(self, e):
        if isinstance(e.op, ast.Not):
            return operation("not", self.flag(e.operand))
        x = self.node(e.operand)
        if isinstance(e.op, ast.Invert):
            if x.kind not in ("mask", "flag"):
                self.fail(e, "~ of numbers")
            return operation("not", x)
        return operation("negative", x) if isinstance(e.op, ast.USub) else x

    def _BinOp(self, e):
        return self.binary(e, type(e.op), self.node(e.left), self.node(e.right))

    def binary(self, e, kind, a, b):
        op = SYMBOLS.get(kind)
        if op is None:
            self.fail(e, f"the operator {kind.__name__}")
        a, b = self.number(e, a), self.number(e, b)
        if op in LOGIC and any(x.kind in ("real", "number") for x in (a, b)):
            self.fail(e, f"{op} of numbers")
        if all(x.kind == "mask" for x in (a, b)) and op in ("+", "*", "-"):
            op = {"+": "|", "*": "&", "-": "^"}[op]  # what NumPy makes of sums of truths
        return operation(op, a, b)

    def _BoolOp(self, e):
        op = "&" if isinstance(e.op, ast.And) else "|"
        result = self.flag(e.values[0])
        for other in e.values[1:]:
            if result.op == "constant" and result.value == (op == "|"):
                return result
            result = operation(op, result, self.flag(other))
        return result

    def _Compare(self, e):
        if isinstance(e.ops[0], ast.Is | ast.IsNot):
            same = self.value(e.left) is self.value(e.comparators[0])
            return constant(same == isinstance(e.ops[0], ast.Is))
        values = [self.node(x) for x in (e.left, *e.comparators)]
        if len(values) > 2 and any(map(of_entries, values)):
            self.fail(e, "a chain of comparisons of entries: write (a < x) & (x < b)")
        result = None
        for op, a, b in zip(e.ops, values, values[1:], strict=False):
            if type(op) not in SYMBOLS:
                self.fail(e, f"the comparison {type(op).__name__}")
            one = operation(SYMBOLS[type(op)], a, b)
            result = one if result is None else operation("&", result, one)
        return result

    def _IfExp(self, e):
        test = self.flag(e.test)
        if test.op == "constant":
            return self.value(e.body if test.value else e.orelse)
        return operation("select", test, self.node(e.body), self.node(e.orelse))

    def _Call(self, e):
        out = next((k.value for k in e.keywords if k.arg == "out"), None)
        keywords = [k for k in e.keywords if k.arg != "out"]
        if any(k.arg is None for k in keywords) or any(isinstance(a, ast.Starred) for a in e.args):
            self.fail(e, "arguments with a star")
        if isinstance(e.func, ast.Attribute):
            base = self.value(e.func.value)
            if isinstance(base, Node):
                return self.method(e, base, e.func.attr)
        target = self.value(e.func)
        if isinstance(target, types.FunctionType) and target.__module__.split(".")[0] != "numpy":
            return self.inlined(e, target, keywords)
        args = [self.value(a) for a in e.args]
        if keywords and getattr(target, "__name__", "") != "clip":
            self.fail(e, f"the argument {keywords[0].arg}")
        args += [self.value(k.value) for k in keywords]
        result = self.known(e, target, args)
        if out is not None:
            if not isinstance(out, ast.Name):
                self.fail(e, f"out={ast.unparse(out)}")
            self.change(e, out.id, result)
        return result

    def inlined(self, e, target, keywords):
        """A call of a function whose source is read in its turn."""
        if len(self.frames) > 30:
            self.fail(e, "functions that call each other without end")
        args = [self.assigned(a) for a in e.args]
        named = {k.arg: self.assigned(k.value) for k in keywords}
        try:
            bound = inspect.signature(target).bind(*args, **named)
        except TypeError as error:
            self.fail(e, str(error))
        bound.apply_defaults()
        return self.run(target, dict(bound.arguments))

    def method(self, e, base, name):
        args = [self.value(a) for a in e.args]
        if name == "astype" and args and args[0] in (_DTYPE, float, np.float32, np.float64):
            return as_real(base)
        if name == "astype" and args and args[0] in (bool, np.bool_):
            return as_truth(base)
        if name == "clip" and len(args) == 2:
            return self.derived("clip", base, *(self.number(e, a) for a in args))
        if name == "copy" and not args:
            return base
        self.fail(e, f".{name}() of an array")

    def known(self, e, target, args):
        """A call of one of NumPy's, SciPy's, Python's functions."""
        if any(target is f for f in (_CAST, float, np.float32, np.float64)):
            return as_number(self.number(e, args[0]))
        if target is bool:
            return as_truth(self.number(e, args[0]))
        name, takes_arrays = name_of(target)
        if name in ("ones_like", "zeros_like", "full_like"):
            value = args[1] if name == "full_like" else constant(float(name == "ones_like"))
            return as_real(self.number(e, value))
        args = [self.number(e, a) for a in args]
        if name and not takes_arrays and any(map(of_entries, args)):
            self.fail(e, f"{ast.unparse(e.func)} of an array: NumPy's is np.{name}")
        if name is None or len(args) != ARGUMENTS.get(name):
            self.fail(e, f"a call of {ast.unparse(e.func)} with {len(args)} arguments")
        if name == "where":
            return operation("select", as_truth(args[0]), *args[1:])
        if name == "positive":
            return args[0]
        if name in DERIVED:
            return self.derived(name, *args)
        return operation(OPERATORS.get(name, name), *args)

    def derived(self, name, *args):
        names = inspect.signature(DERIVED[name]).parameters
        return self.run(DERIVED[name], dict(zip(names, map(_Cell, args), strict=True)))
