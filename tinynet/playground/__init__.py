"""The playground: one page that trains small networks in the browser, step by step.

`tinynet.playground()` writes it. The page holds its own engine: the formulas are the reference's,
translated (`kernels/page`), the step is `engine.js`. Beside it are `data.js` (the data sets, typed
formulas, the Python), `run.js` (settings, and time), `view.js` and `draw.js` (pictures, and what
the page shows), `frame.js` (how much of it in a frame) and `page.js` (the controls), the words in
`text.json`.
"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Path

__all__ = ["playground"]


class Playground:
    """`playground()` writes the page, `playground.widget()` shows it in a notebook."""

    def __call__(self, path: Path = "playground.html", *, digits: bool = True) -> Any:
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

    def widget(self, x: ArrayLike = None, y: ArrayLike = None, *, digits: bool = True) -> Any:
        """Return the playground as a notebook's widget, with data of your own if you like.

            play = keras.playground.widget(x, y)
            play                          # shows it; train, change layers, draw points
            print(play.said["python"])    # builds the model that it shows now

        Args:
            x: two features (N, 2), scaled to -1 ... 1; of more than 400 rows, 400 are drawn.
            y: two classes (N,).
            digits: as for the page.

        Raises:
            ImportError: anywidget is missing; says how to install it.
            ValueError: x and y are not as above.
        """
        from ..showing.widget import page_widget
        from .page import address_of, page

        address = "" if x is None else address_of(x, y)
        return page_widget(page(digits, address), "playground")


playground = Playground()
