"""The story's data: the layers as columns of a drawing, the worst sample, what the update did."""

import numpy as np

from .explain import kind, statistics

SAME_UNITS = ("flatten", "activation", "dropout", "batchnorm")  # drawn with the layer before


def tell(found, after, data, arrays) -> dict:
    """Return what the page's story needs beside `data`.

    Args:
        found, after: the step's trace, and that of the same batch and masks at the new weights.
        data: "layers", "params" and "loss", as the page's script reads them; the loss gets the
            probabilities and losses after the update.
        arrays: embed.Arrays.
    """
    loss, rows = data["loss"], data["rows"] * data["loss"]["per"]
    new = after.loss
    loss["p_after"] = arrays.add((new.probabilities if new.fused else new.output)[:rows])
    loss["values_after"] = arrays.add(new.values[:rows])
    shares = found.loss.values[:rows].reshape(data["rows"], -1).sum(axis=1, dtype=np.float64)
    story = {
        "worst": int(np.nan_to_num(shares, nan=np.inf).argmax()),
        "columns": columns(found, data["layers"]),
        "optimizer": type(found.model.optimizer).__name__,
        "steps": [_step(p) for p in found.parameters.values() if p.gradient is not None],
        "first": first_taught(found),
        "columns_after": None,
    }
    if story["first"] is not None:
        story["columns_after"] = _columns_after(found, story, data, arrays)
    return story


def columns(found, layers) -> list:
    """Return the drawing's columns, the input first.

    A layer that has its input's units (Dropout, ...) joins the column that it follows. A column has
    "layers", their numbers; "dense", the number of its Dense layer or None; "from", the columns
    that it reads; "units", None where a sample is more than a row; "out", the key of its values.
    """
    first = layers[0]["x"]
    drawn = [{"layers": [], "dense": None, "from": [], "units": int(found.x[0].size), "out": first}]
    made = {first: 0}  # key of an array -> the column that it comes from
    for L, (call, layer) in enumerate(zip(found.layers, layers, strict=True)):
        keys = layer["x"] if isinstance(layer["x"], list) else [layer["x"]]
        sources = [made[key] for key in keys if key in made]
        if layer["kind"] in SAME_UNITS and sources and drawn[sources[0]]["out"] == keys[0]:
            column = drawn[sources[0]]
            column["layers"].append(L)
            column["out"] = layer["y"]
        else:
            one_row = isinstance(call.y, np.ndarray) and call.y.ndim == 2
            column = {"layers": [L], "dense": L if layer["kind"] == "dense" else None,
                      "from": sources, "units": call.y.shape[1] if one_row else None,
                      "out": layer["y"]}  # fmt: skip
            drawn.append(column)
        made[layer["y"]] = drawn.index(column)
    return drawn


def first_taught(found):
    """Return the number of the lowest Dense layer whose weights learn, or None."""
    for L, call in enumerate(found.layers):
        if kind(call.layer) == "dense" and call.visited and call.layer.kernel.trainable:
            return L
    return None


def _step(p):
    w, g, step = (statistics(a)["norm"] for a in (p.before, p.gradient, p.step))
    return {"path": p.path, "w": w, "g": g, "step": step, "ratio": step / w if w else None}


def _columns_after(found, story, data, arrays):
    """Return keys of the weights' "w", "g" and "after" of the units that samples blame most.

    And "above", of the weights that read these units, if one Dense layer does. All of them are
    there whole on a page that is large enough, then these are None.
    """
    L = story["first"]
    call = found.layers[L]
    k = data["layers"][L]["params"][0]
    d = call.dy if call.dz is None else call.dz
    size = np.abs(d[: data["rows"]]).reshape(data["rows"], -1, d.shape[-1]).max(axis=1)
    units = np.unique(size.argmax(axis=1))
    p, told = found.parameters[data["params"][k]["path"]], {}
    for name, array in (("w", p.before), ("g", p.gradient), ("after", p.after)):
        whole = "f" not in arrays.entries[data["params"][k][name]]
        rows = range(len(array))
        told[name] = None if whole else arrays.add(array[:, units], array.shape, rows, units)
    above = _read_by(found, story)
    told["above"] = None
    if above is not None:
        q = data["params"][data["layers"][above]["params"][0]]
        if "f" in arrays.entries[q["w"]]:
            W = found.parameters[q["path"]].before
            told["above"] = arrays.add(W[units], W.shape, units, range(W.shape[1]))
    return told


def _read_by(found, story):
    """Return the number of the only Dense layer that reads the first column's units, or None."""
    drawn = story["columns"]
    c = next(k for k, column in enumerate(drawn) if column["dense"] == story["first"])
    above = [column for column in drawn if c in column["from"]]
    if len(above) != 1 or above[0]["dense"] is None or drawn[c]["units"] is None:
        return None
    return above[0]["dense"]
