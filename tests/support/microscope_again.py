"""What the microscope shows, computed a second time, in plain NumPy: forward, backward and update
from the page's own weights, batch, masks and moments. And models for it.
"""

import json
import re

import numpy as np

import tinynet
from tinynet import layers, optimizers
from tinynet.microscope import embed

X = np.random.Generator(np.random.PCG64(1)).normal(size=(12, 6))
IDS = np.random.Generator(np.random.PCG64(2)).integers(0, 4, 12)
HITS = np.random.Generator(np.random.PCG64(3)).integers(0, 2, (12, 4)).astype(float)
REAL = np.random.Generator(np.random.PCG64(4)).normal(size=(12, 4))


def compiled(stack, optimizer, loss, dtype="float64", shape=(6,)):
    tinynet.utils.set_random_seed(5)
    model = tinynet.Sequential([layers.Input(shape), *stack], name="net")
    model.compile(optimizer, loss)
    assert model.dtype == dtype
    return model


def dense(units, activation=None, name="d", **options):
    return layers.Dense(units, activation, name=name, dtype="float64", **options)


# A case: the model, its targets, and what the second computation needs to know of it.
def softmax_case():
    stack = [
        dense(7, "relu", "a"),
        layers.BatchNormalization(name="bn", dtype="float64"),
        layers.Dropout(0.4, seed=3, name="drop", dtype="float64"),
        dense(5, "tanh", "b"),
        dense(4, "softmax", "c"),
    ]
    spec = [("dense", "a", "relu"), ("bn", "bn"), ("dropout", "drop"), ("dense", "b", "tanh"),
            ("dense", "c", "softmax")]  # fmt: skip
    return compiled(stack, "adam", "sparse_categorical_crossentropy"), IDS, spec


def categorical_case():
    stack = [dense(5, "tanh", "a"), dense(4, "softmax", "c")]
    loss = tinynet.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model = compiled(stack, optimizers.SGD(0.1, momentum=0.9, nesterov=True), loss)
    return model, np.eye(4)[IDS], [("dense", "a", "tanh"), ("dense", "c", "softmax")]


def sigmoid_case():
    stack = [dense(5, "sigmoid", "a"), dense(4, "sigmoid", "c")]
    model = compiled(stack, optimizers.SGD(0.5, momentum=0.9, clipnorm=0.05), "bce")
    return model, HITS, [("dense", "a", "sigmoid"), ("dense", "c", "sigmoid")]


def linear_case():
    penalty = tinynet.regularizers.L1L2(0.01, 0.02)
    stack = [layers.Flatten(dtype="float64", name="flat"),
             dense(5, "relu", "a", kernel_regularizer=penalty), dense(4, None, "c")]  # fmt: skip
    spec = [("flatten", "flat"), ("dense", "a", "relu"), ("dense", "c", None)]
    return compiled(stack, "rmsprop", "mse"), REAL, spec


CASES = {"softmax": softmax_case, "smoothed": categorical_case, "sigmoid": sigmoid_case,
         "linear": linear_case}  # fmt: skip
F = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
     None: lambda z: z}  # fmt: skip
DF = {"relu": lambda z: (z > 0) * 1.0, "tanh": lambda z: 1 - np.tanh(z) ** 2,
      "sigmoid": lambda z: F["sigmoid"](z) * (1 - F["sigmoid"](z)), None: np.ones_like}  # fmt: skip


def step(spec, W, x, y, masks, smoothing=0.0, penalty=(0, 0)):
    """Forward and backward: (loss, values per row, gradients, what each layer saw)."""
    seen = []
    for k, (what, name, *more) in enumerate(spec):
        s = {"x": x}
        if what == "dense":
            s["z"] = z = x @ W[f"{name}/kernel"] + W[f"{name}/bias"]
            last = k == len(spec) - 1
            x = z if last else F[more[0]](z)
        elif what == "bn":
            s["mean"], s["var"] = x.mean(0), ((x - x.mean(0)) ** 2).mean(0)
            s["xhat"] = (x - s["mean"]) / np.sqrt(s["var"] + 1e-3)
            x = W[f"{name}/gamma"] * s["xhat"] + W[f"{name}/beta"]
        elif what == "dropout":
            x = x * masks[name]
        s["y"] = x
        seen.append(s)
    kind, (N, C) = spec[-1][2], x.shape
    t = np.eye(C)[y] if y.ndim == 1 else y
    t = t * (1 - smoothing) + smoothing / C
    if kind == "softmax":
        e = np.exp(x - x.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        l, d = -(t * np.log(p)).sum(1), (p - t) / N
    elif kind == "sigmoid":
        p = F["sigmoid"](x)
        l, d = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(1), (p - t) / N / C
    else:
        p = x
        l, d = ((p - t) ** 2).mean(1), 2 * (p - t) / N / C
    seen[-1]["y"] = p
    out, grads = {"t": t, "p": p, "dp": d, "l": l, "penalty": 0.0}, {}
    for k in reversed(range(len(spec))):
        (what, name, *more), s = spec[k], seen[k]
        if k < len(spec) - 1 or kind is None:
            s["dy"] = d
        if what == "dense":
            if k < len(spec) - 1:
                s["slope"] = DF[more[0]](s["z"])
                d = d * s["slope"]
            s["dz"] = d
            grads[f"{name}/kernel"], grads[f"{name}/bias"] = s["x"].T @ d, d.sum(0)
            d = d @ W[f"{name}/kernel"].T
        elif what == "bn":
            grads[f"{name}/gamma"], grads[f"{name}/beta"] = (d * s["xhat"]).sum(0), d.sum(0)
            dh = d * W[f"{name}/gamma"]
            d = (dh - dh.mean(0) - s["xhat"] * (dh * s["xhat"]).mean(0)) / np.sqrt(s["var"] + 1e-3)
        elif what == "dropout":
            d = d * masks[name]
        s["dx"] = d
    if any(penalty):
        w = W["a/kernel"]
        out["penalty"] = penalty[0] * np.abs(w).sum() + penalty[1] * (w**2).sum()
        out["dpenalty"] = penalty[0] * np.sign(w) + 2 * penalty[1] * w
        grads["a/kernel"] = grads["a/kernel"] + out["dpenalty"]
    out["loss"] = l.mean() + out["penalty"]
    return out, grads, seen


def updated(optimizer, w, g, state, t, factor=1.0):
    """One array after the update, and its moments."""
    lr, s = factor * float(optimizer.learning_rate), {k: v.copy() for k, v in state.items()}
    if optimizer.clipnorm:
        g = g * min(1, optimizer.clipnorm / np.sqrt((g**2).sum()))
    if isinstance(optimizer, optimizers.Adam):
        s["m"] += 0.1 * (g - s["m"])
        s["v"] += 0.001 * (g**2 - s["v"])
        alpha = lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return w - alpha * s["m"] / (np.sqrt(s["v"]) + 1e-7), s, g
    if isinstance(optimizer, optimizers.RMSprop):
        s["v"] = 0.9 * s["v"] + 0.1 * g**2
        return w - lr * g / np.sqrt(s["v"] + 1e-7), s, g
    s["m"] = 0.9 * s["m"] - lr * g
    return w + (0.9 * s["m"] - lr * g if optimizer.nesterov else s["m"]), s, g


def stats(array):
    a = np.asarray(array, float).ravel()
    return {"min": a.min(), "mean": a.mean(), "max": a.max(), "sd": np.sqrt(np.var(a)),
            "zeros": np.mean(a == 0), "norm": np.sqrt(np.sum(a * a)), "bad": 0}  # fmt: skip


def expected_numbers(model, data, spec, y):
    """Every key that the page may use -> its value, from the page's weights and batch alone."""
    get = {k: embed.decode(e) for k, e in data["arrays"].items()}
    W = {p["path"]: get[p["w"]] for p in data["params"]}
    state = {p["path"]: {k: get[v] for k, v in p["state"].items()} for p in data["params"]}
    x = get[data["layers"][0]["x"]]
    masks = {l["name"]: get[l["mask"]] for l in data["layers"] if "mask" in l}
    for mask in masks.values():  # the one thing that is taken as it is
        assert set(np.unique(mask.round(12))) <= {0.0, round(1 / 0.6, 12)}
    regularizer = getattr(model.layers[-2], "kernel_regularizer", None)
    penalty = (regularizer.l1, regularizer.l2) if regularizer else (0, 0)
    smoothing = getattr(model.loss, "label_smoothing", 0.0)

    def run(weights, spec=spec):
        return step(spec, weights, x, y, masks, smoothing, penalty)

    out, grads, seen = run(W)
    t, optimizer = data["opt"]["t"], model.optimizer
    new, after_state, clipped = {}, {}, {}
    for path, g in grads.items():
        new[path], after_state[path], clipped[path] = updated(optimizer, W[path], g, state[path], t)
    moved = {**W, **new}
    E = {"loss.before": out["loss"], "loss.after": run(moved)[0]["loss"],
         "loss.total": out["loss"], "loss.data": out["l"].mean(), "loss.penalty": out["penalty"],
         "opt.t": t, "opt.lr": float(optimizer.learning_rate)}  # fmt: skip
    if isinstance(optimizer, optimizers.Adam):
        E["opt.beta_1"], E["opt.beta_2"] = 1 - 0.9**t, 1 - 0.999**t
        E["opt.alpha"] = E["opt.lr"] * np.sqrt(E["opt.beta_2"]) / E["opt.beta_1"]

    def add(prefix, array, columns=None):
        E.update({f"{prefix}.{k}": v for k, v in stats(array).items()})

    N = len(x)
    for L, ((what, name, *more), s) in enumerate(zip(spec, seen, strict=True)):
        for symbol in ("x", "z", "y", "xhat", "dy", "slope", "dz", "dx"):
            if symbol in s:
                add(f"stat.{L}.{symbol}", s[symbol])
        if what == "dropout":
            add(f"stat.{L}.mask", masks[name])
        if what == "bn":
            for f in range(len(s["mean"])):
                E[f"bn.{L}.mean.{f}"], E[f"bn.{L}.var.{f}"] = s["mean"][f], s["var"][f]
                for moving, batch in (("moving_mean", "mean"), ("moving_variance", "var")):
                    before = W[f"{name}/{moving}"][f]
                    E[f"bn.{L}.{moving}.before.{f}"] = before
                    E[f"bn.{L}.{moving}.after.{f}"] = 0.99 * before + 0.01 * s[batch][f]
        if what == "dense" and more[0] in ("relu", "tanh", "sigmoid") and "slope" in s:
            slope = s["slope"]
            E[f"health.{L}.dead"] = (slope == 0).all(0).sum()
            E[f"health.{L}.units"] = slope.shape[1]
            E[f"health.{L}.zero_slope"] = (slope == 0).mean()
            steepest = 0.25 if more[0] == "sigmoid" else 1
            E[f"health.{L}.saturated"] = (slope < 0.01 * steepest).mean()
        if what == "dense":
            g = grads[f"{name}/kernel"]
            i, j = np.unravel_index(np.abs(g).argmax(), g.shape)
            key, terms = f"drill.{name}/kernel", s["x"][:, i] * s["dz"][:, j]
            for n in range(N):
                E[f"{key}.{n}.x"], E[f"{key}.{n}.d"] = s["x"][n, i], s["dz"][n, j]
                E[f"{key}.{n}.term"] = terms[n]
            kept = [n for n in np.argsort(-np.abs(terms)) if terms[n]]
            E[f"{key}.rest"] = terms.sum() - terms[kept[:16]].sum()
            E[f"{key}.sum"], E[f"{key}.backward"] = terms.sum(), g[i, j]
            E[f"{key}.penalty"] = out["dpenalty"][i, j] if "dpenalty" in out else 0
    for path, w in W.items():
        add(f"stat.param.{path}", w)
    for path, g in grads.items():
        add(f"stat.grad.{path}", g)
        norms = [np.sqrt((a**2).sum()) for a in (W[path], g, clipped[path], new[path] - W[path])]
        ratio = norms[3] / norms[0] if norms[0] else np.inf
        for k, v in zip(("w", "g", "clipped", "step", "ratio"), [*norms, ratio], strict=True):
            E[f"up.{path}.{k}"] = v
        at = np.unravel_index(np.abs(g).argmax(), g.shape)
        E.update({f"one.{path}.w": W[path][at], f"one.{path}.g": g[at],
                  f"one.{path}.clipped": clipped[path][at], f"one.{path}.after": new[path][at],
                  f"one.{path}.step": new[path][at] - W[path][at]})  # fmt: skip
        for k in state[path]:
            E[f"one.{path}.{k}.before"] = state[path][k][at]
            E[f"one.{path}.{k}.after"] = after_state[path][k][at]
    for n in range(N):
        E[f"row.{n}.l"], E[f"row.{n}.w"], E[f"row.{n}.wl"] = out["l"][n], 1 / N, out["l"][n] / N
    p, target, C = out["p"][0], out["t"][0], out["p"].shape[1]
    chain = out["dp"][0]
    if spec[-1][2] == "softmax":  # through the Jacobians
        dp = -target / p / N
        chain = (np.diag(p) - np.outer(p, p)) @ dp
    elif spec[-1][2] == "sigmoid":
        dp = (p - target) / (p * (1 - p)) / N / C
        chain = dp * p * (1 - p)
    for c in range(C):
        if spec[-1][2]:
            E[f"chain.{c}.z"], E[f"chain.{c}.dp"] = seen[-1]["z"][0, c], dp[c]
        E[f"chain.{c}.p"], E[f"chain.{c}.y"] = p[c], target[c]
        E[f"chain.{c}.chain"] = chain[c]
        E[f"chain.{c}.direct"] = E[f"chain.{c}.engine"] = out["dp"][0, c]
    E.update(what_if_numbers(model, spec, W, state, grads, run, t))
    return E, W, grads, run


def what_if_numbers(model, spec, W, state, grads, run, t):
    E = {}

    def case(prefix, weights, spec=spec):
        out, g, seen = run(weights, spec)
        E[f"{prefix}.loss"] = out["loss"]
        for (what, name, *_), s in zip(spec, seen, strict=True):
            if what == "dense":
                E[f"{prefix}.{name}.sd"] = np.sqrt(np.var(s["y"]))
                E[f"{prefix}.{name}.gradient"] = np.sqrt((g[f"{name}/kernel"] ** 2).sum())

    names = [p for p in W if p.endswith("/kernel")]
    case("what.initializers.as it is", W)
    for name in ("glorot_uniform", "he_normal", "lecun_normal", "random_normal", "zeros"):
        fresh = dict(W)
        for k, path in enumerate(names):
            initializer = type(tinynet.initializers.get(name))
            options = {} if name == "zeros" else {"seed": k}
            fresh[path] = initializer(**options)(W[path].shape, dtype="float64")
        fresh.update({p: 0 * w for p, w in W.items() if p.endswith("/bias")})
        case(f"what.initializers.{name}", fresh)
    hidden = {s[2] for s in spec[:-1] if s[0] == "dense"}
    was = "relu" if "relu" in hidden else ", ".join(sorted(hidden))
    other = "sigmoid" if "relu" in hidden else "relu"
    changed = [(a, b, other) if a == "dense" and more and more[0] in (was,) and k < len(spec) - 1
               else (a, b, *more) for k, (a, b, *more) in enumerate(spec)]  # fmt: skip
    case(f"what.activation.{was}", W)
    case(f"what.activation.{other}", W, changed)
    before = run(W)[0]["loss"]
    for factor in (0.1, 1.0, 10.0):
        moved = {p: updated(model.optimizer, W[p], g, state[p], t, factor)[0]
                 for p, g in grads.items()}  # fmt: skip
        key = f"what.rates.{factor:g}"
        E[f"{key}.rate"] = factor * float(model.optimizer.learning_rate)
        E[f"{key}.before"], E[f"{key}.after"] = before, run({**W, **moved})[0]["loss"]
    return E


def numbers_of(html):
    """All (key, value) that the page shows."""
    return [(k, float(v)) for k, v in
            re.findall(r'<data data-k="([^"]*)" value="([^"]*)">', html)]  # fmt: skip


def data_of(html):
    """What is embedded in the page."""
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)[1]
    return json.loads(text)


def page_of(model, x, y, tmp_path, **options):
    path = tinynet.microscope(model, x, y, tmp_path / "step.html",
                              **{"keras": False, **options})  # fmt: skip
    return path.read_text("utf-8")
