"""The playground: one page that trains small networks in the browser, step by step.

`tinynet.playground()` writes it. The page holds its own engine: the formulas are the reference's,
translated (`kernels/page`), the step is `engine.js`. Beside it are `data.js` (the data sets, typed
formulas, the Python), `run.js` (settings, and time), `view.js` and `draw.js` (pictures, and what a
frame shows) and `page.js` (the controls), the words in `text.json`.
"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Path

__all__ = ["playground"]


def playground(path: Path = "playground.html", *, digits: bool = True) -> Any:
    """Write the playground as one self-contained page; it needs no server and no network.

    Args:
        path: where to write; an existing file is replaced, whole or not at all.
        digits: have scikit-learn's 8x8 digits among the data, where they can be loaded.

    Returns:
        the path, a pathlib.Path.
    """
    from ..saving.atomic import atomic_write
    from .page import page

    path = pathlib.Path(path)
    with atomic_write(path) as file:
        file.write(page(digits).encode("utf-8"))
    return path
