"""What a layer's arithmetic is in this step: its kind, formulas in real shapes, statistics."""

import inspect
import math

import numpy as np

from .. import activations
from ..core.devices import load_ops
from ..layers import Activation, BatchNormalization, Dense, Dropout, Flatten

SATURATED = 0.01  # a slope below this share of the function's steepest counts as flat
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "softsign": 1.0}  # of f', for the bounded activations
HEALTH = ("relu", "clipped_relu", *STEEPEST)


def kind(layer) -> str:
    """Return which card: "dense", "activation", "dropout", "batchnorm", "flatten", else "other"."""
    for cls, name in ((Dense, "dense"), (Dropout, "dropout"), (BatchNormalization, "batchnorm"),
                      (Flatten, "flatten"), (Activation, "activation")):  # fmt: skip
        own = isinstance(layer, cls) and type(layer).forward is cls.forward
        if own and type(layer).backward is cls.backward:
            return name
    return "other"


def shape(array) -> str:
    """Return (32, 10) as text; a list of arrays as a list of shapes."""
    if isinstance(array, list):
        return " + ".join(shape(a) for a in array)
    return "(" + ", ".join(map(str, array.shape)) + ("," if array.ndim == 1 else "") + ")"


def rows(array):
    """Return (N, ..., D) as (N ..., D), the way Dense sees it."""
    return array.reshape(-1, array.shape[-1]) if array.ndim != 1 else array.reshape(-1, 1)


def activation_of(call):
    """Return the layer's activation, or None for none and for the identity."""
    f = getattr(call.layer, "activation", None)
    return None if f is None or f is activations.linear else f


def slope(call):
    """Return f'(z) like z for an elementwise activation; None where the loss took z."""
    f = activation_of(call)
    if not isinstance(f, activations.Elementwise) or call.y is None or call.fused:
        return None
    z = call.x if call.z is None else call.z
    dx = np.empty_like(z)
    f.backward(load_ops("reference"), z, call.y, np.ones_like(z), dx=dx)
    return dx


def statistics(array) -> dict:
    """Return min, mean, max, sd, share of zeros, L2 norm, count of NaN and infinity; in float64."""
    a = np.asarray(array, np.float64).ravel()
    good = a[np.isfinite(a)]
    if not good.size:
        return {"min": math.nan, "mean": math.nan, "max": math.nan, "sd": math.nan,
                "zeros": 0.0, "norm": math.nan, "bad": int(a.size)}  # fmt: skip
    return {
        "min": float(good.min()), "mean": float(good.mean()), "max": float(good.max()),
        "sd": float(good.std()), "zeros": float((a == 0).mean()),
        "norm": float(np.sqrt(np.square(good).sum())), "bad": int(a.size - good.size),
    }  # fmt: skip


def health(call) -> dict:
    """Return dead units (zero slope on every row), or the share of saturated entries."""
    f, s = activation_of(call), slope(call)
    if s is None or f.kind not in HEALTH:
        return {}
    flat = rows(s)
    if f.kind in STEEPEST:
        return {"saturated": float((np.abs(s) < SATURATED * STEEPEST[f.kind]).mean())}
    return {"dead": int((flat == 0).all(axis=0).sum()), "units": int(flat.shape[1]),
            "zero_slope": float((s == 0).mean())}  # fmt: skip


def forward_formulas(call) -> list:
    """Return lines of (formula, the same in shapes)."""
    layer, f = call.layer, activation_of(call)
    own = kind(layer)
    name = "" if f is None else f.name
    if own == "dense":
        x, z = rows(call.x), rows(call.y if call.z is None else call.z)
        W, b = layer.kernel, layer.bias
        out = "y" if f is None else "z"
        lines = [(
            f"{out} = x W" + ("" if b is None else " + b"),
            f"{shape(x)} · {shape(W)}" + ("" if b is None else f" + {shape(b)}") + f" → {shape(z)}",
        )]  # fmt: skip
        return [*lines, *([] if f is None else [(f"y = {name}(z)", f"{shape(z)} → {shape(z)}")])]
    one = f"{shape(call.x)} → {shape(call.y)}"
    if own == "activation":
        return [(f"y = {layer.activation.name}(x)", one)]
    if own == "flatten":
        return [("y = reshape(x)", one)]
    if own == "dropout":
        if "mask" not in call.parts:
            return [("y = x", one)]
        m = call.parts["mask"]
        return [("y = x ⊙ m", f"{shape(call.x)} ⊙ {shape(m)} → {shape(call.y)}")]
    if own == "batchnorm":
        D = shape(call.parts["mean"])
        gamma, beta = layer.gamma is not None, layer.beta is not None
        return [
            ("μ = mean(x), σ² = var(x)", f"{shape(call.x)} → {D}, {D}"),
            ("x̂ = (x − μ) / √(σ² + ε)", f"{shape(call.x)} → {shape(call.parts['xhat'])}"),
            ("y = " + ("γ " if gamma else "") + "x̂" + (" + β" if beta else ""), one),
        ]
    return [(f"y = {type(layer).__name__}(x)", one), *equations(type(layer))]


def backward_formulas(call) -> list:
    """Return lines of (formula, the same in shapes), from the upstream gradient down."""
    layer, f, own = call.layer, activation_of(call), kind(call.layer)
    lines = []
    if own == "dense":
        x, W, b = rows(call.x), layer.kernel, layer.bias
        dz = call.dy if call.dz is None else call.dz
        d = "dy" if f is None and not call.fused else "dz"
        if f is not None and not call.fused:
            times = f"dz = dy ⊙ {f.name}′(z)"
            if not isinstance(f, activations.Elementwise):
                times = f"dz = Jᵀ dy,   J = ∂{f.name}(z) / ∂z"
            lines.append((times, f"{shape(call.dy)} → {shape(dz)}"))
        dz = rows(dz)
        if W.trainable:
            T = f"({x.shape[1]}, {x.shape[0]})"
            lines.append((f"dW = xᵀ {d}", f"{T} · {shape(dz)} → {shape(W)}"))
            if b is not None:
                lines.append((f"db = Σₙ {d}[n]", f"{shape(dz)} → {shape(b)}"))
        if call.dx is not None:
            T = f"({W.shape[1]}, {W.shape[0]})"
            lines.append((f"dx = {d} Wᵀ", f"{shape(dz)} · {T} → {shape(rows(call.dx))}"))
        return lines
    if call.dx is None:
        return lines
    one = f"{shape(call.dz if call.dy is None else call.dy)} → {shape(call.dx)}"
    if own == "activation":
        if call.fused:
            return [("dx = dz", one)]
        if isinstance(layer.activation, activations.Elementwise):
            return [(f"dx = dy ⊙ {layer.activation.name}′(x)", one)]
        return [(f"dx = Jᵀ dy,   J = ∂{layer.activation.name}(x) / ∂x", one)]
    if own == "flatten":
        return [("dx = reshape(dy)", one)]
    if own == "dropout":
        return [("dx = dy ⊙ m" if "mask" in call.parts else "dx = dy", one)]
    if own == "batchnorm":
        D = shape(call.parts["mean"])
        lines = []
        if layer.gamma is not None and layer.gamma.trainable:
            lines.append(("dγ = Σₙ dy[n] ⊙ x̂[n]", f"→ {D}"))
        if layer.beta is not None and layer.beta.trainable:
            lines.append(("dβ = Σₙ dy[n]", f"→ {D}"))
        g = "dy" if layer.gamma is None else "γ dy"
        whole = f"dx̂ = {g};   dx = (dx̂ − mean(dx̂) − x̂ mean(dx̂ ⊙ x̂)) / √(σ² + ε)"
        return [*lines, (whole if call.parts["of_batch"] else f"dx = {g} / √(σ² + ε)", one)]
    return [(f"dx = {type(layer).__name__}.backward(dy)", one)]


def equations(cls) -> list:
    """Return the equations of a class's docstring: lines before "Args" that assign something."""
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "").split("Args:")[0]
    lines = [" ".join(line.split()) for line in text.splitlines()[1:]]
    signs = (" = ", " += ", " -= ", " *= ")
    return [(line, "") for line in lines if any(sign in line for sign in signs)
            and not line.endswith(".")]  # fmt: skip


def forward_lines(call) -> list:
    """Return (function, fragment) of the line that computes each of `forward_formulas`."""
    layer = call.layer
    own, forward = kind(layer), type(layer).forward
    if own == "dense":
        lines = [(type(layer).logits, "ops.linear(")]
        return [*lines, (forward, ".forward(")] if activation_of(call) is not None else lines
    if own == "batchnorm":
        return [(forward, "ops.batchnorm(")] * 3
    if own == "dropout":
        return [(type(layer).perturbed, "ops.multiply")]
    return [(forward, ".forward(" if own == "activation" else "return")]


def backward_lines(call) -> list:
    """Return (function, fragment) of the line that computes each of `backward_formulas`."""
    layer = call.layer
    own, backward = kind(layer), type(layer).backward
    if own == "dense":
        linear, found = type(layer).backward_from_logits, []
        for formula, _ in backward_formulas(call):
            what = {"dW": "linear_dW(", "db": "sum_rows(", "dx": "linear_dx("}.get(formula[:2])
            found.append((linear, what) if what else (backward, "activation.backward("))
        return found
    place = {"activation": ".backward(", "dropout": "ops.multiply", "batchnorm": "grad("}
    return [(backward, place.get(own, "return"))] * len(backward_formulas(call))


def parameter_count(call) -> str:
    """Return how the number of parameters comes about: "784 × 300 + 300 = 235,500"."""
    parts = [" × ".join(map(str, p.shape)) for p in call.layer.weights]
    if not parts:
        return "0"
    total = f"{call.layer.count_params():,}"
    return total if parts == [total] else f"{' + '.join(parts)} = {total}"


def multiplications(call) -> str:
    """Return the products of a Dense layer's forward pass: "32 × 784 × 300 = 7,526,400"."""
    if kind(call.layer) != "dense":
        return ""
    N, (D, H) = len(rows(call.x)), call.layer.kernel.shape
    return f"{N} × {D} × {H} = {N * D * H:,}"


def symbols(call) -> dict:
    """Return path -> letter in the formulas, of the layer's parameters."""
    letters = {"kernel": "W", "bias": "b", "gamma": "γ", "beta": "β", "alpha": "a",
               "moving_mean": "moving μ", "moving_variance": "moving σ²"}  # fmt: skip
    return {p.path: letters.get(p.name, p.name) for p in call.layer.weights}


def bias_corrections(optimizer, iteration) -> dict:
    """Return 1 - beta^t by name, for an optimizer that has betas."""
    t = iteration + 1
    return {
        name: 1 - getattr(optimizer, name) ** t
        for name in ("beta_1", "beta_2")
        if isinstance(getattr(optimizer, name, None), float)
    }
