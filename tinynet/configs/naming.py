"""Names: automatic ones as in Keras (`dense`, `dense_1`, ...), and those that a package exports."""

import collections
import re
import types

_counters = collections.Counter()


def snake_case(class_name: str) -> str:
    """BatchNormalization -> batch_normalization; LeakyReLU -> leaky_re_lu, as Keras spells it."""
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
    """A package's `__all__`: the names of its `globals()` that are neither private nor modules."""
    return sorted(
        name
        for name, value in namespace.items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    )
