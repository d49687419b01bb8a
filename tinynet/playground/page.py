"""The page put together: the kernels, tables of what there is, the scripts, the words."""

import base64
import json
import pathlib

import numpy as np

from .. import activations, losses, optimizers
from ..core.devices import page_kernels
from ..core.parameters import Parameter

ASSETS = pathlib.Path(__file__).parent
SCRIPTS = ("engine.js", "data.js", "view.js", "run.js", "draw.js", "page.js")
OPTIMIZERS = ("SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adamax", "Adagrad", "Adadelta", "Lion",
              "Ftrl")  # fmt: skip
LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
THRESHOLD = {"threshold": 0.0, "default_value": 0.0}  # the options that have no default


def page(digits=True) -> str:
    """Return the page's HTML; the same version gives the same bytes."""
    text = json.loads(_asset("text.json"))
    data = {"text": text, "digits": _digits() if digits else None}
    parts = {
        "CSS": _asset("page.css"),
        "DATA": _json(data).replace("</", "<\\/"),
        "JS": engine() + "".join(map(_asset, SCRIPTS[1:])),
    }
    html = _asset("page.html")
    for name, value in parts.items():
        html = html.replace("{{" + name + "}}", value, 1)
    for key, words in text.items():
        html = html.replace("{{" + key + "}}", "".join(
            f'<span lang="{language}">{words[language]}</span>' for language in ("en", "ko")
        ))  # fmt: skip
    return html


def engine() -> str:
    """Return the script of the engine alone, which needs no page."""
    constants = "".join(f"const {name} = {_json(table)};\n" for name, table in tables().items())
    return page_kernels() + constants + _asset("engine.js")


def tables() -> dict:
    """Return what the engine is told about activations, losses and optimizers, by their names."""
    kinds, seen = {}, []
    for name, f in activations.named().items():
        if isinstance(f, activations.Elementwise) and f not in seen:  # silu is swish, too
            seen.append(f)
            f = f.with_options(**THRESHOLD) if name == "threshold" else f
            kinds[name] = {"kind": f.kind, "params": [float(p) for p in f.params]}
    loss_kinds = {
        name: {"kind": loss.kind, "params": list(loss.options)}
        for name, loss in ((name, losses.get(name)) for name in LOSSES)
    }
    return {"kinds": kinds, "lossKinds": loss_kinds,
            "optimizers": {name: _optimizer(name) for name in OPTIMIZERS}}  # fmt: skip


def _optimizer(name):
    optimizer = getattr(optimizers, name)()
    rule = {"AdamW": "adam"}.get(name, name.lower())
    shared = {*optimizer.option_keys, "name"} - {"weight_decay"}
    options = {k: v for k, v in optimizer.get_config().items() if k not in shared}
    options = {k: float(v or 0) for k, v in options.items() if not isinstance(v, str)}
    optimizer.build([Parameter(np.zeros(1), "w")])
    initial = {k: 0.0 if v is None else float(v[0]) for k, v in optimizer.state.items()}
    rate = {"learning_rate": float(optimizer.learning_rate)}
    return {"rule": rule, "initial": initial, **options, **rate}


def _digits():
    """Return the first 1,000 digits, entries of 4 bits, or None where they can't be loaded."""
    from ..datasets import digits

    try:
        (x, y), _ = digits.load_data()
    except ImportError:
        return None
    x, y = np.minimum(x[:1000], 15).astype(np.uint8).reshape(-1, 2), y[:1000].astype(np.uint8)
    packed = x[:, 0] | x[:, 1] << 4
    return {key: base64.b64encode(a.tobytes()).decode() for key, a in (("x", packed), ("y", y))}


def _asset(name):
    return (ASSETS / name).read_text("utf-8")


def _json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
