"""Models as configs: the JSON that Keras 3 keeps in `.keras`, and the older one in `.h5`.

A layer is {"module", "class_name", "config", "registered_name"}; a model has a list of them, its
`build_config` (the input's shape) and its `compile_config` (optimizer, loss, metrics).
"""

import json

import numpy as np

from .. import losses, metrics, optimizers
from ..configs.custom_objects import custom_object_scope, get_registered_name
from ..configs.keras import check_shape, check_shapes
from ..configs.registry import Registry, config_of, is_custom
from ..core.parameters import allow
from ..layers.base import _registry as layer_registry
from ..random import own_stream
from .hdf5 import keras_2
from .kinds import OWN

KERAS_VERSION = "3.15.1"  # whose formats these are
MOST_JSON = 8 << 20  # characters; parsed, they can take thirty times as much memory
MOST_LAYERS = 1000  # in one file, and as many calls of layers
MOST_PARTS = 20_000  # of how a model is compiled
MOST_COUNTS = 1 << 25  # bytes that its metrics take

models = Registry("model", "models")  # the model classes: they register themselves


# ------------------------------------------------------------------------------------- writing


def model_config(model) -> dict:
    """Return everything but the weights, as Keras 3 writes it.

    Raises:
        TypeError, ValueError: it could not be loaded again, because something was changed after it
            was made, to what its constructor refuses.
    """
    for leaf in model.leaves():
        leaf.check_unchanged()
    for part in (model, *model.parts()):
        _check_names(part)
    own = type(model).__module__.startswith("tinynet.")
    config = {
        "module": getattr(type(model), "keras_module", "keras") if own else type(model).__module__,
        "class_name": type(model).__name__,
        "config": keras_layers(config_of(model)),
        "registered_name": None if own else get_registered_name(type(model)),
    }
    if model.built and getattr(model, "input_shape", None) is not None:
        shape, names = model.input_shape, getattr(model, "input_names", None)
        config["build_config"] = {
            "input_shape": dict(zip(names, shape, strict=True)) if names else shape
        }
    if model.optimizer is not None:
        config["compile_config"] = model.get_compile_config()
    _check_made_again(config)
    return config


def _check_names(part):
    names = [layer.name for layer in getattr(part, "layers", ())]
    for name in (part.name, *names):
        if not isinstance(name, str) or not name or names.count(name) > 1:
            raise ValueError(f"{part.name!r} holds {names}: names of layers must be strings, and "
                             "unique")  # fmt: skip


def _check_made_again(config):
    """Raise unless tinynet can make its own objects of their configs again."""
    if isinstance(config, dict) and config.get("module") in OWN and not _holds_custom(config):
        try:
            with own_stream(0):
                OWN[config["module"]].deserialize(config)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{config['class_name']} could not be loaded again: "
                             f"{error}") from error  # fmt: skip
    else:
        for part in _parts(config):
            _check_made_again(part)


def _holds_custom(config):
    own = isinstance(config, dict) and (config.get("class_name") == "function" or is_custom(config))
    return own or any(map(_holds_custom, _parts(config)))


def _parts(config):
    if isinstance(config, dict):
        return config.values()
    return config if isinstance(config, (list, tuple)) else ()


def keras_layers(config):
    """Return a model's config in which every InputLayer is spelled as in Keras."""
    if isinstance(config.get("layers"), list):
        config = {**config, "layers": [_keras_layer(entry) for entry in config["layers"]]}
    return config


def _keras_layer(entry):
    inner = entry.get("config")
    if not isinstance(inner, dict):
        return entry
    if entry["class_name"] == "InputLayer" and "shape" in inner:
        shape = [inner.get("batch_size"), *inner["shape"]]
        inner = {"batch_shape": shape, "dtype": inner.get("dtype"), "sparse": False,
                 "ragged": False, "name": inner.get("name"), "optional": False}  # fmt: skip
    return {**entry, "config": keras_layers(inner)}


def compile_config(model) -> dict:
    """Return what `compile` was told, as Keras 3 writes it."""
    loss, weights = model.loss, None
    if model.open_outputs:
        loss, weights = model.loss_given
    elif hasattr(loss, "losses"):  # of several outputs
        loss, weights = model.packed(loss.losses), model.packed(loss.weights)
    elif loss is not None and loss.weight != 1:
        weights = [loss.weight]
    return {
        "optimizer": optimizers.serialize(model.optimizer),
        "loss": each(loss, lambda loss: _serialize(losses, loss)),
        "loss_weights": weights,
        "metrics": each(model.metrics_given, lambda m: _serialize(metrics, m)),
        "weighted_metrics": each(model.weighted_metrics_given, lambda m: _serialize(metrics, m)),
        "run_eagerly": bool(model.run_eagerly),
        "steps_per_execution": model.steps_per_execution,
        "jit_compile": False,
    }


def each(value, convert):
    """Return the value with `convert` applied to what its lists and dicts hold."""
    if isinstance(value, (list, tuple)):
        return [each(v, convert) for v in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {k: each(v, convert) for k, v in value.items()}
    return value if value is None else convert(value)


def _serialize(module, value):
    if isinstance(value, (str, dict)):
        return value
    return module.serialize(value() if isinstance(value, type) else value)


def legacy_config(model) -> dict:
    """Return the architecture as in a `.h5`: layers by class name only."""
    config = check_size(model_config(model))
    return {"class_name": _legacy_name(config), "config": _legacy_layers(config["config"])}


def _legacy_layers(config):
    if not isinstance(config.get("layers"), list):
        return config
    entries = [
        {**entry, "class_name": _legacy_name(entry), "config": _legacy_layers(entry["config"])}
        for entry in config["layers"]
    ]
    for entry in entries:
        for key in ("module", "registered_name", "build_config"):
            entry.pop(key, None)
    return {**config, "layers": entries}


def _legacy_name(entry):
    return entry.get("registered_name") or entry["class_name"]


def legacy_training_config(model) -> dict:
    """Return what `compile` was told, as in a `.h5`."""
    config = model.get_compile_config()
    optimizer = config.pop("optimizer")
    config["optimizer_config"] = {"class_name": _legacy_name(optimizer),
                                  "config": optimizer["config"]}  # fmt: skip
    return config


def plain(value):
    """Return a NumPy number or array as json can write it; raise a TypeError for anything else."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__",
                "config": {"value": value.tolist(), "dtype": value.dtype.name}}  # fmt: skip
    raise TypeError(f"{value!r} can't be stored: a file holds names and numbers, so this must be "
                    "an object with get_config() and from_config()")  # fmt: skip


# ------------------------------------------------------------------------------------- reading


def parse(text):
    """Return the dict in a JSON text that may be hostile."""
    if len(text) > MOST_JSON:
        raise ValueError(f"a config of {len(text)} characters, at most {MOST_JSON} are read")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("a config nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"a config is a dict, found {type(found).__name__}")
    return found


def check_size(config):
    """Return a config, or raise if it has so many layers that it would take minutes to build."""
    count = 0
    for node in _nodes(config):
        if isinstance(node, dict):
            count += sum(len(node[key]) for key in ("layers", "inbound_nodes")
                         if isinstance(node.get(key), list))  # fmt: skip
        if count > 2 * MOST_LAYERS:
            raise ValueError(f"more layers and calls of layers than {2 * MOST_LAYERS} in one file")
    return config


def _nodes(config):
    """Yield everything in a config, itself and what its dicts and lists hold."""
    left = [config]
    while left:
        yield (node := left.pop())
        if isinstance(node, (dict, list)):
            left.extend(node.values() if isinstance(node, dict) else node)


def check_parts(config):
    """Raise if a compile_config names more than MOST_PARTS things."""
    if any(k > MOST_PARTS for k, _ in enumerate(_nodes(config))):
        raise ValueError(f"it is compiled with more than {MOST_PARTS} parts")


def build_model(config, custom_objects=None):
    """Return a model from its config, built where the config says for what, not compiled."""
    check_size(config)
    name, inner = config.get("class_name"), config.get("config")
    if isinstance(inner, list):  # Keras 1 and 2.0
        inner = {"name": None, "layers": inner}
    if not isinstance(name, str) or not isinstance(inner, dict):
        raise ValueError("a model's config has 'class_name' and 'config'")
    with custom_object_scope(custom_objects):
        cls = _model_class(name, config)
        if inner.get("build_input_shape") is not None:
            check_shape("build_input_shape", inner["build_input_shape"])
        if not isinstance(inner.get("layers", []), list):
            raise ValueError(f"the layers of {name} are a list, found {inner['layers']!r}")
        model = cls.from_config(inner)
        shape = (config.get("build_config") or {}).get("input_shape")
        if not model.built and shape is not None:
            model.build(check_shapes("build_config", shape))
    return model


def _model_class(name, config):
    """Return the class of a model; models may also be registered as the layers that they are."""
    if is_custom(config):
        return models.custom(name, config)
    try:
        return models.lookup(name)
    except ValueError:
        cls = layer_registry.lookup(name)
        if not hasattr(cls, "fit"):
            raise
        return cls


def compile_model(model, config, custom_objects=None):
    """Compile with what `compile_config` wrote, Keras's or tinynet's."""
    check_parts(config)
    with custom_object_scope(custom_objects), allow(MOST_COUNTS, "metrics of that size"):
        options = {
            "optimizer": optimizers.deserialize(keras_2.optimizer(config.get("optimizer"))),
            "loss": each(config.get("loss"), _loss),
            "metrics": each(config.get("metrics"), _metric),
            "weighted_metrics": each(config.get("weighted_metrics"), _metric),
            "run_eagerly": bool(config.get("run_eagerly", False)),
            "steps_per_execution": config.get("steps_per_execution") or 1,
        }
        if config.get("loss_weights") is not None:
            options["loss_weights"] = config["loss_weights"]
        model.compile(**options)


def compile_legacy(model, config, custom_objects=None):
    """Compile with the training_config of a `.h5`."""
    config = {**config, "optimizer": config.get("optimizer_config")}
    for key in ("metrics", "weighted_metrics"):  # Keras 2 lists them per output
        given = config.get(key)
        if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list):
            config[key] = given[0]
    compile_model(model, config, custom_objects)


def _loss(config):
    return config if isinstance(config, str) else losses.deserialize(config)


def _metric(config):
    if isinstance(config, str):
        return config
    inner = config.get("config")
    if config.get("class_name") == "MeanMetricWrapper" and isinstance(inner, dict):  # Keras 2
        if inner.get("name") in ("accuracy", "acc", "crossentropy", "ce"):
            return inner["name"]  # which one was meant follows from the shapes again
        metric = metrics.get(inner.get("fn"))
        if isinstance(metric, metrics.Metric):
            metric.name = inner.get("name", metric.name)
            return metric
    return metrics.deserialize(config)
