"""The page: one file, nothing to fetch; the same step gives the same bytes."""

import platform

import numpy as np

from ..core.devices import load_ops
from ..core.locks import exclusive
from ..inspecting.untouched import untouched
from . import cards, embed, panels, story
from . import loss as losses
from .check import check
from .explain import activation_of, kind, statistics
from .markup import T, asset, code, document, esc, json_text, log_share, note, num, show, texts
from .peer import BACKENDS, NotComparable, compare, installed
from .source import line_of, where
from .trace import prepare, run
from .whatif import what_if

PAGE_BYTES = 4_900_000
MOMENT_SHARE = 0.6  # of a moment's arrays: activations, so that it has some samples
PARTS = ("the step", "numeric check", "what if", "Keras", "the page")  # what takes the time
SCRIPTS = ("arrays.js", "maps.js", "network.js", "story.js", "pages.js", "details.js", "sample.js",
           "weight.js", "loss.js", "start.js")  # fmt: skip
SCRIPT_TEXTS = ("follow.", "pixel.", "drill.", "loss.", "map.", "batch.", "update.", "prev", "next",
                "strip.", "story.")  # fmt: skip


class Citations:
    """Links to the lines behind formulas; the lines themselves go to the foot of the page."""

    def __init__(self):
        self.kernels = load_ops("reference")
        self.found = {}  # (path, line) -> text
        self.lines = set()  # (path, line of the text, line that is linked to)

    def __call__(self, function):
        path, line, text = where(function)
        if not text:
            return code(path)
        self.found[path, line] = text
        return self._link(self._id(path, line), path, line)

    def line(self, function, fragment):
        """Return a link to the line of `function` that holds `fragment`."""
        path, first, text = where(function)
        if not text:
            return code(path)
        self.found[path, first] = text
        at = line_of(function, fragment)
        self.lines.add((path, first, at))
        return self._link(f"{self._id(path, first)}-{at}", path, at)

    @staticmethod
    def _link(ident, path, line):
        return f'<a class="src" href="#{ident}"><code>{esc(path)}:{line}</code></a>'

    @staticmethod
    def _id(path, line):
        return "src-" + "".join(c if c.isalnum() else "-" for c in path) + f"-{line}"

    def _row(self, path, line, at, text):
        linked = (path, line, at) in self.lines
        anchor = f' id="{self._id(path, line)}-{at}" tabindex="-1"' if linked else ""
        return f'<span data-n="{at}"{anchor}>{esc(text)}\n</span>'

    def section(self):
        """Return all cited lines, folded."""
        parts = []
        for (path, line), text in sorted(self.found.items()):
            rows = "".join(self._row(path, line, line + k, row)
                           for k, row in enumerate(text.splitlines()))  # fmt: skip
            text = f'<pre id="{self._id(path, line)}" tabindex="0">{rows}</pre>'
            name = f"<summary><code>{esc(path)}:{line}</code></summary>"
            parts.append(f'<details class="code">{name}{text}</details>')
        return "".join(parts)


def _steps(model, x, y, sample_weight):
    """Return the step's trace, and that of the same batch and masks at the new weights."""
    batch = prepare(model, x, y, sample_weight)
    with untouched(model):
        found = run(model, batch)
        after = run(model, batch, update=False)
    found.loss.after = after.loss.before
    if not isinstance(found.x, np.ndarray) or not isinstance(found.outputs, np.ndarray):
        raise ValueError(f"{model.name}: the page is for models of one input and one output, "
                         f"received x of type {type(found.x).__name__}; model.trace(x, y) has the "
                         "numbers of any model")  # fmt: skip
    return batch, found, after


@exclusive
def page(model, x, y, sample_weight=None, *, keras="auto", entries=6, seed=0,
         begin=lambda part: None) -> str:  # fmt: skip
    """Return the page's HTML; for arguments see `microscope`. `begin` is called with each part."""
    begin("the step")
    batch, found, after = _steps(model, x, y, sample_weight)
    begin("numeric check")
    checked = check(model, batch, found, entries, seed)
    begin("what if")
    cases = what_if(model, batch, found, seed)
    begin("Keras")
    compared = _peer(model, found, keras)
    begin("the page")
    return document(build(model, found, after, (checked, cases, compared, seed)))


@exclusive
def moment(model, x, y, sample_weight=None, *, most) -> dict:
    """Return the parts of the page without its proofs, for a film, with `most` bytes of arrays."""
    _, found, after = _steps(model, x, y, sample_weight)
    return _render(model, found, after, None, most, shown=MOMENT_SHARE)


def _peer(model, found, keras):
    if not keras:
        return {"reason": T("peer.off")}
    if keras == "auto" and not (installed("keras") and installed(*BACKENDS)):
        return {"reason": esc("Keras is not installed")}
    try:
        with untouched(model):
            return compare(model, found)
    except NotComparable as reason:
        return {"reason": esc(reason)}


def build(model, found, after, proofs) -> dict:
    """Return the page's parts; arrays are cut where it would have more than PAGE_BYTES.

    Args:
        model, found, after: the model; the step, and its batch at the new weights.
        proofs: what the cards after the update show (checked, cases, peer, seed), or None.
    """
    budget = PAGE_BYTES * 7 // 10  # base64 takes 4 bytes for 3, the rest is text
    for _ in range(3):
        parts = _render(model, found, after, proofs, budget)
        excess = sum(len(part.encode("utf-8")) for part in parts.values()) - PAGE_BYTES
        if excess <= 0:
            break
        budget = max(budget - excess * 3 // 4 - 20_000, 100_000)
    return parts


def _render(model, found, after, proofs, budget, shown=embed.ACTIVATIONS):
    arrays, cite = embed.Arrays(), Citations()
    data = _data(found, arrays, budget, shown)
    data["story"] = story.tell(found, after, data, arrays)
    count = len(found.layers)
    stops = [losses.batch(found, data)]
    stops += [cards.forward(L, c, found, data, cite) for L, c in enumerate(found.layers)]
    stops.append(losses.loss_card(found, data, cite))
    stops += [cards.backward(L, found.layers[L], found, data, cite) for L in reversed(range(count))]
    stops.append(panels.update(model, found, data, cite))
    if proofs is not None:
        checked, cases, peer, seed = proofs
        stops += [panels.check(found, checked, str(model.dtype), cite), panels.peer(peer),
                  panels.whatif(cases, seed)]  # fmt: skip
    data["arrays"] = arrays.entries
    words = {k: v for k, v in texts().items() if k.startswith(SCRIPT_TEXTS)}
    return {
        "BODY": asset("page.html"),
        "TITLE": esc(f"{model.name} · tinynet microscope"),
        "CSS": asset("base.css") + asset("page.css"),
        "JS": "".join(map(asset, SCRIPTS)),
        "HEADER": _header(model, found),
        "DETAILS": T("story.details"),
        "META": _meta(model, found),
        "STRIP": _strip(found, proofs is not None),
        "STOPS": "".join(stops),
        "HOW": _how(found, data, arrays),
        "SOURCES": f"<details class='all-code'><summary>{T('source.title')}</summary>"
        f"{note(T('source.text'))}{cite.section()}</details>",
        "WORDS": json_text(words),
        "DATA": json_text(data),
    }


def _data(found, arrays, budget, shown):
    """Return what the page's script reads, and a test recomputes the page from."""
    N = len(found.x)
    R = embed.rows_that_fit(found, shown * budget)
    loss, per = found.loss, len(found.loss.w) // N
    data = {"count": N, "rows": R, "layers": embed.layers(found, arrays, R),
            "params": embed.parameters(found, arrays, (1 - shown) * budget),
            "image": image_of(found.x.shape[1:])}  # fmt: skip
    data["loss"] = {
        "name": type(loss.loss).__name__, "family": losses.family(loss), "fused": loss.fused,
        "ids": bool(loss.loss.integer_targets), "y": arrays.add(loss.y[: R * per]),
        "w": arrays.add(loss.w[: R * per]), "output": arrays.add(loss.output[: R * per]),
        "p": arrays.add((loss.probabilities if loss.fused else loss.output)[: R * per]),
        "values": arrays.add(loss.values[: R * per]), "dp": arrays.add(loss.gradient[: R * per]),
        "smoothing": float(getattr(loss.loss, "label_smoothing", 0.0)), "per": per,
        "before": loss.before, "after": loss.after, "penalty": loss.penalty,
    }  # fmt: skip
    for p, traced in zip(data["params"], found.parameters.values(), strict=True):
        p["trained"] = traced.gradient is not None
    data["opt"] = {"t": found.iteration + 1, "lr": found.learning_rate, **found.numbers}
    return data


def image_of(row):
    """Return (height, width) if a row looks like a picture of one channel."""
    if len(row) == 3 and row[2] == 1:
        row = row[:2]
    if len(row) == 2 and min(row) >= 4 and max(row) <= 8 * min(row):
        return list(row)
    side = round(row[0] ** 0.5) if len(row) == 1 else 0
    square = [side, side] if len(row) == 1 and row[0] == side**2 else None
    return square if side >= 8 else None


def _header(model, found):
    loss = found.loss
    down = "down" if loss.after <= loss.before else "up"
    return (
        f'<p class="overline">{T("overline")}</p><h1>{T("title", name=esc(model.name))}</h1>'
        f'<p class="lead">{T("lead")}</p><noscript><p class="lead">{T("lead.static")}</p>'
        "</noscript>"
        f'<div class="delta {down}" title="{esc(texts()["same.batch"]["en"])}">'
        f"<div><small>{T('loss.before')}</small>"
        f"<b>{num('loss.before', loss.before)}</b></div><span aria-hidden='true'>→</span>"
        f"<div><small>{T('loss.after')}</small><b>{num('loss.after', loss.after)}</b></div></div>"
    )


def _meta(model, found):
    """Return the facts about model, batch and machine, as a list of terms."""
    import tinynet

    loss, optimizer = found.loss, model.optimizer

    facts = [
        ("meta.batch", T("meta.rows", n=len(found.x), shape=code(str(found.x.shape[1:])))),
        ("meta.parameters", f"{model.count_params():,}"),
        ("meta.loss", code(type(loss.loss).__name__)),
        ("meta.optimizer", T("meta.step", name=code(type(optimizer).__name__),
                             t=found.iteration + 1, lr=f"{found.learning_rate:.6g}")),
        ("meta.device", f"{code(model.device)} · {code(str(model.dtype))}"),
        ("meta.versions", f"tinynet {tinynet.__version__} · NumPy {np.__version__} · "
                          f"Python {platform.python_version()}"),
    ]  # fmt: skip
    facts.append(("loss.after", T("same.batch")))
    items = "".join(f"<div><dt>{T(k)}</dt><dd>{v}</dd></div>" for k, v in facts)
    return f'<dl class="meta">{items}</dl>'


def _strip(found, proved):
    """Return the way up over the way down, a column per layer; each a link to its card."""
    count = len(found.layers)

    def chip(ident, lane, label, small, level, column):
        at = "" if column is None else f' style="grid-column:{column};--at:{column - 1}"'
        title = "" if label.startswith("<") else label
        meter = "" if level is None else f'<i class="level" style="--v:{level:.3f}"></i>'
        return (
            f'<a class="chip {lane}" href="#{ident}" data-stop="{ident}" title="{title}"{at}>'
            f"{meter}<b>{label}</b><small>{small}</small></a>"
        )

    up = [chip("batch", "batch", T("strip.batch"), esc(_short(found.x.shape)), None, 2)]
    down = []
    for L, call in enumerate(found.layers):
        name, f = esc(call.name), activation_of(call)
        y = call.y[0] if isinstance(call.y, list) else call.y
        small = esc(_short(y.shape) + (f" {f.name}" if f and kind(call.layer) == "dense" else ""))
        up.append(chip(f"f{L}", "forward", name, small, log_share(statistics(y)["sd"], 1e-4, 10),
                       L + 3))  # fmt: skip
        d = call.dz if call.dz is not None else call.dy
        norm = statistics(d)["norm"] if call.visited and isinstance(d, np.ndarray) else None
        words = "—" if norm is None else f"|d| {show(norm)}"
        level = None if norm is None else log_share(norm, 1e-5, 10)
        down.append(chip(f"b{L}", "backward", name, words, level, L + 3))
    loss = chip("loss", "loss", T("strip.loss"), show(found.loss.before), None, count + 3)
    tail = "".join(
        chip(ident, lane, T(f"strip.{ident}"), "", None, None)
        for ident, lane in (("update", "update"), ("check", "check"), ("peer", "check"),
                            ("whatif", "whatif"))
        if proved or ident == "update"
    )  # fmt: skip
    return (
        f'<div class="lanes" style="--n:{count}">'
        f'<span class="lane up">{T("strip.forward")} →</span>{"".join(up)}{loss}'
        f'<span class="lane down">← {T("strip.backward")}</span>{"".join(reversed(down))}</div>'
        f'<div class="tail">{tail}</div>'
    )


def _short(dims):
    return "×".join(map(str, dims))


def _how(found, data, arrays):
    cut = [code(p["path"]) for p in data["params"]
           if any("f" in arrays.entries[k] for k in _keys(p))]  # fmt: skip
    limits = []
    if data["rows"] < data["count"]:
        limits.append(T("how.rows", r=data["rows"], n=data["count"]))
    if cut:
        limits.append(T("how.blocks", list=", ".join(cut)))
    size = f"{arrays.bytes / 1e6:.2f} MB" if arrays.bytes > 1e5 else f"{arrays.bytes / 1e3:.1f} kB"
    lines = [T("how.maps"), T("how.keys"), T("how.numbers"),
             T("how.data", bytes=size, limits=" ".join(limits) or T("how.whole"))]  # fmt: skip
    return f"<h2>{T('how.title')}</h2><ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"


def _keys(p):
    """Return the keys of all arrays of a parameter."""
    own = [p[k] for k in ("w", "g", "after", "clipped", "penalty") if p.get(k)]
    return own + list(p["state"].values()) + list(p["state_after"].values())
