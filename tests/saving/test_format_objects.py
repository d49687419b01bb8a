"""What a file names beside layers (losses, metrics, initializers, ...) is the same in Keras.

Our config makes Keras's object, and the config that Keras then writes makes ours again.
"""

import inspect
import json

import numpy as np
import pytest
from oracle import HAVE_KERAS, live_keras

import tinynet
from tinynet.saving import config as saved

pytestmark = [
    pytest.mark.skipif(not HAVE_KERAS, reason="Keras itself reads the configs here"),
    pytest.mark.filterwarnings("ignore"),
]
KINDS = ("losses", "metrics", "initializers", "regularizers", "constraints", "optimizers")
# What is asked for, or is not to be left at its default
NEEDS = {
    "num_classes": 3, "target_class_ids": [0, 2], "sensitivity": 0.5, "specificity": 0.4,
    "precision": 0.6, "recall": 0.7, "seed": 5, "name": "named", "reduction": "sum",
    "learning_rate": 0.25, "label_smoothing": 0.125, "gamma": 1.5, "delta": 0.75,
    "momentum": 0.5, "weight_decay": 0.125, "clipnorm": 2.0, "l1": 0.25, "l2": 0.5,
    "max_value": 3.0, "min_value": 0.5, "rate": 0.5, "scale": 2.0, "threshold": 0.25, "k": 2,
    "mean": 0.5, "stddev": 0.25, "minval": -0.5, "maxval": 0.75, "value": 4.0, "gain": 2.0,
}  # fmt: skip


BASES = {"Loss", "Metric", "Initializer", "Regularizer", "Constraint", "Optimizer",
         "MeanMetricWrapper"}  # fmt: skip
KERAS_FORGETS = {"Huber": "delta", "Identity": "gain"}  # options that its own configs have not


def classes(kind):
    """name -> class of all that the module knows by name."""
    module = getattr(tinynet, kind)
    found = {f for f in (getattr(module, name) for name in dir(module)) if isinstance(f, type)
             and hasattr(f, "get_config") and f.__module__.startswith("tinynet.")}  # fmt: skip
    keras = getattr(live_keras(), kind) if HAVE_KERAS else None
    names = {f.__name__: f for f in found if f.__name__ not in BASES}
    return {name: f for name, f in names.items() if keras is None or hasattr(keras, name)}


def arguments(cls):
    """Options away from their defaults, as many as there are easy ones."""
    names = [name for base in cls.__mro__ if "__init__" in vars(base)
             for name in inspect.signature(base.__init__).parameters]  # fmt: skip
    taken = {name: NEEDS[name] for name in names if name in NEEDS}
    while True:
        try:
            cls(**taken)
        except (TypeError, ValueError) as error:
            wrong = [name for name in taken if f"'{name}'" in str(error) or name in str(error)]
            if not wrong:
                raise
            del taken[wrong[0]]
            continue
        return taken


CASES = [(kind, name) for kind in KINDS for name in sorted(classes(kind))]


def plain(value):
    """Numbers to seven digits: Keras keeps some in float32."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}")
    return value


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_there_and_back(kind, name):
    ours, theirs = getattr(tinynet, kind), getattr(live_keras(), kind)
    made = classes(kind)[name]
    given = made(**arguments(made))
    config = json.loads(json.dumps(ours.serialize(given), default=saved.plain))
    there = live_keras().saving.deserialize_keras_object(config)
    assert type(there).__name__ == name
    back = ours.deserialize(json.loads(json.dumps(theirs.serialize(there), default=saved.plain)))
    assert type(back) is made
    expected, found = plain(given.get_config()), plain(back.get_config())
    if name in KERAS_FORGETS:
        assert KERAS_FORGETS[name] not in there.get_config()
        expected.pop(KERAS_FORGETS[name]), found.pop(KERAS_FORGETS[name])
    assert found == expected


def test_options_differ_from_defaults():
    """Otherwise a forgotten one would not show."""
    assert arguments(tinynet.losses.Huber) == {"delta": 0.75, "reduction": "sum", "name": "named"}
    assert arguments(tinynet.optimizers.SGD)["momentum"] == 0.5
    assert len(CASES) > 80
