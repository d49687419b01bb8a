"""tinynet: a neural network engine written by hand, with Keras's names.

import tinynet as keras
"""

import importlib
import os
import typing

from .microscope import microscope  # now: a later import of the package would take its name
from .playground import playground  # likewise

__version__ = "0.2.0"

if typing.TYPE_CHECKING:  # for editors; at run time a name is imported when it is first used
    from . import activations, backend, callbacks, config, constraints, datasets  # isort: skip
    from . import distribution, initializers, layers, losses, metrics  # isort: skip
    from . import models, ops, optimizers, preprocessing  # isort: skip
    from . import plotting as plotting, probes, random, regularizers, saving, utils  # isort: skip
    from .config import version
    from .core.graph import KerasTensor
    from .core.parameters import Parameter
    from .core.variable import Variable
    from .initializers import Initializer
    from .inspecting.gradient_check import gradcheck
    from .layers import Input, InputSpec, Layer
    from .losses import Loss
    from .metrics import Metric
    from .models import Functional, Model, Sequential
    from .optimizers import Optimizer
    from .regularizers import Regularizer

__all__ = [
    "Functional", "Initializer", "Input", "InputSpec", "KerasTensor", "Layer", "Loss", "Metric",
    "Model", "Optimizer", "Parameter", "Regularizer", "Sequential", "Variable", "activations",
    "backend", "callbacks", "config", "constraints", "datasets", "distribution", "gradcheck",
    "initializers", "layers", "losses", "metrics", "microscope", "models", "ops", "optimizers",
    "playground", "preprocessing", "probes", "random", "regularizers", "saving", "utils",
    "version",
]  # fmt: skip

_MODULES = {  # of the names that are no modules themselves
    "Functional": "models", "Initializer": "initializers", "Input": "layers",
    "InputSpec": "layers", "KerasTensor": "core.graph", "Layer": "layers", "Loss": "losses",
    "Metric": "metrics", "Model": "models", "Optimizer": "optimizers",
    "Parameter": "core.parameters", "Regularizer": "regularizers", "Sequential": "models",
    "Variable": "core.variable", "gradcheck": "inspecting.gradient_check", "version": "config",
}  # fmt: skip

_EXTRAS = {"plotting", "sklearn", "wrappers"}  # for users, who need another package with them
_INNER = {
    "configs", "core", "data", "engine", "film", "inspecting", "kernels", "measuring", "resuming",
    "showing",
}  # fmt: skip

if not os.path.isdir(os.path.join(__path__[0], "kernels")):
    __path__.append(os.path.dirname(__path__[0]))  # the source tree: it stands beside the package


def __getattr__(name):
    if name in __all__ or name in _EXTRAS or name in _INNER:
        module = importlib.import_module(f".{_MODULES.get(name, name)}", __name__)
        return globals().setdefault(name, getattr(module, name) if name in _MODULES else module)
    absent = importlib.import_module(".configs.arguments", __name__).absent
    return absent(__name__)(name)


def __dir__():
    return sorted({*__all__, *_EXTRAS, *(name for name in globals() if name.startswith("__"))})
