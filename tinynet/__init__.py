"""tinynet: a neural network engine written by hand, with Keras's names.

import tinynet as keras
"""

import importlib
import os
import typing

from .microscope import microscope  # now: a later import of the package would take its name
from .playground import playground  # likewise

__version__ = "0.1.0"

if typing.TYPE_CHECKING:  # for editors; at run time a name is imported when it is first used
    from . import activations, backend, callbacks, config, constraints, datasets  # isort: skip
    from . import distribution, initializers, layers, losses, metrics  # isort: skip
    from . import models, optimizers  # isort: skip
    from . import plotting as plotting, probes, random, regularizers, saving, utils  # isort: skip
    from .core.parameters import Parameter
    from .inspecting.gradient_check import gradcheck
    from .layers import Input
    from .models import Functional, Model, Sequential

__all__ = [
    "Functional", "Input", "Model", "Parameter", "Sequential", "activations", "backend",
    "callbacks", "config", "constraints", "datasets", "distribution", "gradcheck", "initializers",
    "layers", "losses", "metrics", "microscope", "models", "optimizers", "playground", "probes",
    "random", "regularizers", "saving", "utils",
]  # fmt: skip

_MODULES = {  # of the names that are no modules themselves
    "Functional": "models", "Input": "layers", "Model": "models", "Parameter": "core.parameters",
    "Sequential": "models", "gradcheck": "inspecting.gradient_check",
}  # fmt: skip

_INNER = {
    "configs", "core", "data", "engine", "inspecting", "kernels", "measuring", "plotting",
    "resuming", "showing", "sklearn", "wrappers",
}  # fmt: skip

if not os.path.isdir(os.path.join(__path__[0], "kernels")):
    __path__.append(os.path.dirname(__path__[0]))  # the source tree: it stands beside the package


def __getattr__(name):
    if name in __all__ or name in _INNER:
        module = importlib.import_module(f".{_MODULES.get(name, name)}", __name__)
        return globals().setdefault(name, getattr(module, name) if name in _MODULES else module)
    absent = importlib.import_module(".configs.arguments", __name__).absent
    return absent(__name__)(name)


def __dir__():
    return sorted({*globals(), *__all__, *_INNER})
