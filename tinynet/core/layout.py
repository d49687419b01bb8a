"""Layout: the layers and parameters inside a layer or a model, found by one walk through them."""

from . import held
from .versions import latest_version, new_version


class Layout:
    """The layers and parameters that one walk through a layer or a model finds.

    Attributes:
        parts: the layer itself and all layers inside it at any depth, models among them.
        leaves: those of them that do the work: all but the models.
        parameters: layer by layer, those that can learn first; a shared one counts once.
        trainable, frozen: the parameters that an optimizer updates, and the others.
        regularized: the trainable parameters with a regularizer.
        constrained: the parameters with a constraint.
        penalized: the leaves with an activity regularizer.
        dtype: of the first leaf with weights, or of the first one; None where there is none.
        versions: of everything that the walk saw, see `versions`.
        watched: lists, tuples and dicts of the user's own layers, and what was in them.
    """

    def __init__(self, root):
        self.parts = list(_walk(root, {}))
        self.leaves = [part for part in self.parts if part.inner_layers is None]
        owned = (p for leaf in self.leaves for p in held.owned(leaf))
        self.parameters = list(dict.fromkeys(owned))
        self.trainable = [p for p in self.parameters if p.trainable]
        self.frozen = [p for p in self.parameters if not p.trainable]
        self.regularized = [p for p in self.trainable if p.regularizer is not None]
        self.constrained = [p for p in self.parameters if p.constraint is not None]
        self.penalized = [leaf for leaf in self.leaves
                          if getattr(leaf, "activity_regularizer", None) is not None]  # fmt: skip
        with_weights = [leaf for leaf in self.leaves if leaf.own_parameters] or self.leaves
        self.dtype = with_weights[0].dtype if with_weights else None
        seen = [*self.parts, *self.parameters]
        seen += [one for p in self.parameters for one in (p.regularizer, p.constraint)]
        seen += [leaf.activity_regularizer for leaf in self.penalized]
        self.versions = [getattr(one, "version", None) for one in seen]
        of_users = (held.attributes(part) for part in self.parts if part.may_hold)
        values = (value for attributes in of_users for _, value in attributes)
        self.watched = [(one, _names(one)) for one in values if held.is_container(one)]

    def is_outdated(self):
        """Whether one of the lists and dicts was changed in place, which gives no new version."""
        return any(_names(value) != names for value, names in self.watched)

    def __reduce__(self):
        return type(None), ()  # a copy of a model walks again


def current_layout(root):
    """The layout of a layer or model: the known one unless something in it has changed.

    Two calls return the same object exactly if nothing that a step depends on changed in between.
    """
    known = root.known_layout
    if known is not None and known.watched and known.is_outdated():
        new_version()
    latest = latest_version()
    if known is None or known.checked is not latest:
        found = Layout(root)
        found.checked = latest  # before another thread can see it
        if known is None or known.versions != found.versions:
            known = root.known_layout = found
        known.checked = latest
    return known


def _walk(layer, seen):
    """The layer and all layers inside, each once, as the keys of `seen`."""
    if layer not in seen:
        seen[layer] = True
        inner = held.held_layers(layer) if layer.may_hold else layer.inner_layers
        for one in inner or ():
            _walk(one, seen)
        for graph in (layer.graphs or {}).values():
            seen[graph] = True
            for one in graph.inner_layers:  # with weights only those that the layer still holds
                if one not in seen and not one.layout.parameters:
                    _walk(one, seen)
    return seen


def _names(value):
    """What is in a container, as numbers that can be compared."""
    return [id(one) for one in held.found_in(value)]
