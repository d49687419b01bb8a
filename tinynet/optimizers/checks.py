"""What an optimizer's arguments must be; a message names the argument and what was received."""

import numpy as np


def is_number(value):
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and np.isfinite(value)
    )


def share(label, value, low=0.0, high=1.0):
    """`value` as a float in [low, high), or an error; for decay rates and the like."""
    if not (is_number(value) and low <= value < high):
        raise ValueError(f"{label} must be in [{low:g}, {high:g}), received {value!r}")
    return float(value)


def small(label, value):
    """`value` as a float >= 0, or an error; for an epsilon."""
    if not (is_number(value) and value >= 0):
        raise ValueError(f"{label} must be a number >= 0, received {value!r}")
    return float(value)


def check_options(name, weight_decay, loss_scale_factor, ema_momentum, ema_overwrite_frequency,
                  gradient_accumulation_steps, **limits):  # fmt: skip
    """Raise a ValueError unless these options of Optimizer, and its limits of gradients, do."""
    positive = {**limits, "loss_scale_factor": loss_scale_factor}
    for key, value in {**positive, "weight_decay": weight_decay}.items():
        decay = key == "weight_decay"
        if value is not None and not (is_number(value) and (value >= 0 if decay else value > 0)):
            raise ValueError(
                f"{name}: {key} must be a number {'>= 0' if decay else '> 0'}, received {value!r}"
            )
    given = [key for key, value in limits.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{name}: only one way of clipping, received {given}")
    if not (is_number(ema_momentum) and 0 <= ema_momentum <= 1):
        raise ValueError(f"{name}: ema_momentum must be in [0, 1], received {ema_momentum!r}")
    _check_count(name, "gradient_accumulation_steps", gradient_accumulation_steps, 2)
    _check_count(name, "ema_overwrite_frequency", ema_overwrite_frequency, 1)


def _check_count(name, key, value, least):
    integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if value is not None and not (integer and value >= least):
        raise ValueError(f"{name}: {key} must be an integer >= {least} or None, received {value!r}")
