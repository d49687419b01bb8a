"""Whatever takes an `axis` says in a sentence which one an array lacks."""

import inspect

import numpy as np
import pytest

import tinynet as keras

P = np.random.default_rng(0).uniform(0.1, 1, (4, 4)).astype("float32")
Y, IDS = np.eye(4, dtype="float32"), np.arange(4)
ARGUMENTS = {"num_classes": 4, "target_class_ids": [0]}
# of class ids they need no axis; the losses take one only
IGNORE_IT = {"IoU", "MeanIoU", "MeanMetricWrapper", "LossFunctionWrapper"}


def takers():
    """(name, function of an axis that uses it on arrays of two axes)."""
    for part in ("layers", "losses", "metrics", "constraints", "activations", "utils"):
        module = getattr(keras, part)
        for name in dir(module):
            made = getattr(module, name)
            if name.startswith(("_", "check_")) or not callable(made) or name in IGNORE_IT:
                continue
            if part == "activations":
                takes = "axis" in getattr(made, "options", ())
            else:
                takes = "axis" in inspect.signature(made).parameters
            if takes and not (part == "utils" and inspect.isclass(made)):
                yield f"{part}.{name}", use(part, name, made)


def use(part, name, made):
    def call(axis):
        if part in ("losses", "metrics"):
            targets = IDS if "parse" in name else Y
            if not inspect.isclass(made):
                return made(targets, P, axis=axis)
            needed = {n: ARGUMENTS[n] for n in inspect.signature(made).parameters if n in ARGUMENTS}
            return made(axis=axis, **needed)(targets, P)
        if inspect.isclass(made):
            return made(axis=axis)([P, P] if name == "Concatenate" else P)
        return made(P, axis=axis) if name != "concatenate" else made([P, P], axis=axis)

    return call


TAKERS = dict(takers())


def test_the_table_has_what_there_is():
    assert len(TAKERS) > 35
    assert {"layers.Softmax", "layers.BatchNormalization", "losses.cosine_similarity",
            "losses.Dice", "metrics.CosineSimilarity", "metrics.OneHotIoU", "constraints.MaxNorm",
            "metrics.pearson_correlation", "activations.sparsemax", "activations.glu",
            "utils.normalize"} <= set(TAKERS)  # fmt: skip


@pytest.mark.parametrize("axis", [2, -3, 5])
@pytest.mark.parametrize("name", TAKERS)
def test_an_axis_that_is_not_there(name, axis):
    with pytest.raises(ValueError, match=rf"(?s)axis.*{axis}") as caught:
        TAKERS[name](axis)
    assert caught.type is ValueError  # and no AxisError of NumPy's, which names no one


def test_no_axis_at_all():
    with pytest.raises(ValueError, match="axis None does not exist in shape"):
        keras.layers.BatchNormalization(axis=None)(P)
    with pytest.raises(ValueError, match="cosine_similarity: axis None does not exist"):
        keras.losses.cosine_similarity(Y, P, axis=None)


def test_the_sentence():
    with pytest.raises(ValueError, match=(
        r"^cosine_similarity: axis 2 does not exist in shape \(4, 4\); expected an integer from "
        r"-2 to 1$")):  # fmt: skip
        keras.metrics.CosineSimilarity(axis=2)(Y, P)
    with pytest.raises(ValueError, match=r"^normalize: axis 0 does not exist in shape \(\); exp"):
        keras.utils.normalize(3.0, axis=0)
    with pytest.raises(ValueError, match=r"^layer 'unit': axis 3 does not exist in shape"):
        keras.layers.UnitNormalization(axis=3, name="unit")(P)
