"""Arguments that no constructor has, or that can't be meant; names that are not there.

The errors say what was probably meant.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import opcode
import sys
from typing import TYPE_CHECKING

import numpy as np

from .checks import is_flag, is_integer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

OTHER_NAMES = {  # of Keras 1 and 2, and of others -> ours
    "lr": "learning_rate", "decay": "weight_decay, or a schedule as learning_rate",
    "p": "rate", "prob": "rate", "init": "kernel_initializer", "W_regularizer":
    "kernel_regularizer", "bias": "use_bias", "nesterovs": "nesterov", "batch_input_shape":
    "input_shape", "betas": "beta_1 and beta_2", "eps": "epsilon", "output_dim": "units",
    "out_features": "units", "in_features": "input_dim", "size": "units",
}  # fmt: skip
ABOUT = ("tinynet has dense networks alone, with every backward pass written out; what it leaves "
         "out is in Keras itself, under the same name: import keras")  # fmt: skip


def check_arguments(cls, args, options):
    """Raise for arguments of a class of tinynet's that can't be meant: a constructor's first check.

    A class whose constructor takes arguments of any name has `any_keywords`; `own_checks` are the
    arguments that it checks by itself, `may_be_empty` those that may be a list of nothing.

    Raises:
        TypeError: no constructor of the class, or of its bases, has an argument of this name.
        ValueError: something else than True or False for a flag, or no number of the kind that the
            argument's name stands for (`MEANT`).
    """
    if not (args or options) or not cls.__module__.startswith("tinynet."):
        return
    names, defaults = _arguments(cls)
    for name, value in (*zip(names, args, strict=False), *options.items()):
        if name not in defaults:
            if hasattr(cls, "any_keywords"):
                continue
            raise TypeError(f"{cls.__name__}() got an unexpected keyword argument {name!r}"
                            f"{_nearest(name, defaults)}")  # fmt: skip
        if isinstance(defaults[name], bool):
            fits, expected = is_flag, "True or False"
        elif name in getattr(cls, "own_checks", ()) or (
            name in getattr(cls, "may_be_empty", ())
            and isinstance(value, list | tuple)
            and not value
        ):
            continue
        else:
            fits, expected = MEANT.get(name, (None, None))
        if fits is not None and value is not None and not fits(value):
            raise ValueError(f"{cls.__name__}: {name} must be {expected}, received {value!r}")


@functools.cache
def _arguments(cls):
    """Return the constructor's names in order, and name -> default of these and of those bases'
    that they are handed on to."""
    names, defaults = None, {}
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(vars(base)["__init__"]).parameters
            names = list(parameters)[1:] if names is None else names
            defaults = {name: p.default for name, p in parameters.items()} | defaults
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                break
    return names, defaults


def _are_axes(value):
    axes = value if isinstance(value, list | tuple) and value else [value]
    return all(is_integer(axis) and abs(axis) < 64 for axis in axes)


def _are_numbers(value):
    try:
        return bool(np.isfinite(np.asarray(value, np.float64)).all()) and not isinstance(
            value, bool
        )
    except (TypeError, ValueError, OverflowError):
        return False


MEANT = {  # name of an argument -> (function that says whether a value fits, what is expected)
    "axis": (_are_axes, "an int or a list of ints"),
    "shared_axes": (_are_axes, "a list of integers"),
    "class_id": (is_integer, "an integer"),
    "start_from_epoch": (lambda value: is_integer(value, 0), "an integer >= 0"),
    "bins": (lambda value: is_integer(value, 0), "an integer >= 0"),
    "rows": (lambda value: is_integer(value, 1), "an int >= 1"),
    "num_regressors": (is_integer, ">= 0"),
    "num_classes": (lambda value: is_integer(value, 1), "an integer >= 1"),
    "label_weights": (_are_numbers, "finite numbers"),
    "alpha": (_are_numbers, "a finite number, or one for each class"),
    "scale": (_are_numbers, "finite numbers"),
    "offset": (_are_numbers, "finite numbers"),
}


def _nearest(name, known):
    meant = OTHER_NAMES.get(name, "")
    if meant.split(",")[0].split(" ")[0] not in known:
        meant = next(iter(difflib.get_close_matches(name, sorted(known), 1, 0.6)), None)
    return f"; it is called {meant}" if meant else ""


def absent(module: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of the module of this name: an error that says what to do."""

    def __getattr__(name):
        message = f"module {module!r} has no attribute {name!r}"
        if name.startswith("_"):
            raise AttributeError(message)
        names = getattr(sys.modules[module], "__all__", ())
        near = {} if name[-2:] in ("2D", "3D") else {n.lower(): n for n in names}
        found = difflib.get_close_matches(name.lower(), near, 1, 0.8)
        message += f"; did you mean {near[found[0]]!r}?" if found else f": {ABOUT}"
        frame = sys._getframe(1)
        while frame.f_code.co_name == "__getattr__" and frame.f_globals["__name__"] == module:
            frame = frame.f_back
        if opcode.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM":
            raise ImportError(message, name=name)  # from an AttributeError Python makes its own
        raise AttributeError(message, name=name)

    return __getattr__
