"""`.weights.h5`: weights and optimizer state, laid out as Keras 3 does.

    layers/dense/vars/0, 1        attribute name = "dense"
    layers/dense_1/vars/0, 1      numbered per class, whatever the layers' names
    optimizer/vars/0, 1, ...      iteration, learning_rate, moments

Files that we write carry a checksum per array (an attribute that Keras passes over).
"""

import numpy as np

from .. import optimizer_state
from ..plan import CHECKSUM, Plan, checked, checksum, own_weights, walk
from .reader import Data, Reader

WITH_OPTIMIZER = 2  # the root's CHECKSUM where the file must have an optimizer's state, too


def write(model, target):
    """Write a built model's weights to an HDF5 file, by name or as an open binary file."""
    import h5py

    with h5py.File(target, "w") as file:
        file.attrs[CHECKSUM] = 1 if model.optimizer is None else WITH_OPTIMIZER
        _write_vars(file, "vars", model.name, [])
        for path, layer in walk(model):
            _write_vars(file, f"{path}/vars", layer.name, [p.numpy() for p in own_weights(layer)])
        if model.optimizer is not None:
            arrays = [array for _, array in optimizer_state.arrays(model)]
            _write_vars(file, "optimizer/vars", model.optimizer.name, arrays)


def _write_vars(file, path, name, arrays):
    group = file.require_group(path)
    group.attrs["name"] = name
    for i, array in enumerate(arrays):
        group[str(i)] = array
    sums = [checksum(f"{path}/{i}", array) for i, array in enumerate(arrays)]
    group.attrs[CHECKSUM] = np.array(sums, "uint32")


def read(model, file, skip_mismatch=False, by_name=False) -> Plan:
    """The Plan of a `.weights.h5` (open, binary) for a built model.

    Args:
        by_name: match layers by their names instead of their places; others stay as they are.
    """
    root, plan = Reader(file).root, Plan(skip_mismatch)
    if "layers" not in root and "_layer_checkpoint_dependencies" not in root:
        raise ValueError("there is no group 'layers': these are no weights of a Keras model")
    groups = _groups(root)
    if by_name:
        named = {group.attribute("name"): (path, group) for path, group in groups.items()}
        for layer in dict.fromkeys(layer for _, layer in walk(model)):
            if layer.name in named and own_weights(layer):
                _read_layer(plan, *named[layer.name], layer)
        return plan.load()
    seen = set()
    for path, layer in walk(model):
        if layer in seen:
            continue
        seen.add(layer)
        group = groups.pop(path, None)
        if group is not None:
            _read_layer(plan, path, group, layer)
        elif own_weights(layer):
            plan.mismatch(f"it has nothing for layer {layer.name!r} ({path})")
    for path, group in groups.items():
        if any(name.isdigit() for name in group.names()):
            plan.mismatch(f"it holds {path}, for which the model has no layer")
    plan.load()
    _read_optimizer(plan, root, model)
    return plan


def _groups(root, prefix="", depth=0):
    """path -> the vars group of each layer in the file."""
    found, folder = {}, "layers" if "layers" in root else "_layer_checkpoint_dependencies"
    if folder not in root or depth > 20:
        return found
    for name in root.get(folder).names():
        layer, path = root.get(f"{folder}/{name}"), f"{prefix}layers/{name}"
        if "vars" in layer:
            found[path] = layer.get("vars")
        found.update(_groups(layer, path + "/", depth + 1))
    return found


def entries(group):
    """(where, shape, read) of the arrays 0, 1, ... of a vars group."""
    count = sum(name.isdigit() for name in group.names())
    return checked(group, [group.get(str(i), Data) for i in range(count)])


def _read_layer(plan, path, group, layer):
    plan.add_layer(layer, own_weights(layer), entries(group), f"in {path}")


def _read_optimizer(plan, root, model):
    if "optimizer" not in root:
        if root.attribute(CHECKSUM) == WITH_OPTIMIZER:
            raise ValueError("the optimizer's state is gone")
        return
    if model.optimizer is None or plan.skipped:
        return
    found = entries(root.get("optimizer/vars"))
    try:
        plan.after.append(optimizer_state.restore(model, found))
    except optimizer_state.AnotherOptimizer as error:
        if root.attribute(CHECKSUM) is not None:
            for _, _, read in found:  # raises where the arrays are not another's, but damaged
                read()
        plan.skipped.append(str(error))
