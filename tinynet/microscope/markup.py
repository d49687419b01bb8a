"""Small pieces of HTML: text in two languages, numbers, tables, bars; and the page around them."""

import functools
import html
import json
import math
import pathlib
import re

ASSETS = pathlib.Path(__file__).parent
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LANGUAGES = ("en", "ko")


@functools.cache
def texts() -> dict:
    """Return key -> {"en": ..., "ko": ...}."""
    return json.loads(asset("text.json"))


def asset(name, folder=ASSETS) -> str:
    return (folder / name).read_text("utf-8")


def json_text(value) -> str:
    """Return a value as JSON for a script element; NaN and infinity, which it lacks, as null."""
    text = json.dumps(finite(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")  # nothing in it ends the element


def finite(value):
    """Return plain values with None for NaN and infinity, which JSON can't hold."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shell(name="shell.html", folder=ASSETS) -> str:
    """Return a page's outermost text, with the head that all pages have."""
    return asset(name, folder).replace("{{HEAD}}", asset("head.html"))


def filled(text, parts) -> str:
    """Return a text with its {{NAME}}s replaced by these parts."""
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], text)


def worded(text, words, **parts) -> str:
    """Return a text with its {{keys}} replaced by words of them in all languages."""
    return re.sub(r"\{\{([a-z0-9.]+)\}\}", lambda found: spoken(words[found[1]], **parts), text)


def document(parts, language="") -> str:
    """Return a page: the shell with a BODY, and these parts in both; its names are in {{}}.

    `language` is "en" or "ko", or empty: the browser's.
    """
    text = shell().replace("{{BODY}}", parts["BODY"])
    return filled(text, {**parts, "LANGUAGE": language})


def esc(text) -> str:
    return html.escape(str(text), quote=True)


def T(key, **parts) -> str:
    """Return the text of `key` in all languages; `parts` are HTML."""
    return spoken(texts()[key], **parts)


def spoken(words, **parts) -> str:
    """Return words, language -> text, of which the page shows one language."""
    return "".join(
        f'<span lang="{lang}">{words[lang].format(**parts)}</span>' for lang in LANGUAGES
    )


def show(value) -> str:
    """Return a number for reading: four significant digits, true minus and powers of ten."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.3e}"))))
    if -4 <= exponent < 5:
        return f"{value:.{max(0, 3 - exponent)}f}".replace("-", "−")
    mantissa = f"{value:.2e}".split("e")[0].replace("-", "−")
    return f"{mantissa}×10{str(exponent).translate(SUPERSCRIPT)}"


def power(value) -> str:
    """Return a power of ten as 10⁻³."""
    return f"10{str(round(math.log10(value))).translate(SUPERSCRIPT)}"


def num(key, value) -> str:
    """Return a number with its full value and the name under which a test recomputes it."""
    return f'<data data-k="{esc(key)}" value="{value!r}">{show(value)}</data>'


def share(key, value) -> str:
    """Return a share as a percentage."""
    return f'<data data-k="{esc(key)}" value="{value!r}">{100 * value:.1f}%</data>'


def code(text) -> str:
    return f"<code>{esc(text)}</code>"


def table(head, rows, caption=None, kind="", focus=True) -> str:
    """Return a table; the first cell of each row is its heading."""
    top = "" if caption is None else f"<caption>{caption}</caption>"
    cells = "".join(f'<th scope="col">{h}</th>' for h in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{c}</td>" for c in row[1:]) + "</tr>"
        for row in rows
    )
    scroll = ' tabindex="0"' if focus else ""
    return (
        f'<div class="scroll"{scroll}><table class="{kind}">{top}<thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def bar(share_of_width, kind="") -> str:
    """Return a horizontal bar, 0 to 1; screen readers skip it: the number stands beside it."""
    width = 0 if not math.isfinite(share_of_width) else min(max(share_of_width, 0), 1)
    inside = f'<i style="width:{100 * width:.1f}%"></i>'
    return f'<span class="bar {kind}" aria-hidden="true">{inside}</span>'


def log_share(value, low=1e-6, high=1.0) -> float:
    """Return where `value` lies between low and high on a logarithmic scale, in [0, 1]."""
    if not value > 0 or not math.isfinite(value):
        return 0.0
    return (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))


def formula(lines, links=()) -> str:
    """Return formulas with their shapes, and a link to the line that computes each."""
    links = [*links, *[""] * (len(lines) - len(links))]
    body = "".join(
        f'<div class="line"><code class="f">{esc(f)}</code><code class="shape">{esc(s)}</code>'
        f"{link}</div>"
        for (f, s), link in zip(lines, links, strict=True)
    )
    return f'<div class="formula">{body}</div>' if lines else ""


def figure(title, key, note="", layer=None, pick=None) -> str:
    """Return where the script draws a heat map of array `key`; nothing for None."""
    if key is None:
        return ""
    data = {"a": key, "layer": layer, "pick": pick}
    attributes = "".join(f' data-{k}="{esc(v)}"' for k, v in data.items() if v is not None)
    return (
        f'<figure class="map"{attributes}><figcaption><b>{esc(title)}</b> {note}</figcaption>'
        "</figure>"
    )


def note(text, kind="") -> str:
    return f'<p class="note {kind}">{text}</p>'


def stop(ident, stage, pill, title, body) -> str:
    """Return one section of the page."""
    return (
        f'<section class="stop {stage}" id="{ident}" tabindex="-1" aria-labelledby="{ident}-h">'
        f'<header><span class="pill">{T(pill)}</span><h2 id="{ident}-h">{title}</h2></header>'
        f"{body}</section>"
    )
