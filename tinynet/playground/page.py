"""The page put together: the kernels, tables of what there is, the scripts, the words."""

import base64
import json
import pathlib

import numpy as np

from .. import activations, losses, optimizers
from ..core.devices import page_kernels
from ..core.parameters import Parameter
from ..inspecting.observing import sample
from ..microscope.markup import asset, esc, filled, json_text, shell, worded

ASSETS = pathlib.Path(__file__).parent
SCRIPTS = ("engine.js", "data.js", "view.js", "run.js", "draw.js", "frame.js",
           "page.js")  # fmt: skip
OPTIMIZERS = ("SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adamax", "Adagrad", "Adadelta", "Lion",
              "Ftrl")  # fmt: skip
LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
POINTS = 400  # of one's own, at most
THRESHOLD = {"threshold": 0.0, "default_value": 0.0}  # the options that have no default


def page(digits=True, address="") -> str:
    """Return the page's HTML; the same arguments and version give the same bytes.

    `address` is the fragment of an address that holds a setting: "#data=circles&hidden=4:tanh:0".
    """
    words = json.loads(asset("text.json", ASSETS))
    data = {"text": words, "digits": _digits() if digits else None}
    return filled(worded(shell("page.html", ASSETS), words), {
        "TITLE": "tinynet playground",
        "ADDRESS": esc(address),
        "CSS": asset("page.css", ASSETS),
        "DATA": json_text(data),
        "JS": engine() + "".join(asset(name, ASSETS) for name in SCRIPTS[1:]),
    })  # fmt: skip


def address_of(x, y) -> str:
    """Return the setting that has these rows as its points, their features scaled to -1 ... 1.

    Args:
        x: two features (N, 2).
        y: two classes (N,): the larger one is the playground's 1.

    Raises:
        ValueError: they are not as above.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y).ravel()
    kinds = np.unique(y)
    if x.ndim != 2 or x.shape[1] != 2 or len(x) != len(y) or len(kinds) != 2:
        raise ValueError(
            "the playground's own points have two features (N, 2) and two classes, "
            f"received x {x.shape} and y {y.shape} of {len(kinds)} classes"
        )
    if not np.isfinite(x).all():
        raise ValueError("the playground's own points are finite numbers, received NaN or infinity")
    x, y, _ = sample(x, y, rows=POINTS)
    middle, half = (x.max(axis=0) + x.min(axis=0)) / 2, (x.max(axis=0) - x.min(axis=0)) / 2
    x = np.round((x - middle) / np.where(half > 0, half, 1), 3) + 0.0
    points = ",".join(f"{a:g},{b:g},{int(t)}" for (a, b), t in zip(x, y == kinds[1], strict=True))
    return f"#data=points&points={points}"


def engine() -> str:
    """Return the script of the engine alone, which needs no page."""
    constants = "".join(f"const {name} = {json_text(table)};\n" for name, table in tables().items())
    return page_kernels() + constants + asset("engine.js", ASSETS)


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
