"""Any object of tinynet's, or of the user's that is registered, as a config and back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from .. import activations, layers, losses, metrics
from ..configs import custom_objects as custom
from .config import model_config
from .kinds import KINDS

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Config


def serialize_keras_object(obj: Any) -> Any:
    """Return plain values for an object, or for a list or dict of objects, as Keras writes them.

    Raises:
        TypeError: it has no get_config, and is no plain value, array or named function.
    """
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (list, tuple)):
        return type(obj)(serialize_keras_object(one) for one in obj)
    if isinstance(obj, dict):
        return {key: serialize_keras_object(one) for key, one in obj.items()}
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        config = {"value": obj.tolist(), "dtype": obj.dtype.name}
        return {"module": "builtins", "class_name": "__numpy__", "config": config,
                "registered_name": None}  # fmt: skip
    if hasattr(obj, "fit") and isinstance(obj, layers.Layer):
        return model_config(obj)
    for kind, module in KINDS:
        if isinstance(obj, kind):
            config = module.serialize(obj)  # an activation without options is its name
            named = {"module": "builtins", "class_name": "function", "registered_name": "function"}
            return {**named, "config": config} if isinstance(config, str) else config
    if hasattr(obj, "get_config"):
        return {"module": type(obj).__module__, "class_name": type(obj).__name__,
                "config": serialize_keras_object(obj.get_config()),
                "registered_name": custom.get_registered_name(type(obj))}  # fmt: skip
    if callable(obj) and getattr(obj, "__name__", "<lambda>") != "<lambda>":
        return custom.function_config(obj)
    raise TypeError(f"expected an object with get_config(), a plain value, an array or a function "
                    f"with a name, received {obj!r} of type {type(obj).__name__}")  # fmt: skip


def deserialize_keras_object(config: Config, custom_objects: dict[str, Any] | None = None,
                             safe_mode: bool = True) -> Any:  # fmt: skip
    """Return what `serialize_keras_object`, tinynet's or Keras's, was given.

    Args:
        custom_objects: name -> class or function, for those that are the user's own.
        safe_mode: accepted as in Keras; code in a config is never run.

    Raises:
        ValueError: it names something unknown.
    """
    if isinstance(config, (list, tuple)):
        return type(config)(deserialize_keras_object(one, custom_objects) for one in config)
    if not isinstance(config, dict):
        return config
    name = config.get("class_name")
    if name is None:
        return {k: deserialize_keras_object(v, custom_objects) for k, v in config.items()}
    inner = config.get("config")
    if name == "__numpy__":
        return np.array(inner["value"], inner["dtype"])
    with custom.custom_object_scope(custom_objects):
        own = custom.find((config.get("registered_name"), name))
        if name == "function":
            own = custom.find((inner,))
        if own is not None:
            return own.from_config(inner) if isinstance(own, type) else own
        return _known(config, name)


def _known(config, name):
    """Return the object of a config that names one of tinynet's."""
    place = str(config.get("module")).rpartition(".")[2]
    for _, module in KINDS:
        if module.__name__.rpartition(".")[2] == place:
            return module.deserialize(config)
    if name in ("Sequential", "Functional", "Model"):
        return layers.deserialize(config)
    if name == "function":
        function = config.get("config")
        if not isinstance(function, str):
            raise ValueError("the config of a function is its name, a string; received "
                             f"{function!r}")  # fmt: skip
        for module in (activations, losses, metrics):
            with contextlib.suppress(ValueError):
                return module.get(function)
        if (found := custom.function_of_any_package(function)) is not None:
            return found
    raise ValueError(f"{name!r} of module {config.get('module')!r} is not one of tinynet's: pass "
                     f"custom_objects={{{name!r}: ...}}, or register it with "
                     "saving.register_keras_serializable")  # fmt: skip
