"""Where a function's text is, and the error that names it."""

import ast
import functools
import inspect

from ..recording import Unsupported

MAY_BE_USED = ("arithmetic, comparisons, & | ~, np.where, clip, maximum, minimum, abs, sign, exp, "
               "expm1, log, log1p, sqrt, tanh and NumPy's other functions of single entries, "
               "ndtr, erf, erfc, expit and xlogy of scipy.special, .astype(x.dtype), local names, "
               "numbers, `if` on options, and functions that are written so")  # fmt: skip


class Untranslatable(Unsupported):
    """A formula that can't be read: the message has file, line, and what is in the way."""


@functools.lru_cache(maxsize=64)
def _parsed(text):
    return ast.parse(text)


def definition(function):
    """(the function's node in the AST of its file, the lines of the file)."""
    try:
        lines, _ = inspect.findsource(function)
        tree = _parsed("".join(lines))
    except (OSError, TypeError, SyntaxError):
        raise Untranslatable(f"{function.__qualname__}: its source can't be found") from None
    code = function.__code__
    spans = [p for p in code.co_positions() if None not in p and p[2] != p[3]]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                return node, lines
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>":
            body = node.body
            whole = (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset)
            if whole in spans:
                return node, lines
    raise Untranslatable(f"{function.__qualname__}: its source can't be found")
