"""Cases with two outputs: the last layer twice, each with a target, a loss and metrics."""

import copy

NAMES = ("one", "two")


def several_outputs(d, case):
    """Give some cases a second output; drawn from a stream of its own, see `more`."""
    if not d.chance(0.25):
        return
    form = d.choice(["list", "dict"])
    last = case["layers"].pop()
    heads = [{**last, "name": NAMES[0]}, {**copy.deepcopy(last), "name": NAMES[1]}]
    if d.chance(0.5):
        heads[1]["use_bias"] = False
    case["outputs"] = {"as": form, "heads": heads, "after": d.choice(["both", "first"])}
    if case["outputs"]["after"] == "first" and "activation" in last:
        case["outputs"]["after"] = "both"  # the second would read probabilities
    for call in case["calls"]:
        if call["call"] == "compile":
            compiled(d, call, form)
            continue
        call.pop("class_weight", None)  # Keras takes none here
        for name in ("y", "sample_weight"):
            if name in call and (name == "y" or d.chance(0.5)):
                call[name] = {"each": call[name], "as": form}
        if "validation_data" in call:
            given = call["validation_data"]["tuple"]
            given[1:] = [{"each": one, "as": form} for one in given[1:]]
        if call["call"] == "evaluate" or call["call"].endswith("_on_batch"):
            call["return_dict"] = True  # Keras's lists are sorted by name
        for callback in call.get("callbacks", ()):
            for key in {"monitor", "name"} & set(callback):
                callback[key] = renamed(callback[key])
            if form == "dict" and "hooks" in callback:  # see `outputs_that_are_a_dict_are_one_log`
                callback["hooks"] = [h for h in callback["hooks"] if h != "on_predict_batch_end"]
            if "monitor" in callback:  # Keras does not know what rises under such a name
                callback.setdefault("mode", "min")


def compiled(d, call, form):
    """compile's options for two outputs."""

    def of_each(one, two):
        named = form == "dict" or d.chance(0.5)
        return dict(zip(NAMES, (one, two), strict=True)) if named else [one, two]

    loss = call["loss"]
    if d.chance(0.7):
        untrained = d.chance(0.2)
        call["loss"] = of_each(loss, None if untrained else loss)
        if not untrained and d.chance(0.5):
            weights = [d.choice([0.3, 1.0]), d.choice([2.0, 0.0, 1.0])]
            named = isinstance(call["loss"], dict)
            call["loss_weights"] = dict(zip(NAMES, weights, strict=True)) if named else weights
    for name in ("metrics", "weighted_metrics"):
        if call.get(name):
            call[name] = of_each(call[name], call[name][:1] if d.chance(0.5) else None)


def renamed(name):
    """What a metric of the model's only output is called where it is the first of two."""
    stem = name.removeprefix("val_")
    if stem in ("loss", "learning_rate"):
        return name
    return f"{name[: len(name) - len(stem)]}{NAMES[0]}_{stem}"


def given(make, value):
    """The arrays for each output: a list, or a dict by name."""
    arrays = [make(value["each"]), make(value["each"])]
    return arrays if value["as"] == "list" else dict(zip(NAMES, arrays, strict=True))


def heads(applied, make, outputs, h):
    """The symbolic outputs of a graph whose last tensor is h."""
    one, two = outputs["heads"]
    first = applied(make, one, h)
    second = applied(make, two, first if outputs["after"] == "first" else h)
    pair = [first, second]
    return pair if outputs["as"] == "list" else dict(zip(NAMES, pair, strict=True))
