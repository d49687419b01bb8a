"""What experience says about a fit while it goes on: one line each, once, with a lesson to read.

Nothing here changes the training. Before it begins, the model, some rows and the labels are looked
at; after each epoch, its logs; after epochs 1, 2, 4, 8, ... some weights, and the layers' outputs
for some rows.
"""

import math
import os

import numpy as np

from .. import activations, losses
from ..configs.checks import check_flag
from ..layers import Activation, Dense
from ..showing.encoding import printable
from .nan_search import find
from .observing import layer_outputs

ROWS = 64  # that are looked at
NUMBERS = 1 << 20  # of x, at most
WEIGHTS = 4096
PROBABILITIES = {"softmax", "sigmoid", "hard_sigmoid", "sparsemax", "sparse_sigmoid"}
SCALING = {"Normalization", "Rescaling", "BatchNormalization", "LayerNormalization",
           "RMSNormalization", "UnitNormalization", "Embedding"}  # fmt: skip
LESSONS = {
    "outputs": "06_p_minus_y", "scale": "08_vanishing_gradients", "split": "13_overfitting",
    "nan": "12_optimizers", "rate": "12_optimizers", "stuck": "08_vanishing_gradients",
    "dead": "09_dying_relu", "saturated": "08_vanishing_gradients", "overfitting": "13_overfitting",
}  # fmt: skip


def coach_is_wanted(coach, verbose):
    """Return whether `fit` with these arguments has a coach."""
    heard = verbose in (1, "auto") and os.environ.get("TINYNET_COACH") != "0"
    return check_flag("coach", coach) and heard


class Coach:
    """Looks on at one `fit`.

    Args:
        model: prepared for its first step.
        train, validation: sources of data; the second may be None.
        stops_early: whether an EarlyStopping watches the validation.
    """

    def __init__(self, model, train, validation=None, stops_early=False):
        self.model, self.stops_early = model, stops_early
        self.train, self.validation = (getattr(one, "data", None) for one in (train, validation))
        self.rows = self.train if self.train is not None else getattr(train, "waiting", None)
        self.said, self.history, self.entropy = set(), [], None
        self.fresh, self.first_step = model.steps_taken == 0, model.steps_taken
        self.weights = None
        self.rate = float(model.optimizer.learning_rate)  # the highest yet

    def say(self, topic, text):
        """Print a line on a topic, the first time only."""
        if topic not in self.said:
            self.said.add(topic)
            line = f"coach: {text} (examples/lessons/{LESSONS[topic]}.py)"
            print(printable(line), flush=True)

    # ------------------------------------------------------------------------- before training

    def begin(self):
        """Look at the model, the data and the labels."""
        if not isinstance(self.model.output_shape, tuple):
            return  # several outputs
        self._look_at_outputs()
        if self.rows is not None:
            self._look_at_scale()
            self._look_at_classes()
        self.weights = self._some_weights()

    def _look_at_outputs(self):
        model, loss = self.model, self.model.loss
        name, C = _last_activation(model), model.output_shape[-1]
        below = model.layers[-2] if len(model.layers) > 1 and hasattr(model, "chain") else None
        twice = isinstance(model.last_layer, Activation) and name == "softmax"
        twice = twice and getattr(getattr(below, "activation", None), "name", None) == name
        kind, wanted = ("sigmoid", "sigmoid") if C == 1 else (name, "softmax")
        if C == 1 or isinstance(loss, losses.BinaryCrossentropy | losses.BinaryFocalCrossentropy):
            wanted = "sigmoid"
        if name == "softmax" and C == 1:
            self.say("outputs", "softmax of one unit is always 1, so that nothing is learnt: use "
                     'Dense(1, activation="sigmoid") with "binary_crossentropy"')  # fmt: skip
        elif name in ("softmax", "sigmoid") and loss.from_logits:
            self.say("outputs", f"{name} is applied twice, by the last layer and by the loss: "
                     f'leave out activation="{name}", or from_logits=True')  # fmt: skip
        elif twice:
            self.say("outputs", "softmax is applied twice, by the last two layers: leave one out")
        elif C == 1 and isinstance(loss, losses.CategoricalCrossentropy):
            self.say("outputs", f"{loss.name} of one output says nothing about class 0: use "
                     f'Dense(1, activation="{kind}") with "binary_crossentropy"')  # fmt: skip
        elif loss.of_probabilities and not loss.from_logits and _leaves_unit_interval(name):
            logits = " or from_logits=True in the loss" if name == "linear" else ""
            what = "has no activation" if name == "linear" else f"ends with {name}"
            self.say("outputs", f"the outputs are no probabilities, which {loss.name} takes them "
                     f"for: the last layer {what}; "
                     f'give it activation="{wanted}"{logits}')  # fmt: skip

    def _look_at_scale(self):
        parts = getattr(self.rows.x, "parts", [self.rows.x])
        if _scales_itself(self.model):
            return
        for x in parts:
            values, columns = _some_values(x)
            most = float(np.abs(values).max(initial=0))
            if columns > 50:
                self.say("scale", f"the inputs reach {most:g}; gradients are of that scale, too: "
                         f"divide x by {most:g}, or begin with a Normalization layer")  # fmt: skip
            elif 0 < most < 1e-3:
                self.say("scale", f"no input is above {most:.1g}, so that first layers hardly feel "
                         "them: divide x by that, or begin with a Normalization layer")  # fmt: skip

    def _look_at_classes(self):
        counts = self._class_counts(self.rows)
        if counts is None:
            return
        share = counts[counts > 0] / counts.sum()
        self.entropy = float(-(share * np.log(share)).sum())  # the loss of guessing
        other = None if self.validation is None else self._class_counts(self.validation)
        if other is None or self.train is None:
            return
        for one, rest, name in ((counts, other, "training"), (other, counts, "validation")):
            expected = one.sum() * rest / rest.sum()
            missing = np.flatnonzero((one == 0) & (expected >= 10))
            if len(missing):
                ids = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
                self.say("split", f"no row of class {ids} is among the {name} rows: are they "
                         "sorted? Shuffle x and y together before the split")  # fmt: skip

    def _class_counts(self, data):
        """Return how many rows each class has (C,); None where rows have no class."""
        y, loss, C = data.y, self.model.loss, self.model.output_shape[-1]
        if not isinstance(y, np.ndarray) or not (loss.of_probabilities or loss.integer_targets):
            return None
        if not loss.integer_targets:
            if y.ndim != 2 or (C > 1 and (y.sum(axis=-1) != 1).any()):
                return None
            y = y.argmax(axis=-1) if C > 1 else np.round(y)
        y = y.ravel()
        y = y[(y >= 0) & (y < max(C, 2))].astype(np.int64)
        return np.bincount(y, minlength=max(C, 2)) if len(y) else None

    # ------------------------------------------------------------------------ after an epoch

    def after_epoch(self, logs):
        """Look at the logs of an epoch, sometimes at weights and layers."""
        loss, val = (_number(logs.get(name)) for name in ("loss", "val_loss"))
        if loss is None or not isinstance(self.model.output_shape, tuple):
            return
        self.history.append((loss, val))
        self.rate = max(self.rate, float(self.model.optimizer.learning_rate))
        if not math.isfinite(loss):
            self._explain(loss)
            return
        self._look_at_history(loss, val)
        if (len(self.history) & (len(self.history) - 1)) == 0 and not {"dead", "nan"} & self.said:
            self._look_at_layers()
        self._look_at_rate(loss)

    def _explain(self, loss):
        """Say where NaN is, and why it may be there."""
        where = ""
        if self.train is not None:
            batch = self.model.batch(self.train, np.arange(min(len(self.train), 32)))
            found = find(self.model, *batch)
            where = "" if found is None else f": {found}"
        rate, why = self.rate, ""
        if not {"outputs", "scale"} & self.said:
            why = f" The learning rate {rate:g} is probably too large: try {rate / 100:.1g}."
        self.say("nan", f"the loss is {loss}{where}.{why} TerminateOnNaN(explain=True) stops where "
                 "it begins")  # fmt: skip

    def _look_at_history(self, loss, val):
        steps = self.model.steps_taken - self.first_step
        last = [one for one, _ in self.history[-5:]]
        plain = type(self.model.loss).__name__.endswith("Crossentropy") and not (
            self.model.layout.regularized or self.model.layout.penalized
        )
        if plain and self.entropy and len(last) == 5 and steps >= 100 and all(
            0.99 * self.entropy < one < 1.02 * self.entropy for one in last
        ):  # fmt: skip
            C = max(self.model.output_shape[-1], 2)
            named = f"ln {C} = " if abs(self.entropy - math.log(C)) < 0.01 else ""
            self.say("stuck", f"the loss stays at {named}{self.entropy:.3f}, that of guessing: "
                     "look at the scale of x, the learning rate, and whether y belongs to "
                     "x")  # fmt: skip
        values = [one for _, one in self.history if one is not None]
        if self.stops_early or len(values) != len(self.history) or not 0 < min(values) < math.inf:
            return
        best = values.index(min(values))
        before = self.history[best][0]
        if len(values) - best > 5 and val > 1.2 * values[best] and loss < 0.8 * before:
            self.say("overfitting", f"validation loss has risen since epoch {best + 1} "
                     f"({values[best]:.3g} to {val:.3g}) while training loss falls: the model "
                     "learns by heart; stop there with EarlyStopping, or use Dropout")  # fmt: skip

    def _look_at_layers(self):
        """Say which layers are dead or saturated for some rows."""
        leaves = self.model.leaves()
        if self.train is None or len(self.train) < 32 or not all(map(_ours, leaves)):
            return
        if not any(isinstance(leaf, Dense | Activation) for leaf in leaves):
            return
        some = np.linspace(0, len(self.train) - 1, ROWS).astype(np.int64)
        outputs, dead = layer_outputs(self.model, _taken(self.train.x, np.unique(some)))
        for leaf in leaves:
            if leaf.name in dead:
                share, units = float(dead[leaf.name].mean()), dead[leaf.name].size
                if share == 1 or (share >= 0.9 and leaf is not leaves[-1] and units > 3):
                    self.say("dead", f"{round(share * units)} of {units} units of layer "
                             f"{leaf.name!r} are flat for all rows and can't learn: a smaller "
                             "learning rate, he_normal weights, or LeakyReLU")  # fmt: skip
            name = getattr(getattr(leaf, "activation", None), "name", None)
            if name in ("tanh", "sigmoid") and leaf is not leaves[-1] and len(self.history) <= 4:
                y = outputs[leaf.name]
                far = abs(y) if name == "tanh" else abs(2 * y - 1)
                if (far > 0.99).mean() > 0.95:
                    self.say("saturated", f"layer {leaf.name!r} is saturated: its {name} is flat "
                             "for nearly all rows, so that gradients vanish; scale x, or begin "
                             "with smaller weights")  # fmt: skip

    def _look_at_rate(self, loss):
        """Say whether the weights move too little or too far for their size."""
        now, steps = self._some_weights(), self.model.steps_taken - self.first_step
        if not self.fresh or self.weights is None or not len(now) or {"rate", "nan"} & self.said:
            return
        size = float(np.sqrt(np.square(self.weights).mean()))
        moved = float(np.sqrt(np.square(now - self.weights).mean()))
        rate, first = self.rate, self.history[0][0]
        grows = len(self.history) > 1 and loss > 10 * abs(first) > 0
        if grows or moved > max(30 * size, 3) > 3:
            why = f"the loss has grown from {first:.3g} to {loss:.3g}" if grows else (
                f"the weights have moved by {moved / size:.3g} times their size"
            )  # fmt: skip
            self.say("rate", f"{why}: the learning rate {rate:g} is large for gradients of this "
                     f"scale; try {rate / 100:.1g}")  # fmt: skip
        elif (steps >= 100 and len(self.history) == 2 and 0 < moved < 1e-4 * size
              and abs(loss - first) < 1e-3 * abs(first)):  # fmt: skip
            self.say("rate", f"the weights have moved by {moved / size:.0e} of their size in "
                     f"{steps} steps: the learning rate {rate:g} is small for gradients of this "
                     f"scale; try {rate * 1e-3 * steps * size / moved:.1g}")  # fmt: skip

    def _some_weights(self):
        """Return some trainable weights, spread over the flat vector, as float64."""
        flat = self.model.flat.trainable
        some = flat[:: max(len(flat) // WEIGHTS, 1)]
        return np.array(self.model.context.ops.to_host(some), np.float64)


# ---------------------------------------------------------------------------------- of a model


def _last_activation(model):
    """Return the name of the activation that makes the outputs; None if it is not known."""
    last = model.last_layer
    while last.inner_layers is not None:
        last = last.last_layer
    return getattr(getattr(last, "activation", None), "name", None)


def _leaves_unit_interval(name):
    """Return whether an activation of tinynet's has values outside of [0, 1]."""
    if name is None or name in PROBABILITIES:
        return False
    try:
        return activations.get(name).name == name
    except ValueError:
        return False  # a user's


def _ours(layer):
    return type(layer).__module__.partition(".")[0] == "tinynet"


def _scales_itself(model):
    """Return whether what the first Dense sees is of another scale than the input."""
    for leaf in model.leaves():
        if isinstance(leaf, Dense):
            return False
        if not _ours(leaf) or type(leaf).__name__ in SCALING:
            return True
    return True


# ----------------------------------------------------------------------------------- of arrays


def _some_values(x):
    """Return some numbers of x, and the largest root mean square of a column."""
    width = max(math.prod(x.shape[1:]), 1)
    count = max(1, min(len(x), ROWS, NUMBERS // width))
    part = x[np.unique(np.linspace(0, len(x) - 1, count).astype(np.int64))]
    if hasattr(part, "own"):  # entries that are not zero
        values = np.asarray(part.own()[1], np.float64)
        return values, float(np.sqrt(np.square(values).mean())) if values.size else 0.0
    values = np.asarray(part, np.float64).reshape(len(part), -1)
    return values, float(np.sqrt(np.square(values).mean(axis=0)).max(initial=0))


def _taken(x, rows):
    parts = getattr(x, "parts", None)
    return x[rows] if parts is None else [_taken(part, rows) for part in parts]


def _number(value):
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
