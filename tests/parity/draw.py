"""Choices that depend on nothing but a seed."""

import random

from . import tables
from .tables import new


class Draw(random.Random):
    """Choices of one case."""

    def chance(self, p):
        return self.random() < p

    def some(self, values, most=None):
        """A few of the values, in a random order; often none."""
        return self.sample(values, min(self.randrange(len(values) + 1), most or len(values)))

    def options(self, path, table):
        """Each option with a chance of one half; those that are needed always."""
        needed = tables.NEEDED
        return {
            name: self.choice(values)
            for name, values in table.items()
            if name in needed or f"{name} of {path}" in needed or self.chance(0.5)
        }

    def one(self, table):
        """An object from a table of (class, options)."""
        path, options = self.choice(table)
        return new(path, **self.options(path, options))
