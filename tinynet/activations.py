"""Activation functions: y = f(x) and its reverse, dx = dy f'(x).

`relu`, `sigmoid`, `softmax`, ... are objects: call one on an array (`relu(x)`, with Keras's
options: `relu(x, negative_slope=0.1)`), or hand it, or its name, to a layer. The formulas and their
derivatives are kernels: `kernels/reference/activations.py` for the reference.
"""

import math

import numpy as np

from .config import float_dtype
from .configs.registry import Registry
from .core.devices import load_ops

_registry = Registry("activation", "activations")


REQUIRED = "required"  # the value of an option that has no default


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

    def output_shape(self, shape):
        """Shape of y for an x of `shape`."""
        return tuple(shape)

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
        x, f = _float_array(x), self.with_options(**options)
        f.require_options()
        y = np.empty(f.output_shape(x.shape), x.dtype)
        f.forward(load_ops("reference"), x, y=y)
        return y

    def gradient(self, x, dy, **options):
        """dx = dy f'(x) for NumPy arrays of one shape."""
        f, ops = self.with_options(**options), load_ops("reference")
        x = _float_array(x)
        y, dx = np.empty(f.output_shape(x.shape), x.dtype), np.empty_like(x)
        f.forward(ops, x, y=y)
        f.backward(ops, x, y, np.asarray(dy, x.dtype), dx=dx)
        return dx

    def require_options(self):
        """Raise unless every option has a value."""
        missing = [name for name, value in self.options.items() if value is REQUIRED]
        if missing:
            raise TypeError(
                f"{self.name} needs {' and '.join(missing)}: "
                f"activations.{self.name}.with_options({', '.join(f'{n}=...' for n in missing)})"
            )

    def __repr__(self):
        options = "".join(f", {k}={v!r}" for k, v in self.options.items())
        return f"<activation {self.name}{options}>"


class Elementwise(Activation):
    """f applied to each entry on its own; the pair f, f' is the kernel named `kind`."""

    def __init__(self, name, kind=None, **options):
        self.name, self.kind, self.options = name, kind or name, options
        self.params = tuple(options.values())

    def with_options(self, **options):
        if not options:
            return self
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
    """softmax, log_softmax, sparsemax: every entry of y depends on its whole row."""

    def __init__(self, name, axis=-1):
        self.name, self.options = name, {"axis": axis}

    def forward(self, ops, x, *, y):
        getattr(ops, self.name)(x, self.options["axis"], y=y)

    def backward(self, ops, x, y, dy, *, dx):
        getattr(ops, self.name + "_grad")(y, dy, self.options["axis"], dx=dx)


class Glu(Activation):
    """y = a sigmoid(b), x = (a, b) split in halves along `axis` (Dauphin et al. 2017)."""

    def __init__(self, name, axis=-1):
        self.name, self.options = name, {"axis": axis}

    def output_shape(self, shape):
        axis = self.options["axis"]
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"glu: axis {axis} does not exist in shape {tuple(shape)}")
        if shape[axis] is None or shape[axis] % 2:
            raise ValueError(f"glu: axis {axis} of {tuple(shape)} can't be split in halves")
        halved = list(shape)
        halved[axis] //= 2
        return tuple(halved)

    def forward(self, ops, x, *, y):
        ops.glu(self._halves(x, x.ndim), y=self._halves(y, x.ndim))

    def backward(self, ops, x, y, dy, *, dx):
        ops.glu_grad(self._halves(x, x.ndim), self._halves(dy, x.ndim), dx=self._halves(dx, x.ndim))

    def _halves(self, x, rank):
        """As a matrix whose rows hold the first half, then the second."""
        rows = math.prod(x.shape[: self.options["axis"] % rank])
        return x.reshape(rows, x.size // rows)


def _float_array(x):
    x = np.asarray(x)
    return x if x.dtype in (np.float32, np.float64) else x.astype(float_dtype())


linear = Elementwise("linear")
relu = Relu("relu")
relu6 = Elementwise("relu6", "clipped_relu")
relu6.params = (0.0, 6.0, 0.0)
leaky_relu = Elementwise("leaky_relu", negative_slope=0.2)
elu = Elementwise("elu", alpha=1.0)
celu = Elementwise("celu", alpha=1.0)
selu = Elementwise("selu")
sigmoid = Elementwise("sigmoid")
log_sigmoid = Elementwise("log_sigmoid")
sparse_sigmoid = Elementwise("sparse_sigmoid")
hard_sigmoid = Elementwise("hard_sigmoid")
tanh = Elementwise("tanh")
hard_tanh = Elementwise("hard_tanh")
tanh_shrink = Elementwise("tanh_shrink")
softplus = Elementwise("softplus")
squareplus = Elementwise("squareplus", b=4)
sparse_plus = Elementwise("sparse_plus")
softsign = Elementwise("softsign")
silu = swish = Elementwise("silu")
hard_silu = hard_swish = Elementwise("hard_silu")
gelu = Gelu("gelu")
mish = Elementwise("mish")
exponential = Elementwise("exponential")
soft_shrink = Elementwise("soft_shrink", threshold=0.5)
hard_shrink = Elementwise("hard_shrink", threshold=0.5)
threshold = Elementwise("threshold", threshold=REQUIRED, default_value=REQUIRED)
softmax = Rowwise("softmax")
log_softmax = Rowwise("log_softmax")
sparsemax = Rowwise("sparsemax")
glu = Glu("glu")

for _f in (linear, relu, relu6, leaky_relu, elu, celu, selu, sigmoid, log_sigmoid, sparse_sigmoid,
           hard_sigmoid, tanh, hard_tanh, tanh_shrink, softplus, squareplus, sparse_plus, softsign,
           silu, hard_silu, gelu, mish, exponential, soft_shrink, hard_shrink, threshold, softmax,
           log_softmax, sparsemax, glu):  # fmt: skip
    _registry.add(_f.name, _f)
_registry.add("hard_swish", hard_silu)
AS_LAYERS = {"ReLU": relu, "LeakyReLU": leaky_relu, "ELU": elu, "Softmax": softmax}
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
    if hasattr(f, "build_once"):  # a layer: Keras takes Dense(10, activation=LeakyReLU(0.1))
        if not getattr(f, "stands_for_activation", False):
            raise TypeError(
                f"activation {identifier!r}: this layer can't be an activation; put it after the "
                "layer instead"
            )
        f = f.activation
    if not (hasattr(f, "forward") and hasattr(f, "backward")):
        raise TypeError(
            f"activation {identifier!r} has no backward: subclass tinynet.activations.Activation "
            "and write forward(ops, x, *, y) and backward(ops, x, y, dy, *, dx)"
        )
    if isinstance(f, Activation):
        f.require_options()
    return f


def serialize(activation):
    """The name, or a config dict where an option differs from the default."""
    default = _registry.objects.get(activation.name)
    if default is not None and default.options == activation.options:
        return activation.name
    options = dict(activation.options)
    for name, f in AS_LAYERS.items():
        if f is default:  # Keras has options in layers alone, and takes a layer as an activation
            return {"module": "keras.layers", "class_name": name, "config": options,
                    "registered_name": None}  # fmt: skip
    return {"class_name": activation.name, "config": options}


def deserialize(config, custom_objects=None):
    """An activation from what `serialize` returned."""
    if isinstance(config, dict) and config.get("class_name") == "function":
        return _registry.deserialize(config, custom_objects)
    if isinstance(config, dict):
        options = config.get("config") or {}
        f = AS_LAYERS.get(config.get("class_name"))
        if f is not None and str(config.get("module")).endswith(".layers"):
            return f.with_options(**{k: v for k, v in options.items() if k in f.options})
        name = config.get("registered_name") or config["class_name"]
        found = _registry.lookup(name, custom_objects)
        found = found() if isinstance(found, type) else found
        return found.with_options(**options)
    return _registry.get(config, custom_objects) if config is not None else linear
