"""What the generator learned later: more to draw, and more that would compare only rounding.

It is drawn from a stream of its own, so that without it a seed has the cases that it had: those of
the suite, whose answers by Keras are recorded.
"""

import copy
import json

from .tables import every_layer, new


def more(d, case, batch):
    """Add to some cases: streams to validate with, SwapEMAWeights, BackupAndRestore.

    Args:
        d: a Draw.
        case: it is changed.
        batch: rows of a batch.
    """
    if d.chance(0.25):
        stream_validation(d, case, batch)
    kind = d.random()
    if kind < 0.15:
        swap_averages(d, case)
    elif kind < 0.27:  # both in one: see purpose.py
        back_up(d, case)
    steadier(case)


# With swap_on_epoch these show another difference: see purpose.py.
STOPPING = ("callbacks.Stopper", "callbacks.EarlyStopping", "callbacks.TerminateOnNaN")


def stream_validation(d, case, batch):
    for call in case["calls"]:
        if "validation_data" not in call:
            continue
        kind = d.choice(["pydataset", "generator"])
        call["validation_source"] = {"kind": kind, "batch": batch}
        call.pop("validation_batch_size", None)
        given = call["validation_data"]["tuple"]
        x = given[0]
        if isinstance(x.get("as"), str):  # a stream hands over plain arrays
            given[0] = {k: v for k, v in x.items() if k != "as"}
        if kind == "generator":  # whole rounds of its two batches: see purpose.py
            call["validation_steps"] = d.choice([2, 4])
        elif d.chance(0.5):
            call["validation_source"]["batch"] = batch // 2


def swap_averages(d, case):
    """Measure with the moving average of the weights."""
    averaged = on_epoch = False
    for call in case["calls"]:
        if call["call"] == "compile":
            if averaged := isinstance(call["optimizer"], dict):
                call["optimizer"].setdefault("use_ema", True)
        elif call["call"] == "reload" and call.get("compile") is False:
            averaged = False
        elif call["call"] == "fit" and averaged:
            callbacks = call["callbacks"] = [*call.get("callbacks", ())]
            swap = new("callbacks.SwapEMAWeights")
            stopping = any(c["new"] in STOPPING for c in callbacks)
            if d.chance(0.5) and not stopping and not on_epoch:  # once: see purpose.py
                on_epoch = swap["swap_on_epoch"] = True
            callbacks.insert(d.randrange(len(callbacks) + 1), swap)


def still_averaged(case):
    """SwapEMAWeights wants an average, also from an optimizer that `cases.steady` has put there."""
    for call in case["calls"]:
        if call["call"] == "compile":
            optimizer = call["optimizer"]
        elif any(c["new"] == "callbacks.SwapEMAWeights" for c in call.get("callbacks", ())):
            optimizer["use_ema"] = True


def back_up(d, case):
    """A fit ends early; another goes on from its backup."""
    calls = case["calls"]
    i = max(i for i, call in enumerate(calls) if call["call"] == "fit")  # see purpose.py
    backup = new("callbacks.BackupAndRestore", backup_dir="$folder/backup")
    if d.chance(0.3):
        backup["double_checkpoint"] = True
    callbacks = calls[i].get("callbacks", [])
    place = d.randrange(len(callbacks) + 1)
    if calls[i].get("source", {}).get("kind") == "generator":
        return  # nobody can go back in it
    calls[i].pop("steps_per_epoch", None)  # see purpose.py
    first = copy.deepcopy(calls[i])
    kept = {**backup, "delete_checkpoint": False}
    first["callbacks"] = [*callbacks[:place], kept, *callbacks[place:]]
    calls[i]["callbacks"] = [*callbacks[:place], backup, *callbacks[place:]]
    calls[i]["epochs"] += d.choice([0, 1, 2])  # with 0 there is nothing left to do
    calls.insert(i, first)


# -------------------------------------------------------------- what would compare only rounding


def steadier(case):
    """Keep a case away from where rounding decides, and from what purpose.py has.

    Weights that must not be negative are often 0, where the slope of an L1 penalty jumps. The
    cosine similarity of single numbers is the product of their signs: its gradient is rounding
    noise. A fit that takes no step has no average of weights to end with. Keras divides by the
    wrong sum of weights where a row has several positions, loses delta when a model is saved, and
    can't put an Adafactor into .h5.
    """
    calls = json.dumps(case["calls"])
    if '"l1"' in json.dumps(case["layers"]):
        allow_negative(case["layers"])
    averaged = "use_ema" in calls
    if averaged:  # in compiled steps Keras fails: see purpose.py
        case["keras"] = {"run_eagerly": True}
    for call in case["calls"]:
        if call["call"] == "fit" and averaged and call.get("initial_epoch", 0) >= call["epochs"]:
            del call["initial_epoch"]
        single = case["data"]["outputs"] == 1
        if call["call"] == "compile" and single and "cosine" in str(call["loss"]).lower():
            call["optimizer"] = new("optimizers.SGD", learning_rate=0.05)
            if averaged:
                call["optimizer"]["use_ema"] = True
        if isinstance(loss := call.get("loss"), dict):
            gone = {"delta"} if "reload" in calls else set()
            if case["data"]["positions"] > 1 and "weight" in loss.get("reduction", ""):
                gone.add("reduction")
            call["loss"] = {name: value for name, value in loss.items() if name not in gone}
        if call.get("filepath") == "$folder/whole.h5" and "adafactor" in calls.lower():
            call["filepath"] = "$folder/whole.keras"


def allow_negative(layers):
    for layer in every_layer(layers):
        for name in [name for name in layer if name.endswith("_constraint")]:
            if "nonneg" in str(layer[name]).lower().replace("_", ""):
                del layer[name]
