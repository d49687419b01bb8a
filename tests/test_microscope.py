"""The microscope: every number on the page, computed again from what is embedded in it.

The second computation is plain NumPy, written here: forward, backward and update from the page's
own weights, batch, masks and moments. A number that it does not know fails the test.
"""

import copy
import json
import pathlib
import random
import re

import numpy as np
import pytest
from oracle import HAVE_KERAS

import tinynet
from tinynet import layers, optimizers
from tinynet.microscope import embed, peer

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

# ---------------------------------------------------------------------- the second computation

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
    text = re.search(r'<script type="application/json" id="step">(.*?)</script>', html, re.S)[1]
    return json.loads(text.replace("<\\/", "</"))


def page_of(model, x, y, tmp_path, **options):
    path = tinynet.microscope(model, x, y, tmp_path / "step.html",
                              **{"keras": False, **options})  # fmt: skip
    return path.read_text("utf-8")


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("which", CASES)
def test_every_number_comes_out_again(which, trained, device, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", device)
    model, y, spec = CASES[which]()
    if trained:
        model.fit(X, y, batch_size=5, epochs=2, verbose=0)
    html = page_of(model, X, y, tmp_path)
    data = data_of(html)
    expected, W, grads, run = expected_numbers(model, data, spec, y)
    shown = numbers_of(html)
    assert len(shown) > 250
    checks = {}
    for key, value in shown:
        if key.startswith("check."):
            checks[key] = value
        else:
            np.testing.assert_allclose(value, expected[key], rtol=1e-9, atol=1e-13, err_msg=key)
    names = re.findall(r"<code>([\w/]+)\[([\d, ]+)\]</code></th><td><data data-k=\"check\.(\d+)\.b",
                       html)  # fmt: skip
    assert len(names) * 4 == len(checks) > 40
    for path, index, k in names:
        at = tuple(int(i) for i in index.split(","))
        gradient = grads[path][at]
        np.testing.assert_allclose(checks[f"check.{k}.backward"], gradient, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(checks[f"check.{k}.backward64"], gradient, rtol=1e-9, atol=1e-14)
        numeric, largest = checks[f"check.{k}.numeric"], 1e-3 * np.abs(grads[path]).max()
        sides = []
        for h in (1e-5, -1e-5):
            moved = {**W, path: W[path].copy()}
            moved[path][at] += h
            sides.append(run(moved)[0]["loss"])
        np.testing.assert_allclose(numeric, (sides[0] - sides[1]) / 2e-5, rtol=1e-4, atol=1e-8)
        error = abs(numeric - gradient) / max(abs(numeric), abs(gradient), largest)
        assert checks[f"check.{k}.error"] == pytest.approx(error, rel=0.5, abs=1e-10)
        assert error <= 1e-6
    assert html.count('class="verdict pass"') == len(names)


def test_the_second_computation_can_fail(tmp_path):
    """A gradient that is wrong by 0.1 % is seen by the page's own check, and by ours."""

    class Wrong(layers.Dense):
        def backward_from_logits(self, dz):
            dx = super().backward_from_logits(dz)
            self.kernel.grad[...] *= 1.001
            return dx

    stack = [Wrong(5, "tanh", name="a", dtype="float64"), dense(4, "softmax", "c")]
    model = compiled(stack, "adam", "sparse_categorical_crossentropy")
    html = page_of(model, X, IDS, tmp_path)
    assert 'class="verdict fail"' in html
    assert html.count('class="verdict fail"') >= 5


def state_of(model):
    """Everything a training could depend on, as bytes."""
    optimizer = model.optimizer
    return [
        *(p.numpy().tobytes() for p in model.parameters),
        *(p.grad.tobytes() for p in model.trainable_weights),
        *(v.tobytes() for v in optimizer.state.values() if v is not None),
        optimizer.iterations, model.steps_taken, model.passes_taken, model.shuffle_seed,
        repr(tinynet.random._root.bit_generator.state), repr(np.random.get_state()),  # noqa: NPY002
        repr(model.logs()), dict(tinynet.naming._counters),
        [sorted(layer.__dict__) for layer in model.layers], [m.revision for m in model.layers],
        model.loss.dp.tobytes(), optimizer.revision, model.context.step,
        [layer.needs_dx for layer in model.layers],
    ]  # fmt: skip


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("which", CASES)
def test_a_look_leaves_no_mark(which, device, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", device)
    model, y, _ = CASES[which]()
    model.fit(X, y, batch_size=5, epochs=1, verbose=0)
    model.trace(X, y)  # the first look may lay out vectors; from here on nothing may change
    model.train_step(*model.batch(tinynet.data.Dataset(model, X, y), slice(None)))
    before = copy.deepcopy(state_of(model))
    model.trace(X[:5], y[:5])
    page_of(model, X, y, tmp_path)
    assert state_of(model) == before


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_training_goes_on_bit_equal(device, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", device)
    weights = []
    for look in (False, True):
        model, y, _ = softmax_case()
        if look:
            page_of(model, X, y, tmp_path)
            model.trace(X, y)
        model.fit(X, y, batch_size=5, epochs=1, verbose=0)
        if look:
            model.trace(X, y)
        model.fit(X, y, batch_size=5, epochs=1, verbose=0)
        weights.append([w.tobytes() for w in model.get_weights()])
        assert layers.Dense(3).name  # draws the next automatic name, with a look or without
    assert weights[0] == weights[1]


def test_a_layer_that_draws_numbers_draws_the_same_afterwards():
    class Noisy(layers.Layer):
        def forward(self, x, training=False):
            noise = np.random.normal() + random.random() + tinynet.random.draw_seed() / 2**63  # noqa: NPY002
            self.count = getattr(self, "count", 0) + 1
            layers.Dense(2)  # takes a name
            return x + noise + self.generator.normal()

        def backward(self, dy):
            return dy

    noisy = Noisy(dtype="float64")
    noisy.generator = np.random.Generator(np.random.PCG64(3))
    model = compiled([dense(4, "relu", "a"), noisy, dense(4, "softmax", "c")], "adam",
                     "sparse_categorical_crossentropy")  # fmt: skip
    model.gradients(X, IDS)
    before = copy.deepcopy([*state_of(model), random.getstate(), noisy.count,
                            noisy.generator.bit_generator.state])  # fmt: skip
    model.trace(X, IDS)
    assert [*state_of(model), random.getstate(), noisy.count,
            noisy.generator.bit_generator.state] == before  # fmt: skip


def test_weights_that_are_not_finite_are_shown(tmp_path):
    model, y, _ = categorical_case()
    model.layers[0].kernel.value[1, 2] = np.nan
    html = page_of(model, X, y, tmp_path)
    assert dict(numbers_of(html))["stat.param.a/kernel.bad"] == 1
    assert "NaN" in html
    data_of(html)  # is JSON all the same


def test_an_error_within_leaves_no_mark():
    class Broken(layers.Layer):
        def forward(self, x, training=False):
            return x * 1

        def backward(self, dy):
            raise RuntimeError("not today")

    stack = [dense(4, "relu", "a"), Broken(dtype="float64"), dense(4, "softmax", "c")]
    model = compiled(stack, "adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="not today"):
        model.trace(X, IDS)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert "forward" not in model.layers[0].__dict__
    assert "step" not in model.optimizer.__dict__


def test_trace_agrees_with_gradients_and_fit():
    model, y, _ = softmax_case()
    trace = model.trace(X, y)
    for path, gradient in model.gradients(X, y).items():
        np.testing.assert_array_equal(trace.gradients[path], gradient)
    assert trace.loss.before == model.loss_and_gradients(X, y)[0]
    model.run_eagerly = True
    model.fit(X, y, batch_size=len(X), epochs=1, verbose=0, shuffle=False)
    for p in model.parameters:
        np.testing.assert_array_equal(trace.parameters[p.path].after, p.numpy())
    assert trace.input_gradient.shape == X.shape
    np.testing.assert_array_equal(trace.input_gradient, trace.layer("a").dx)
    assert trace.layer("bn").parts["mean"].shape == (7,)
    with pytest.raises(ValueError, match=r"no layer 'q'.*'a', 'bn', 'drop', 'b', 'c'"):
        trace.layer("q")


def test_sample_weights_enter_in_the_loss(tmp_path):
    model, y, _ = categorical_case()
    w = np.linspace(0, 2, len(X))
    trace = model.trace(X, y, sample_weight=w)
    np.testing.assert_allclose(trace.loss.w, w / len(X), rtol=1e-12)
    html = page_of(model, X, y, tmp_path, sample_weight=w)
    shown = dict(numbers_of(html))
    assert shown["row.3.w"] == pytest.approx(w[3] / len(X), rel=1e-12)
    assert shown["loss.data"] == pytest.approx(trace.loss.before, rel=1e-12)


def test_same_seed_same_bytes(tmp_path):
    pages = []
    for _ in range(2):
        model, y, _ = softmax_case()
        pages.append(page_of(model, X, y, tmp_path))
    assert pages[0] == pages[1]
    assert pages[0] != page_of(model, X, y, tmp_path, seed=1)


def test_nothing_is_fetched(tmp_path):
    model, y, _ = softmax_case()
    html = page_of(model, X, y, tmp_path)
    outside = re.sub(r'<script type="application/json".*?</script>', "", html, flags=re.S)
    assert not re.findall(r"https?://|@import|url\(|<link|<img|src=", outside)
    assert str(tmp_path) not in html
    assert "/root" not in html
    assert "/home" not in html


def test_arrays_come_back_exactly():
    arrays = embed.Arrays()
    some = [np.arange(6, dtype="f4").reshape(2, 3) / 7, np.zeros((3, 2)), np.array([True, False]),
            np.array([3, 1], "i8"), np.float64([[np.pi]]), np.arange(4, dtype="u1")]  # fmt: skip
    keys = [arrays.add(a) for a in some]
    assert arrays.add(some[0].copy()) == keys[0]
    for key, a in zip(keys, some, strict=True):
        np.testing.assert_array_equal(embed.decode(arrays.entries[key]), a)


def test_a_big_model_stays_small(tmp_path):
    """784-300-200-100-10 with 32 rows: under 5 MB; weights whole; terms sum to the gradient."""
    rng = np.random.Generator(np.random.PCG64(6))
    x = (rng.random((32, 784)) * (rng.random((32, 784)) < 0.2)).astype("float32")
    y = rng.integers(0, 10, 32)
    stack = [*(layers.Dense(u, "relu", name=f"h{u}") for u in (300, 200, 100)),
             layers.Dense(10, "softmax", name="out")]  # fmt: skip
    model = compiled(stack, "adam", "sparse_categorical_crossentropy", "float32", (784,))
    model.fit(x, y, epochs=1, verbose=0)
    html = page_of(model, x, y, tmp_path, entries=2)
    assert len(html.encode()) < 5_000_000
    data = data_of(html)
    get = {k: embed.decode(e) for k, e in data["arrays"].items()}
    assert data["rows"] == 32
    spec = [("dense", f"h{u}", "relu") for u in (300, 200, 100)] + [("dense", "out", "softmax")]
    W = {p["path"]: get[p["w"]].astype(float) for p in data["params"]}
    assert sum(w.size for w in W.values()) == model.count_params()  # nothing is cut here
    out, grads, _ = step(spec, W, x.astype(float), y, {})
    shown = dict(numbers_of(html))
    assert shown["loss.before"] == pytest.approx(out["loss"], rel=1e-5)
    for p, layer in zip(data["params"][::2], data["layers"], strict=True):
        X_, D, entry = get[layer["x"]], get[layer["d"]], data["arrays"][p["g"]]
        sums = X_.astype(float).T @ D
        i, j = entry.get("i", slice(None)), entry.get("j", slice(None))
        sums = sums[np.ix_(i, j)] if "i" in entry else sums
        np.testing.assert_allclose(get[p["g"]], sums, rtol=1e-6, atol=1e-6 * np.abs(sums).max())
        own = grads[p["path"]][np.ix_(i, j)] if "i" in entry else grads[p["path"]]
        np.testing.assert_allclose(sums, own, atol=1e-5 * np.abs(sums).max())
        for k in ("w", "g", "after"):
            assert p[k] in get
    assert "how" in html
    assert any("f" in e for e in data["arrays"].values())  # Adam's moments are cut, and it says so
    assert "Too large for this page" in html


def test_a_deep_model_stays_small(tmp_path):
    hidden = [layers.Dense(64, "tanh", name=f"h{k}") for k in range(40)]
    model = compiled([*hidden, layers.Dense(4, "softmax", name="out")], "adam",
                     "sparse_categorical_crossentropy", "float32", (64,))  # fmt: skip
    rng = np.random.Generator(np.random.PCG64(8))
    x, y = rng.normal(size=(64, 64)), rng.integers(0, 4, 64)
    model.fit(x, y, epochs=1, verbose=0)
    html = page_of(model, x, y, tmp_path, entries=2)
    assert len(html.encode()) < 5_000_000
    data = data_of(html)
    assert all(p["after"] in data["arrays"] for p in data["params"])


def test_many_rows_are_cut_and_said(tmp_path):
    rng = np.random.Generator(np.random.PCG64(7))
    x, y = rng.normal(size=(1000, 20)), rng.integers(0, 4, 1000)
    model = compiled([dense(30, "tanh", "a"), dense(4, "softmax", "c")], "sgd",
                     "sparse_categorical_crossentropy", shape=(20,))  # fmt: skip
    html = page_of(model, x, y, tmp_path, entries=1)
    data = data_of(html)
    assert data["rows"] < data["count"] == 1000
    assert f"first {data['rows']} of 1000" in html
    assert len(html.encode()) < 5_000_000
    shown = dict(numbers_of(html))
    assert shown["loss.data"] == pytest.approx(model.trace(x, y).loss.before, rel=1e-12)


class Square(layers.Layer):
    """A layer that the page has no card for, with a learned f.

    y = f x^2      (N, D)
    """

    def build(self, input_shape):
        self.f = self.add_weight((input_shape[-1],), "ones", name="f")

    def forward(self, x, training=False):
        self.saved = x
        return self.f.value * x * x

    def backward(self, dy):
        x = self.recall()
        self.f.grad[...] = (dy * x * x).sum(axis=0)
        return 2 * self.f.value * x * dy


def plain(name, *args, **options):
    return getattr(layers, name)(*args, **options, dtype="float64")


HEAD = (4, "softmax", "c")
OTHERS = {
    "own layer": lambda: [dense(4, None, "a"), Square(name="sq", dtype="float64"), dense(*HEAD)],
    "activation layers": lambda: [dense(5, None, "a"), plain("ReLU"), dense(4, None, "c"),
                                  plain("Softmax")],
    "softmax inside": lambda: [dense(5, "softmax", "a"), dense(*HEAD)],
    "prelu, leaky, elu": lambda: [dense(5, None, "a"), plain("PReLU"), dense(5, "leaky_relu", "b"),
                                  plain("ELU"), dense(*HEAD)],
    "frozen": lambda: [dense(5, "relu", "a", trainable=False),
                       dense(5, "gelu", "b", trainable=False),
                       plain("BatchNormalization", trainable=False), dense(*HEAD)],
    "no bias": lambda: [dense(5, "silu", "a", use_bias=False), dense(*HEAD)],
    "frozen above": lambda: [dense(5, "tanh", "a"), dense(*HEAD, trainable=False)],
}  # fmt: skip


@pytest.mark.parametrize("which", OTHERS)
def test_any_built_layer_has_a_card(which, tmp_path):
    model = compiled(OTHERS[which](), "adam", "sparse_categorical_crossentropy")
    trace = model.trace(X, IDS)
    html = page_of(model, X, IDS, tmp_path)
    assert 'class="verdict fail"' not in html
    assert (which == "own layer") == ('<code class="f">y = f x^2 (N, D)</code>' in html)
    for L in range(len(model.layers)):
        assert f'id="f{L}"' in html
        assert f'id="b{L}"' in html
    shown = dict(numbers_of(html))
    for L, call in enumerate(trace.layers):
        assert shown[f"stat.{L}.y.mean"] == pytest.approx(call.y.mean(), rel=1e-9, abs=1e-15)
        if call.dx is not None and f"stat.{L}.dx.norm" in shown:
            assert shown[f"stat.{L}.dx.norm"] == pytest.approx(np.linalg.norm(call.dx), rel=1e-9)
    assert str(trace)


LOSSES = ["mae", "huber", tinynet.losses.SparseCategoricalCrossentropy(from_logits=True),
          tinynet.losses.BinaryCrossentropy(from_logits=True)]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_other_losses(loss, tmp_path):
    y = IDS if "Sparse" in type(loss).__name__ else HITS
    model = compiled([dense(5, "tanh", "a"), dense(4, None, "c")], "sgd", loss)
    html = page_of(model, X, y, tmp_path)
    shown = dict(numbers_of(html))
    assert shown["loss.data"] == pytest.approx(model.trace(X, y).loss.before, rel=1e-12)
    gradient = data_of(html)["loss"]["dp"]
    dz = embed.decode(data_of(html)["arrays"][gradient])
    for c in range(4):
        assert shown[f"chain.{c}.engine"] == dz[0, c]
        if f"chain.{c}.chain" in shown:
            np.testing.assert_allclose(shown[f"chain.{c}.chain"], dz[0, c], rtol=1e-9)


def test_sequences_of_rows(tmp_path):
    """(N, T, D) inputs: Dense sees N T rows."""
    x = np.random.Generator(np.random.PCG64(8)).normal(size=(5, 3, 6))
    y = np.random.Generator(np.random.PCG64(9)).integers(0, 4, (5, 3))
    model = compiled([dense(5, "tanh", "a"), dense(4, "softmax", "c")], "sgd",
                     "sparse_categorical_crossentropy", shape=(3, 6))  # fmt: skip
    html = page_of(model, x, y, tmp_path)
    shown = dict(numbers_of(html))
    assert shown["drill.a/kernel.sum"] == pytest.approx(shown["drill.a/kernel.backward"], rel=1e-9)


def test_a_kink_is_marked_and_not_failed(tmp_path):
    stack = [dense(4, "relu", "a", kernel_initializer="zeros"), dense(4, "softmax", "c")]
    model = compiled(stack, "sgd", "sparse_categorical_crossentropy")
    html = page_of(model, X, IDS, tmp_path)  # every z is exactly 0, where ReLU turns
    assert 'class="verdict kink"' in html
    assert 'class="verdict fail"' not in html


def test_both_languages_say_everything():
    from tinynet.microscope.markup import texts

    for key, text in texts().items():
        assert set(text) == {"en", "ko"}, key
        fields = [set(re.findall(r"\{(\w+)\}", text[lang])) for lang in ("en", "ko")]
        assert fields[0] == fields[1], key


def test_tables_for_the_terminal():
    model, y, _ = softmax_case()
    trace = model.trace(X, y)
    text = str(trace)
    for word in ("net", "a/kernel", "bn", "softmax", f"{trace.loss.before:.4f}"):
        assert word in text
    assert "db = Σₙ dz[n]" in text
    assert "dz[n]" in trace._repr_html_()


def test_wrong_arguments(tmp_path):
    model, y, _ = softmax_case()
    with pytest.raises(ValueError, match="entries must be an integer >= 1, received 0"):
        tinynet.microscope(model, X, y, tmp_path / "a.html", entries=0)
    with pytest.raises(ValueError, match="keras must be"):
        tinynet.microscope(model, X, y, tmp_path / "a.html", keras="jax")
    with pytest.raises(ValueError, match="class id"):
        tinynet.microscope(model, X, y + 9, tmp_path / "a.html")
    with pytest.raises(RuntimeError, match="compile"):
        tinynet.Sequential([layers.Dense(2)]).trace(X, y)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not (HAVE_KERAS and peer.installed()), reason="Keras is not installed")
@pytest.mark.parametrize("which", CASES)
def test_keras_takes_the_same_step(which):
    model, y, _ = CASES[which]()
    model.fit(X, y, batch_size=5, epochs=1, verbose=0)
    trace = model.trace(X, y)
    result = peer.compare(model, trace)
    assert result["loss"] == pytest.approx(trace.loss.before, rel=2e-6)
    kinds = {row["what"] for row in result["rows"]}
    assert kinds == {"outputs", "gradient", "after"}
    for row in result["rows"]:
        assert row["difference"] <= 2e-5 * max(row["ours"], 1e-2), row


@pytest.mark.parametrize("which", CASES)
def test_links_lead_to_the_line(which, tmp_path):
    """Every link has its lines on the page, and a formula's is the line that computes it."""
    model, y, _ = CASES[which]()
    html = page_of(model, X, y, tmp_path)
    links = re.findall(r'<a class="src" href="#([^"]+)"><code>([^<:]+):(\d+)</code>', html)
    assert len(links) > 15
    root = pathlib.Path(tinynet.__file__).parent.parent
    for target, path, line in links:
        assert html.count(f'id="{target}"') == 1, target
        assert (root / path).is_file()
        text = (root / path).read_text("utf-8").splitlines()[int(line) - 1].strip()
        assert f'data-n="{line}"' in html
        assert text
    formulas = re.findall(
        r'<code class="f">([^<]*)</code>.*?<code>([^<:]+):(\d+)</code></a></div>', html
    )
    lines = {formula: (root / path).read_text("utf-8").splitlines()[int(n) - 1]
             for formula, path, n in formulas}  # fmt: skip
    expected = {"z = x W + b": "ops.linear(", "dW = xᵀ dz": "linear_dW(",
                "dx = dz Wᵀ": "linear_dx(", "db = Σₙ dz[n]": "sum_rows(",
                "L = Σₙ wₙ lₙ": "w /= rows",
                "y = x ⊙ m": "multiply(x", "dx = dy ⊙ m": "multiply(dy",
                "v ← v + (1 − β₂)(g² − v)": "v += (g * g - v)",
                "w ← w + μ m − lr g": "w += momentum * m - lr * g",
                "dz = w (p − y)": "dz", "v ← ρ v + (1 − ρ) g²": "v *= rho"}  # fmt: skip
    for formula, fragment in expected.items():
        if formula in lines:
            assert fragment in lines[formula], formula
    assert "L = Σₙ wₙ lₙ" in lines


@pytest.mark.parametrize("optimizer", [
    optimizers.AdamW(), optimizers.Adam(amsgrad=True), optimizers.SGD(),
    optimizers.RMSprop(momentum=0.9, centered=True), optimizers.SGD(global_clipnorm=0.01),
], ids=lambda o: f"{o.name}-{o.global_clipnorm}")  # fmt: skip
def test_other_optimizers(optimizer, tmp_path):
    stack = [dense(5, "tanh", "a"), dense(4, "softmax", "c")]
    model = compiled(stack, optimizer, "sparse_categorical_crossentropy")
    html = page_of(model, X, IDS, tmp_path)
    trace, shown = model.trace(X, IDS), dict(numbers_of(html))
    model.run_eagerly = True
    model.fit(X, IDS, batch_size=len(X), epochs=1, verbose=0, shuffle=False)
    for p in model.parameters:
        step = np.linalg.norm(p.numpy() - trace.parameters[p.path].before)
        assert shown[f"up.{p.path}.step"] == pytest.approx(step, rel=1e-9)
    assert '<code class="f">' in html.split('id="update"')[1]


def test_the_command(tmp_path, capsys):
    from tinynet.__main__ import main

    script = tmp_path / "own.py"
    script.write_text(
        "import numpy as np, tinynet\n"
        "model = tinynet.Sequential([tinynet.layers.Dense(2, input_dim=3)], name='mine')\n"
        "model.compile('sgd', 'mse')\n"
        "x, y = np.ones((50, 3)), np.ones((50, 2))\n"
    )
    out = tmp_path / "a.html"
    main(["microscope", str(script), "--out", str(out), "--batch", "7", "--no-keras"])
    assert f"{out}: " in capsys.readouterr().out
    html = out.read_text("utf-8")
    assert "<i>mine</i>" in html
    assert data_of(html)["count"] == 7
    script.write_text("model = 1")
    with pytest.raises(SystemExit, match="there is no x, y"):
        main(["microscope", str(script)])


def test_the_command_without_a_script(tmp_path):
    pytest.importorskip("sklearn")
    from tinynet.__main__ import main

    out = tmp_path / "a.html"
    main(["microscope", "--out", str(out), "--layers", "8", "--no-keras", "--batch", "5"])
    assert "<i>digits</i>" in out.read_text("utf-8")
