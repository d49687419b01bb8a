"""Models whose metrics a device counts within the step, and models whose metrics it can't count."""

import numpy as np

import tinynet
from tinynet import Sequential, metrics
from tinynet.layers import Dense, Input

DRAW = np.random.default_rng(3)
X = DRAW.standard_normal((45, 5)).astype("float32")
IDS = DRAW.integers(0, 3, 45)
ONE_HOT = np.eye(3, dtype="float32")[IDS]
YES = (IDS > 0).astype("float32")

SPARSE = "sparse_categorical_crossentropy"
CASES = {
    "accuracy of ids": (3, "softmax", SPARSE, ["accuracy"], IDS),
    "ids in columns": (3, "softmax", SPARSE, ["accuracy"], IDS[:, None]),
    "two of ids": (3, "softmax", SPARSE, ["accuracy", metrics.SparseCategoricalAccuracy("b")], IDS),
    "one-hot": (3, "softmax", "categorical_crossentropy", ["accuracy"], ONE_HOT),
    "one-hot integers": (3, "softmax", "categorical_crossentropy", ["acc"], ONE_HOT.astype(int)),
    "mse": (3, None, "mse", [metrics.CategoricalAccuracy()], ONE_HOT),
    "binary": (1, "sigmoid", "binary_crossentropy", ["accuracy"], YES),
    "a threshold": (1, "sigmoid", "binary_crossentropy", [metrics.BinaryAccuracy(threshold=0.3)],
                    YES[:, None]),
    "none": (3, "softmax", SPARSE, None, IDS),
}  # fmt: skip
LEFT_TO_THE_HOST = {
    "top k": (3, "softmax", SPARSE, [metrics.SparseTopKCategoricalAccuracy(2)], IDS),
    "one of two": (3, "softmax", SPARSE, ["accuracy", metrics.SparseTopKCategoricalAccuracy(2)],
                   IDS),
    "entries of rows": (3, "sigmoid", "binary_crossentropy", ["binary_accuracy"], ONE_HOT),
    "float64 targets": (3, "softmax", "categorical_crossentropy", ["accuracy"],
                        ONE_HOT.astype("float64")),
    "a class that is left out": (3, "softmax", tinynet.losses.SparseCategoricalCrossentropy(
        ignore_class=1), ["accuracy"], IDS),
    "a mean": (3, "softmax", SPARSE, [SPARSE], IDS),
}  # fmt: skip


def compiled(units, activation, loss, chosen, device):
    tinynet.utils.set_random_seed(2)
    model = Sequential([Input((5,)), Dense(4, "tanh"), Dense(units, activation)])
    model.compile("sgd", loss, metrics=chosen, device=device)
    return model


def results(case, device):
    *made, y = case
    model = compiled(*made, device)
    history = model.fit(X, y, batch_size=8, epochs=3, verbose=0, validation_data=(X[:20], y[:20]))
    return model, history.history, model.evaluate(X, y, batch_size=16, verbose=0, return_dict=True)


def counted(model):
    """What the recorded steps count, see `Collection.matches`."""
    programs = [program for _, program in model.execution.programs.values()]
    return [program.counted for program in programs if program.kind != "predict"]
