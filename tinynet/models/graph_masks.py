"""Masks of padding in the config of a functional model.

Keras writes how a mask is computed, as calls of operations (`NotEqual`, `Any`), and hands it to
layers as `mask=`. Here a mask follows its tensor from the Embedding or Masking that marks it, so
that these calls are checked and left out.
"""

MODULE, FIRST, OTHERS = "keras.src.ops", "NotEqual", ("Any", "LogicalOr")


def without_masks(entries):
    """Return the layers of a config without the operations that compute masks of padding.

    Raises:
        ValueError: an operation that computes something else.
    """
    operations = {e["config"]["name"]: e for e in entries if _is_operation(e)}
    if not operations:
        return entries
    layers = [entry for entry in entries if not _is_operation(entry)]
    marked = [mark for entry in layers for mark in _marks(entry)]
    for name, entry in operations.items():
        for call in entry["inbound_nodes"]:
            _check(name, entry["class_name"], call["args"], operations, marked)
    return [{**entry, "inbound_nodes": [_without_mask(call, operations)
                                        for call in entry["inbound_nodes"]]}
            for entry in layers]  # fmt: skip


def _is_operation(entry):
    """Whether it is an operation; an `.h5` names no modules."""
    return str(entry.get("module")).startswith(MODULE) or entry["class_name"] in (FIRST, *OTHERS)


def _marks(entry):
    """Yield (a tensor's place, the value that stands for padding in it) of a layer's calls."""
    config = entry["config"]
    padding = {"Embedding": 0 if config.get("mask_zero") else None,
               "Masking": config.get("mask_value")}.get(entry["class_name"])  # fmt: skip
    if padding is not None:
        for call in entry["inbound_nodes"]:
            yield from ((place, padding) for place in _places(call["args"]))


def _check(name, kind, arguments, operations, marked):
    """Raise ValueError unless an operation finds padding, or goes on with what others found."""
    places = _places(arguments)
    found = (kind == FIRST and len(places) == 1 and len(arguments) == 2
             and (places[0], arguments[1]) in marked)  # fmt: skip
    if not found and not (places and all(place[0] in operations for place in places)):
        raise ValueError(f"functional config: the operation {name!r} ({kind}) is not the mask of "
                         "an Embedding(mask_zero=True) or a Masking; models are made of layers "
                         "here")  # fmt: skip


def _without_mask(call, operations):
    options = call.get("kwargs", {})
    if any(place[0] in operations for place in _places(options.get("mask"))):
        return {**call, "kwargs": {**options, "mask": None}}
    return call


def _places(written):
    """Return the places of the tensors in a serialized argument."""
    if isinstance(written, dict):
        if written.get("class_name") == "__keras_tensor__":
            return [list(written["config"]["keras_history"])]
        written = list(written.values())
    if not isinstance(written, (list, tuple)):
        return []
    return [place for one in written for place in _places(one)]
