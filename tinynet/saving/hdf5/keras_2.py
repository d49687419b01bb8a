"""What Keras 2 spells otherwise in the configs of its `.h5`: connections, and legacy optimizers."""


def with_calls(inner):
    """Return a functional model's config with connections in Keras 3's form, not Keras 2's lists.

    [["a", 0, 0, {}], ["b", 0, 0, {}]] becomes {"args": [[tensor, tensor]], "kwargs": {}}.
    """
    entries, first, older = [], _first_calls(inner), False
    for entry in inner["layers"]:
        if isinstance(entry, dict) and isinstance(entry.get("inbound_nodes"), list):
            older = older or any(isinstance(call, list) for call in entry["inbound_nodes"])
            calls = [_call(call, first) for call in entry["inbound_nodes"]]
            entry = {**entry, "inbound_nodes": calls}
            if isinstance(entry.get("config"), dict) and "name" in entry:
                entry["config"] = {"name": entry["name"], **entry["config"]}
            if isinstance(entry.get("config"), dict) and "input_layers" in entry["config"]:
                entry["config"] = with_calls(entry["config"])
        entries.append(entry)
    inner = {**inner, "layers": entries}
    for key in ("input_layers", "output_layers") if older else ():
        places = _places(inner.get(key), first)
        inner[key] = places[0] if isinstance(places, list) and len(places) == 1 else places
    return inner


def _first_calls(inner):
    """Return name -> number of the first call of each model within the model, in Keras 2's lists.

    Keras 2 counts from 1 where making the model was a call of its own.
    """
    within = {entry.get("name") for entry in inner["layers"]
              if isinstance(entry, dict) and "layers" in (entry.get("config") or ())}  # fmt: skip
    first = {}

    def look(value):
        if not isinstance(value, list):
            return
        if len(value) > 2 and isinstance(value[0], str) and isinstance(value[1], int):
            if value[0] in within:
                first[value[0]] = min(value[1], first.get(value[0], value[1]))
            return
        for one in value:
            look(one)

    look([inner.get("output_layers"), *(entry.get("inbound_nodes") for entry in inner["layers"]
                                        if isinstance(entry, dict))])  # fmt: skip
    return first


def _places(value, first):
    """Return [layer, call, output], or lists of such, with calls counted from 0."""
    if not isinstance(value, list):
        return value
    if len(value) > 2 and isinstance(value[0], str) and isinstance(value[1], int):
        return [value[0], value[1] - first.get(value[0], 0), value[2]]
    return [_places(one, first) for one in value]


def _call(call, first):
    if isinstance(call, dict):
        return call
    tensors = [
        {"class_name": "__keras_tensor__",
         "config": {"keras_history": _places(list(place[:3]), first)}}
        for place in call
    ]  # fmt: skip
    options = call[0][3] if call and len(call[0]) > 3 else {}
    return {"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": options}


def optimizer(config):
    """Return an optimizer's config as Keras 3 would have it."""
    if isinstance(config, dict) and str(config.get("class_name")).startswith("Custom>"):
        name = config["class_name"].removeprefix("Custom>")  # Keras 2.11 to 2.15
        if config.get("registered_name") is None:
            config = {**config, "class_name": name}
    return _without_decay(config)


def _without_decay(config):
    """Return the config with Keras 2's `decay`, lr / (1 + decay t), as a schedule."""
    inner = config.get("config") if isinstance(config, dict) else None
    if not isinstance(inner, dict) or not inner.get("decay"):
        return config
    if config.get("class_name") == "Nadam" or isinstance(inner.get("learning_rate"), dict):
        raise ValueError(
            f"the optimizer is Keras 2's legacy {config.get('class_name')} with decay="
            f"{inner['decay']!r}, whose steps are none of Keras 3's; compile=False loads the "
            "model without it"
        )
    rate = {"initial_learning_rate": inner.get("learning_rate", inner.get("lr")),
            "decay_steps": 1, "decay_rate": inner["decay"]}  # fmt: skip
    rest = {k: v for k, v in inner.items() if k not in ("decay", "lr")}
    rest["learning_rate"] = {"class_name": "InverseTimeDecay", "config": rate}
    return {**config, "config": rest}
