"""Layout: the layers and parameters inside a layer or a model, found by one walk through them."""

from .versions import latest_version


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
        versions: of everything that the walk saw, see `versions`.
    """

    def __init__(self, root):
        self.parts = list(dict.fromkeys(_walk(root)))
        self.leaves = [part for part in self.parts if part.inner_layers is None]
        owned = [sorted(leaf.own_parameters, key=lambda p: not p.learnable) for leaf in self.leaves]
        self.parameters = list(dict.fromkeys(p for parameters in owned for p in parameters))
        self.trainable = [p for p in self.parameters if p.trainable]
        self.frozen = [p for p in self.parameters if not p.trainable]
        self.regularized = [p for p in self.trainable if p.regularizer is not None]
        self.constrained = [p for p in self.parameters if p.constraint is not None]
        self.penalized = [leaf for leaf in self.leaves
                          if getattr(leaf, "activity_regularizer", None) is not None]  # fmt: skip
        seen = [*self.parts, *self.parameters]
        seen += [one for p in self.parameters for one in (p.regularizer, p.constraint)]
        seen += [leaf.activity_regularizer for leaf in self.penalized]
        self.versions = [getattr(one, "version", None) for one in seen]

    def __reduce__(self):
        return type(None), ()  # a copy of a model walks again


def current_layout(root):
    """The layout of a layer or model: the known one unless something in it has changed.

    Two calls return the same object exactly if nothing that a step depends on changed in between.
    """
    latest, known = latest_version(), root.known_layout
    if known is None or known.checked is not latest:
        found = Layout(root)
        if known is None or known.versions != found.versions:
            known = root.known_layout = found
        known.checked = latest
    return known


def _walk(layer):
    yield layer
    for inner in layer.inner_layers or ():
        yield from _walk(inner)
