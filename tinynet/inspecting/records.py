"""What is kept of a training step: records of layers, loss and parameters."""

import dataclasses

import numpy as np


@dataclasses.dataclass(eq=False)
class LayerTrace:
    """One call of a layer: x -> z -> y forward, dy -> dz -> dx backward.

    Attributes:
        layer: the layer itself.
        x, y: input and output; a list of arrays for a layer of several inputs.
        z: what the activation is applied to; None for a layer without one.
        dy: the gradient by y, an activity penalty included; None where the loss takes z directly.
        dz: the gradient by z; None as z is.
        dx: the gradient by x; None where no layer below has parameters to train.
        fused: whether the loss took z, and the activation was never called.
        visited: whether the backward pass reached it; it ends at the lowest layer that learns.
        parts: what else the layer's class keeps: mask, mean, var, xhat, ...
    """

    layer: object
    x: object = None
    z: object = None
    y: object = None
    dy: object = None
    dz: object = None
    dx: object = None
    fused: bool = False
    visited: bool = False
    parts: dict = dataclasses.field(default_factory=dict)

    @property
    def name(self):
        return self.layer.name


@dataclasses.dataclass(eq=False)
class ParameterTrace:
    """A parameter's way through the step; `state` are its slices of the moments, of those
    that have an entry for each weight.

    `gradient` is what backward left, `clipped` what the optimizer's rule saw (they differ where the
    optimizer clips); both are None for what is not trained.
    """

    path: str
    before: np.ndarray
    after: np.ndarray
    gradient: object = None
    clipped: object = None
    state_before: dict = dataclasses.field(default_factory=dict)
    state_after: dict = dataclasses.field(default_factory=dict)
    penalty_gradient: object = None

    @property
    def step(self):
        """after - before, in float64."""
        return self.after.astype(np.float64) - self.before


@dataclasses.dataclass(eq=False)
class LossTrace:
    """The loss of the batch, row by row, and the gradient that the backward pass starts from.

    Attributes:
        y, w: targets and weights of the rows (R,) or (R, C); 1/N is in w.
        output: what the loss was given (R, C): logits where it is `fused`, else predictions.
        probabilities: softmax or sigmoid of the logits, where `fused`.
        values: weighted losses (R,); their sum is the loss, without `penalty`.
        gradient: dL / d output (R, C).
        before, after: the loss of the batch before and after the update, penalties included.
    """

    loss: object
    fused: bool
    y: np.ndarray
    w: np.ndarray
    output: np.ndarray
    probabilities: object
    values: np.ndarray
    gradient: np.ndarray
    before: float
    penalty: float
    after: float = float("nan")
