"""A layer's two cards: what it computed forward, and what came back to it backward."""

import numpy as np

from ..losses import Loss
from . import explain
from .explain import kind, rows, shape, slope, statistics
from .loss import PROBABILITIES, family, kernel_of
from .markup import T, bar, code, esc, figure, formula, note, num, share, show, stop, table

FEATURES = 12  # of a batch normalization, in its table
TERMS = 16  # of one weight's gradient, in the table without script
UP = ("min", "mean", "max", "sd", "zeros", "bad")
DOWN = ("min", "mean", "max", "sd", "zeros", "norm")


def statistics_table(entries, columns) -> str:
    """Return a table with a row of statistics for each (key, symbol, array)."""
    lines = []
    for key, symbol, array in entries:
        for k, one in enumerate(array if isinstance(array, list) else [array]):
            if one is None:
                continue
            place = f"{key}.{k}" if isinstance(array, list) else key
            s = statistics(one)
            cells = [share(f"stat.{place}.{c}", s[c]) if c == "zeros" else
                     num(f"stat.{place}.{c}", s[c]) for c in columns]  # fmt: skip
            lines.append([f"<i>{esc(symbol)}</i>", f"<code>{esc(shape(one))}</code>", *cells])
    head = [T("stat.array"), T("stat.shape"), *(T(f"stat.{c}") for c in columns)]
    return table(head, lines, kind="stats arrays") if lines else ""


def forward(L, call, found, data, cite) -> str:
    """Return the card of layer number L in the forward pass."""
    own, layer, info = kind(call.layer), call.layer, data["layers"][L]
    facts = [f"<span>{T('card.parameters')} <b>{esc(explain.parameter_count(call))}</b></span>"]
    if explain.multiplications(call):
        count = esc(explain.multiplications(call))
        facts.append(f"<span>{T('card.multiplications')} <b>{count}</b></span>")
    entries = [(f"{L}.x", "x", call.x)]
    for path, letter in explain.symbols(call).items():
        entries.append((f"param.{path}", letter, found.parameters[path].before))
    entries += [(f"{L}.mask", "m", call.parts.get("mask")), (f"{L}.z", "z", call.z),
                (f"{L}.xhat", "x̂", call.parts.get("xhat")), (f"{L}.y", "y", call.y)]  # fmt: skip
    entries = [e for e in entries if e[2] is not None]
    if own == "flatten":
        entries = [entries[-1]]
    body = [
        formula(explain.forward_formulas(call), _forward_links(call, found, cite)),
        f'<p class="facts">{"".join(facts)}</p>',
        note(_forward_text(call)),
        _health(L, call),
        f'<div class="maps">{"".join(_forward_maps(L, call, info, data))}</div>',
        statistics_table(entries, UP),
        _batchnorm_table(L, call, found) if own == "batchnorm" else "",
        _sources(cite, layer, "forward", found),
    ]
    title = f"{esc(call.name)} <small>{esc(type(layer).__name__)}</small>"
    return stop(f"f{L}", "forward", "pill.forward", title, "".join(body))


def _forward_links(call, found, cite):
    links = [cite.line(*at) for at in explain.forward_lines(call)]
    if call.fused:  # the loss's kernel computes y
        kernel = kernel_of(found.loss, cite)
        links[-1] = "" if kernel is None else cite.line(kernel, PROBABILITIES[family(found.loss)])
    return links


def _forward_text(call):
    own, layer = kind(call.layer), call.layer
    if own == "dropout":
        if "mask" not in call.parts:
            return T("forward.dropout.off")
        kept = float((call.parts["mask"] != 0).mean())
        scale = 1 / (1 - layer.rate) if layer.rate < 1 else 0.0
        return T("forward.dropout", rate=f"{layer.rate:g}", kept=f"{100 * kept:.1f}%",
                 scale=show(float(scale)))  # fmt: skip
    if own == "batchnorm":
        if not call.parts["of_batch"]:
            return T("forward.batchnorm.frozen")
        return T("forward.batchnorm", momentum=f"{layer.momentum:g}")
    if call.fused:
        f = explain.activation_of(call)
        return T("forward.fused", f=code("y" if f is None else f.name))
    return T(f"forward.{own}")


def _health(L, call):
    h = explain.health(call)
    if "dead" in h:
        return note(T("health.dead", dead=num(f"health.{L}.dead", h["dead"]),
                      units=num(f"health.{L}.units", h["units"]),
                      zero=share(f"health.{L}.zero_slope", h["zero_slope"])), "health")  # fmt: skip
    if "saturated" in h:
        return note(T("health.saturated",
                      share=share(f"health.{L}.saturated", h["saturated"])), "health")  # fmt: skip
    return ""


def _forward_maps(L, call, info, data):
    samples = f"<small>{T('map.samples')}</small>"
    for key in info["x"] if isinstance(info["x"], list) else [info["x"]]:
        if kind(call.layer) != "flatten":
            yield figure("x", key, note=samples, layer=L)
    letters, stack = explain.symbols(call), ""
    for k in info["params"]:
        p = data["params"][k]
        pick = k if p.get("g") is not None and kind(call.layer) == "dense" else None
        stack += figure(letters[p["path"]], p["w"], layer=L, pick=pick)
    yield f'<div class="stack">{stack}</div>' if stack else ""
    for name, key in (("m", info.get("mask")), ("x̂", info.get("xhat")), ("z", info["z"])):
        yield figure(name, key, note=samples, layer=L)
    for key in info["y"] if isinstance(info["y"], list) else [info["y"]]:
        yield figure("y", key, note=samples, layer=L)


def _batchnorm_table(L, call, found):
    mean, var = (np.asarray(call.parts[k]) for k in ("mean", "var"))
    layer, lines = call.layer, []
    mm, mv = (found.parameters[p.path] for p in (layer.moving_mean, layer.moving_variance))
    for f in range(min(FEATURES, mean.size)):
        cells = [str(f), num(f"bn.{L}.mean.{f}", float(mean[f])),
                 num(f"bn.{L}.var.{f}", float(var[f]))]  # fmt: skip
        for name, p in (("moving_mean", mm), ("moving_variance", mv)):
            cells.append(num(f"bn.{L}.{name}.before.{f}", float(p.before[f])) + " → "
                         + num(f"bn.{L}.{name}.after.{f}", float(p.after[f])))  # fmt: skip
        lines.append(cells)
    head = [T(f"bn.{k}") for k in ("feature", "batch_mean", "batch_var", "moving_mean",
                                   "moving_var")]  # fmt: skip
    return table(head, lines, T("bn.first", n=len(lines), total=mean.size), "stats")


def _sources(cite, layer, which, found):
    functions = [getattr(type(layer), which)]
    if kind(layer) == "dense":
        functions.append(layer.logits if which == "forward" else layer.backward_from_logits)
        names = ("linear",) if which == "forward" else ("linear_dW", "sum_rows", "linear_dx")
        functions += [getattr(cite.kernels, name) for name in names]
    if which == "backward" and kind(layer) == "dense":
        functions.append(Loss.row_weights)
    links = " ".join(cite(f) for f in functions)
    return f'<p class="sources"><span>{T("card.source")}</span> {links}</p>'


def backward(L, call, found, data, cite) -> str:
    """Return the card of layer number L in the backward pass."""
    title = f"{esc(call.name)} <small>{esc(type(call.layer).__name__)}</small>"
    if not call.visited:
        body = note(T("back.none"))
        return stop(f"b{L}", "backward", "pill.backward", title, body)
    own, info = kind(call.layer), data["layers"][L]
    f, dz = explain.activation_of(call), call.dz
    s, at = slope(call), _slope_name(call)
    entries = [(f"{L}.dy", "dy", call.dy), (f"{L}.slope", at, s)]
    if dz is not None and (call.dy is None or f is not None):
        entries.append((f"{L}.dz", "dz", dz))
    letters = explain.symbols(call)
    for path, letter in letters.items():
        entries.append((f"grad.{path}", "d" + letter, found.parameters[path].gradient))
    entries.append((f"{L}.dx", "dx", call.dx))
    first = next(k for k, c in enumerate(found.layers) if c.visited)
    text = "back.fused" if call.fused else f"back.{own}"
    if own == "dense" and not call.fused:
        text = None if f is None else "back.activation" if s is not None else "back.rowwise"
    elif own == "activation" and s is None and not call.fused:
        text = "back.rowwise"
    lines = [cite.line(*at) for at in explain.backward_lines(call)]
    body = [
        formula(explain.backward_formulas(call), lines),
        "" if text is None else note(T(text)),
        note(T("back.oneN", d=_d(call))),
        note(T("back.nodx")) if first == L and call.dx is not None else "",
        f'<div class="maps">{"".join(_backward_maps(L, call, info, data, letters))}</div>',
        statistics_table([e for e in entries if e[2] is not None], DOWN),
        _why(call) if own == "dense" else "",
        _drill(L, call, found, data) if own == "dense" else "",
        _sources(cite, call.layer, "backward", found),
    ]
    return stop(f"b{L}", "backward", "pill.backward", title, "".join(body))


def _slope_name(call):
    return "f′(x)" if call.z is None else "f′(z)"


def _d(call):
    return "dy" if explain.activation_of(call) is None and not call.fused else "dz"


def _backward_maps(L, call, info, data, letters):
    samples = f"<small>{T('map.samples')}</small>"
    yield figure("dy", info["dy"], note=f"{T('back.upstream')} {samples}", layer=L)
    yield figure(_slope_name(call), info["slope"], note=f"{T('back.slope')} {samples}", layer=L)
    if call.dz is not None and info["d"] != info["dy"]:
        yield figure("dz", info["d"], note=T("back.product") + " " + samples, layer=L)
    stack = ""
    for k in info["params"]:
        p = data["params"][k]
        if p.get("g") is not None:
            pick = k if kind(call.layer) == "dense" else None
            stack += figure("d" + letters[p["path"]], p["g"], layer=L, pick=pick)
    yield f'<div class="stack">{stack}</div>' if stack else ""
    if kind(call.layer) != "flatten":
        yield figure("dx", info["dx"], note=T("back.downstream") + " " + samples, layer=L)


def _why(call):
    d, lines = _d(call), dict(explain.backward_formulas(call))
    parts = []
    if call.layer.kernel.trainable:
        parts.append(T("back.why.dW", d=d, shapes=code(lines[f"dW = xᵀ {d}"])))
        if call.layer.bias is not None:
            parts.append(T("back.why.db", d=d))
    if call.dx is not None:
        parts.append(T("back.why.dx", d=d))
    body = "".join(f"<p>{p}</p>" for p in parts)
    return f'<details class="why" open><summary>{T("back.why")}</summary>{body}</details>'


def _drill(L, call, found, data):
    """Return the terms of one weight's gradient; the script puts any other weight in its place."""
    layer = call.layer
    if not layer.kernel.trainable:
        return ""
    p = found.parameters[layer.kernel.path]
    i, j = map(int, np.unravel_index(np.abs(p.gradient).argmax(), p.gradient.shape))
    x, d = rows(call.x)[:, i], rows(call.dy if call.dz is None else call.dz)[:, j]
    terms = x.astype(np.float64) * d
    order = np.argsort(-np.abs(terms), kind="stable")[:TERMS]
    order = order[: max(1, np.count_nonzero(terms[order]))]
    largest = np.abs(terms).max(initial=0) or 1.0
    key, lines = f"drill.{p.path}", []
    for n in np.sort(order):
        lines.append([str(n), num(f"{key}.{n}.x", float(x[n])), num(f"{key}.{n}.d", float(d[n])),
                      num(f"{key}.{n}.term", float(terms[n])) + bar(abs(terms[n]) / largest,
                      "neg" if terms[n] < 0 else "pos")])  # fmt: skip
    if len(terms) > len(order):
        rest = float(np.delete(terms, order).sum())
        left = len(terms) - len(order)
        lines.append([T("drill.others", n=left), "", "", num(f"{key}.rest", rest)])
    total = float(terms.sum())
    lines.append([f"<b>{T('drill.sum')}</b>", "", "", f"<b>{num(f'{key}.sum', total)}</b>"])
    if p.penalty_gradient is not None:
        value = float(p.penalty_gradient[i, j])
        lines.append([T("drill.penalty"), "", "", num(f"{key}.penalty", value)])
    lines.append([f"<b>{T('drill.backward')}</b>", "", "",
                  f"<b>{num(f'{key}.backward', float(p.gradient[i, j]))}</b>"])  # fmt: skip
    d_name = _d(call)
    head = [T("drill.sample"), f"x[n, {i}]", f"{d_name}[n, {j}]", T("drill.term")]
    k = list(found.parameters).index(p.path)
    return (
        f'<div class="drill" data-layer="{L}" data-param="{k}" data-i="{i}" data-j="{j}">'
        f"<h3>{T('drill.title', p=code(f'{p.path}[{i}, {j}]'))}</h3>{note(T('drill.text'))}"
        f"{table(head, lines, kind='terms')}</div>"
    )
