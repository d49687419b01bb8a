"""What a layer of the user's own holds: layers and Parameters in its attributes, at any depth."""

from .parameters import Parameter

# Attributes of the base classes: what they hold is found elsewhere, or is not the layer's.
OF_THE_BASE = frozenset({
    "context", "declared_input_shape", "graphs", "inner_layers", "input_shape", "known_layout",
    "nodes", "output_shape", "own_parameters", "recorded", "saved",
})  # fmt: skip


def is_layer(value):
    """Whether a value is a layer or a model."""
    return hasattr(type(value), "inner_layers")


def is_container(value):
    """Whether what a value holds is looked at: the entries of a list, a tuple or a dict."""
    return isinstance(value, (list, tuple, dict))


def entries(container):
    """The entries of a list or tuple, the values of a dict."""
    return container.values() if isinstance(container, dict) else container


def attributes(layer):
    """(name, value) of the attributes of a layer that the user has set."""
    return [(name, value) for name, value in vars(layer).items() if name not in OF_THE_BASE]


def found_in(value, within=()):
    """Yield the layers and Parameters that a value is or, as a container, holds.

    Args:
        within: the containers around it; one that holds itself is looked at once.
    """
    if is_container(value):
        for one in entries(value) if not any(value is outer for outer in within) else ():
            yield from found_in(one, (*within, value))
    elif isinstance(value, Parameter) or is_layer(value):
        yield value


def held(layer):
    """The layers and Parameters that a layer holds, in the order of its attributes, each once."""
    found = (one for _, value in attributes(layer) for one in found_in(value))
    return list(dict.fromkeys(found))


def held_layers(layer):
    """The layers that a layer holds, each once."""
    return [one for one in held(layer) if is_layer(one)]


def owned(layer):
    """A layer's own Parameters: made by `add_weight`, or kept in an attribute."""
    own = list(layer.own_parameters)
    if layer.may_hold:
        own += [one for one in held(layer) if not is_layer(one)]
    for number, p in enumerate(own):
        if "/" not in p.path:  # made by hand
            p.path = f"{layer.name}/{p.name}" + (f"_{number}" if number else "")
    return sorted(dict.fromkeys(own), key=lambda p: not p.learnable)
