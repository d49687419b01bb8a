"""Configs as Keras writes them, adapted to tinynet's constructors.

Keras's configs name every argument, also those that tinynet lacks and that are switched off:
`kernel_constraint: None`, `use_ema: False`. Such a neutral key is left out. Any other unknown key
would change results and is refused, here or by the constructor.
"""

import functools
import inspect

import numpy as np

from .checks import is_integer

SWITCHED_OFF = {  # options that are not here -> values that change nothing, as None does
    "use_ema": (False,),
    "gradient_accumulation_steps": (1,),
    "is_legacy_optimizer": (False, True),
    "jit_compile": (False, True),
    "decay": (0, 0.0),
    "synchronized": (False,),
    "renorm": (False,),
    "rms_scaling": (False,),
    "sparse": (False,),
    "ragged": (False,),
    "optional": (False,),
    "multi_label": (False,),
    "from_logits": (False,),
    "label_smoothing": (0, 0.0),
    "data_format": ("channels_last",),
    "autocast": (True,),
    "dynamic": (False,),
    "stateful": (False,),
    "summation_method": ("interpolation",),
    "axis": (-1, [-1]),
    "dtype": ("float32", "float64"),
    "fused": (True, False),
    "virtual_batch_size": (),
    "lora_rank": (),
    "lora_alpha": (),
    "quantization_config": (),
}
ONLY_WITH = {  # key -> the key without which it means nothing
    "ema_momentum": "use_ema",
    "ema_overwrite_frequency": "use_ema",
    "renorm_momentum": "renorm",
    "renorm_clipping": "renorm",
}
OLDER_NAMES = {"lr": "learning_rate"}
LARGEST_AXIS = 1 << 40
MOST_INPUTS = 1000  # of a model in a file


def adapt(cls, config: dict) -> dict:
    """Return the arguments for `cls(**...)` in a config of Keras's (2 or 3) or tinynet's.

    What it returns is such a config again: to adapt it once more changes nothing.

    Raises:
        ValueError: a shape that is none, code, or an option that is not here and not switched off.
    """
    if not isinstance(config, dict):
        raise ValueError(f"{cls.__name__}: expected a dict as config, received {config!r}")
    config = {key: plain_value(key, value) for key, value in config.items()}
    axis = config.get("axis")
    if cls.__name__ == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]  # Keras 2's way
    names = argument_names(cls)
    if names is None or not _is_ours(cls):
        return config
    result = {}
    for key, value in config.items():
        if key in names:
            result[key] = value
        elif OLDER_NAMES.get(key) in names:
            result[OLDER_NAMES[key]] = value
        elif key in ("batch_shape", "batch_input_shape"):
            batch, *shape = check_shape(f"{cls.__name__}: {key}", value)
            result["input_shape" if "shape" not in names else "shape"] = tuple(shape)
            if "batch_size" in names:
                result["batch_size"] = batch
        elif _is_neutral(key, value, config):
            continue
        elif key in SWITCHED_OFF or key.endswith("_constraint"):
            raise ValueError(f"{cls.__name__}: {key}={value!r} is not supported")
        else:
            result[key] = value  # the constructor takes or refuses it
    return result


def _is_ours(cls):
    """Return whether from_config is tinynet's, which hands everything to the constructor."""
    owner = next(c for c in cls.__mro__ if "from_config" in vars(c))
    return owner.__module__.partition(".")[0] == "tinynet"


def argument_names(cls):
    """Return all names that the constructor takes, and keys of the config; None: anything."""
    names = constructor_names(cls)
    keys = {key for keys in ("config_keys", "option_keys", "rule_keys")
            for key in getattr(cls, keys, ())}  # fmt: skip
    return None if names is None and not keys else keys | (names or set())


@functools.cache
def constructor_names(cls):
    """Return all names that the constructor takes, its bases' through **options; None: anything."""
    names = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        names.update(p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return names if names else None


def _is_neutral(key, value, config):
    if value is None:
        return True
    if key in ONLY_WITH and not config.get(ONLY_WITH[key]):
        return True
    return any(type(value) is type(off) and value == off for off in SWITCHED_OFF.get(key, ()))


def plain_value(key, value):
    """Return a value of a config without Keras's wrappers: dtype policies, arrays."""
    if isinstance(value, dict):
        name, inner = value.get("class_name"), value.get("config")
        if name in ("DTypePolicy", "Policy") and isinstance(inner, dict):
            return inner.get("name")
        if name == "SeedGenerator" and isinstance(inner, dict):
            return inner.get("seed")
        if name in ("__numpy__", "__tensor__") and isinstance(inner, dict):
            return np.array(inner.get("value"), inner.get("dtype"))
        if name == "__lambda__":
            raise ValueError(f"{key} is a Python lambda, stored as code; files' code is never run. "
                             "Pass a named function in custom_objects")  # fmt: skip
    if key == "reduction" and value == "auto":
        return "sum_over_batch_size"
    if key in ("input_shape", "shape") and value is not None:
        return check_shape(key, value)
    return value


def check_shape(label, shape) -> tuple:
    """Return `shape` as a tuple of sizes >= 0 and None, or raise a ValueError."""
    if not isinstance(shape, (list, tuple)) or len(shape) > 32:
        raise ValueError(f"{label}: expected a list of sizes, received {shape!r}")
    for size in shape:
        if size is not None and not (is_integer(size, 0) and size < LARGEST_AXIS):
            raise ValueError(f"{label}: {size!r} is no size, in {shape!r}")
    return tuple(shape)


def check_shapes(label, shapes):
    """Return a shape as `check_shape` does, or a list or dict of shapes."""
    several = isinstance(shapes, (list, dict)) and 0 < len(shapes) <= MOST_INPUTS
    if several and isinstance(shapes, dict):
        return {name: check_shape(label, shape) for name, shape in shapes.items()}
    if several and isinstance(shapes[0], (list, tuple)):
        return [check_shape(label, shape) for shape in shapes]
    return check_shape(label, shapes)
