"""Activation functions: y = f(x) and its reverse, dx = dy f'(x).

`relu`, `sigmoid`, `softmax`, ... are objects: call one on an array (`relu(x)`, with Keras's
options: `relu(x, negative_slope=0.1)`), or hand it, or its name, to a layer. The formulas and their
derivatives are kernels: `kernels/reference/activations.py` for the reference.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np

from .config import float_dtype
from .configs.arguments import absent as _absent
from .configs.checks import check_axes
from .configs.custom_objects import get_registered_name
from .configs.registry import Registry, is_custom
from .core.devices import load_ops

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .configs.types import Array, ArrayLike, Config, Named, Ops, Shape

_registry = Registry("activation", "activations")


REQUIRED = "required"  # the value of an option that has no default


class Activation:
    """An activation with options; the base for a user's own (write `forward` and `backward`)."""

    name: str | None = None
    options: dict[str, Any] = {}  # noqa: RUF012  replaced, never changed

    def __init_subclass__(cls) -> None:
        cls.name = cls.name or cls.__name__

    def forward(self, ops: Ops, x: Array, *, y: Array) -> None:
        """Write y = f(x)."""
        raise NotImplementedError(f"{type(self).__name__} needs forward(ops, x, *, y)")

    def backward(self, ops: Ops, x: Array, y: Array, dy: Array, *, dx: Array) -> None:
        """Write dx = dy f'(x); y is what `forward` wrote."""
        raise NotImplementedError(f"{type(self).__name__} needs backward(ops, x, y, dy, *, dx)")

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of y for an x of `shape`."""
        return tuple(shape)

    def with_options(self, **options: Any) -> Activation:
        """The same function with other options."""
        return type(self)(self.name, **{**self.options, **options}) if options else self

    def __call__(self, x: ArrayLike, *args: Any, **options: Any) -> Any:
        """f(x) for a NumPy array (or anything like one) of any shape; options as in Keras."""
        if len(args) > len(self.options):
            raise TypeError(f"{self.name} takes {len(self.options)} options, received {len(args)}")
        options.update(zip(self.options, args, strict=False))
        unknown = set(options) - set(self.options)
        if unknown:
            raise TypeError(f"{self.name} has no option {unknown.pop()!r}; it has "
                            f"{list(self.options) or 'none'}")  # fmt: skip
        x, f = _float_array(x), self.with_options(**options)
        f.require_options()
        y = np.empty(f.output_shape(x.shape), x.dtype)
        f.forward(load_ops("reference"), x, y=y)
        return y

    def gradient(self, x: ArrayLike, dy: ArrayLike, **options: Any) -> Array:
        """dx = dy f'(x) for NumPy arrays of one shape."""
        f, ops = self.with_options(**options), load_ops("reference")
        x = _float_array(x)
        y, dx = np.empty(f.output_shape(x.shape), x.dtype), np.empty_like(x)
        f.forward(ops, x, y=y)
        f.backward(ops, x, y, np.asarray(dy, x.dtype), dx=dx)
        return dx

    def require_options(self) -> None:
        """Raise unless every option has a value."""
        missing = [name for name, value in self.options.items() if value is REQUIRED]
        if missing:
            raise TypeError(
                f"{self.name} needs {' and '.join(missing)}: "
                f"activations.{self.name}.with_options({', '.join(f'{n}=...' for n in missing)})"
            )

    def __repr__(self) -> str:
        options = "".join(f", {k}={v!r}" for k, v in self.options.items())
        return f"<activation {self.name}{options}>"


class Elementwise(Activation):
    """y = f(x), entry by entry, from a formula of your own and its derivative, written by hand:

        def cube(x, scale):
            return scale * x**3

        def d_cube(x, y, scale):
            return 3 * scale * x**2

        cubic = keras.activations.Elementwise(cube, d_cube, scale=0.1)
        layer = keras.layers.Dense(10, activation=cubic)

    The devices compile the formulas from their source text; `kernels/translate` has what they may
    use. One with anything else runs by NumPy, with the same numbers. Numbers that a formula takes
    from outside (a global, a closure) are read once: what changes is an option.

    Args:
        f: f(x, *options), arrays of NumPy.
        df: df(x, y, *options), f' at x; y = f(x), for the case that it makes the shorter formula.
        name: what files and messages call it; None: the name of f.
        **options: numbers, handed to both by position.
    """

    name: str
    options: dict[str, Any]

    __name__: str
    kind: Any

    # what a user's subclass may bring and still be recorded
    formula_names: frozenset[str] = frozenset({"name"})

    def __init__(self, f: Callable[..., Any], df: Callable[..., Any], name: str | None = None,
                 **options: Any) -> None:  # fmt: skip
        for option, value in options.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{option} must be a number, received {value!r}")
        self.name = self.__name__ = name or f.__name__
        self.kind, self.options, self.origin = (f, df), options, self

    @property
    def params(self) -> tuple[float, ...]:
        """The numbers of the formula."""
        return tuple(self.options.values())

    def with_options(self, **options: Any) -> Activation:
        if not options:
            return self
        changed = copy.copy(self)
        changed.options = {**self.options, **options}
        return changed

    def forward(self, ops: Ops, x: Array, *, y: Array) -> None:
        ops.elementwise(self.kind, x, self.params, y=y)

    def backward(self, ops: Ops, x: Array, y: Array, dy: Array, *, dx: Array) -> None:
        ops.elementwise_grad(self.kind, x, y, dy, self.params, dx=dx)


class _Known(Elementwise):
    """An activation whose formula is the reference's `kind`."""

    def __init__(self, name: str, kind: str | None = None, **options: Any) -> None:
        self.name, self.kind, self.options = name, kind or name, options


class Relu(_Known):
    """max(x, 0); with options: slope below the threshold, ceiling above."""

    def __init__(self, name: str, negative_slope: float = 0.0, max_value: float | None = None,
                 threshold: float = 0.0) -> None:  # fmt: skip
        plain = negative_slope == 0 and max_value is None and threshold == 0
        super().__init__(name, "relu" if plain else "clipped_relu", negative_slope=negative_slope,
                         max_value=max_value, threshold=threshold)  # fmt: skip

    @property
    def params(self) -> tuple[float, ...]:
        slope, ceiling, threshold = self.options.values()
        ceiling = math.inf if ceiling is None else float(ceiling)
        return () if self.kind == "relu" else (float(slope), ceiling, float(threshold))

    def with_options(self, **options: Any) -> Activation:
        return Relu(self.name, **{**self.options, **options})


class Relu6(_Known):
    """min(max(x, 0), 6)."""

    params: tuple[float, ...] = (0.0, 6.0, 0.0)


class Gelu(_Known):
    """x Phi(x), or its approximation by tanh (Hendrycks and Gimpel 2016)."""

    params: tuple[float, ...] = ()

    def __init__(self, name: str, approximate: bool = False) -> None:
        kind = "gelu_tanh" if approximate else "gelu"
        super().__init__(name, kind, approximate=approximate)

    def with_options(self, **options: Any) -> Activation:
        return Gelu(self.name, **{**self.options, **options})


class Rowwise(Activation):
    """softmax, log_softmax, sparsemax: every entry of y depends on its whole row."""

    name: str
    options: dict[str, Any]

    def __init__(self, name: str, axis: int = -1) -> None:
        self.name, self.options = name, {"axis": axis}

    def output_shape(self, shape: Shape) -> Shape:
        axis, one = self.options["axis"], self.name == "sparsemax"  # None: all entries, as in Keras
        if axis is not None or one:
            check_axes(self.name, axis, shape, several=not one)
        return tuple(shape)

    def forward(self, ops: Ops, x: Array, *, y: Array) -> None:
        getattr(ops, self.name)(x, self.options["axis"], y=y)

    def backward(self, ops: Ops, x: Array, y: Array, dy: Array, *, dx: Array) -> None:
        getattr(ops, self.name + "_grad")(y, dy, self.options["axis"], dx=dx)


class Glu(Activation):
    """y = a sigmoid(b), x = (a, b) split in halves along `axis` (Dauphin et al. 2017)."""

    name: str
    options: dict[str, Any]

    def __init__(self, name: str, axis: int = -1) -> None:
        self.name, self.options = name, {"axis": axis}

    def output_shape(self, shape: Shape) -> Shape:
        axis = check_axes("glu", self.options["axis"], shape, several=False)
        if shape[axis] is None or shape[axis] % 2:
            raise ValueError(f"glu: axis {axis} of {tuple(shape)} can't be split in halves")
        halved = list(shape)
        halved[axis] //= 2
        return tuple(halved)

    def forward(self, ops: Ops, x: Array, *, y: Array) -> None:
        ops.glu(self._halves(x, x.ndim), y=self._halves(y, x.ndim))

    def backward(self, ops: Ops, x: Array, y: Array, dy: Array, *, dx: Array) -> None:
        ops.glu_grad(self._halves(x, x.ndim), self._halves(dy, x.ndim), dx=self._halves(dx, x.ndim))

    def _halves(self, x, rank):
        """As a matrix whose rows hold the first half, then the second."""
        rows = math.prod(x.shape[: self.options["axis"] % rank])
        return x.reshape(rows, x.size // rows)


def _float_array(x):
    x = np.asarray(x)
    return x if x.dtype in (np.float32, np.float64) else x.astype(float_dtype())


linear = _Known("linear")
relu = Relu("relu")
relu6 = Relu6("relu6", "clipped_relu")
leaky_relu = _Known("leaky_relu", negative_slope=0.2)
elu = _Known("elu", alpha=1.0)
celu = _Known("celu", alpha=1.0)
selu = _Known("selu")
sigmoid = _Known("sigmoid")
log_sigmoid = _Known("log_sigmoid")
sparse_sigmoid = _Known("sparse_sigmoid")
hard_sigmoid = _Known("hard_sigmoid")
tanh = _Known("tanh")
hard_tanh = _Known("hard_tanh")
tanh_shrink = _Known("tanh_shrink")
softplus = _Known("softplus")
squareplus = _Known("squareplus", b=4)
sparse_plus = _Known("sparse_plus")
softsign = _Known("softsign")
silu = swish = _Known("silu")
hard_silu = hard_swish = _Known("hard_silu")
gelu = Gelu("gelu")
mish = _Known("mish")
exponential = _Known("exponential")
soft_shrink = _Known("soft_shrink", threshold=0.5)
hard_shrink = _Known("hard_shrink", threshold=0.5)
threshold = _Known("threshold", threshold=REQUIRED, default_value=REQUIRED)
softmax = Rowwise("softmax")
log_softmax = Rowwise("log_softmax")
sparsemax = Rowwise("sparsemax")
glu = Glu("glu")

for _name, _f in list(globals().items()):
    if isinstance(_f, Activation):
        _registry.add(_name, _f)
AS_LAYERS = {"ReLU": relu, "LeakyReLU": leaky_relu, "ELU": elu, "Softmax": softmax}


def named() -> dict[str, Any]:
    """All activations of this module: name -> activation."""
    return {name: f for name, f in _registry.objects.items() if isinstance(f, Activation)}


def get(identifier: Named) -> Activation:
    """An activation from a name, an activation, a config, or None (linear).

    Raises:
        ValueError: an unknown name; the nearest one is suggested.
        TypeError: a plain function: it has no backward to train with.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, dict):
        if not isinstance(identifier.get("class_name"), str):
            raise ValueError("activation: expected a config with a class_name, received "
                             f"{identifier!r}")  # fmt: skip
        return deserialize(identifier)
    f = _registry.get(identifier)
    if hasattr(f, "build_once"):  # a layer: Keras takes Dense(10, activation=LeakyReLU(0.1))
        if not getattr(f, "stands_for_activation", False):
            raise TypeError(f"activation {identifier!r}: this layer can't be an activation; put it "
                            "after the layer instead")  # fmt: skip
        f = f.activation
    if not (hasattr(f, "forward") and hasattr(f, "backward")):
        raise TypeError(f"activation {identifier!r} has no backward: subclass "
                        "tinynet.activations.Activation and write forward(ops, x, *, y) and "
                        "backward(ops, x, y, dy, *, dx)")  # fmt: skip
    if isinstance(f, Activation):
        f.require_options()
    return f


def serialize(activation: Named) -> Any:
    """The name, or a config dict where an option differs from the default."""
    options, origin = dict(activation.options), getattr(activation, "origin", None)
    if origin is not None:  # a formula of the user's
        return {"module": activation.kind[0].__module__, "class_name": activation.name,
                "config": options, "registered_name": get_registered_name(origin)}  # fmt: skip
    default = _registry.objects.get(activation.name)
    if default is not None and default.options == activation.options:
        return activation.name
    for name, f in AS_LAYERS.items():
        if f is default:  # Keras has options in layers alone, and takes a layer as an activation
            return {"module": "keras.layers", "class_name": name, "config": options,
                    "registered_name": None}  # fmt: skip
    return {"class_name": activation.name, "config": options}


def deserialize(config: Config, custom_objects: dict[str, Any] | None = None) -> Any:
    """An activation from what `serialize` returned."""
    if isinstance(config, dict) and config.get("class_name") == "function":
        return _registry.deserialize(config, custom_objects)
    if isinstance(config, dict):
        options = config.get("config") or {}
        f = AS_LAYERS.get(config.get("class_name"))
        if f is not None and str(config.get("module")).endswith(".layers"):
            return f.with_options(**{k: v for k, v in options.items() if k in f.options})
        name = config.get("registered_name") or config["class_name"]
        if is_custom(config):
            found = _registry.custom(config["class_name"], config, custom_objects)
        else:
            found = _registry.lookup(name, custom_objects)
        found = found() if isinstance(found, type) else found
        return found.with_options(**options)
    return _registry.get(config, custom_objects) if config is not None else linear


__getattr__ = _absent(__name__)
