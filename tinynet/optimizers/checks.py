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
