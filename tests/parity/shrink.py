"""A failing case made small: whatever can go while it still fails, goes."""

import copy
import time

KEEP = ("call", "x", "y", "compile", "shuffle", "optimizer", "loss", "new", "units", "epochs",
        "monitor", "filepath", "filename", "schedule", "hooks", "from_logits", "activation",
        "source", "validation_source", "backup_dir", "shape", "rate", "stddev", "scale", "mean",
        "variance", "target_shape", "dims", "n", "input_dim", "output_dim", "merge", "branches",
        "layers", "name")  # fmt: skip


def shrink(case, fails, seconds=120):
    """The smallest case that is found in the time given.

    Args:
        case: it fails.
        fails: function of a case -> whether it fails in the same way.
        seconds: time to spend.
    """
    end = time.monotonic() + seconds
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(case):
            if time.monotonic() > end:
                return case
            if fails(candidate):
                case, smaller = candidate, True
                break  # and go on from there
    return case


def candidates(case):
    """Copies of the case with one thing less, the largest things first."""
    calls = case["calls"]
    for i in reversed(range(len(calls))):
        if calls[i]["call"] != "compile" or i > 0:
            yield without(case, "calls", i)
    for i in range(1, len(case["layers"]) - 1):  # between the input and the last layer
        yield renumbered(without(case, "layers", i), i - 1)
    for i, call in enumerate(calls):
        for name, value in call.items():
            if isinstance(value, list) and name != "validation_freq":
                for j in range(len(value)):
                    yield without(case, "calls", i, name, j)
            if name not in KEEP and value != []:
                yield (
                    replaced(case, [], "calls", i, name)
                    if name == "metrics"
                    else without(case, "calls", i, name)
                )
            if name == "epochs" and value > 1:
                yield replaced(case, 1, "calls", i, name)
                yield replaced(case, value - 1, "calls", i, name)
            if isinstance(value, dict) and ("new" in value or "array" in value):
                for option in set(value) - set(KEEP) - {"array", "rows"}:
                    yield without(case, "calls", i, name, option)
            for j, made in enumerate(value if name == "callbacks" else ()):
                for option in set(made) - set(KEEP):
                    yield without(case, "calls", i, name, j, option)
                for h in range(len(made.get("hooks", ()))):
                    yield without(case, "calls", i, name, j, "hooks", h)
    for i, layer in enumerate(case["layers"]):
        for option in sorted(set(layer) - set(KEEP)):
            yield without(case, "layers", i, option)
        yield from inside(case, layer, "layers", i)
    plain = {"frozen": [], "keras": {"run_eagerly": True}, "tinynet": {"device": "reference"}}
    for name, value in plain.items():
        if case.get(name, value) != value:
            yield replaced(case, value, name)
    for name, rows in case["data"]["sets"].items():
        if rows > 4:
            yield replaced(case, rows // 2, "data", "sets", name)


def inside(case, layer, *path):
    """Less within a nested model, or a block of a graph."""
    lists = [("layers",)] if "layers" in layer else []
    lists += [("branches", j) for j in range(len(layer.get("branches", ())))]
    for where in lists:
        for j, one in enumerate(at(layer, where)):
            yield without(case, *path, *where, j)
            for option in sorted(set(one) - set(KEEP)):
                yield without(case, *path, *where, j, option)
    for option in sorted(set(layer.get("shared", ())) - set(KEEP)):
        yield without(case, *path, "shared", option)


def at(case, path):
    for step in path:
        case = case[step]
    return case


def without(case, *path):
    case = copy.deepcopy(case)
    del at(case, path[:-1])[path[-1]]
    return case


def replaced(case, value, *path):
    case = copy.deepcopy(case)
    at(case, path[:-1])[path[-1]] = value
    return case


def renumbered(case, gone):
    """Frozen layers keep their numbers when a layer below them goes."""
    case["frozen"] = [i - (i > gone) for i in case.get("frozen", ()) if i != gone]
    return case
