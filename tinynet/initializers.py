"""Initial weights: `initializer(shape, dtype)` returns an array. Names and rules are Keras's.

Random numbers are drawn in float64 and cast afterwards, so a float32 and a float64 model with the
same seed start from the same weights. An initializer with a seed is stateless: the same shape
gets the same values on every call. Without a seed every call draws a fresh one from
`tinynet.random`; Keras draws it once per object instead, so that there two layers sharing one
object start with equal weights, a symmetry that training can't break.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .config import float_dtype
from .configs.arguments import absent as _absent
from .configs.checks import check_axes, check_number, is_integer
from .configs.registry import Configurable, Registry
from .random import check_seed, draw_seed, generator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from .configs.types import Array, Config, DType, Named

registry = Registry("initializer", "initializers", "config_keys", takes_functions=True)


def _check_shape(shape) -> tuple:
    """`shape` as a tuple of ints >= 0."""
    sizes = tuple(shape) if np.iterable(shape) else (shape,)
    if not all(is_integer(size, 0) for size in sizes):
        raise ValueError(f"shape must hold integers >= 0, received {shape!r}")
    return tuple(map(int, sizes))


def compute_fans(shape: int | Sequence[int], input_axes: Any = None,
                 output_axes: Any = None) -> tuple[Any, ...]:  # fmt: skip
    """How many inputs feed one output of a weight, and how many outputs one input feeds.

        (D,): D, D        (D, H): D, H        (*window, D, H): |window| D, |window| H

    Args:
        shape: the weight's shape, at least one axis.
        input_axes, output_axes: with both given, the products of these axes' sizes instead.

    Returns:
        (fan_in, fan_out), integers.

    Raises:
        ValueError: no axis at all, or an axis that the shape does not have.
    """
    shape = _check_shape(shape)
    if not shape:
        raise ValueError(f"fan_in and fan_out need a shape of rank 1 or more, received {shape}")
    if input_axes is not None and output_axes is not None:
        check_axes("compute_fans", (*input_axes, *output_axes), shape)
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if len(shape) == 1:
        return shape[0], shape[0]
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class Initializer(Configurable):
    """Base class: a subclass defines `__call__(shape, dtype=None)`, which returns an array."""

    def __call__(self, shape: int | Sequence[int], dtype: DType | None = None) -> Array:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, dtype=None)")

    def clone(self) -> Self:
        """An equal initializer."""
        return self.from_config(self.get_config())


@registry.register("zeros", "zero")
class Zeros(Initializer):
    """All zeros: the usual start of a bias."""

    def __call__(self, shape: int | Sequence[int], dtype: DType | None = None) -> Array:
        return np.zeros(_check_shape(shape), float_dtype(dtype))


@registry.register("ones", "one")
class Ones(Initializer):
    """All ones: the usual start of a scale (BatchNormalization's gamma)."""

    def __call__(self, shape: int | Sequence[int], dtype: DType | None = None) -> Array:
        return np.ones(_check_shape(shape), float_dtype(dtype))


@registry.register("constant")
class Constant(Initializer):
    """One number everywhere, or an array given beforehand.

    Args:
        value: a number, or an array of exactly the shape that will be asked for.

    Raises:
        ValueError: `value` isn't numeric, or (on the call) its shape isn't the one asked for.
    """

    def __init__(self, value: float = 0.0) -> None:
        array = np.array(value)  # a copy: later changes to the caller's array don't reach us
        if array.dtype.kind not in "biuf":
            raise ValueError(f"value must be a real number or an array of them, received {value!r}")
        self.value: float | Array = float(array) if array.ndim == 0 else array

    def __call__(self, shape: int | Sequence[int], dtype: DType | None = None) -> Array:
        shape, dtype = _check_shape(shape), float_dtype(dtype)
        if np.ndim(self.value) and np.shape(self.value) != shape:
            raise ValueError(f"the constant has shape {np.shape(self.value)}, but shape {shape} "
                             "was asked for")  # fmt: skip
        return np.full(shape, self.value, dtype)

    def get_config(self) -> Config:
        return {"value": self.value.tolist() if np.ndim(self.value) else self.value}


@registry.register("identity", "IdentityInitializer")
class Identity(Initializer):
    """gain times the identity matrix; a shape that isn't square gets ones on its main diagonal.

    Args:
        gain: factor.

    Raises:
        ValueError: the shape isn't of rank 2.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain: float = check_number("gain", gain)

    def __call__(self, shape: int | Sequence[int], dtype: DType | None = None) -> Array:
        shape, dtype = _check_shape(shape), float_dtype(dtype)
        if len(shape) != 2:
            raise ValueError(f"Identity needs a shape of rank 2, received {shape}")
        return np.eye(*shape, dtype=dtype) * self.gain


class RandomInitializer(Initializer):
    """Base class of the random ones: a subclass defines `draw(rng, shape)` in float64.

    Args:
        seed: integer in [0, 2^63): every call with the same shape returns the same values.
            None: every call draws a fresh seed from `tinynet.random`.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed: int | None = None if seed is None else check_seed(seed)

    def __call__(self, shape: int | Sequence[int], dtype: DType | None = None) -> Array:
        shape, dtype = _check_shape(shape), float_dtype(dtype)
        rng = generator(draw_seed() if self.seed is None else self.seed)
        return self.draw(rng, shape).astype(dtype, copy=False)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """A float64 array of `shape` from the generator `rng`."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(rng, shape)")


def _truncated(rng, shape):
    """Standard normal numbers within ±2: those outside are drawn again."""
    z = rng.standard_normal(shape)
    outside = np.abs(z) > 2
    while outside.any():
        z[outside] = rng.standard_normal(int(outside.sum()))
        outside = np.abs(z) > 2
    return z


@registry.register("random_normal", "normal")
class RandomNormal(RandomInitializer):
    """Normal distribution N(mean, stddev²).

    Args:
        mean, stddev: centre and standard deviation, stddev >= 0.
        seed: see `RandomInitializer`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean: float = check_number("mean", mean)
        self.stddev: float = check_number("stddev", stddev, low=0)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self.mean + self.stddev * rng.standard_normal(shape)


@registry.register("truncated_normal")
class TruncatedNormal(RandomNormal):
    """N(mean, stddev²) restricted to mean ± 2 stddev: no weight starts as an outlier.

    The result's own standard deviation is 0.8796 stddev. Args: as for `RandomNormal`.
    """

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self.mean + self.stddev * _truncated(rng, shape)


@registry.register("random_uniform", "uniform")
class RandomUniform(RandomInitializer):
    """Uniform distribution on [minval, maxval).

    Args:
        minval, maxval: bounds, minval <= maxval.
        seed: see `RandomInitializer`.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05,
                 seed: int | None = None) -> None:  # fmt: skip
        super().__init__(seed)
        self.minval: float = check_number("minval", minval)
        self.maxval: float = check_number("maxval", maxval)
        if self.minval > self.maxval:
            raise ValueError(f"minval must be <= maxval, received {minval!r} and {maxval!r}")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.uniform(self.minval, self.maxval, shape)


# Standard deviation of a standard normal variable cut at ±2.
_CUT_STDDEV = 0.87962566103423978


@registry.register("variance_scaling")
class VarianceScaling(RandomInitializer):
    """Zero mean and a variance that keeps the size of signals from layer to layer.

        Var[W] = scale / n,   n = fan_in, fan_out or their mean

    Args:
        scale: factor > 0.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" ("normal" means the same), "untruncated_normal" or
            "uniform".
        seed: see `RandomInitializer`.
        input_axes, output_axes: see `compute_fans`.

    Raises:
        ValueError: an argument outside these, or (on the call) a shape without axes.

    Source: LeCun et al. 1998, "Efficient BackProp"; Glorot & Bengio 2010; He et al. 2015.
    """

    distribution: str
    input_axes: Any
    mode: str
    output_axes: Any

    modes: tuple[str, ...] = ("fan_in", "fan_out", "fan_avg")
    distributions: tuple[str, ...] = ("truncated_normal", "untruncated_normal", "uniform")

    def __init__(self, scale: float = 1.0, mode: str = "fan_in",
                 distribution: str = "truncated_normal", seed: int | None = None,
                 input_axes: Any = None, output_axes: Any = None) -> None:  # fmt: skip
        super().__init__(seed)
        self.scale: float = check_number("scale", scale, above=0)
        distribution = "truncated_normal" if distribution == "normal" else distribution
        for label, value in (("mode", mode), ("distribution", distribution)):
            if value not in (known := getattr(self, f"{label}s")):
                raise ValueError(f"{label} must be one of {known}, received {value!r}")
        self.mode, self.distribution = mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, n))
        if self.distribution == "uniform":
            limit = math.sqrt(3) * stddev  # U(-a, a) has variance a²/3
            return rng.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return stddev * rng.standard_normal(shape)
        return stddev / _CUT_STDDEV * _truncated(rng, shape)


class _Preset(VarianceScaling):
    """VarianceScaling with its first three arguments fixed by the class."""

    preset: tuple

    def __init__(self, seed: int | None = None, input_axes: Any = None,
                 output_axes: Any = None) -> None:  # fmt: skip
        super().__init__(*self.preset, seed, input_axes, output_axes)


@registry.register("glorot_uniform", "xavier_uniform")
class GlorotUniform(_Preset):
    """Xavier: U(-a, a) with a = √(6 / (fan_in + fan_out)). Source: Glorot & Bengio 2010."""

    preset: tuple[Any, ...] = (1.0, "fan_avg", "uniform")


@registry.register("glorot_normal", "xavier_normal")
class GlorotNormal(_Preset):
    """Xavier: truncated normal, variance 2 / (fan_in + fan_out). Source: Glorot & Bengio 2010."""

    preset: tuple[Any, ...] = (1.0, "fan_avg", "truncated_normal")


@registry.register("he_uniform")
class HeUniform(_Preset):
    """U(-a, a) with a = √(6 / fan_in), made for ReLU. Source: He et al. 2015."""

    preset: tuple[Any, ...] = (2.0, "fan_in", "uniform")


@registry.register("he_normal")
class HeNormal(_Preset):
    """Truncated normal with variance 2 / fan_in, made for ReLU. Source: He et al. 2015."""

    preset: tuple[Any, ...] = (2.0, "fan_in", "truncated_normal")


@registry.register("lecun_uniform")
class LecunUniform(_Preset):
    """U(-a, a) with a = √(3 / fan_in). Source: LeCun et al. 1998, "Efficient BackProp"."""

    preset: tuple[Any, ...] = (1.0, "fan_in", "uniform")


@registry.register("lecun_normal")
class LecunNormal(_Preset):
    """Truncated normal with variance 1 / fan_in, made for SELU. Source: LeCun et al. 1998."""

    preset: tuple[Any, ...] = (1.0, "fan_in", "truncated_normal")


@registry.register("orthogonal", "OrthogonalInitializer")
class Orthogonal(RandomInitializer):
    """A random orthogonal matrix: it preserves the length of what passes through.

        A = Q R, A random normal;   W = gain Q sign(diag R)

    With (D, H) = (product of all axes but the last, last axis): WᵀW = gain² I for D >= H,
    else WWᵀ = gain² I.

    Args:
        gain: factor.
        seed: see `RandomInitializer`.

    Raises:
        ValueError: on the call, a shape of rank below 2.

    Source: Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks".
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain: float = check_number("gain", gain)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs a shape of rank 2 or more, received {shape}")
        D, H = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(D, H), min(D, H))))
        # QR leaves the signs to chance of implementation; this choice makes Q Haar-distributed.
        q *= np.where(np.diag(r) < 0, -1.0, 1.0)
        return self.gain * (q if D >= H else q.T).reshape(shape)


# Keras's lower-case spellings of the classes.
zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal


def get(identifier: Named) -> Any:
    """An initializer from a name, config dict, class, array (see `Constant`) or callable.

    A plain function `f(shape, dtype)` and None are returned as they are.
    """
    if isinstance(identifier, (np.ndarray, np.generic)):
        return Constant(identifier)
    return registry.get(identifier)


serialize, deserialize = registry.serialize, registry.deserialize

__getattr__ = _absent(__name__)
