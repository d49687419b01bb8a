"""Versions: how whatever was derived from a model notices that a part of it has changed.

Each change of an attribute gives the object a new `version`, and the process a new latest one. What
was made from the parts (lists of parameters, flat vectors, recorded steps) keeps the versions that
it was made of, and looks at them again only after something, somewhere, has changed.

A version is an object of its own, equal to nothing else: it can't be mistaken for a later one,
after copying or pickling neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_latest = object()


def latest_version():
    """The version that the latest change in this process gave."""
    return _latest


def new_version():
    """A new latest version, after which everything derived is checked once more."""
    global _latest
    _latest = version = object()
    return version


class Versioned:
    """Base of the parts of a model: setting or deleting an attribute gives a new `version`.

    Attributes:
        version: changes with every attribute but those in `unversioned`.
        unversioned: names of the attributes that a step itself writes.
    """

    version = None
    unversioned: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name not in self.unversioned:
            object.__setattr__(self, "version", new_version())

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        object.__setattr__(self, "version", new_version())
