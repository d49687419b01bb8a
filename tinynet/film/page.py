"""The film's page: the frames, what they have in common, the scripts and words; under 8 MB."""

import functools
import json
import pathlib

from ..microscope.markup import asset, document, esc, json_text, shell, worded
from .moments import BUDGET, thinned

FOLDER = pathlib.Path(__file__).parent
PAGE_BYTES = 8_000_000
SCRIPTS = ("film.js", "curves.js", "pictures.js", "layers.js", "moments.js", "start.js")


@functools.cache
def texts() -> dict:
    """Return key -> {"en": ..., "ko": ...}."""
    return json.loads(asset("text.json", FOLDER))


def page(header, frames, epochs, shared, live=False) -> str:
    """Return the page's HTML.

    Args:
        header, frames: what `Watch` returns; each frame with "at", "epoch" and "moment".
        epochs: logs of each epoch, with its number from 1 as "epoch".
        shared: the parts that all moments have in common, by name.
        live: whether more frames will come as messages.
    """
    most = BUDGET * 4 // 3
    while True:
        sizes = {k: len(f["moment"]) for k, f in enumerate(frames) if f["moment"] is not None}
        kept = thinned(sizes, most)
        shown = [f if k in kept else {**f, "moment": None} for k, f in enumerate(frames)]
        text = _render(header, shown, epochs, shared, live)
        excess = len(text.encode("utf-8")) - PAGE_BYTES
        if excess <= 0 or len(kept) <= 2:
            return text
        most = sum(sizes[k] for k in kept) - excess


def _render(header, frames, epochs, shared, live):
    words = texts()
    data = {**header, "frames": frames, "epochs": epochs, "shared": shared, "live": live,
            "shell": shell()}  # fmt: skip
    named = {"name": esc(header["name"]), "rows": header["rows"]}
    return document({
        "BODY": worded(asset("film.html", FOLDER), words, **named),
        "TITLE": esc(f"{header['name']} · tinynet film"),
        "CSS": asset("base.css") + asset("film.css", FOLDER),
        "WORDS": json_text(words),
        "DATA": json_text(data),
        "JS": asset("arrays.js") + "".join(asset(name, FOLDER) for name in SCRIPTS),
    })  # fmt: skip
