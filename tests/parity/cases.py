"""A case: one model, its data, and the calls that are made on it; a plain dict drawn from a seed.

    {"seed": 5, "dtype": "float64",
     "keras": {"run_eagerly": True}, "tinynet": {"device": "cpu"},      compile's own arguments
     "layers": [{"new": "Input", "shape": [4]}, {"new": "layers.Dense", "units": 3}],
     "frozen": [0],                                                     layers to freeze
     "data": {...},                                                     see build.arrays
     "calls": [{"call": "compile", "optimizer": "sgd", "loss": "mse"},
               {"call": "fit", "x": {"array": "x"}, "y": {"array": "y"}, "epochs": 2}]}

Everything random lies in the seed, and everything that the two libraries would draw differently is
left out: rows stay in order (or make one batch), dropout has rate 0, weights are injected.
"""

from . import tables
from .calls import Calls
from .draw import Draw
from .tables import new


def draw(seed, number=0) -> dict:
    """Case number `number` of a seed.

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
    layers = draw_layers(d, data, sizes)
    logits = data["task"] in ("ids", "one-hot", "binary") and d.chance(0.25)
    layers.append(last_layer(d, data, logits))
    case = {
        "seed": d.randrange(10**6),
        "dtype": dtype,
        # Keras steps through its operations (much less to compile), now and then it compiles
        "keras": {} if d.chance(0.06) else {"run_eagerly": True},
        "tinynet": {"device": d.choice(["cpu", "cpu", "reference"])},
        "layers": [new("Input", shape=data["shape"]), *layers],
        "data": data,
        "calls": [],
    }
    if d.chance(0.15):  # the last layer goes on learning
        case["frozen"] = [i for i in range(len(layers) - 1) if d.chance(0.5)]
    if case["tinynet"]["device"] == "cpu" and d.chance(0.15):
        case["tinynet"]["run_eagerly"] = True
    Calls(d, case, logits, 2 * part).draw()
    steady(case)
    return case


# ----------------------------------------------------------------------------------------- data


def draw_data(d, sizes):
    task = d.choice(["ids", "one-hot", "binary", "real"])
    outputs = sizes["classes"] if task in ("ids", "one-hot") or d.chance(0.3) else 1
    features = sizes["features"]
    shape = [features] if d.chance(0.8) else [2, features // 2]
    positions = shape[0] if len(shape) > 1 and d.chance(0.2) else 1
    return {
        "seed": d.randrange(10**6),
        "shape": shape,
        "task": task,
        "outputs": outputs,
        "positions": positions,
        "sets": {"": 5 * sizes["part"], "v": 3 * sizes["part"]},
        "x": d.choice(tables.X_DTYPES),
        "y": d.choice(["float32", "float64"]
                      if (soft := d.chance(0.2)) else tables.Y_DTYPES[task]),
        # Keras takes positions for features where targets lack the last axis: "sum" is then another
        "column": d.chance(0.5) or positions > 1,
        "soft": soft,
    }  # fmt: skip


def draw_layers(d, data, sizes):
    """The inside of the model; its rows are flat from the first layer on, or stay positions."""
    layers = []
    if len(data["shape"]) > 1 and data["positions"] == 1:
        layers.append(new("layers.Flatten"))
    weights, paths, tabled = zip(*tables.HIDDEN, strict=True)
    for _ in range(d.choice([0, 1, 1, 2, 2, 3, 4])):
        (path, table), = d.choices(list(zip(paths, tabled, strict=True)), weights)  # fmt: skip
        options = d.options(path, table)
        if "units" in options:
            options["units"] = sizes["units"]
        layers.append(new(path, **options))
    return layers


def last_layer(d, data, logits):
    options = {"units": data["outputs"]}
    activation = None if logits else tables.LAST_ACTIVATION[data["task"]]
    if activation is not None:
        options["activation"] = activation
    if d.chance(0.2):
        options["kernel_regularizer"] = d.choice(tables.REGULARIZERS)
    return new("layers.Dense", **options)


# -------------------------------------------------------------- what would compare only rounding


def steady(case):
    """Keep a case away from where rounding decides.

    Keras normalizes batches in float32 even where the model is float64, so that such a case is a
    float32 one. And before a BatchNormalization a bias has no effect: its gradient is rounding
    noise, which Adam and RMSprop divide by itself. A larger epsilon leaves it the noise that it is.
    """
    if all(layer["new"] != "layers.BatchNormalization" for layer in case["layers"]):
        return
    case["dtype"] = "float32"
    for call in case["calls"]:
        if call["call"] != "compile":
            continue
        if not isinstance(call["optimizer"], dict):
            call["optimizer"] = new("optimizers.SGD", learning_rate=0.05)
        elif call["optimizer"]["new"] != "optimizers.SGD":
            call["optimizer"]["epsilon"] = 1e-2
