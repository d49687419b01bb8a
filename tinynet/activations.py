"""Activation functions: y = f(x) and its reverse, dx = dy f'(x).

`relu`, `sigmoid`, `softmax`, ... are objects: call one on an array (`relu(x)`, with Keras's
options: `relu(x, negative_slope=0.1)`), or hand it, or its name, to a layer. The formulas and their
derivatives are kernels: `kernels/_elementwise.py` for the reference.
"""

import math

import numpy as np

from .config import float_dtype
from .devices import load_ops
from .registry import Registry

_registry = Registry("activation", "activations")


class Activation:
    """An activation with options; the base for a user's own (write `forward` and `backward`)."""

    name = None
    options: dict = {}  # noqa: RUF012  replaced, never changed

    def __init_subclass__(cls):
        cls.name = cls.name or cls.__name__

    def forward(self, ops, x, *, y):
        """Write y = f(x)."""
        raise NotImplementedError(f"{type(self).__name__} needs forward(ops, x, *, y)")

    def backward(self, ops, x, y, dy, *, dx):
        """Write dx = dy f'(x); y is what `forward` wrote."""
        raise NotImplementedError(f"{type(self).__name__} needs backward(ops, x, y, dy, *, dx)")

    def with_options(self, **options):
        """The same function with other options."""
        return type(self)(self.name, **{**self.options, **options}) if options else self

    def __call__(self, x, *args, **options):
        """f(x) for a NumPy array (or anything like one) of any shape; options as in Keras."""
        if len(args) > len(self.options):
            raise TypeError(f"{self.name} takes {len(self.options)} options, received {len(args)}")
        options.update(zip(self.options, args, strict=False))
        unknown = set(options) - set(self.options)
        if unknown:
            raise TypeError(
                f"{self.name} has no option {unknown.pop()!r}; "
                f"it has {list(self.options) or 'none'}"
            )
        x = _float_array(x)
        y = np.empty_like(x)
        self.with_options(**options).forward(load_ops("reference"), x, y=y)
        return y

    def gradient(self, x, dy, **options):
        """dx = dy f'(x) for NumPy arrays of one shape."""
        f, ops = self.with_options(**options), load_ops("reference")
        x = _float_array(x)
        y, dx = np.empty_like(x), np.empty_like(x)
        f.forward(ops, x, y=y)
        f.backward(ops, x, y, np.asarray(dy, x.dtype), dx=dx)
        return dx

    def __repr__(self):
        options = "".join(f", {k}={v!r}" for k, v in self.options.items())
        return f"<activation {self.name}{options}>"


class Elementwise(Activation):
    """f applied to each entry on its own; the pair f, f' is the kernel named `kind`."""

    def __init__(self, name, kind=None, **options):
        self.name, self.kind, self.options = name, kind or name, options
        self.params = tuple(options.values())

    def with_options(self, **options):
        return Elementwise(self.name, self.kind, **{**self.options, **options})

    def forward(self, ops, x, *, y):
        ops.elementwise(self.kind, x, self.params, y=y)

    def backward(self, ops, x, y, dy, *, dx):
        ops.elementwise_grad(self.kind, x, y, dy, self.params, dx=dx)


class Relu(Elementwise):
    """max(x, 0); with options: slope below the threshold, ceiling above."""

    def __init__(self, name, negative_slope=0.0, max_value=None, threshold=0.0):
        plain = negative_slope == 0 and max_value is None and threshold == 0
        super().__init__(name, "relu" if plain else "clipped_relu")
        self.options = {
            "negative_slope": negative_slope,
            "max_value": max_value,
            "threshold": threshold,
        }
        if not plain:
            ceiling = math.inf if max_value is None else float(max_value)
            self.params = (float(negative_slope), ceiling, float(threshold))

    def with_options(self, **options):
        return Relu(self.name, **{**self.options, **options})


class Gelu(Elementwise):
    """x Phi(x), or its approximation by tanh (Hendrycks and Gimpel 2016)."""

    def __init__(self, name, approximate=False):
        super().__init__(name, "gelu_tanh" if approximate else "gelu")
        self.options = {"approximate": approximate}

    def with_options(self, **options):
        return Gelu(self.name, **{**self.options, **options})


class Rowwise(Activation):
    """softmax and log_softmax: every entry of y depends on its whole row."""

    def __init__(self, name, axis=-1):
        self.name, self.options = name, {"axis": axis}

    def forward(self, ops, x, *, y):
        axis = self.options["axis"]
        if axis in (-1, x.ndim - 1):
            getattr(ops, self.name)(x, y=y)
        else:  # kernels work along the last axis
            moved = np.array(np.moveaxis(x, axis, -1), order="C")  # a copy: it is overwritten
            getattr(ops, self.name)(moved, y=moved)
            y[...] = np.moveaxis(moved, -1, axis)

    def backward(self, ops, x, y, dy, *, dx):
        axis = self.options["axis"]
        grad = getattr(ops, self.name + "_grad")
        if axis in (-1, x.ndim - 1):
            grad(y, dy, dx=dx)
        else:
            grad(np.moveaxis(y, axis, -1), np.moveaxis(dy, axis, -1), dx=np.moveaxis(dx, axis, -1))


def _float_array(x):
    x = np.asarray(x)
    return x if x.dtype in (np.float32, np.float64) else x.astype(float_dtype())


linear = Elementwise("linear")
relu = Relu("relu")
leaky_relu = Elementwise("leaky_relu", negative_slope=0.2)
elu = Elementwise("elu", alpha=1.0)
selu = Elementwise("selu")
sigmoid = Elementwise("sigmoid")
tanh = Elementwise("tanh")
softplus = Elementwise("softplus")
softsign = Elementwise("softsign")
silu = swish = Elementwise("silu")
gelu = Gelu("gelu")
exponential = Elementwise("exponential")
hard_sigmoid = Elementwise("hard_sigmoid")
mish = Elementwise("mish")
softmax = Rowwise("softmax")
log_softmax = Rowwise("log_softmax")

for _f in (linear, relu, leaky_relu, elu, selu, sigmoid, tanh, softplus, softsign, silu, gelu,
           exponential, hard_sigmoid, mish, softmax, log_softmax):  # fmt: skip
    _registry.add(_f.name, _f)
_registry.add("swish", silu)


def get(identifier) -> Activation:
    """An activation from a name, an activation, a config, or None (linear).

    Raises:
        ValueError: an unknown name; the nearest one is suggested.
        TypeError: a plain function: it has no backward to train with.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, dict):
        return deserialize(identifier)
    f = _registry.get(identifier)
    if not (hasattr(f, "forward") and hasattr(f, "backward")):
        raise TypeError(
            f"activation {identifier!r} has no backward: subclass tinynet.activations.Activation "
            "and write forward(ops, x, *, y) and backward(ops, x, y, dy, *, dx)"
        )
    return f


def serialize(activation):
    """The name, or a config dict where an option differs from the default."""
    default = _registry.objects.get(activation.name)
    if default is not None and default.options == activation.options:
        return activation.name
    return {"class_name": activation.name, "config": dict(activation.options)}


def deserialize(config, custom_objects=None):
    """An activation from what `serialize` returned."""
    if isinstance(config, dict):
        found = _registry.lookup(config["class_name"], custom_objects)
        found = found() if isinstance(found, type) else found
        return found.with_options(**config.get("config", {}))
    return _registry.get(config, custom_objects) if config is not None else linear
