"""What `layers/base.py` needs to read Keras's configs and to run a user's own layer."""

import functools
import inspect

import numpy as np

from .. import activations, initializers, regularizers

# What Keras writes into configs for options that are not here, with the values that change nothing.
NEUTRAL = {
    "activity_regularizer": (None,),
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "quantization_config": (None,),
    "synchronized": (False,),
    "renorm": (False,),
    "renorm_clipping": (None,),
    "rms_scaling": (False,),
    "sparse": (False, None),
    "ragged": (False, None),
    "optional": (False,),
    "autocast": (True,),
}
WITHOUT_EFFECT = ("renorm_momentum",)  # alone


def read_config(cls, config, custom_objects):
    """The arguments for `cls`, a layer class, from a config of its own or of Keras's.

    Raises:
        ValueError: an option that tinynet does not have, with a value that matters.
    """
    known = _arguments(cls)
    result = {}
    for key, value in config.items():
        if key == "dtype" and isinstance(value, dict):  # Keras's DTypePolicy
            value = value.get("config", {}).get("name")
        if key in known:
            result[key] = _object(key, value, custom_objects)
        elif key in WITHOUT_EFFECT:
            continue
        elif key in NEUTRAL or key.endswith("_constraint"):
            if value not in NEUTRAL.get(key, (None,)):
                raise ValueError(f"{cls.__name__}: {key}={value!r} is not supported")
        else:
            result[key] = value  # the constructor says what is wrong with it
    return result


def _object(key, value, custom_objects):
    """A value that names an initializer, regularizer or activation, made into one."""
    if not custom_objects or not isinstance(value, (str, dict)):
        return value  # the constructor reads it
    if key.endswith("initializer"):
        return initializers.deserialize(value, custom_objects)
    if key.endswith("regularizer"):
        return regularizers.deserialize(value, custom_objects)
    if key == "activation":
        return activations.deserialize(value, custom_objects)
    return value


@functools.cache
def _arguments(cls):
    """Names of all constructor arguments, up to the base class's."""
    names = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = inspect.signature(base.__init__).parameters.values()
        names |= {p.name for p in parameters}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters) and "options" not in names:
            break
    return names - {"self", "options"}


@functools.cache
def takes_training(cls):
    """Whether the class's `call` has an argument `training`."""
    parameters = inspect.signature(cls.call).parameters
    return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def own_shape(layer, input_shape):
    """The output shape of a layer that has no rule for it.

    Such a layer keeps the shape. One written as for Keras, with `call`, is tried on two rows of
    zeros once it is built, since Keras, too, finds its shape by calling it.
    """
    shape = tuple(input_shape)
    if not hasattr(layer, "call") or not layer.built or None in shape[1:]:
        return shape
    saved = layer.saved
    try:
        y = layer.forward(np.zeros((2, *shape[1:]), layer.dtype), training=False)
    finally:
        layer.saved = saved
    if np.ndim(y) == 0 or len(y) != 2:
        raise ValueError(
            f"layer {layer.name!r}: expected one row of output for each of 2 rows, "
            f"received shape {np.shape(y)}"
        )
    return (shape[0], *np.shape(y)[1:])
