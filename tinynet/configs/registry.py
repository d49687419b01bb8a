"""Names for objects: `get("adam")`, `serialize(obj)`, `deserialize(config)`, as in Keras.

Each module (losses, optimizers, ...) owns one Registry and registers its classes with the names
that Keras knows them by. Case and underscores in a name do not count; an unknown name is an error
that suggests the nearest one.
"""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING

from . import custom_objects as custom
from .arguments import check_arguments
from .keras import adapt, constructor_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from ..configs.types import Config, Named, T

SHARED = {"name", "trainable", "dtype", "input_shape", "input_dim"}  # arguments of all layers


def _key(name: str) -> str:
    return name.replace("_", "").lower()


def _arguments(cls) -> tuple:
    """Names of the constructor's positional arguments, without the class's `option_keys`."""
    return tuple(
        p.name
        for p in inspect.signature(cls).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in getattr(cls, "option_keys", ())
    )


class Registry:
    """String and config lookup for one kind of object.

    Args:
        kind: what an object is called in messages, e.g. "optimizer".
        module: where Keras keeps such objects, e.g. "optimizers"; written into configs.
        arguments: the attribute of a class that names the arguments in its config, "config_keys".
            Where a class does not set it, `register` does: to all arguments of its constructor
            but keyword-only ones, and but its `option_keys`.
        takes_functions: whether a plain function, which goes by its name, is such an object, too.
    """

    arguments: Any
    kind: str
    module: str

    def __init__(self, kind: str, module: str, arguments: Any = None,
                 takes_functions: bool = False) -> None:  # fmt: skip
        self.kind, self.module, self.arguments = kind, module, arguments
        self.takes_functions = takes_functions
        self.objects: dict[Any, Any] = {}  # name as shown -> class or object
        self.keys: dict[Any, Any] = {}  # name without case and underscores -> class or object
        self.functions: dict[Any, Any] = {}  # name -> function, for configs of class "function"

    def add(self, name: str, obj: Any) -> None:
        """Let `name` stand for `obj`, a class or an object."""
        self.objects[name] = obj
        self.keys[_key(name)] = obj

    def register(self, *aliases: Any) -> Callable[[T], T]:
        """Return a class decorator: the class's name and the aliases stand for it."""

        def decorate(cls):
            if self.arguments and self.arguments not in vars(cls):
                setattr(cls, self.arguments, _arguments(cls))
            for name in (cls.__name__, *aliases):
                self.add(name, cls)
            return cls

        return decorate

    def lookup(self, name: str, custom_objects: dict[str, Any] | None = None) -> Any:
        """Return the class (or object) registered under `name`."""
        found = custom.find((name, name.rpartition(">")[2]), custom_objects)
        if found is not None:
            return found
        if _key(name) in self.keys:
            return self.keys[_key(name)]
        known = {_key(n): n for n in self.objects}
        near = difflib.get_close_matches(_key(name), known, n=1, cutoff=0.5)
        hint = f"; did you mean {known[near[0]]!r}?" if near else ""
        raise ValueError(f"unknown {self.kind} {name!r}{hint} (known: "
                         f"{', '.join(sorted(self.objects))})")  # fmt: skip

    def get(self, identifier: Named, custom_objects: dict[str, Any] | None = None) -> Any:
        """Return the object that a name, config dict or class stands for; None for None."""
        if identifier is None:
            return None
        if isinstance(identifier, str):
            found = self.lookup(identifier, custom_objects)
            return found() if isinstance(found, type) else found
        if isinstance(identifier, dict):
            return self.deserialize(identifier, custom_objects)
        if isinstance(identifier, type):
            return identifier()
        if callable(identifier) or hasattr(identifier, "get_config"):
            return identifier
        raise TypeError(f"{self.kind} must be a name, a config dict, a class or an object, "
                        f"received {identifier!r} of type {type(identifier).__name__}")  # fmt: skip

    def serialize(self, obj: Any) -> Any:
        """Return the config dict that `deserialize` turns back into an equal object.

        A class that is not tinynet's own goes by its module and by its name as `registered_name`;
        `deserialize` then wants it registered, or in `custom_objects`.
        """
        if obj is None:
            return None
        if self.takes_functions and custom.is_function(obj):
            return custom.function_config(obj)
        if isinstance(obj, type) or not hasattr(obj, "get_config"):
            raise TypeError(f"{self.kind} {obj!r} can't be serialized: expected an object with "
                            f"get_config(), received a {type(obj).__name__}")  # fmt: skip
        cls = type(obj)
        own = cls.__module__.startswith("tinynet.") and self.keys.get(_key(cls.__name__)) is cls
        return {
            "module": getattr(cls, "keras_module", f"keras.{self.module}")
            if own
            else cls.__module__,
            "class_name": cls.__name__,
            "config": config_of(obj),
            "registered_name": None if own else custom.get_registered_name(cls),
        }

    def deserialize(self, config: Config, custom_objects: dict[str, Any] | None = None) -> Any:
        """Return an object from what `serialize` returned (or from a name)."""
        if config is None or isinstance(config, str):
            return self.get(config, custom_objects)
        if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
            raise ValueError(f"a {self.kind} config is a dict with 'class_name' and 'config', "
                             f"received {config!r}")  # fmt: skip
        name, inner = config["class_name"], config.get("config") or {}
        if name == "function":  # a user's function, or one of tinynet's by its name
            return self._function(config, custom_objects)
        if is_custom(config):
            cls = self.custom(name, config, custom_objects)
        else:
            try:
                cls = self.lookup(name, custom_objects)
            except ValueError as error:
                raise ValueError(f"{error}; for a class of your own pass "
                                 f"custom_objects={{{name!r}: {name}}}") from None  # fmt: skip
        if not isinstance(cls, type):
            return cls
        try:
            with custom.custom_object_scope(custom_objects):
                return cls.from_config(adapt(cls, inner))
        except TypeError as error:
            if "unexpected keyword" not in str(error):
                raise
            raise ValueError(f"{self.kind} {name!r} "
                             f"can't be made of its config: {error}") from error  # fmt: skip

    def _function(self, config, custom_objects):
        name = config.get("config")
        plain = name.rpartition(">")[2] if isinstance(name, str) else None
        found = custom.find((config.get("registered_name"), name, plain), custom_objects)
        if found is not None:
            return found
        if not isinstance(name, str) or not (name in self.functions or _key(name) in self.keys):
            if (found := custom.function_of_any_package(name)) is not None:
                return found
            raise ValueError(f"{self.kind} function {name!r} is not one of tinynet's: pass "
                             f"custom_objects={{{name!r}: ...}}")  # fmt: skip
        return self.functions.get(name) or self.get(name)

    def custom(self, name: str, config: Config,
               custom_objects: dict[str, Any] | None = None) -> Any:  # fmt: skip
        """Return the user's class that `config` was made from."""
        registered = config.get("registered_name")
        cls = custom.find((registered, name), custom_objects)
        if cls is not None:
            return cls
        cls = self.keys.get(_key(name))
        if cls is not None and getattr(cls, "__module__", None) == config.get("module"):
            return cls
        where = f" (of module {config['module']!r})" if config.get("module") else ""
        raise ValueError(f"{self.kind} {name!r}{where} is not one of tinynet's: pass "
                         f"custom_objects={{{name!r}: {name}}}, or register the class with "
                         "saving.register_keras_serializable")  # fmt: skip


def config_of(obj) -> dict:
    """Return `obj.get_config()`.

    Raises:
        TypeError: the class is the user's, and its constructor could not make the object again of
            this config; says what to add.
    """
    cls, config = type(obj), obj.get_config()
    ours = {name for name in ("get_config", "from_config", "__init__")
            if _module_of(getattr(cls, name, None)) == "tinynet"}  # fmt: skip
    if "__init__" in ours or "from_config" not in ours or "layers" in config:
        return config
    label = f"{getattr(obj, 'name', cls.__name__)!r} ({cls.__name__}) could not be loaded again"
    missing = [
        p.name for p in list(inspect.signature(cls.__init__).parameters.values())[1:]
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in config
        and p.name not in SHARED and (p.default is p.empty or "get_config" in ours)
    ]  # fmt: skip
    if missing:
        added = ", ".join(f'"{name}": self.{name}' for name in missing)
        raise TypeError(f"{label}: its constructor takes {', '.join(missing)}, which get_config() "
                        f"does not return; add to the class: def get_config(self): return "
                        f"{{**super().get_config(), {added}}}")  # fmt: skip
    taken = constructor_names(cls)
    extra = [] if taken is None else [key for key in config if key not in taken]
    if extra:
        raise TypeError(f"{label}: its get_config() returns {', '.join(extra)}, which its "
                        "constructor does not take; let __init__ take **options and call "
                        "super().__init__(**options)")  # fmt: skip
    return config


def _module_of(thing):
    """Return the package that a class or method was written in."""
    return str(getattr(thing, "__module__", None)).partition(".")[0]


def is_custom(config: Config) -> bool:
    """Return whether a config's class is a user's, going by its module and its registered name.

    Keras registers a few classes of its own, "Functional" for one, under their plain names.
    """
    module, registered = config.get("module"), config.get("registered_name")
    if module is None:
        return bool(registered)
    of_keras = isinstance(module, str) and module.split(".")[0] == "keras"
    return not of_keras or registered not in (None, "", config.get("class_name"))


class Configurable:
    """`get_config` and `from_config` for classes whose config is their constructor's arguments.

    `config_keys` names them; each is stored under the attribute of the same name.
    """

    config_keys: tuple[str, ...] = ()

    def __new__(cls, *args: Any, **options: Any) -> Self:
        check_arguments(cls, args, options)
        return super().__new__(cls)

    def get_config(self) -> Config:
        """Return the constructor's arguments as plain values."""
        return {key: getattr(self, key) for key in self.config_keys}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return an equal object from `get_config()`'s dict."""
        return cls(**config)

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({inside})"
