"""Names for objects: `get("adam")`, `serialize(obj)`, `deserialize(config)`, as in Keras.

Each module (losses, optimizers, ...) owns one Registry and registers its classes with the names
that Keras knows them by. Spelling is forgiving about case and underscores, nothing else: an
unknown name is an error that suggests the nearest one.
"""

import difflib

from . import custom_objects as custom
from .keras import adapt


def _key(name: str) -> str:
    return name.replace("_", "").lower()


class Registry:
    """String and config lookup for one kind of object.

    Args:
        kind: what an object is called in messages, e.g. "optimizer".
        module: where Keras keeps such objects, e.g. "optimizers"; written into configs.
    """

    def __init__(self, kind: str, module: str):
        self.kind, self.module = kind, module
        self.objects = {}  # the spelling we show -> class or object
        self.keys = {}  # the forgiving spelling -> class or object
        self.functions = {}  # name -> function, for configs whose class is "function"

    def add(self, name, obj):
        """`name` leads to `obj`, a class or a ready object."""
        self.objects[name] = obj
        self.keys[_key(name)] = obj

    def register(self, *aliases):
        """Class decorator: the class's own name and the aliases lead to it."""

        def decorate(cls):
            for name in (cls.__name__, *aliases):
                self.add(name, cls)
            return cls

        return decorate

    def lookup(self, name: str, custom_objects=None):
        """The class (or object) registered under `name`."""
        found = custom.find((name, name.rpartition(">")[2]), custom_objects)
        if found is not None:
            return found
        if _key(name) in self.keys:
            return self.keys[_key(name)]
        known = {_key(n): n for n in self.objects}
        near = difflib.get_close_matches(_key(name), known, n=1, cutoff=0.5)
        hint = f"; did you mean {known[near[0]]!r}?" if near else ""
        raise ValueError(
            f"unknown {self.kind} {name!r}{hint} (known: {', '.join(sorted(self.objects))})"
        )

    def get(self, identifier, custom_objects=None):
        """None, a name, a config dict, a class or an object -> None or an object."""
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
        raise TypeError(
            f"{self.kind} must be a name, a config dict, a class or an object, "
            f"received {identifier!r} of type {type(identifier).__name__}"
        )

    def serialize(self, obj):
        """The config dict that `deserialize` turns back into an equal object.

        A class that is not tinynet's own goes by its module and by its name as `registered_name`;
        `deserialize` then wants it in `custom_objects`.
        """
        if obj is None:
            return None
        if isinstance(obj, type) or not hasattr(obj, "get_config"):
            raise TypeError(
                f"{self.kind} {obj!r} can't be serialized: expected an object with get_config(), "
                f"received a {type(obj).__name__}"
            )
        cls = type(obj)
        own = cls.__module__.startswith("tinynet.") and self.keys.get(_key(cls.__name__)) is cls
        return {
            "module": getattr(cls, "keras_module", f"keras.{self.module}")
            if own
            else cls.__module__,
            "class_name": cls.__name__,
            "config": obj.get_config(),
            "registered_name": None if own else custom.get_registered_name(cls),
        }

    def deserialize(self, config, custom_objects=None):
        """An object from what `serialize` returned (or from a name)."""
        if config is None or isinstance(config, str):
            return self.get(config, custom_objects)
        if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
            raise ValueError(
                f"a {self.kind} config is a dict with 'class_name' and 'config', "
                f"received {config!r}"
            )
        name, inner = config["class_name"], config.get("config") or {}
        if name == "function":  # a user's function, or one of tinynet's by its name
            return self._function(config, custom_objects)
        if is_custom(config):
            cls = self._custom(name, config, custom_objects)
        else:
            try:
                cls = self.lookup(name, custom_objects)
            except ValueError as error:
                raise ValueError(
                    f"{error}; for a class of your own pass custom_objects={{{name!r}: {name}}}"
                ) from None
        if not isinstance(cls, type):
            return cls
        try:
            with custom.custom_object_scope(custom_objects):
                return cls.from_config(adapt(cls, inner))
        except TypeError as error:
            if "unexpected keyword" not in str(error):
                raise
            raise ValueError(
                f"{self.kind} {name!r} can't be made of its config: {error}"
            ) from error

    def _function(self, config, custom_objects):
        name = config.get("config")
        found = custom.find((config.get("registered_name"), name), custom_objects)
        if found is not None:
            return found
        if not isinstance(name, str) or not (name in self.functions or _key(name) in self.keys):
            raise ValueError(
                f"{self.kind} function {name!r} is not one of tinynet's: "
                f"pass custom_objects={{{name!r}: ...}}"
            )
        return self.functions.get(name) or self.get(name)

    def _custom(self, name, config, custom_objects=None):
        """The user's class that `config` was made from."""
        registered = config.get("registered_name")
        cls = custom.find((registered, name), custom_objects)
        if cls is not None:
            return cls
        cls = self.keys.get(_key(name))
        if cls is not None and getattr(cls, "__module__", None) == config.get("module"):
            return cls
        where = f" (of module {config['module']!r})" if config.get("module") else ""
        raise ValueError(
            f"{self.kind} {name!r}{where} is not one of tinynet's: "
            f"pass custom_objects={{{name!r}: {name}}}, or register the class with "
            "saving.register_keras_serializable"
        )


def is_custom(config):
    """Whether a config's class is a user's, going by its module and its registered name.

    Keras registers a few classes of its own, "Functional" for one, under their plain names.
    """
    module, registered = config.get("module"), config.get("registered_name")
    if module is None:
        return bool(registered)
    of_keras = isinstance(module, str) and module.split(".")[0] == "keras"
    return not of_keras or registered not in (None, config.get("class_name"))


class Configurable:
    """`get_config` and `from_config` for classes whose config is their constructor's arguments.

    A class names them in `config_keys`; each is stored under the attribute of the same name.
    """

    config_keys: tuple = ()

    def get_config(self) -> dict:
        """The constructor's arguments as plain values."""
        return {key: getattr(self, key) for key in self.config_keys}

    @classmethod
    def from_config(cls, config: dict):
        """An equal object from `get_config()`'s dict."""
        return cls(**config)

    def __repr__(self):
        inside = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({inside})"
