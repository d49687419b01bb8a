"""The page's sections of the batch and of the loss, with its gradient in two ways."""

import numpy as np

from .markup import T, esc, figure, formula, note, num, show, stop, table

CLASSES = 12  # of one sample's gradient
PROBABILITIES = {"softmax": "np.exp(p", "sigmoid": "p[...]"}  # where kernels compute p
ROWS = 32  # of the batch, in the table without script


def batch(found, data) -> str:
    """Return the samples, with what came out for them; picture and path are the script's."""
    R, N = data["rows"], data["count"]
    loss = found.loss
    lines = []
    for n in range(min(ROWS, R, len(loss.w))):
        lines.append([str(n), _target(loss, n), _output(loss, n),
                      num(f"row.{n}.wl", float(loss.values[n]))])  # fmt: skip
    head = [T(f"batch.{k}") for k in ("sample", "target", "output", "loss")]
    body = [
        note(T("batch.text", n=N)),
        note(T("batch.shown", r=R, n=N)) if R < N else "",
        '<div class="samples"></div><div class="follow"></div>',
        f'<div class="plain">{table(head, lines, kind="stats")}</div>',
    ]
    return stop("batch", "batch", "pill.batch", T("batch.title"), "".join(body))


def _target(loss, n):
    y = loss.y[n]
    if np.ndim(y) == 0:
        return str(int(y)) if loss.loss.integer_targets else show(float(y))
    if y.size > 1 and y.sum() == 1 and y.max() == 1:
        return str(int(y.argmax()))
    return ", ".join(show(float(v)) for v in y[:4]) + (" …" if y.size > 4 else "")


def _output(loss, n):
    p = (loss.probabilities if loss.fused else loss.output)[n]
    if family(loss) == "softmax":
        c = int(p.argmax())
        return f"{c} ({show(float(p[c]))})"
    return ", ".join(show(float(v)) for v in p[:4]) + (" …" if p.size > 4 else "")


def family(loss) -> str:
    """Return which derivation the loss has on the page: softmax, sigmoid, squared or other."""
    if loss.fused:
        return {"softmax": "softmax", "sigmoid": "sigmoid"}.get(loss.loss.logits_of, "other")
    return "squared" if getattr(loss.loss, "kind", None) == "squared" else "other"


def one_hot(loss):
    """Return the targets as (R, C), smoothed as in the loss."""
    C = loss.output.shape[-1]
    y = np.eye(C)[loss.y] if loss.loss.integer_targets else loss.y.astype(np.float64)
    s = getattr(loss.loss, "label_smoothing", 0.0)
    return y * (1 - s) + s / (2 if loss.loss.logits_of == "sigmoid" else C) if s else y


def loss_card(found, data, cite) -> str:
    """Return the loss's card: values per sample, and sample 0's gradient in two ways."""
    loss, fam = found.loss, family(found.loss)
    lines = []
    for n in range(min(ROWS, data["rows"], len(loss.w))):
        w = float(loss.w[n])
        own = float(loss.values[n]) / w if w else 0.0
        lines.append([str(n), _target(loss, n), _output(loss, n), num(f"row.{n}.l", own),
                      num(f"row.{n}.w", w), num(f"row.{n}.wl", float(loss.values[n]))])  # fmt: skip
    left = len(loss.w) - len(lines)
    if left:
        rest = float(loss.values[len(lines) :].sum(dtype=np.float64))
        lines.append([T("drill.rest", n=left), "", "", "", "", num("loss.rest", rest)])
    total = float(loss.values.sum(dtype=np.float64))
    lines.append([f"<b>{T('loss.sum')}</b>", "", "", "", "", f"<b>{num('loss.data', total)}</b>"])
    if loss.penalty:
        lines.append([T("loss.penalty"), "", "", "", "", num("loss.penalty", loss.penalty)])
        whole = f"<b>{num('loss.total', loss.before)}</b>"
        lines.append([f"<b>{T('loss.total')}</b>", "", "", "", "", whole])
    head = [T("batch.sample"), T("batch.target"), T("batch.output"), T("loss.l"), "wₙ", "wₙ lₙ"]
    samples = f"<small>{T('map.samples')}</small>"
    info = data["loss"]
    body = [
        formula(_loss_formulas(loss, fam), _loss_links(loss, fam, cite)),
        note(T("loss.text")),
        f"<h3>{T(f'loss.{fam}')}</h3>",
        f'<div class="chain">{note(T(f"loss.{fam}.text", n="0"))}{_chain(loss, fam)}</div>',
        '<div class="jacobian"></div>' if fam == "softmax" else "",
        '<div class="maps">',
        figure("p" if loss.fused else "output", info["p"], note=samples, layer="loss"),
        figure("dL/dz" if loss.fused else "dL/dp", info["dp"], note=samples, layer="loss"),
        "</div>",
        f"<h3>{T('loss.terms')}</h3>",
        table(head, lines, kind="stats"),
        f'<p class="sources"><span>{T("card.source")}</span> '
        + " ".join(cite(f) for f in _loss_sources(loss, cite)) + "</p>",
    ]  # fmt: skip
    name = f"{T('loss.title')} <small>{esc(type(loss.loss).__name__)}</small>"
    return stop("loss", "loss", "pill.loss", name, "".join(body))


def _loss_formulas(loss, fam):
    N, C = loss.output.shape
    s = f"({N}, {C})"
    if fam == "softmax":
        return [("p = softmax(z)", f"{s} → {s}"),
                ("lₙ = −Σ_c y[n, c] log p[n, c]", f"{s} → ({N},)"),
                ("L = Σₙ wₙ lₙ", f"({N},) → ()"), ("dz = w (p − y)", f"{s} → {s}")]  # fmt: skip
    if fam == "sigmoid":
        return [("p = sigmoid(z)", f"{s} → {s}"),
                ("lₙ = −mean_c (y log p + (1 − y) log(1 − p))", f"{s} → ({N},)"),
                ("L = Σₙ wₙ lₙ", f"({N},) → ()"), ("dz = w (p − y) / C", f"{s} → {s}")]  # fmt: skip
    if fam == "squared":
        return [("lₙ = mean_c (p − y)²", f"{s} → ({N},)"), ("L = Σₙ wₙ lₙ", f"({N},) → ()"),
                ("dp = 2 w (p − y) / C", f"{s} → {s}")]  # fmt: skip
    return [(f"lₙ = {type(loss.loss).__name__}(y, p)", f"{s} → ({N},)"),
            ("L = Σₙ wₙ lₙ", f"({N},) → ()")]  # fmt: skip


def _loss_links(loss, fam, cite):
    """Return a link for each of `_loss_formulas`; all but row weights come from the kernel."""
    kernel = kernel_of(loss, cite)
    if kernel is None:
        return [cite.line(type(loss.loss).forward, "def ")]
    end = "out=dz" if loss.loss.integer_targets else "dz[...]"
    by = {"softmax": (PROBABILITIES["softmax"], "out=losses", None, end),
          "sigmoid": (PROBABILITIES["sigmoid"], "out=losses", None, end),
          "squared": ("out=losses", None, "dy[...]")}[fam]  # fmt: skip
    weights = type(loss.loss).row_weights
    return [cite.line(weights, "/=") if at is None else cite.line(kernel, at) for at in by]


def kernel_of(loss, cite):
    """Return the kernel of values and gradient, for the families that the page derives."""
    softmax = "softmax_crossentropy"
    names = {
        "softmax": f"sparse_{softmax}" if loss.loss.integer_targets else softmax,
        "sigmoid": "sigmoid_crossentropy",
        "squared": "elementwise_loss",
    }
    name = names.get(family(loss))
    return name and getattr(cite.kernels, name)


def _loss_sources(loss, cite):
    own = type(loss.loss)
    found, kernel = [own.row_weights, own.forward], kernel_of(loss, cite)
    return [*found, kernel] if kernel else found


def _chain(loss, fam, n=0):
    """Return a table of sample n: the chain of derivatives beside the model's own gradient."""
    C, w = loss.output.shape[-1], float(loss.w[n])
    order = np.sort(np.argsort(-np.abs(loss.gradient[n]), kind="stable")[:CLASSES])
    y, out = one_hot(loss)[n] if fam != "other" else None, loss.output[n].astype(np.float64)
    lines = []
    if fam in ("softmax", "sigmoid"):
        p = loss.probabilities[n].astype(np.float64)
        if fam == "softmax":
            dp = np.where(y == 0, 0, -w * y / np.maximum(p, 1e-300))
            chain, direct = p * (dp - (p * dp).sum()), w * (p * y.sum() - y)
        else:
            dp = (p - y) * w / C / np.maximum(p * (1 - p), 1e-300)
            chain, direct = dp * (p * (1 - p)), w * (p - y) / C
        columns = [("z", out), ("p", p), ("y", y), ("dp", dp), ("chain", chain),
                   ("direct", direct), ("engine", loss.gradient[n])]  # fmt: skip
        head = ["z", "p", "y", "dL/dp", T("loss.chain"),
                T("loss.direct" if fam == "softmax" else "loss.direct.sigmoid"),
                T("loss.engine")]  # fmt: skip
    elif fam == "squared":
        columns = [("p", out), ("y", y), ("direct", 2 * (out - y) * w / C),
                   ("engine", loss.gradient[n])]  # fmt: skip
        head = ["p", "y", T("loss.direct.squared"), T("loss.engine")]
    else:
        columns, head = [("p", out), ("engine", loss.gradient[n])], ["p", T("loss.engine")]
    for c in order:
        lines.append([str(c), *(num(f"chain.{c}.{k}", float(v[c])) for k, v in columns)])
    more = note(T("loss.most", k=CLASSES, n=C)) if C > CLASSES else ""
    return table([T("loss.class"), *head], lines, kind="stats") + more
