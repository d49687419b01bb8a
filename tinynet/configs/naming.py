"""Names: automatic ones as in Keras (`dense`, `dense_1`, ...), and those that a package exports."""

import collections
import re
import types

_counters = collections.Counter()


def snake_case(class_name: str) -> str:
    """Return BatchNormalization as batch_normalization, LeakyReLU as leaky_re_lu (as Keras)."""
    word = re.sub(r"\W+", "", class_name)  # <lambda> -> lambda
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", word)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def unique_name(class_name: str) -> str:
    """Return the next free automatic name of a class."""
    prefix = snake_case(class_name)
    count = _counters[prefix]
    _counters[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def reset_names() -> None:
    """Start all counters again."""
    _counters.clear()


def public_names(namespace: dict) -> list[str]:
    """Return a package's `__all__`: names of its `globals()`, neither private nor modules."""
    return sorted(
        name
        for name, value in namespace.items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    )
