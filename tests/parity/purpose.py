"""Where tinynet differs from Keras on purpose: cases that say so, and what we promise instead.

A purpose takes an ordinary case, twists it, and asserts our side of it. `check` runs Keras as well,
so that we hear of it when a difference has gone away.
"""

import copy

import numpy as np

from . import build, cases, compare
from .tables import new

PURPOSES = {}


def purpose(function):
    """Register a purpose under its name."""
    PURPOSES[function.__name__] = function
    return function


def classifier(seed, number, **data):
    """A plain softmax classifier: what most purposes twist."""
    case = cases.draw(seed, number)
    case["data"].update({"task": "ids", "outputs": 3, "positions": 1, "x": "float32", "y": "int64",
                         "column": False, "soft": False, **data})  # fmt: skip
    flat = [new("layers.Flatten")] if len(case["data"]["shape"]) > 1 else []
    case["layers"] = [new("Input", shape=case["data"]["shape"]), *flat,
                      new("layers.Dense", units=3, activation="softmax")]  # fmt: skip
    case.pop("inputs", None)
    case |= {"frozen": [], "dtype": "float64", "keras": {"run_eagerly": True}}
    xy = {"x": {"array": "x"}, "y": {"array": "y"}}
    case["calls"] = [
        {"call": "compile", "optimizer": new("optimizers.SGD", learning_rate=0.1),
         "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
        {"call": "fit", **xy, "epochs": 3, "shuffle": False},
    ]  # fmt: skip
    return case


def fit_of(case):
    return case["calls"][1]


def ours_refuses(theirs, ours, kind, *words):
    assert "error" not in theirs, theirs["error"]
    assert ours["error"].startswith(kind), ours["error"]
    for word in words:
        assert word in ours["error"], ours["error"]


@purpose
def class_ids_out_of_range(case):
    """Keras trains on with a loss of 0 or NaN for the row; we name it."""
    case["data"]["spoil"] = [["y", 4, 3]]
    return lambda theirs, ours: ours_refuses(theirs, ours, "ValueError", "row 4", "class id 3")


@purpose
def nan_in_the_inputs(case):
    """Keras trains until everything is NaN; we name the row."""
    case["data"]["spoil"] = [["x", 5, float("nan")]]
    return lambda theirs, ours: ours_refuses(theirs, ours, "ValueError", "x: row 5", "nan")


@purpose
def a_monitor_that_does_not_exist(case):
    """Keras warns and goes on; we list what there is."""
    fit_of(case)["callbacks"] = [new("callbacks.EarlyStopping", monitor="val_loss")]
    return lambda theirs, ours: ours_refuses(
        theirs, ours, "ValueError", "val_loss", "There is: loss, accuracy"
    )


@purpose
def negative_patience(case):
    """Keras takes it for 0; we refuse it."""
    stop = new("callbacks.EarlyStopping", monitor="loss", patience=-1)
    fit_of(case)["callbacks"] = [stop]
    return lambda theirs, ours: ours_refuses(theirs, ours, "ValueError", "patience", "-1")


@purpose
def nan_is_never_the_best(case):
    """Keras takes a NaN in the first epoch for the best value and never finds a better one."""
    spoil = new("callbacks.SetLog", name="loss", epoch=0, value=float("nan"))
    stop = new("callbacks.EarlyStopping", monitor="loss", patience=2, restore_best_weights=True)
    fit_of(case)["callbacks"] = [spoil, stop]

    def check(theirs, ours):
        assert theirs["1 fit: EarlyStopping.best_epoch"] == 0
        assert ours["1 fit: EarlyStopping.best_epoch"] == 2
        assert np.isfinite(ours["1 fit: EarlyStopping.best"])

    return check


@purpose
def metrics_as_a_string(case):
    """`metrics="accuracy"`, as old code has it; Keras 3 wants a list."""
    case["calls"][0]["metrics"] = "accuracy"

    def check(theirs, ours):
        assert "metrics" in theirs["error"]
        assert len(ours["1 fit: history accuracy"]) == 3

    return check


@purpose
def saturated_outputs_keep_their_loss(case):
    """Keras on JAX clips probabilities at 1e-7, so that a loss ends at 16.1; ours is that of the
    logits."""
    case["data"]["spoil"] = [["x", slice(None), 90.0]]
    case["calls"][1:] = [
        {"call": "evaluate", "x": {"array": "x"}, "y": {"array": "y"}, "return_dict": True}
    ]

    def check(theirs, ours):
        data, W, b = build.arrays(case["data"]), *(
            v for name, v in ours.items() if name.startswith("end: weight")
        )  # fmt: skip
        z = data["x"].reshape(len(data["x"]), -1).astype(float) @ W + b
        z -= z.max(axis=1, keepdims=True)
        losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), data["y"]]
        assert losses.max() > 17
        np.testing.assert_allclose(ours["1 evaluate: loss"], losses.mean(), rtol=1e-9)
        assert theirs["1 evaluate: loss"] < losses.mean() * 0.99

    return check


@purpose
def history_has_the_order_of_compile(case):
    """Keras sorts the names; we keep loss, metrics, and the same of validation."""
    case["calls"][0]["metrics"] = ["sparse_categorical_crossentropy", "accuracy"]
    fit_of(case)["validation_data"] = {"tuple": [{"array": "vx"}, {"array": "vy"}]}
    ordered = ["loss", "sparse_categorical_crossentropy", "accuracy"]
    ordered += [f"val_{name}" for name in ordered]

    def check(theirs, ours):
        names = [[n.split(" ")[-1] for n in a if "history" in n] for a in (theirs, ours)]
        assert names == [sorted(ordered), ordered]

    return check


@purpose
def best_only_means_best(case):
    """In an epoch without validation Keras saves all the same, over the best so far; we don't."""
    fit_of(case)["validation_freq"] = 2
    fit_of(case)["validation_data"] = {"tuple": [{"array": "vx"}, {"array": "vy"}]}
    fit_of(case)["callbacks"] = [new("callbacks.ModelCheckpoint", save_best_only=True,
                                     save_weights_only=True,
                                     filepath="$folder/at-{epoch}.weights.h5")]  # fmt: skip

    def check(theirs, ours):
        assert theirs["1 fit: files"] == ["at-1", "at-2", "at-3"]
        assert ours["1 fit: files"] == ["at-2"]

    return check


@purpose
def compile_starts_anew(case):
    """Keras keeps the metrics of the last compile if the next one names none; we forget them."""
    case["calls"].insert(1, {**case["calls"][0], "optimizer": "sgd"})
    del case["calls"][1]["metrics"]

    def check(theirs, ours):
        assert "2 fit: history accuracy" in theirs
        assert "2 fit: history accuracy" not in ours

    return check


@purpose
def a_model_from_h5_trains_on(case):
    """Keras builds the optimizer of an .h5 for no weights and can't train; ours goes on."""
    path = "$folder/whole.h5"
    case["calls"] += [{"call": "save", "filepath": path}, {"call": "reload", "filepath": path},
                      fit_of(case)]  # fmt: skip

    def check(theirs, ours):
        assert "optimizer" in theirs["error"], theirs["error"]
        assert ours["4 fit: history loss"][0] < ours["1 fit: history loss"][-1]
        assert ours["end: iterations"] == 2 * ours["1 fit: iterations"]

    return check


@purpose
def crossentropy_as_a_metric(case):
    """Keras knows the name for a loss alone; our metric is the one that suits the targets."""
    case["calls"][0] |= {"loss": "crossentropy", "metrics": ["crossentropy"]}

    def check(theirs, ours):
        assert "crossentropy" in theirs["error"]
        np.testing.assert_allclose(
            ours["1 fit: history crossentropy"], ours["1 fit: history loss"], rtol=1e-6
        )

    return check


@purpose
def every_optimizer_has_a_name(case):
    """Keras has no name for Lamb."""
    case["calls"][0]["optimizer"] = "lamb"

    def check(theirs, ours):
        assert "lamb" in theirs["error"]
        assert ours["end: learning rate"] == 0.001

    return check


@purpose
def a_penalized_layer_is_not_shared(case):
    """Keras adds the penalty for each use; we take one, and say where to put the others."""
    shared = new("layers.Dense", units=4, activity_regularizer="l2")
    flat = case["layers"][1:-1]
    case["layers"][1:-1] = [*flat, {"new": "block", "branches": [[], []], "shared": shared,
                                    "merge": new("layers.Add")}]  # fmt: skip
    return lambda theirs, ours: ours_refuses(
        theirs, ours, "ValueError", "activity_regularizer", "only once"
    )


@purpose
def padding_that_reaches_the_loss(case):
    """Keras leaves these places out of the loss; we say what to do instead."""
    case["data"].update({"x": "ids", "shape": [3], "positions": 3, "column": True})
    case["layers"] = [new("Input", shape=[3]), new("layers.Embedding", input_dim=6, output_dim=4,
                                                   mask_zero=True), case["layers"][-1]]  # fmt: skip
    return lambda theirs, ours: ours_refuses(theirs, ours, "ValueError", "mask_zero", "the loss")


@purpose
def sparsemax_sums_to_one(case):
    """Keras's does not; ours is the projection onto the simplex."""
    case["layers"][-1:] = [new("layers.Dense", units=3, activation="sparsemax")]
    case["calls"][0]["loss"] = "sparse_categorical_crossentropy"
    case["calls"][1:] = [{"call": "predict", "x": {"array": "x"}}]

    def check(theirs, ours):
        sums = [a["1 predict"].sum(axis=1) for a in (theirs, ours)]
        np.testing.assert_allclose(sums[1], 1.0, rtol=1e-9)
        assert np.abs(sums[0] - 1).max() > 0.01

    return check


@purpose
def the_slope_of_abs_at_zero_is_zero(case):
    """JAX says 1, so that an L1 penalty pushes a weight of 0 down; TensorFlow and PyTorch say 0."""
    case["layers"][-1] |= {"kernel_regularizer": new("regularizers.L1", l1=50.0),
                           "kernel_constraint": "non_neg"}  # fmt: skip
    fit_of(case)["epochs"] = 2  # to 0, and from there; the batch is the whole set

    def check(theirs, ours):
        W = [next(v for k, v in a.items() if "end" in k and "kernel" in k) for a in (theirs, ours)]
        away = W[0] > 0
        assert W[1][~away].max() > 1e-3
        np.testing.assert_allclose(W[1][away], W[0][away], rtol=1e-6)

    return check


@purpose
def no_steps_leave_the_weights_alone(case):
    """Keras ends a fit of no epochs with averages of nothing for weights: all are 0."""
    case["calls"][0]["optimizer"]["use_ema"] = True
    fit_of(case)["initial_epoch"] = 3
    case["calls"].insert(1, {"call": "predict", "x": {"array": "x"}})
    case["calls"].append(case["calls"][1])

    def check(theirs, ours):
        np.testing.assert_array_equal(ours["3 predict"], ours["1 predict"])
        np.testing.assert_allclose(theirs["3 predict"], 1 / 3, rtol=1e-6)
        assert np.ptp(ours["1 predict"]) > 0.1

    return check


@purpose
def a_saved_loss_keeps_its_options(case):
    """Keras stores neither Huber's delta nor CosineSimilarity's axis; a loaded model has others."""
    case["data"] |= {"task": "one-hot", "y": "float32", "column": True}
    case["calls"][0] |= {"loss": new("losses.Huber", delta=0.1)}
    evaluate = {"call": "evaluate", "x": {"array": "x"}, "y": {"array": "y"}, "return_dict": True}
    path = "$folder/whole.keras"
    case["calls"][1:] = [evaluate, {"call": "save", "filepath": path},
                         {"call": "reload", "filepath": path}, evaluate]  # fmt: skip

    def check(theirs, ours):
        before, after = ([a[f"{n} evaluate: loss"] for a in (theirs, ours)] for n in (1, 4))
        np.testing.assert_allclose(before[0], before[1], rtol=1e-6)
        assert after[1] == before[1]
        assert after[0] > 1.1 * before[0]

    return check


@purpose
def a_weighted_mean_is_one(case):
    """A row's weight counts for each of its positions, also in the divisor; Keras forgets that."""
    case["data"].update({"shape": [2, 3], "task": "real", "outputs": 1, "positions": 2,
                         "y": "float32", "column": True})  # fmt: skip
    case["layers"] = [new("Input", shape=[2, 3]), new("layers.Dense", units=1)]
    loss = new("losses.MeanSquaredError", reduction="mean_with_sample_weight")
    case["calls"][:] = [{"call": "compile", "optimizer": "sgd", "loss": loss},
                        {"call": "predict", "x": {"array": "x"}},
                        {"call": "evaluate", "x": {"array": "x"}, "y": {"array": "y"},
                         "sample_weight": {"array": "w"}, "return_dict": True}]  # fmt: skip

    def check(theirs, ours):
        data = build.arrays(case["data"])
        rows = ((data["y"] - ours["1 predict"])[..., 0] ** 2).mean(axis=1)
        mean = np.average(rows, weights=data["w"][:, 0])
        np.testing.assert_allclose(ours["2 evaluate: loss"], mean, rtol=1e-6)
        np.testing.assert_allclose(theirs["2 evaluate: loss"], 2 * mean, rtol=1e-6)

    return check


@purpose
def every_optimizer_fits_into_h5(case):
    """Two of Adafactor's variables have one name in Keras, which an .h5 can't hold."""
    case["calls"][0]["optimizer"] = "adafactor"
    path = "$folder/whole.h5"
    case["calls"] += [{"call": "save", "filepath": path}, {"call": "reload", "filepath": path},
                      fit_of(case)]  # fmt: skip

    def check(theirs, ours):
        assert "name already exists" in theirs["error"]
        assert ours["end: iterations"] == 2 * ours["1 fit: iterations"]

    return check


def check(name, seed, number, keras, tinynet):
    """Run purpose `name` on case `number` of a seed and assert what we promise."""
    case = copy.deepcopy(classifier(seed, number))
    assertion = PURPOSES[name](case)
    theirs, ours = compare.answers(keras, case), compare.answers(tinynet, case)
    assertion(theirs, ours)
