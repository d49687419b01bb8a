"""The weights of a layer or a model: lists of them, reading, writing, freezing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_flag
from . import held
from .layout import current_layout
from .locks import exclusive
from .parameters import assign_all
from .versions import new_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike
    from ..core.parameters import Parameter
    from ..layers.base import Layer


class Weights:
    """Base of layers and models: their `parameters`, read, written and frozen.

    Attributes:
        inner_layers: the layers inside; None in a layer that does the work itself.
        own_parameters: what `add_weight` made.
        may_hold: whether layers in its attributes are looked for: in classes of the user's own.
        graphs: training mode -> the functional model that its `call` was recorded as, or None.
    """

    graphs: Any
    may_hold: bool
    non_trainable_variables: Any
    trainable_variables: Any
    variables: Any

    inner_layers = None
    own_parameters: Any = ()
    known_layout = None  # see `layout`
    may_hold, graphs = False, None

    @property
    def layout(self) -> Any:
        """The layers and parameters inside, see `core.layout`."""
        return current_layout(self)

    def leaves(self) -> list[Layer]:
        """All layers that do the work, at any depth, each once."""
        return list(self.layout.leaves)

    @property
    def parameters(self) -> list[Parameter]:
        """All Parameters, layer by layer, those that can learn first; freezing keeps the order."""
        return list(self.layout.parameters)

    weights = variables = parameters

    @property
    def trainable_weights(self) -> list[Parameter]:
        """The parameters that an optimizer updates."""
        return list(self.layout.trainable)

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        """The others: frozen ones and moving statistics."""
        return list(self.layout.frozen)

    trainable_variables, non_trainable_variables = trainable_weights, non_trainable_weights

    @property
    def trainable(self) -> bool:
        """False freezes the parameters, in all layers inside; True thaws all that can learn."""
        return any(leaf.learns for leaf in self.layout.leaves)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        learns = check_flag("trainable", value)
        for leaf in self.layout.leaves:
            leaf.learns = learns
            for p in held.owned(leaf):
                p.trainable = leaf.learns and p.learnable

    @property
    def losses(self) -> list[float]:
        """The penalties as numbers: on what layers put out when called last, then on weights."""
        made = [leaf.activity_losses for leaf in self.layout.penalized]
        on_outputs = [float(np.sum(values)) for values in made if isinstance(values, np.ndarray)]
        return on_outputs + [float(p.regularizer(p.numpy())) for p in self.layout.regularized]

    def take_context(self, context: Any) -> None:
        """Compute with these arrays and kernels from now on, as do all layers inside."""
        for part in self.layout.parts:
            part.context = context
        new_version()  # another model that holds some of the layers has to do the same again

    def count_params(self) -> int:
        """The number of entries of all parameters."""
        self.require_built("count_params")
        return sum(p.size for p in self.parameters)

    @exclusive
    def get_weights(self) -> list[Array]:
        """Copies of all parameters as arrays, in the order of `weights`."""
        return [p.numpy() for p in self.parameters]

    @exclusive
    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Overwrite all parameters with arrays in the order of `weights`.

        Raises:
            ValueError: another number or another shape; nothing was changed.
        """
        self.require_built("set_weights")
        assign_all(self.parameters, weights, repr(self.name))

    def require_built(self, doing: str) -> None:
        """Raise where `doing` needs weights that are not there yet; a layer may have none."""
