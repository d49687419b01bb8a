"""Formulas as text: how Numba's Python, CUDA's C++ and JavaScript spell them.

A node that is used several times gets a name; any other stands where it is used, so that what only
one branch of a `select` needs is computed only there.
"""

import dataclasses
import re

from .form import FUNCTIONS

INFIX = {"&": " & ", "|": " | ", "^": " != "}


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a language spells the operations; `{}` are the operands.

    Attributes:
        real: a number as an entry; select: of condition, then, else; negation: of a truth.
        words: function -> its name; infix: operator -> its spelling, where it is another one.
        special: "inf", "-inf" and "nan".
        statement: of kind, name, value: a local value.
        kinds: the types of local values.
    """

    real: str
    select: str
    negation: str
    words: dict
    infix: dict
    special: dict
    statement: str
    kinds: dict

    def lines(self, formula):
        """(statements that name what is used several times, the results' text in order)."""
        uses, order = {}, []

        def visit(node):
            uses[node] = uses.get(node, 0) + 1
            if uses[node] == 1 and not isinstance(node.args[0], str):
                for argument in node.args:
                    visit(argument)
            if uses[node] == 1:
                order.append(node)

        for _, node in formula.results:
            visit(node)
        names, statements = {}, []

        def text(node):
            return names.get(node) or self.spelled(node, text)

        for node in order:
            plain = isinstance(node.args[0], str) or (node.op == "real" and node.args[0].op in
                                                      ("constant", "option"))  # fmt: skip
            if uses[node] > 1 and not plain:
                value, name = text(node), f"t{len(names) + 1}"
                statements.append(self.statement.format(self.kinds[node.kind], name, value))
                names[node] = name
        return statements, [text(node) for _, node in formula.results]

    def spelled(self, node, text):
        """One operation, its operands spelled by `text`."""
        if node.op in ("entry", "option"):
            return f"{node.args[0]}_"
        if node.op == "constant":
            if node.kind == "flag":
                return str(int(node.value))
            return self.special.get(node.args[0], node.args[0])
        operands = [text(a) for a in node.args]
        if node.op in ("real", "select", "not"):
            form = {"real": self.real, "select": self.select, "not": self.negation}[node.op]
            return form.format(*map(_bare, operands) if node.op == "real" else operands)
        if node.op == "negative":
            return f"(-{operands[0]})"
        if node.op in FUNCTIONS:
            return f"{self.words[node.op]}({', '.join(map(_bare, operands))})"
        return f"({self.infix.get(node.op, f' {node.op} ').join(operands)})"


def _bare(text):
    """Without the parentheses around all of it."""
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[1:-1] if letter == ")" and i == len(text) - 1 and text[0] == "(" else text
    return text


PYTHON = Dialect(
    real="T({})", select="({1} if {0} else {2})", negation="(not {})",
    words={name: name for name in FUNCTIONS}, infix=INFIX, special={},
    statement="{1} = {2}", kinds=dict.fromkeys(("real", "mask", "number", "flag")),
)  # fmt: skip
CUDA = Dialect(
    real="real({})", select="({0} ? {1} : {2})", negation="(!{})", words=FUNCTIONS,
    infix={"&": " && ", "|": " || ", "^": " != "},
    special={"inf": "__longlong_as_double(0x7ff0000000000000ll)",
             "-inf": "__longlong_as_double(0xfff0000000000000ll)",
             "nan": "__longlong_as_double(0x7ff8000000000000ll)"},
    statement="{0} {1} = {2};",
    kinds={"real": "real", "mask": "bool", "number": "double", "flag": "bool"},
)  # fmt: skip
JAVASCRIPT = Dialect(
    real="({})", select="({0} ? {1} : {2})", negation="(!{})",
    words={name: f"Math.{name}" for name in FUNCTIONS} | {
        "absolute": "Math.abs", "arccos": "Math.acos", "arcsin": "Math.asin",
        "arctan": "Math.atan", "arctan2": "Math.atan2", "arcsinh": "Math.asinh",
        "arccosh": "Math.acosh", "arctanh": "Math.atanh", "copysign": "copysign", "erf": "erf",
        "erfc": "erfc", "maximum": "Math.max", "minimum": "Math.min", "power": "Math.pow",
    },
    infix={"&": " && ", "|": " || ", "^": " !== ", "==": " === ", "!=": " !== "},
    special={"inf": "Infinity", "-inf": "(-Infinity)", "nan": "NaN"},
    statement="const {1} = {2};", kinds=dict.fromkeys(("real", "mask", "number", "flag"), ""),
)  # fmt: skip


def numba(formula, name=None):
    """The text of `def name(T, entries..., options...)`: the results, in order, for one entry.

    T is the dtype. The text knows the functions of `FUNCTIONS` by these names, and inf and nan.
    """
    parameters = ", ".join(["T", *(f"{p}_" for p in (*formula.entries, *formula.options))])
    statements, results = PYTHON.lines(formula)
    body = [*statements, f"return {', '.join(map(_bare, results))}"]
    return "\n    ".join([f"def {name or formula.name}({parameters}):", *body]) + "\n"


def cuda(formula, name=None):
    """The text of a `__device__` function: `real name(entries..., options...)`.

    Entries are `real`, options `double`. A formula of several results, or one that changes arrays,
    returns nothing: it has `real&` for the entries that it changes, and, behind the options, for
    what it would return (result_1, result_2, ...). The text asks for `larger` and `smaller`, the
    maximum and minimum that hand NaN on (common.cuh).
    """
    statements, results = CUDA.lines(formula)
    targets = [target for target, _ in formula.results]
    alone = targets == [None]
    outputs = [f"result_{i + 1}" for i in range(targets.count(None))]
    parameters = [f"real& {e}" if e in targets else f"real {e}_" for e in formula.entries]
    parameters += [f"double {o}_" for o in formula.options]
    parameters += [] if alone else [f"real& {o}" for o in outputs]
    used = set(re.findall(r"\w+", " ".join(statements + results)))
    body = [f"real {e}_ = {e};" for e in formula.entries if e in targets and f"{e}_" in used]
    body += statements
    if alone:
        body.append(f"return {_bare(results[0])};")
    else:
        # all results are computed before the first is written: one may need what another changes
        body += [f"real new_{i} = {_bare(r)};" for i, r in enumerate(results)]
        unnamed = iter(outputs)
        body += [f"{t or next(unnamed)} = new_{i};" for i, t in enumerate(targets)]
    head = f"__device__ {'real' if alone else 'void'} {name or formula.name}"
    return "\n    ".join([f"{head}({', '.join(parameters)}) {{", *body]) + "\n}\n"


def javascript(formula, name=None):
    """The text of a function over whole arrays: `name(entries..., options..., results...)`.

    Arrays are Float64Arrays of one length. What the formula changes, it changes in place; what it
    returns goes into the results' arrays. The text asks for `copysign`, `erf` and `erfc`.
    """
    statements, results = JAVASCRIPT.lines(formula)
    targets = [target for target, _ in formula.results]
    outputs = [f"result_{i + 1}" for i in range(targets.count(None))]
    options = [f"{o}_" for o in formula.options]
    used = set(re.findall(r"\w+", " ".join(statements + results)))
    body = [f"const {e}_ = {e}[i];" for e in formula.entries if f"{e}_" in used] + statements
    body += [f"const new_{i} = {_bare(r)};" for i, r in enumerate(results)]
    unnamed = iter(outputs)
    body += [f"{t or next(unnamed)}[i] = new_{i};" for i, t in enumerate(targets)]
    parameters = ", ".join([*formula.entries, *options, *outputs])
    loop = f"  for (let i = 0; i < {(*formula.entries, *outputs)[0]}.length; i++) {{"
    head = f"function {name or formula.name}({parameters}) {{"
    return "\n    ".join([f"{head}\n{loop}", *body]) + "\n  }\n}\n"
