"""Attributes with one truth: those that follow from options, and options that are fixed.

A constructor's options are what a file keeps. What is worked out from them must not be changed
beside them: it would be computed with, and be lost in the file.
"""

from __future__ import annotations

import copy
import reprlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Follows:
    """An attribute that is worked out from the options it names, again when one has changed.

        @Follows("alpha")
        def activation(self):
            return elu.with_options(alpha=self.alpha)

    Raises:
        AttributeError: it is set; says which options to set.
    """

    def __init__(self, *options: str) -> None:
        self.options = options

    def __call__(self, rule: Callable[[Any], Any]) -> Any:
        self.rule, self.name, self.__doc__ = rule, rule.__name__, rule.__doc__
        self.kept = f"_{self.name}_of"
        return self

    def __get__(self, owner: Any, cls: type | None = None) -> Any:
        if owner is None:
            return self
        given = [getattr(owner, option) for option in self.options]
        known = vars(owner).get(self.kept)
        if known is None or known[0] != given:
            given = [copy.copy(value) for value in given]  # a list may be changed in place
            known = vars(owner)[self.kept] = given, self.rule(owner)
        return known[1]

    def pretend(self, owner: Any, value: Any) -> None:
        """Have it be `value` until an option changes: for a look at what would be."""
        vars(owner)[self.kept] = [getattr(owner, option) for option in self.options], value

    def __set__(self, owner: Any, value: Any) -> None:
        raise AttributeError(f"{_words(owner)}: {self.name} follows from "
                             f"{' and '.join(self.options)}; set that instead, or make a new "
                             f"{type(owner).__name__}", name=self.name, obj=owner)  # fmt: skip


class Fixed:
    """An option that is given once, to the constructor, which made other things by it.

    Raises:
        AttributeError: it is set to something else.
    """

    def __set_name__(self, cls: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, cls: type | None = None) -> Any:
        if owner is None:
            return self
        try:
            return vars(owner)[self.name]
        except KeyError:
            raise AttributeError(f"{type(owner).__name__!r} object has no attribute "
                                 f"{self.name!r}", name=self.name, obj=owner) from None  # fmt: skip

    def __set__(self, owner: Any, value: Any) -> None:
        kept = vars(owner).setdefault(self.name, value)
        if kept is not value and kept != value:
            was, given = reprlib.repr(kept), reprlib.repr(value)
            raise AttributeError(f"{_words(owner)}: {self.name} is {was} from the start, and can't "
                                 f"become {given}; make a new {type(owner).__name__}",
                                 name=self.name, obj=owner)  # fmt: skip


def _words(owner):
    return f"{type(owner).__name__} {vars(owner).get('name')!r}"
