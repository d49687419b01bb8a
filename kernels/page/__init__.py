"""JavaScript for a page that trains: the reference's formulas, translated, beside `kernels.js`.

    script()     the text of both: `formulas`, and the kernels on Float64Arrays that are by hand

`formulas.activations[name]` has f(x, ...options, y) and df(x, y, ...options, slope),
`formulas.losses[name]` f(y, t, ...options, value) and df(y, t, ...options, slope), and
`formulas.rules[name]` apply(g, w, ...moments, ...numbers); each lists its options, rules also
their moments, in order.
"""

import inspect
import json
import pathlib

from .. import translate
from ..reference import activations, losses, updates

# rule -> moments that only an option brings, and the page has no such option
RULES = {
    "sgd": (), "rmsprop": ("a",), "adam": ("v_max",), "nadam": (), "adamax": (), "adagrad": (),
    "adadelta": (), "lion": (), "ftrl": (),
}  # fmt: skip


def script() -> str:
    """Return the text, which defines the object `formulas` and the functions of `kernels.js`."""
    groups = {
        "activations": {n: _pair(*pair, 1) for n, pair in activations.FUNCTIONS.items()},
        "losses": {n: _pair(*pair, 2) for n, pair in losses.ELEMENTWISE_LOSSES.items()},
        "rules": {n: _rule(updates.RULES[n], absent) for n, absent in RULES.items()},
    }
    text = "".join(
        f"{group}: {{\n{''.join(f'{name}: {{{entry}}},' for name, entry in entries.items())}}},\n"
        for group, entries in groups.items()
    )
    return f"{by_hand()}\nconst formulas = {{\n{text}}};\n"


def by_hand() -> str:
    """Return the text of `kernels.js`."""
    return (pathlib.Path(__file__).parent / "kernels.js").read_text("utf-8")


def _pair(f, df, inputs):
    options = len(inspect.signature(f).parameters) - inputs
    value = translate.read(f, inputs, options)
    slope = translate.read(df, 2, options)
    return (f"options: {json.dumps(value.options)}, f: {translate.javascript(value)}, "
            f"df: {translate.javascript(slope)}")  # fmt: skip


def _rule(rule, absent):
    formula = translate.read(rule, 1, absent=absent)
    moments = [name for name in formula.entries if name not in ("g", "w")]
    return (f"options: {json.dumps(formula.options)}, moments: {json.dumps(moments)}, "
            f"apply: {translate.javascript(formula)}")  # fmt: skip
