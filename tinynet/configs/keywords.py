"""Names that are not there: an error that says what was probably meant."""

import difflib
import functools
import inspect
import opcode
import sys

OTHER_NAMES = {  # of Keras 1 and 2, and of others -> ours
    "lr": "learning_rate", "decay": "weight_decay, or a schedule as learning_rate",
    "p": "rate", "prob": "rate", "init": "kernel_initializer", "W_regularizer":
    "kernel_regularizer", "bias": "use_bias", "nesterovs": "nesterov", "batch_input_shape":
    "input_shape", "betas": "beta_1 and beta_2", "eps": "epsilon", "output_dim": "units",
    "out_features": "units", "in_features": "input_dim", "size": "units",
}  # fmt: skip
ABOUT = ("tinynet has dense networks alone, with every backward pass written out; what it leaves "
         "out is in Keras itself, under the same name: import keras")  # fmt: skip


def check_keywords(cls, options):
    """Raise TypeError for an argument that no constructor of a class of tinynet's has.

    A class whose constructor takes arguments of any name has `any_keywords`.
    """
    if options and cls.__module__.startswith("tinynet.") and not hasattr(cls, "any_keywords"):
        known = _arguments(cls)
        for name in options:
            if name not in known:
                raise TypeError(f"{cls.__name__}() got an unexpected keyword argument {name!r}"
                                f"{_nearest(name, known)}")  # fmt: skip


@functools.cache
def _arguments(cls):
    """Return the names of the constructor's arguments, and of the bases' to which it hands on."""
    found = set()
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(vars(base)["__init__"]).parameters
            found |= set(parameters)
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                break
    return found


def _nearest(name, known):
    meant = OTHER_NAMES.get(name, "")
    if meant.split(",")[0].split(" ")[0] not in known:
        meant = next(iter(difflib.get_close_matches(name, sorted(known), 1, 0.6)), None)
    return f"; it is called {meant}" if meant else ""


def absent(module):
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
