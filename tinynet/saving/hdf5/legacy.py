"""`.h5` as Keras 2 and 3 know it: arrays by layer and name, and in a whole model its configs.

    attributes model_config, training_config, keras_version, backend
    model_weights/dense           attribute weight_names = ["sequential/dense/kernel", ...]
    optimizer_weights             attribute weight_names = ["adam/iteration", ...]

A file of weights alone has the groups of `model_weights` at its top.
"""

import json
import zlib

import numpy as np

from .. import config as configs
from .. import optimizer_state
from ..plan import CHECKSUM, Plan, checked, checksum
from .reader import Data, Reader

MOST_ATTRIBUTE = 64_000  # bytes that HDF5 takes in one attribute
NAMES = "weight_names"


def write_model(model, target, include_optimizer=True):
    """Write a whole model: its config, weights, and with an optimizer how it was compiled."""
    import h5py

    texts = {"model_config": json.dumps(configs.legacy_config(model), default=configs.plain)}
    compiled = model.optimizer is not None and include_optimizer
    if compiled:
        training = configs.legacy_training_config(model)
        texts["training_config"] = json.dumps(training, default=configs.plain)
    with h5py.File(target, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = configs.KERAS_VERSION, "tinynet"
        for name, text in texts.items():
            file.attrs[name] = text
        file.attrs[CHECKSUM] = np.uint32(_text_sum(*texts.values()))
        _write_layers(file.create_group("model_weights"), model)
        if compiled:
            state = _numbered(optimizer_state.arrays(model))
            _write_arrays(file.create_group("optimizer_weights"), state)


def write_weights(model, target):
    """Write the weights alone, as Keras 2's save_weights("w.h5") did; Keras 3 reads it, too."""
    import h5py

    with h5py.File(target, "w") as file:
        file.attrs[CHECKSUM] = np.uint32(_text_sum())
        _write_layers(file, model)


def _write_layers(group, model):
    _write_names(group, "layer_names", [layer.name for layer in model.layers])
    group.attrs["keras_version"], group.attrs["backend"] = configs.KERAS_VERSION, "tinynet"
    for layer in sorted(model.layers, key=lambda layer: layer.name):
        arrays = [(f"{model.name}/{p.path}", p.numpy()) for p in _weights(layer)]
        _write_arrays(group.create_group(layer.name), arrays)
    _write_arrays(group.create_group("top_level_model_weights"), [])


def _write_arrays(group, arrays):
    _write_names(group, NAMES, [name for name, _ in arrays])
    prefix = group.name.strip("/")
    for name, array in arrays:
        group[name] = array
    group.attrs[CHECKSUM] = np.array(
        [checksum(f"{prefix}/{name}", array) for name, array in arrays], "uint32"
    )


def _numbered(arrays):
    """A name that is taken gets a number: Adafactor's of vectors are (they come back by order)."""
    result = {}
    for name, array in arrays:
        unique, k = name, 1
        while unique in result:
            unique, k = f"{name}_{k}", k + 1
        result[unique] = array
    return list(result.items())


def _write_names(group, attribute, names):
    """Names as an attribute, or as attribute0, attribute1, ... where one would be too long."""
    array = np.array([name.encode() for name in names]) if names else np.zeros(0)
    pieces = -(-array.nbytes // MOST_ATTRIBUTE) or 1
    if pieces == 1:
        group.attrs[attribute] = array
        return
    for i, part in enumerate(np.array_split(array, pieces)):
        group.attrs[f"{attribute}{i}"] = part


def _weights(layer):
    """All variables of a layer (or of a model within a model), the trainable ones first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _text_sum(*texts):
    total = 0
    for text in texts:
        total = zlib.crc32(text.encode(), total)
    return total


# -------------------------------------------------------------------------------------- reading


def texts(file):
    """(model_config, training_config or None) of a whole model's file, parsed."""
    root = Reader(file).root
    found = [root.attribute(name) for name in ("model_config", "training_config")]
    if not isinstance(found[0], str):
        raise ValueError("there is no attribute model_config: the file has no architecture")
    total = root.attribute(CHECKSUM)
    if total is not None and total != _text_sum(*(text for text in found if text is not None)):
        raise ValueError(f"the model's config is not what was written: {CHECKSUM} differs")
    return [None if text is None else configs.parse(text) for text in found]


def read_weights(model, file, skip_mismatch=False, by_name=False) -> Plan:
    """The Plan of a `.h5`, with the architecture in it or without, for a built model.

    Args:
        by_name: match layers by their names instead of their order; others stay as they are.
    """
    root, plan = Reader(file).root, Plan(skip_mismatch)
    group = root
    if root.attribute("layer_names") is None and "model_weights" in root:
        group = root.get("model_weights")
    names = _read_names(group, "layer_names")
    found = {name: _read_arrays(group.get(name)) for name in names}
    if len(found) != len(names):
        raise ValueError("layer_names names a layer twice")
    if by_name:
        pairs = [(layer, layer.name) for layer in model.layers if layer.name in found]
    else:
        layers = [layer for layer in model.layers if _weights(layer)]
        names = [name for name in names if found[name][1]]
        if len(names) != len(layers):
            raise ValueError(f"it holds {len(names)} layers with weights, "
                             f"the model has {len(layers)}")  # fmt: skip
        pairs = zip(layers, names, strict=True)
    for layer, name in pairs:
        plan.add_layer(layer, _weights(layer), found[name][1], f"for {name}")
    return plan.load()


def read_optimizer(model, file):
    """A function that restores the optimizer's state, or None where the file has none."""
    root = Reader(file).root
    if "optimizer_weights" not in root:
        if root.attribute(CHECKSUM) is not None:  # we write it with every training_config
            raise ValueError("the optimizer's state is gone")
        return None
    names, entries = _read_arrays(root.get("optimizer_weights"))
    if any(":" in name for name in names):  # TensorFlow's names: Keras 2
        entries = optimizer_state.in_keras_order(model, names, entries)
    return optimizer_state.restore(model, entries)


def _read_names(group, attribute):
    """The names that `_write_names` (or Keras) wrote."""
    names = group.attribute(attribute)
    if names is None:
        names, i = [], 0
        while (part := group.attribute(f"{attribute}{i}")) is not None:
            names, i = [*names, *_strings(group, attribute, part)], i + 1
        if i == 0:
            raise ValueError(f"{group.path}: there is no attribute {attribute}")
        return names
    return _strings(group, attribute, names)


def _strings(group, attribute, names):
    names = names if isinstance(names, list) else np.asarray(names).tolist()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{group.path}: {attribute} is no list of names")
    return names


def _read_arrays(group):
    """(names, entries) of a group: (where, shape, read) for each name."""
    names = _read_names(group, NAMES)
    return names, checked(group, [group.get(name, Data) for name in names])
