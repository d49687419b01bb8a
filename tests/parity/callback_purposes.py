"""Purposes of callbacks and of averaged weights: see `purpose`."""

import numpy as np

from .purpose import fit_of, purpose
from .tables import new


@purpose
def a_backup_knows_its_batch(case):
    """Keras begins the epoch anew that a backup was made in; we go on with its next batch."""
    part = case["data"]["sets"][""] // 5
    backup = new("callbacks.BackupAndRestore", backup_dir="$folder/backup", save_freq=2,
                 delete_checkpoint=False)  # fmt: skip
    stop = new("callbacks.Stopper", epoch=1, batch=0)
    fit_of(case).update(batch_size=2 * part, callbacks=[backup, stop])
    case["calls"].append({**fit_of(case), "callbacks": [backup]})

    def check(theirs, ours):
        assert ours["end: iterations"] == 9  # three epochs of three batches
        assert theirs["end: iterations"] > 9

    return check


@purpose
def a_restored_epoch_is_used_once(case):
    """After a fit that went on from a backup, all later ones begin at its epoch in Keras."""
    fit = fit_of(case)
    backup = new("callbacks.BackupAndRestore", backup_dir="$folder/backup", delete_checkpoint=False)
    case["calls"][1:] = [{**fit, "epochs": 2, "callbacks": [backup]},
                         {**fit, "callbacks": [backup]}, fit]  # fmt: skip

    def check(theirs, ours):
        assert theirs["2 fit: epochs"] == ours["2 fit: epochs"] == [2]
        assert (theirs["3 fit: epochs"], ours["3 fit: epochs"]) == ([2], [0, 1, 2])

    return check


@purpose
def a_backup_has_the_weights_and_their_average(case):
    """Keras backs up what SwapEMAWeights left in the model, and trains on from the average; our fit
    that was interrupted ends where the whole one does."""
    fit, path = fit_of(case), "$folder/first.weights.h5"
    case["calls"][0]["optimizer"]["use_ema"] = True
    predict = {"call": "predict", "x": {"array": "x"}}
    swap = new("callbacks.SwapEMAWeights", swap_on_epoch=True)
    backup = new("callbacks.BackupAndRestore", backup_dir="$folder/backup", delete_checkpoint=False)
    stop = new("callbacks.Stopper", epoch=0, batch=0)
    case["calls"][1:] = [
        {"call": "save_weights", "filepath": path}, {**fit, "callbacks": [swap]}, predict,
        {"call": "load_weights", "filepath": path}, case["calls"][0],
        {**fit, "callbacks": [swap, backup, stop]}, {**fit, "callbacks": [swap, backup]}, predict,
    ]  # fmt: skip

    def check(theirs, ours):
        np.testing.assert_allclose(ours["8 predict"], ours["3 predict"], rtol=1e-12)
        assert np.abs(theirs["8 predict"] - theirs["3 predict"]).max() > 1e-4

    return check


@purpose
def a_backup_knows_its_place_in_the_data(case):
    """With steps_per_epoch the next epoch goes on in the data; after a restore Keras begins anew,
    and our fit that was interrupted ends where the whole one does."""
    part, path = case["data"]["sets"][""] // 5, "$folder/first.weights.h5"
    fit = {**fit_of(case), "batch_size": 2 * part, "steps_per_epoch": 1}
    predict = {"call": "predict", "x": {"array": "x"}}
    backup = new("callbacks.BackupAndRestore", backup_dir="$folder/backup", delete_checkpoint=False)
    case["calls"][1:] = [
        {"call": "save_weights", "filepath": path}, fit, predict,
        {"call": "load_weights", "filepath": path},
        {**fit, "epochs": 1, "callbacks": [backup]}, {**fit, "callbacks": [backup]}, predict,
    ]  # fmt: skip

    def check(theirs, ours):
        np.testing.assert_allclose(ours["7 predict"], ours["3 predict"], rtol=1e-12)
        assert np.abs(theirs["7 predict"] - theirs["3 predict"]).max() > 1e-4

    return check


@purpose
def a_fit_that_is_stopped_ends_with_the_average(case):
    """With SwapEMAWeights(swap_on_epoch=True) Keras then ends with the last weights instead."""
    case["calls"][0]["optimizer"]["use_ema"] = True
    fit, path = fit_of(case), "$folder/first.weights.h5"
    predict = {"call": "predict", "x": {"array": "x"}}
    stop = new("callbacks.Stopper", epoch=1, batch=0)
    swap = new("callbacks.SwapEMAWeights", swap_on_epoch=True)
    case["calls"][1:] = [
        {"call": "save_weights", "filepath": path}, {**fit, "epochs": 2}, predict,
        {"call": "load_weights", "filepath": path}, case["calls"][0],
        {**fit, "callbacks": [swap, stop]}, predict,
    ]  # fmt: skip

    def check(theirs, ours):
        np.testing.assert_allclose(ours["3 predict"], theirs["3 predict"], rtol=1e-6)
        np.testing.assert_allclose(ours["7 predict"], ours["3 predict"], rtol=1e-12)
        assert np.abs(theirs["7 predict"] - theirs["3 predict"]).max() > 1e-4

    return check


@purpose
def averaged_weights_train_on(case):
    """In Keras on JAX weights and averages are one array after a fit; compiled steps then fail."""
    case["calls"][0]["optimizer"]["use_ema"] = True
    case["calls"].append(fit_of(case))
    case["keras"] = {}

    def check(theirs, ours):
        assert "error" in theirs
        assert ours["end: iterations"] == 2 * ours["1 fit: iterations"]

    return check


@purpose
def callbacks_begin_anew(case):
    """SwapEMAWeights(swap_on_epoch=True) in Keras believes, in its second fit, that the average is
    still in the model: after another compile it begins with weights of 0."""
    case["calls"][0]["optimizer"]["use_ema"] = True
    swap = new("callbacks.SwapEMAWeights", swap_on_epoch=True)
    fit = {**fit_of(case), "epochs": 1, "callbacks": [swap]}
    case["calls"][1:] = [fit, case["calls"][0], fit]

    def check(theirs, ours):
        np.testing.assert_allclose(theirs["3 fit: history loss"], np.log(3), rtol=1e-6)
        assert ours["3 fit: history loss"][0] < ours["1 fit: history loss"][0]

    return check


@purpose
def a_generator_is_not_rewound(case):
    """Keras puts the two batches that it looked at before back in front of every validation."""
    part = case["data"]["sets"][""] // 5
    validation = {"tuple": [{"array": "vx"}, {"array": "vy"}]}
    fit_of(case).update(validation_data=validation, validation_steps=1, epochs=2,
                        validation_source={"kind": "generator", "batch": 2 * part})  # fmt: skip
    case["calls"][0]["optimizer"]["learning_rate"] = 1e-9
    whole = {"call": "evaluate", "x": {"array": "vx"}, "y": {"array": "vy"}, "return_dict": True}
    case["calls"].append(whole)

    def check(theirs, ours):
        first, second = ours["1 fit: history val_loss"]  # of 2/3 and of 1/3 of the rows
        np.testing.assert_allclose((2 * first + second) / 3, ours["2 evaluate: loss"], rtol=1e-6)
        np.testing.assert_allclose(theirs["1 fit: history val_loss"], [first] * 2, rtol=1e-6)
        assert abs(first - second) > 1e-3

    return check


@purpose
def outputs_that_are_a_dict_are_one_log(case):
    """logs["outputs"] of on_predict_batch_end; Keras puts the dict's own entries into the logs."""
    head = {**case["layers"].pop(), "name": "one"}
    case["outputs"] = {"as": "dict", "heads": [head, {**head, "name": "two"}], "after": "both"}
    recorder = new("callbacks.Recorder", hooks=["on_predict_batch_end"])
    case["calls"] = [{"call": "predict", "x": {"array": "x"}, "batch_size": 1000,
                      "callbacks": [recorder]}]  # fmt: skip

    def check(theirs, ours):
        assert theirs["events"] == ["on_predict_batch_end 0 one,two"]
        assert ours["events"] == ["on_predict_batch_end 0 outputs"]

    return check
