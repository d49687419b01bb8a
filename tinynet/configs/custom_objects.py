"""Classes and functions of the user's own, which configs name: registered, in a scope, or passed.

A file holds names and numbers only. What a name means is looked up here; nothing is ever imported
or unpickled because a file says so.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..configs.types import T

_registered = {}  # "package>Name" -> class or function
_names = {}  # class or function -> "package>Name"
_scope = contextvars.ContextVar("custom_objects", default={})  # noqa: B039  never written to


def register_keras_serializable(package: str = "Custom",
                                name: str | None = None) -> Callable[[T], T]:  # fmt: skip
    """Decorator: files may name this class (or function) without `custom_objects`.

    Args:
        package: written before the name: "package>Name".
        name: None: the class's own.

    Raises:
        ValueError: a class without get_config, or another class under that name.
    """

    def decorate(obj):
        key = f"{package}>{name or obj.__name__}"
        if isinstance(obj, type) and not hasattr(obj, "get_config"):
            raise ValueError(f"{obj.__name__} needs a get_config() to be registered as {key!r}")
        _registered[key] = obj
        _names[obj] = key
        return obj

    return decorate


def get_custom_objects() -> dict[str, Any]:
    """Return what is registered; changes to this dict count."""
    return _registered


def get_registered_name(obj: Any) -> str:
    """Return the name that files know a class or function by."""
    return _names.get(obj, obj.__name__)


def is_registered(obj) -> bool:
    """Return whether a value is a class or function that files may name."""
    return callable(obj) and obj in _names


def get_registered_object(name: str, custom_objects: dict[str, Any] | None = None,
                          module_objects: Any = None) -> Any:  # fmt: skip
    """Return the class or function of that name, or None."""
    found = find((name,), custom_objects)
    return found if found is not None else (module_objects or {}).get(name)


@contextlib.contextmanager
def custom_object_scope(custom_objects: dict[str, Any]) -> Iterator[Any]:
    """Within the block, files may name the objects of this dict: name -> class or function."""
    token = _scope.set({**_scope.get(), **(custom_objects or {})})
    try:
        yield
    finally:
        _scope.reset(token)


CustomObjectScope = custom_object_scope


def is_function(obj) -> bool:
    """Return whether an object is a plain function: no class, and without a config of its own."""
    return callable(obj) and not isinstance(obj, type) and not hasattr(obj, "get_config")


def function_config(function) -> dict:
    """Return the config of a function, which goes by its (registered) name, as Keras writes it.

    Raises:
        TypeError: it has no name.
    """
    if getattr(function, "__name__", "<lambda>") == "<lambda>":
        raise TypeError(f"{function!r} can't be stored: it has no name to be found by; write it "
                        "with def")  # fmt: skip
    return {"module": "builtins", "class_name": "function", "config": get_registered_name(function),
            "registered_name": "function"}  # fmt: skip


def find(names, custom_objects=None):
    """Return the first name's object in `custom_objects`, the open scopes, the registered ones."""
    for known in (custom_objects or {}, _scope.get(), _registered):
        for name in names:
            if isinstance(name, str) and name in known:
                return known[name]
    return None


def function_of_any_package(name):
    """Return the registered function of that name, which Keras 3.6 wrote without its package."""
    ending = f">{name}"
    return next((f for key, f in _registered.items() if key.endswith(ending) and is_function(f)),
                None)  # fmt: skip
