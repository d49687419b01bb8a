"""The page's sections after the layers: update, numeric check, Keras, what if."""

import numpy as np

from . import check as checking
from . import explain
from .explain import statistics
from .markup import T, bar, code, esc, formula, log_share, note, num, power, stop, table

RULES = {
    "Adam": [("m ← m + (1 − β₁)(g − m)", ""), ("v ← v + (1 − β₂)(g² − v)", ""),
             ("w ← w − α m / (√v + ε)", "α = lr √(1 − β₂ᵗ) / (1 − β₁ᵗ)")],
    "Adam amsgrad": [("m ← m + (1 − β₁)(g − m)", ""), ("v ← v + (1 − β₂)(g² − v)", ""),
                     ("v_max ← max(v_max, v)", ""),
                     ("w ← w − α m / (√v_max + ε)", "α = lr √(1 − β₂ᵗ) / (1 − β₁ᵗ)")],
    "SGD": [("w ← w − lr g", "")],
    "SGD momentum": [("m ← μ m − lr g", ""), ("w ← w + m", "")],
    "SGD nesterov": [("m ← μ m − lr g", ""), ("w ← w + μ m − lr g", "")],
    "RMSprop": [("v ← ρ v + (1 − ρ) g²", ""), ("w ← w − lr g / √(v + ε)", "")],
}  # fmt: skip


def update(model, found, data, cite) -> str:
    """Return the update's card: sizes of the steps, and one weight of each array worked out."""
    optimizer = model.optimizer
    trained = [p for p in found.parameters.values() if p.gradient is not None]
    clipped = any(not np.array_equal(p.gradient, p.clipped) for p in trained)
    lines, worked = [], []
    for p in trained:
        norms = [statistics(a)["norm"] for a in (p.before, p.gradient, p.clipped, p.step)]
        ratio = norms[3] / norms[0] if norms[0] else float("inf") if norms[3] else 0.0
        cells = [num(f"up.{p.path}.w", norms[0]), num(f"up.{p.path}.g", norms[1])]
        cells += [num(f"up.{p.path}.clipped", norms[2])] if clipped else []
        cells += [num(f"up.{p.path}.step", norms[3]),
                  num(f"up.{p.path}.ratio", ratio) + bar(log_share(ratio), "up")]  # fmt: skip
        lines.append([code(p.path), *cells])
        worked.append(_worked(p, clipped))
    head = [T("update.array"), "|w|", "|g|", *([T("update.clipped")] if clipped else []), "|Δw|",
            T("update.ratio")]  # fmt: skip
    frozen = [code(p) for p, v in found.parameters.items() if v.gradient is None]
    states = [f"{k} {arrow}" for k in (trained[0].state_before if trained else ())
              for arrow in ("", "→")]  # fmt: skip
    head_one = [T("update.entry"), "w", "g", *([T("update.clipped")] if clipped else []),
                *(esc(s) for s in states), T("update.step"), T("update.after")]  # fmt: skip
    rule = cite(type(optimizer).update)
    kernel = getattr(cite.kernels, type(optimizer).update.__qualname__.split(".")[0].lower(), None)
    body = [
        formula(_rule(optimizer), _rule_links(optimizer, kernel, cite)),
        note(T("update.text")),
        f"<h3>{T('update.numbers')}</h3>",
        _numbers(optimizer, found),
        table(head, lines, kind="stats"),
        f"<h3>{T('update.one')}</h3>",
        f'<div class="worked">{table(head_one, worked, kind="stats")}</div>',
        note(T("update.frozen", list=", ".join(frozen))) if frozen else "",
        f'<p class="sources"><span>{T("card.source")}</span> {rule} '
        f"{cite(type(optimizer).descend)}</p>",
    ]
    name = f"{T('update.title')} <small>{esc(type(optimizer).__name__)}</small>"
    return stop("update", "update", "pill.update", name, "".join(body))


def _rule(optimizer):
    """Return the update's formulas; those of the class's docstring if the rule isn't listed."""
    for cls in type(optimizer).__mro__:
        name = cls.__name__
        if name == "SGD" and optimizer.momentum:
            name += " nesterov" if optimizer.nesterov else " momentum"
        if name == "Adam" and optimizer.amsgrad:
            name += " amsgrad"
        if name == "RMSprop" and (optimizer.momentum or optimizer.centered):
            break
        own = cls.__module__.startswith("tinynet.")
        if name in RULES and own and type(optimizer).update is cls.update:
            return RULES[name]
    return explain.equations(type(optimizer))


def _rule_links(optimizer, kernel, cite):
    """Return a link for each line of `_rule`: where the kernel writes that array."""
    if kernel is None:
        return []
    rule, places = _rule(optimizer), {}
    if rule in (RULES["SGD momentum"], RULES["SGD nesterov"]):
        places = {"w": " w += "}  # the line above is for plain descent
    return [cite.line(kernel, places.get(line[0], f" {line[0]} ")) for line, _ in rule]


def _numbers(optimizer, found):
    pairs = [("t", num("opt.t", found.iteration + 1)),
             (T("update.lr"), num("opt.lr", found.learning_rate))]  # fmt: skip
    for name, value in explain.bias_corrections(optimizer, found.iteration).items():
        label = "1 − β₁ᵗ" if name == "beta_1" else "1 − β₂ᵗ"
        pairs.append((label, num(f"opt.{name}", value)))
    for name, value in found.numbers.items():
        if name != "lr":
            known = name in ("alpha", "decay")
            label = T(f"update.{name}") if known else T("update.other", name=code(name))
            pairs.append((label, num(f"opt.{name}", float(value))))
    items = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in pairs)
    more = note(T("update.correction")) if "alpha" in found.numbers else ""
    return f'<dl class="numbers">{items}</dl>{more}'


def _worked(p, clipped):
    at = np.unravel_index(np.abs(p.gradient).argmax(), p.gradient.shape)
    name = f"{p.path}[{', '.join(str(int(k)) for k in at)}]"
    cells = [num(f"one.{p.path}.w", float(p.before[at])),
             num(f"one.{p.path}.g", float(p.gradient[at]))]  # fmt: skip
    if clipped:
        cells.append(num(f"one.{p.path}.clipped", float(p.clipped[at])))
    for k in p.state_before:
        cells += [num(f"one.{p.path}.{k}.before", float(p.state_before[k][at])),
                  num(f"one.{p.path}.{k}.after", float(p.state_after[k][at]))]  # fmt: skip
    cells += [num(f"one.{p.path}.step", float(p.step[at])),
              num(f"one.{p.path}.after", float(p.after[at]))]  # fmt: skip
    return [code(name), *cells]


def check(found, checked, dtype, cite) -> str:
    """Return the table of differences, with the pass line."""
    count = {v: sum(c.verdict == v for c in checked) for v in ("pass", "kink", "fail")}
    lines = []
    for k, c in enumerate(checked):
        name = f"{c.path}[{', '.join(map(str, c.index))}]"
        mark = f'<span class="verdict {c.verdict}">{T(f"verdict.{c.verdict}")}</span>'
        lines.append([code(name), num(f"check.{k}.backward", c.backward),
                      num(f"check.{k}.backward64", c.backward64),
                      num(f"check.{k}.numeric", c.numeric), num(f"check.{k}.error", c.error),
                      mark])  # fmt: skip
    result = T("check.result", passed=count["pass"], total=len(checked), kinks=count["kink"],
               failed=count["fail"])  # fmt: skip
    line32 = checking.PASS_LINE if dtype == "float64" else checking.PASS_LINE_32
    head = [T(f"check.{k}") for k in ("entry", "backward", "backward64", "numeric", "error",
                                      "verdict")]  # fmt: skip
    body = [
        note(T("check.text", line=power(checking.PASS_LINE), line32=power(line32), dtype=dtype,
               small=power(checking.SMALL))),
        note(f"<b>{result}</b>", "result"),
        note(T("check.kink")) if count["kink"] else "",
        table(head, lines, kind="stats"),
        f'<p class="sources"><span>{T("card.source")}</span> {cite(checking.check)}</p>',
    ]  # fmt: skip
    return stop("check", "check", "pill.check", T("check.title"), "".join(body))


def peer(result) -> str:
    """Return the comparison with Keras, or why there is none."""
    if "reason" in result:
        body = note(T("peer.absent", reason=result["reason"]))
        return stop("peer", "check", "pill.check", T("peer.title"), body)
    lines = []
    for k, row in enumerate(result["rows"]):
        what = f"{T('peer.' + row['what'])} {code(row['path'])}"
        lines.append([what, num(f"peer.{k}.ours", row["ours"]),
                      num(f"peer.{k}.difference", row["difference"])])  # fmt: skip
    head = [T(f"peer.{k}") for k in ("what", "ours", "difference")]
    text = T("peer.text", version=esc(result["version"]), backend=esc(result["backend"]),
             loss=num("peer.loss", result["loss"]))  # fmt: skip
    body = note(text) + table(head, lines, kind="stats")
    return stop("peer", "check", "pill.check", T("peer.title"), body)


def whatif(cases, seed) -> str:
    """Return small tables with bars for every other choice."""
    body = [note(T("what.text"))]
    for group, key in (("initializers", "init"), ("activation", "act")):
        body.append(f"<h3>{T(f'what.{key}')}</h3>")
        if not cases[group]:
            body.append(note(T("what.act.none")))
            continue
        body.append(note(T(f"what.{key}.text", seed=seed) if key == "init" else T("what.act.text")))
        body.append(f'<div class="cases">{"".join(_case(group, c) for c in cases[group])}</div>')
    body.append(f"<h3>{T('what.rate')}</h3>{note(T('what.rate.text'))}")
    scale = max(c["after"] for c in cases["rates"])
    scale = max(scale, cases["rates"][0]["before"]) if np.isfinite(scale) else 1.0
    lines = [[f"× {c['factor']:g}", num(f"what.rates.{c['factor']:g}.rate", c["rate"]),
              num(f"what.rates.{c['factor']:g}.before", c["before"]) + " → "
              + num(f"what.rates.{c['factor']:g}.after", c["after"])
              + bar(c["after"] / scale, "up")] for c in cases["rates"]]  # fmt: skip
    body.append(table([T("what.case"), T("update.lr"), T("what.loss")], lines, kind="stats"))
    body.append(note(T("what.scale")))
    return stop("whatif", "whatif", "pill.whatif", T("what.title"), "".join(body))


def _case(group, case):
    name = T("what.asis") if case["name"] == "as it is" else code(case["name"])
    key = f"what.{group}.{case['name']}"
    lines = []
    for layer in case["layers"]:
        k = f"{key}.{layer['name']}"
        lines.append([esc(layer["name"]),
                      num(f"{k}.sd", layer["sd"]) + bar(log_share(layer["sd"], 1e-4, 10), "fwd"),
                      num(f"{k}.gradient", layer["gradient"])
                      + bar(log_share(layer["gradient"], 1e-5, 10), "bwd")])  # fmt: skip
    head = [T("what.layer"), T("what.sd"), T("what.gradient")]
    return (
        f'<article class="case"><h4>{name}</h4><p>{T("what.loss")} '
        f"{num(f'{key}.loss', case['loss'])}</p>{table(head, lines, kind='stats', focus=False)}"
        "</article>"
    )
