"""`.weights.h5`: weights and optimizer state, laid out as Keras 3 does.

    layers/dense/vars/0, 1        attribute name = "dense"
    layers/dense_1/vars/0, 1      numbered per class, whatever the layers' names
    optimizer/vars/0, 1, ...      iteration, learning_rate, moments

Files of tinynet carry a checksum per array (an attribute that Keras passes over).
"""

import numpy as np

from .. import optimizer_state
from ..plan import CHECKSUM, Plan, checked, checksum, own_weights, walk
from .reader import Data, Group, Reader

OLDER_FOLDER = "_layer_checkpoint_dependencies"  # Keras's name of "layers" before 3.0
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
    """Return the Plan of a `.weights.h5` (open, binary) for a built model, by order or by name."""
    root, plan = Reader(file).root, Plan(skip_mismatch)
    paths = {layer: path for path, layer in walk(model)}
    folders = {path.partition("/")[0] for path in paths.values()} | {OLDER_FOLDER}
    if not any(folder in root for folder in folders):
        raise ValueError(f"there is no group {min(folders - {OLDER_FOLDER}, default='layers')!r}: "
                         "these are no weights of a Keras model")  # fmt: skip
    groups = _groups(root)
    if by_name:
        named = {group.attribute("name"): (path, group) for path, group in groups.items()}
        for layer in paths:
            if layer.name in named and own_weights(layer):
                path, group = named[layer.name]
                plan.add_layer(layer, own_weights(layer), entries(group), f"in {path}")
        return plan.load()
    for layer, path in paths.items():
        group = groups.pop(path, None)
        if group is not None:
            plan.add_layer(layer, own_weights(layer), entries(group), f"in {path}")
        elif own_weights(layer):
            plan.mismatch(f"it has nothing for layer {layer.name!r} ({path})")
    for path, group in groups.items():
        if any(name.isdigit() for name in group.names()):
            plan.mismatch(f"it holds {path}, for which the model has no layer")
    plan.load()
    _read_optimizer(plan, root, model)
    return plan


def _groups(group, prefix="", above=()):
    """Return path -> the vars group of each layer in the file; links to groups `above` are passed
    over.
    """
    above = (*above, group.address)
    found = {}
    for name in group.names():
        inner = None if name in ("vars", "optimizer") else group.get(name)
        if not isinstance(inner, Group) or inner.address in above or len(above) > 40:
            continue
        path = prefix + ("layers" if name == OLDER_FOLDER else name)
        if "vars" in inner:
            found[path] = inner.get("vars")
        found.update(_groups(inner, path + "/", above))
    return found


def entries(group):
    """Return (where, shape, read) of the arrays 0, 1, ... of a vars group."""
    count = sum(name.isdigit() for name in group.names())
    return checked(group, [group.get(str(i), Data) for i in range(count)])


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
