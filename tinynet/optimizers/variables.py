"""The state of an optimizer as a list of variables in Keras's order.

The moments of all parameters lie end to end in flat vectors; each parameter's part is a variable of
its own, which is how Keras stores them.
"""

import numpy as np

from ..configs.checks import check_integer
from ..core.variable import Variable, fitting


class Part(Variable):
    """A number, or a part of a flat vector, that can be read and assigned.

    Args:
        owner: the optimizer.
        name: as in Keras, e.g. "dense_kernel_momentum".
        read: returns the value.
        write: takes a new value of the same shape.
        parameter: the Parameter whose name it bears, None for a number of the optimizer's own.
        kind: Keras's name of it without the parameter's: "momentum".
    """

    def __init__(self, owner, name, read, write, parameter=None, kind=None):
        self.name, self.path = name, f"{owner.name}/{name}"
        self.read, self.write = read, write
        self.parameter = self.belongs_to = parameter
        self.kind = kind or name

    value = property(lambda self: self.array())

    def array(self):
        return self.read()

    def assign(self, value):
        """Overwrite the value.

        Raises:
            ValueError: another shape.
        """
        self.write(fitting(self.name, value, self.shape))
        return self


class Number:
    """A number of an optimizer, as it was when it was read, that can be assigned to."""

    shape, ndim, trainable = (), 0, False

    def __new__(cls, owner, name, value):
        number = super().__new__(cls, value)
        number.owner, number.name, number.path = owner, name, f"{owner.name}/{name}"
        return number

    value = property(lambda self: self.kind(self), doc="The same as a plain number.")
    dtype = property(lambda self: np.dtype(self.kind))

    def numpy(self):
        """Return the number as an array without axes."""
        return np.asarray(self.value)

    def assign(self, value):
        """Set the optimizer's number, and return it.

        Raises:
            ValueError, TypeError: what can't be its value; nothing was changed.
        """
        setattr(self.owner, self.name, fitting(self.name, value, ()).item())
        return getattr(self.owner, self.name)

    def assign_add(self, value):
        """Add a number to that of the optimizer, and return the sum."""
        return self.assign(getattr(self.owner, self.name) + value)

    def assign_sub(self, value):
        """Subtract a number from that of the optimizer, and return the difference."""
        return self.assign(getattr(self.owner, self.name) - value)

    def __reduce__(self):
        return self.kind, (self.value,)


class Rate(Number, float):
    """The learning rate: a float wherever it is used."""

    kind = float


class Count(Number, int):
    """A number of steps: an int wherever it is used."""

    kind = int


def of(optimizer):
    """All variables of an optimizer: numbers, averages, accumulated gradients, moments."""
    found = [_attribute(optimizer, "iteration", "step_number", int, whole)]
    if optimizer.schedule is None:
        found.append(_attribute(optimizer, "learning_rate", "learning_rate", float))
    if optimizer.parameters is None:
        return found
    shared = [((optimizer.average, "average"),), ((optimizer.total, "gradient_accumulator"),)]
    return found + parts(optimizer, shared) + optimizer.moments()


def parts(optimizer, groups):
    """The parts of flat vectors: group by group, parameter by parameter, vector by vector.

    Args:
        groups: of pairs (flat vector or None, name).
    """
    return [
        part(optimizer, vector, place, f"{label(p)}_{name}", p.shape, p, name)
        for group in groups
        for p, place in zip(optimizer.parameters, optimizer.slices, strict=True)
        for vector, name in group
        if vector is not None
    ]


def whole(name, value) -> int:
    """Return a number of steps as an int, or raise; 5.0 is one, too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return check_integer(name, value, 0)


def _attribute(optimizer, name, attribute, kind, checked=lambda _, value: value):
    full = f"{optimizer.name}: {name}"
    return Part(
        optimizer,
        name,
        lambda: np.asarray(getattr(optimizer, attribute), kind),
        lambda value: setattr(optimizer, attribute, checked(full, value.item())),
    )


def label(p):
    """A parameter's path as part of a name: dense_kernel."""
    return p.path.replace("/", "_")


def part(optimizer, vector, place, name, shape, parameter=None, kind=None):
    """The variable that lies at `place` of a flat vector."""
    ops = optimizer.ops

    def write(value):
        vector[place] = ops.from_host(np.asarray(value, vector.dtype).ravel())

    def read():
        return ops.to_host(vector[place]).reshape(shape)

    return Part(optimizer, name, read, write, parameter, kind)


def assign_all(optimizer, weights):
    """Assign arrays to all variables of an optimizer, or to none."""
    targets, arrays = of(optimizer), [np.asarray(w) for w in weights]
    if len(arrays) != len(targets):
        raise ValueError(f"{optimizer.name}: expected {len(targets)} arrays "
                         f"({', '.join(v.name for v in targets[:6])}, "
                         f"...), received {len(arrays)}")  # fmt: skip
    for v, a in zip(targets, arrays, strict=True):
        if a.shape != v.shape or a.dtype.kind not in "fiub":
            raise ValueError(f"{optimizer.name}: {v.name} has shape {v.shape}, received {a.dtype} "
                             f"{a.shape}")  # fmt: skip
    before = [v.numpy() for v in targets]
    try:
        for v, a in zip(targets, arrays, strict=True):
            v.assign(a)
    except ValueError:  # values that don't fit each other
        for v, a in zip(targets, before, strict=True):
            v.assign(a)
        raise
