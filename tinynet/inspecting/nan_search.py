"""Where the first NaN or infinity of a training step comes up: `model.find_nan(x, y)`."""

import contextlib
import dataclasses

import numpy as np

from .listen import replaced
from .untouched import untouched


@dataclasses.dataclass
class NotFinite:
    """The first numbers of a step that are no numbers.

    Attributes:
        step: number of the training step, from 0.
        stage: "weights", "optimizer", "forward", "loss", "backward", "gradient" or "update".
        where: in words, with the layer's name.
        layer: that name, or None.
        value: nan, inf or -inf.
        count, size: how many of how many.
        place: index of the first; its first entry is the row, where rows are what it is about.
    """

    step: int
    stage: str
    where: str
    layer: str | None
    value: float
    count: int
    size: int
    place: tuple

    def __str__(self):
        return (
            f"step {self.step}: {self.where} holds {self.value}, {self.count} of {self.size} "
            f"values, first at {self.place}"
        )


class _Found(Exception):
    """Carries a NotFinite out of the step."""


def find(model, x, y, w):
    """Make one training step with a batch on the device, and stop at the first that isn't finite.

    Returns:
        NotFinite or None; the model is as it was.
    """
    with untouched(model), np.errstate(all="ignore"), contextlib.ExitStack() as stack:
        try:
            _watch(model, stack)
            _step(model, x, y, w)
        except _Found as found:
            return found.args[0]
    return None


def _step(model, x, y, w):
    """`train_step`, with a look at what it reads and writes."""
    optimizer, look = model.optimizer, _look(model)
    owner = {p: leaf.name for leaf in model.leaves() for p in leaf.weights}

    def look_at_all(stage, words, of=lambda p: p.value, parameters=None):
        for p in model.parameters if parameters is None else parameters:
            look(of(p), stage, f"{words} {p.path}", owner[p])

    look_at_all("weights", "before the step,")
    for name, vector in optimizer.state.items():
        if vector is not None:
            look(vector, "optimizer", f"before the step, the optimizer's {name!r}", None)
    inner = model.compute_gradients

    def compute_gradients(*args, **options):
        inner(*args, **options)
        look(np.float64(model.context.loss), "loss", "the penalty on weights and activities", None)
        look_at_all("gradient", "the gradient of", lambda p: p.grad, model.trainable_weights)

    with replaced(model, compute_gradients=compute_gradients):
        model.begin_step()
        model.train_step(x, y, w)
    look_at_all("update", "after the update,")


def _look(model):
    """Function that raises _Found for an array with numbers that are not finite."""
    step, to_host = model.steps_taken, model.context.ops.to_host

    def look(array, stage, where, layer):
        values = np.asarray(to_host(array))
        bad = ~np.isfinite(values)
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            found = (float(values[place]), int(bad.sum()), values.size, place)
            raise _Found(NotFinite(step, stage, where, layer, *found))

    return look


def _watch(model, stack):
    """Look at what comes out of every layer, forward and backward, and out of the loss."""
    look = _look(model)

    def watched(method, stage, words, layer):
        def call(*args, **options):
            result = method(*args, **options)
            for array in result if isinstance(result, list) else [result]:
                if array is not None and not isinstance(array, tuple):
                    look(array, stage, words, layer)
            return result

        return call

    for leaf in model.leaves():
        kind = f"layer {leaf.name!r} ({type(leaf).__name__})"
        watching = {}
        for name in ("forward", "logits"):
            if hasattr(leaf, name):
                words = f"the output of {kind}"
                watching[name] = watched(getattr(leaf, name), "forward", words, leaf.name)
        for name in ("backward", "backward_from_logits"):
            if hasattr(leaf, name):
                words = f"the gradient by the input of {kind}"
                watching[name] = watched(getattr(leaf, name), "backward", words, leaf.name)
        stack.enter_context(replaced(leaf, **watching))
    loss = model.loss
    stack.enter_context(
        replaced(loss, forward=watched(loss.forward, "loss", "the loss of the rows", None),
                 backward=watched(loss.backward, "backward",
                                  "the gradient by the model's output", None))
    )  # fmt: skip
