"""Models: layers put together, and everything that can be done with them."""

from ..configs.arguments import absent as _absent
from ..saving import load_model, model_from_json, save_model
from .cloning import clone_model
from .functional import Functional
from .model import Model
from .sequential import Sequential
from .subclassed import Subclassed as _Subclassed

__all__ = [
    "Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json",
    "save_model",
]  # fmt: skip
__getattr__ = _absent(__name__)
