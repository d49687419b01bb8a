"""The microscope: one real training step of a model, opened up, as one page or as objects.

`tinynet.microscope(model, x, y)` writes the page, `model.trace(x, y)` returns the same numbers as
objects; `tinynet.microscope.film(model, x, y)` writes a page of a whole training. Reading order:
`trace` (the step), `untouched` (why it leaves no mark), `explain` (formulas), `check`, `whatif`,
`peer`, then what shows them: `story`, `cards`, `panels`, `page`, `tables`. The page's scripts:
`arrays.js`, `network.js` (the drawing), `story.js` and `pages.js`, then those of the details.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.checks import check_integer

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Path
    from ..models import Model

__all__ = ["microscope"]


class Microscope:
    """`microscope(model, x, y)` opens a step, `microscope.film(model, x, y, ...)` films a fit."""

    def __call__(self, model: Model, x: ArrayLike, y: ArrayLike, path: Path = "step.html", *,
                 sample_weight: ArrayLike = None, keras: str = "auto", entries: int = 6,
                 seed: int = 0) -> Any:  # fmt: skip
        """Write one self-contained page about the training step that (x, y) would cause.

        It opens on a drawing of the network with the sample that went worst, and tells its story
        on five pages; every layer, table and proof is in the details below. A terminal or notebook
        shows how far it is, and a notebook the page itself where the path is a cell's last value.
        The model, its optimizer and all generators stay as they are, bit by bit. The same model,
        batch and arguments give the same bytes.

        Args:
            model: compiled; it is built if need be, as `fit` would.
            x, y, sample_weight: one batch, as for `fit`.
            path: where to write; an existing file is replaced, whole or not at all.
            keras: "auto": compare with Keras if it is installed with JAX or PyTorch; False: don't.
            entries: how many entries of each gradient to check by differences.
            seed: of the entries and of the other initial weights in "what if".

        Returns:
            the path, a pathlib.Path that a notebook shows as the page.

        Raises:
            RuntimeError: the model is not compiled.
            ValueError: x and y do not fit the model; `entries` or `keras` is not as above.
        """
        model._require_compiled("microscope")
        check_integer("entries", entries)
        if keras not in ("auto", True, False, None):
            raise ValueError(f'keras must be "auto", True or False, received {keras!r}')
        from ..random import check_seed
        from ..saving.atomic import atomic_write
        from ..showing.page import Page
        from ..showing.progress import ProgressBar
        from .page import PARTS, page

        path, seed = Page(path), check_seed(seed)
        with ProgressBar(len(PARTS)) as bar:
            text = page(
                model, x, y, sample_weight, keras=keras, entries=entries, seed=seed,
                begin=lambda part: bar.update(PARTS.index(part), {"now": part}),
            )  # fmt: skip
            if bar.live:
                bar.finish(len(PARTS))
        with atomic_write(path) as file:
            file.write(text.encode("utf-8"))
        return path

    def film(self, model: Model, x: ArrayLike, y: ArrayLike, path: Path = "film.html", *,
             rows: int = 256, frames: int = 80, seed: int = 0, **fit: Any) -> Any:  # fmt: skip
        """Train the model, and write its training as one page that plays.

            keras.microscope.film(model, x, y, epochs=20, validation_data=(x_test, y_test))

        The training is `model.fit(x, y, **fit)`, to the bit; `model.history` has its History. What
        the page shows, `callbacks.Film` explains, which records in a `fit` of your own.

        Args:
            model: compiled.
            x, y: the training data; some of their rows are looked at.
            path: where to write; an existing file is replaced, whole or not at all.
            rows: how many rows to look at, chosen at random once.
            frames: how many to take at most, 8 to 400.
            seed: of the choice of rows.
            **fit: all else that `fit` takes: epochs, batch_size, validation_data, callbacks, ...

        Returns:
            the path, a pathlib.Path that a notebook shows as the page.

        Raises:
            RuntimeError: the model is not compiled.
            ValueError, TypeError: as of `callbacks.Film` and `fit`.
        """
        from ..callbacks.film import Film

        model._require_compiled("microscope.film")
        others = fit.pop("callbacks", None) or ()
        others = others if isinstance(others, (list, tuple)) else [others]
        film = Film(x, y, path, sample_weight=fit.get("sample_weight"), rows=rows, frames=frames,
                    seed=seed)  # fmt: skip
        model.fit(x, y, callbacks=[*others, film], **fit)
        return film.path


microscope = Microscope()
