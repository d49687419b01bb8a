"""A case: one model, its data, and the calls that are made on it; a plain dict drawn from a seed.

    {"seed": 5, "dtype": "float64",
     "keras": {"run_eagerly": True}, "tinynet": {"device": "cpu"},      compile's own arguments
     "layers": [{"new": "Input", "shape": [4]}, {"new": "layers.Dense", "units": 3}],
     "frozen": [0],                                                     layers to freeze
     "data": {...},                                                     see build.arrays
     "calls": [{"call": "compile", "optimizer": "sgd", "loss": "mse"},
               {"call": "fit", "x": {"array": "x"}, "y": {"array": "y"}, "epochs": 2}]}

A layer may be a Sequential with "layers" of its own, or a block of a graph:

    {"new": "block", "branches": [[...], [...]], "merge": {"new": "layers.Add"}, "shared": layer}

sends its input through every branch (an empty one hands it on), then through the shared layer, and
merges what comes out; such a model is a functional one. With "inputs": {"widths": [2, 4], "as":
"list"} the columns of x come in two parts, one for each branch of the first block. With "outputs"
the last layer stands twice, see `outputs.py`.

Everything random lies in the seed, and everything that the two libraries would draw differently is
left out: rows stay in order (or make one batch), dropout has rate 0, weights are injected.
"""

import json

from . import tables
from .calls import Calls
from .draw import Draw
from .more import more, still_averaged
from .outputs import several_outputs
from .tables import every_layer, new


def draw(seed, number=0, later=False) -> dict:
    """Case number `number` of a seed; `later`: with what `more.py` makes of it.

    The cases of one seed share a few sizes: Keras on JAX compiles every operation once per shape,
    and that is nearly all the time that a case takes.
    """
    d = Draw(f"{seed}/sizes")
    part = d.choice([2, 3, 4, 5])  # sizes are multiples of it; a batch has two parts
    sizes = {"part": part, "features": d.choice([4, 6]), "units": d.choice([4, 6]),
             "classes": d.choice([2, 3, 4])}  # fmt: skip
    d = Draw(f"{seed}/{number}")  # a text: independent of its neighbours
    dtype = "float64" if d.chance(0.8) else "float32"
    data = draw_data(d, sizes)
    inputs = draw_inputs(d, data)
    layers = draw_layers(d, data, sizes, inputs)
    logits = data["task"] in ("ids", "one-hot", "binary") and d.chance(0.25)
    layers.append(last_layer(d, data, logits))
    case = {
        "seed": d.randrange(10**6),
        "dtype": dtype,
        # Keras steps through its operations (much less to compile), now and then it compiles
        "keras": {} if d.chance(0.03) else {"run_eagerly": True},
        "tinynet": {"device": d.choice(["cpu", "cpu", "reference"])},
        "layers": [new("Input", shape=data["shape"]), *layers],
        "data": data,
        "calls": [],
    }
    if inputs:
        case["inputs"] = inputs
    if d.chance(0.15):  # the last layer goes on learning
        case["frozen"] = [i for i in range(len(layers) - 1) if d.chance(0.5)]
    if case["tinynet"]["device"] == "cpu" and d.chance(0.15):
        case["tinynet"]["run_eagerly"] = True
    Calls(d, case, logits, 2 * part).draw()
    if later:
        more(Draw(f"{seed}/{number}/more"), case, 2 * part)
    steady(case)
    if later:
        still_averaged(case)
        for layer in every_layer(case["layers"]):
            if layer["new"] == "layers.RMSNormalization":
                layer.pop(
                    "axis", None
                )  # Keras multiplies by its scale along the last, whatever it is
        several_outputs(Draw(f"{seed}/{number}/outputs"), case)
    return case


# ----------------------------------------------------------------------------------------- data


def draw_data(d, sizes):
    task = d.choice(["ids", "one-hot", "binary", "real"])
    outputs = sizes["classes"] if task in ("ids", "one-hot") or d.chance(0.3) else 1
    features = sizes["features"]
    shape = [features] if d.chance(0.8) else [2, features // 2]
    ids = d.chance(0.08)  # x holds ids, for an Embedding
    shape = [3] if ids else shape
    positions = shape[0] if (len(shape) > 1 or ids) and d.chance(0.2) else 1
    return {
        "seed": d.randrange(10**6),
        "shape": shape,
        "task": task,
        "outputs": outputs,
        "positions": positions,
        "sets": {"": 5 * sizes["part"], "v": 3 * sizes["part"]},
        "x": "ids" if ids else d.choice(tables.X_DTYPES),
        "y": d.choice(["float32", "float64"]
                      if (soft := d.chance(0.2)) else tables.Y_DTYPES[task]),
        # Keras takes positions for features where targets lack the last axis: "sum" is then another
        "column": d.chance(0.5) or positions > 1,
        "soft": soft,
    }  # fmt: skip


def draw_inputs(d, data):
    """Sometimes the columns of x come in two parts."""
    if len(data["shape"]) > 1 or data["x"] == "ids" or not d.chance(0.08):
        return None
    width = data["shape"][0]
    return {"widths": d.choice([[2, width - 2], [width // 2, width // 2]]),
            "as": d.choice(["list", "dict"])}  # fmt: skip


def draw_layers(d, data, sizes, inputs):
    """The inside of the model; its rows are flat from the first layers on, or stay positions."""
    layers = []
    if data["x"] == "ids":
        options = {"embeddings_regularizer": tables.REGULARIZERS[2]} if d.chance(0.3) else {}
        if masked := data["positions"] == 1 and d.chance(0.3):  # else see purpose.py
            options["mask_zero"] = True
        layers.append(new("layers.Embedding", input_dim=tables.VOCABULARY,
                          output_dim=sizes["units"], **options))  # fmt: skip
    if (len(data["shape"]) > 1 or data["x"] == "ids") and data["positions"] == 1:
        folds = tables.FOLD
        if data["x"] == "ids" and masked:
            folds = folds[1:2]  # the others would lose the mask
        layers.append(d.choice(folds))
    if inputs:
        layers.append(draw_block(d, sizes, 1.0))
    for _ in range(d.choice([0, 1, 1, 2, 2, 3, 4])):
        if data["positions"] == 1 and d.chance(0.04):
            turn = [tables.TURN] if d.chance(0.4) else []
            inside = [hidden(d, sizes)] if d.chance(0.4) else []
            layers += [d.choice(tables.UNFOLD), *turn, *inside, d.choice(tables.FOLD)]
        elif d.chance(0.07):
            layers.append(draw_block(d, sizes, 0.4 if common_width(layers) else 1.0))
        elif d.chance(0.05):
            inside = [hidden(d, sizes) for _ in range(d.choice([1, 2]))]
            layers.append(new("Sequential", layers=inside))
        else:
            layers.append(hidden(d, sizes))
    return layers


def hidden(d, sizes):
    weights, *rows = zip(*tables.HIDDEN, strict=True)
    (path, table), = d.choices(list(zip(*rows, strict=True)), weights)  # fmt: skip
    options = d.options(path, table)
    if "units" in options:
        options["units"] = sizes["units"]
    return new(path, **options)


def common_width(layers):
    """Whether rows have the units of the case after these layers."""
    for layer in reversed(layers):
        if "units" in layer or "output_dim" in layer:
            return True
        if layer["new"] in ("block", "Sequential") or layer in (*tables.UNFOLD, *tables.FOLD):
            return False
    return False


def draw_block(d, sizes, even):
    """A block of a graph; `even`: how often its first branch has a Dense of the common width."""

    def branch(dense):
        return [new("layers.Dense", units=sizes["units"], activation=d.choice(tables.ACTIVATIONS)),
                *([hidden(d, sizes)] if d.chance(0.3) else [])] if dense else []  # fmt: skip

    first, second = branch(d.chance(even)), branch(True)
    block = {"new": "block", "branches": [first, second],
             "merge": new(d.choice(tables.MERGES))}  # fmt: skip
    if first and d.chance(0.3):
        block["shared"] = hidden(d, sizes)
        while "ctivity" in str(block["shared"]):  # its penalty: see purpose.py
            block["shared"] = hidden(d, sizes)
    return block


def last_layer(d, data, logits):
    options = {"units": data["outputs"]}
    activation = None if logits else d.choice(tables.LAST_ACTIVATION[data["task"]])
    if activation is not None:
        options["activation"] = activation
    if d.chance(0.2):
        options["kernel_regularizer"] = d.choice(tables.REGULARIZERS)
    return new("layers.Dense", **options)


# -------------------------------------------------------------- what would compare only rounding


def steady(case):
    """Keep a case away from where rounding decides.

    Keras normalizes in float32 even where the model is float64, so that such a case is a float32
    one; it correlates in float32, too, which then is left out. And before a BatchNormalization a
    bias has no effect: its gradient is rounding noise, which Adam and RMSprop divide by itself. A
    larger epsilon leaves it the noise that it is; the optimizers that don't have one, or whose
    steps are a sign, make way for SGD. Without a normalization these optimizers need float64.

    Ftrl's l1 sets weights to 0 or almost 0, where the slope of an L1 penalty jumps.
    """
    penalties = '"l1"' in json.dumps(case["layers"])
    normalized = any(layer["new"] in tables.NORMALIZING for layer in every_layer(case["layers"]))
    if normalized:
        case["dtype"] = "float32"
    for call in case["calls"]:
        if call["call"] != "compile":
            continue
        given = call["optimizer"]
        name = given if isinstance(given, str) else given["new"].rpartition(".")[2]
        calm = any(name.lower() == known.lower() for known in tables.IN_FLOAT32)
        if not normalized:
            case["dtype"] = case["dtype"] if calm else "float64"
        elif isinstance(given, str) or not calm:
            call["optimizer"] = new("optimizers.SGD", learning_rate=0.05)
        elif name != "SGD":
            given["epsilon"] = 1e-2
        if name == "Ftrl" and penalties and isinstance(given, dict):
            given.pop("l1_regularization_strength", None)
    if case["dtype"] == "float64":
        leave_out_correlations(case)


def leave_out_correlations(case):
    for call in case["calls"]:
        for name in ("metrics", "weighted_metrics"):
            if name in call:
                call[name] = [
                    m
                    for m in call[name]
                    if isinstance(m, str) or m["new"] not in tables.CORRELATIONS
                ]
