"""CUDA kernels made from formulas of NumPy (`kernels/translate`): the reference's, and a user's.

Activations and losses stand in a frame of cuda/formulas.cu; a function that changes arrays entry by
entry, an update rule for instance, becomes a kernel of its own.
"""

import functools
import re

from ... import translate
from ...reference.activations import FUNCTIONS
from ...reference.losses import ELEMENTWISE_LOSSES
from .sources import FOLDER, CudaKernel

_names = {}  # name of a kernel made so far -> the text of its formulas


@functools.cache
def frames():
    """Family -> the text of its frame."""
    text = (FOLDER / "formulas.cu").read_text()
    return {one.split("(")[0].split()[1]: one
            for one in re.findall(r"^KERNEL .*?^}$", text, re.MULTILINE | re.DOTALL)}  # fmt: skip


@functools.lru_cache(maxsize=1024)
def framed(family, formula, count):
    """The kernel of a family, for an activation or an elementwise loss.

    Args:
        family: a name of `frames`.
        formula: the reference's name of an activation or loss, or (f, df): functions of x and of
            (x, y), or both of (y, t), and of options.
        count: of the options that are given; the others keep their defaults.

    Raises:
        Untranslatable: a function that can't be read.
    """
    loss = family == "elementwise_loss"
    known = ELEMENTWISE_LOSSES if loss else FUNCTIONS
    f, df = known[formula] if isinstance(formula, str) else formula
    value, slope = translate.read(f, 2 if loss else 1, count), translate.read(df, 2, count)
    name = _unused(f"{family}_{value.name}", value, slope)
    options = [f"p{i}" for i in range(len(value.options))]
    values, text, functions, called = "".join(f", {o}" for o in options), frames()[family], "", ""
    for word, one, suffix in (("FORMULA", value, "f"), ("SLOPE", slope, "df")):
        if word in text:
            called = f"{name}_{suffix}"
            text = text.replace(word, called)
            functions += translate.cuda(one, called)
    text = text.replace(f"KERNEL {family}(", f"KERNEL {name}(").replace(" VALUES", values)
    text = text.replace(" OPTIONS", "".join(f", double {o}" for o in options))
    entry = f"v * {called}(x, y{values})" if family.endswith("grad") else f"{called}(v{values})"
    return CudaKernel(name, text, family, functions, (formula, count), entry)


@functools.lru_cache(maxsize=1024)
def entrywise(function, inputs, absent=()):
    """The kernel of a function that changes arrays entry by entry.

    Its parameters are those of the function, with an underscore behind their names.

    Args:
        function: of `inputs` arrays, then numbers, and the arrays that it changes, by keyword.
        absent: names of those that are None.

    Raises:
        Untranslatable: a function that can't be read.
    """
    formula = translate.read(function, inputs, absent=absent)
    name = _unused("_without_".join((formula.name, *absent)), formula)
    given, changed = formula.entries[:inputs], formula.entries[inputs:]
    parameters = ["const Control* control", *(f"const real* {a}_" for a in given),
                  *(f"double {o}_" for o in formula.options), "i64 n",
                  *(f"real* {a}_" for a in changed)]  # fmt: skip
    numbers = [f"double of_{o} = number(control, {o}_);" for o in formula.options]
    arguments = [*(f"{a}_[i]" for a in formula.entries), *(f"of_{o}" for o in formula.options)]
    text = f"""KERNEL {name}({", ".join(parameters)}) {{
    {" ".join(numbers)}
    for (i64 i = first_entry(); i < n; i += entries()) {name}_f({", ".join(arguments)});
}}"""
    functions = translate.cuda(formula, f"{name}_f")
    return CudaKernel(name, text, formula.name, functions, (function, absent))


def _unused(name, *formulas):
    """A name in CUDA that no kernel has which was made from other text."""
    name, text = re.sub(r"\W", "", name), [translate.cuda(one, "f") for one in formulas]
    while _names.setdefault(name, text) != text:
        name += "_"
    return name
