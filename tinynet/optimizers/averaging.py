"""The moving average of the weights that an optimizer with use_ema=True keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.locks import exclusive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.parameters import Parameter


class Averaging:
    """Base of Optimizer: uses of its `average`, a flat vector like the weights, or None."""

    average_in_weights: bool

    @exclusive
    def swap_average(self) -> None:
        """Exchange weights and averages; once more exchanges them back.

        Raises:
            ValueError: there are no averages.
        """
        if self.average is None:
            wants = "nothing was trained yet" if self.use_ema else "use_ema=True was not set"
            raise ValueError(f"{self.name}: there is no average of the weights, {wants}")
        if not self.step_number:
            return  # nothing to average yet
        for p, place in zip(self.parameters, self.slices, strict=True):
            weights = self.ops.from_host(p.numpy().ravel())
            p.assign(self.ops.to_host(self.average[place]).reshape(p.shape))
            self.average[place] = weights
        self.average_in_weights = not self.average_in_weights

    @exclusive
    def finalize_variable_values(self, var_list: Sequence[Parameter] | None = None) -> None:
        """With use_ema, give the weights the values of their average; at the end of training.

        Where `swap_average` has put it there already, the average is made equal to it.

        Args:
            var_list: the parameters, as in Keras; None: those of the last step.
        """
        if self.average is None or not self.step_number:
            return
        if var_list is not None and len(var_list) != len(self.parameters):
            raise ValueError(f"{self.name}: {len(var_list)} parameters, but averages of "
                             f"{len(self.parameters)}")  # fmt: skip
        swapped, self.average_in_weights = self.average_in_weights, False
        for p, place in zip(self.parameters, self.slices, strict=True):
            if swapped:
                self.average[place] = self.ops.from_host(p.numpy().ravel())
            else:
                p.assign(self.ops.to_host(self.average[place]).reshape(p.shape))
