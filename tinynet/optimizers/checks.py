"""Checks of an optimizer's options; a message names the option and what was received."""

from ..configs.checks import check_integer, check_number


def check_options(name, weight_decay, loss_scale_factor, ema_momentum, ema_overwrite_frequency,
                  gradient_accumulation_steps, **limits):  # fmt: skip
    """Raise a ValueError unless an optimizer's options are permitted; `limits` clip gradients."""
    for key, value in {**limits, "loss_scale_factor": loss_scale_factor}.items():
        if value is not None:
            check_number(f"{name}: {key}", value, above=0, kind="a number")
    if weight_decay is not None:
        check_number(f"{name}: weight_decay", weight_decay, 0, kind="a number")
    given = [key for key, value in limits.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{name}: only one way of clipping, received {given}")
    check_number(f"{name}: ema_momentum", ema_momentum, 0, 1)
    if gradient_accumulation_steps is not None:
        check_integer(f"{name}: gradient_accumulation_steps", gradient_accumulation_steps, 2)
    if ema_overwrite_frequency is not None:
        check_integer(f"{name}: ema_overwrite_frequency", ema_overwrite_frequency)


def check_gradients(name, grads, parameters):
    """Raise unless these arrays can be the gradients of these Parameters or float arrays."""
    if len(grads) != len(parameters):
        raise ValueError(f"{name}: {len(grads)} gradients for {len(parameters)} parameters")
    if all(g is None for g in grads):
        raise ValueError(f"{name}: there is no gradient for any of {len(grads)} parameters")
    for i, (g, p) in enumerate(zip(grads, parameters, strict=True)):
        if g is None:
            continue
        if g.dtype.kind not in "fiub":
            raise TypeError(f"{name}: gradient {i} has dtype {g.dtype}, expected numbers")
        dtype = getattr(p, "dtype", type(p).__name__)
        if getattr(dtype, "kind", None) != "f":
            raise TypeError(f"{name}: parameter {i} must be a Parameter or an array of floats that "
                            f"can be changed in place, received {dtype}")  # fmt: skip
        if g.shape != p.shape:
            raise ValueError(f"{name}: gradient {i} has shape {g.shape}, its parameter {p.shape}")
