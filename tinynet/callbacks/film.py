"""Film: a whole fit as one page, which plays, and opens at any moment as a microscope step."""

from __future__ import annotations

import base64
from numbers import Real
from typing import TYPE_CHECKING

from ..configs.checks import check_integer
from ..showing.page import Page
from .base import Callback

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Logs, Path, State

FEWEST, MOST = 8, 400  # frames
MOMENT_ROWS = 12  # of a moment's batch


class Film(Callback):
    """Records a training, and writes it as one self-contained page.

        model.fit(x, y, epochs=20, callbacks=[Film(x, y, "film.html")])

    The page plays, pauses and is scrubbed: losses and metrics, the model's outputs (a plane for
    two features, a curve for one, else the samples that it gets wrong, or outputs against targets),
    what each unit of the first Dense layer looks for, and every array's gradient, update ratio and
    dead units move together. Any moment opens as a microscope step: the first 12 of the rows make
    a step there, with its story and all its numbers. Where not every frame can, because the page
    stays under 8 MB, the nearest one that can is opened.

    Frames are taken after every step at first, then at intervals that grow with time, the later
    ones at ends of epochs. Each looks at the same rows, and leaves the training as it is: with and
    without it the weights are bit-equal. The same training gives the same bytes. Where `fit` is
    interrupted, the page has what there was. A fit that goes on from a snapshot goes on with its
    film; of several ranks the first one records.

    Args:
        x, y, sample_weight: data to look at, as for `fit`; usually the training data.
        path: of the page; an existing file is replaced, whole or not at all. None: no file.
        rows: how many rows to look at, chosen at random once.
        frames: how many to take at most, 8 to 400.
        seed: of the choice of rows.

    Attributes:
        frames: list of dicts, what the page shows of each frame.
        epochs: list of dicts, the logs of each epoch.

    Raises:
        ValueError: `rows` or `frames` is not as above; when `fit` begins, the model has several
            inputs or outputs.
    """

    writes = True

    epochs: list[dict[str, Any]]
    frames: list[dict[str, Any]]
    path: Page | None

    def __init__(self, x: ArrayLike, y: ArrayLike, path: Path | None = "film.html", *,
                 sample_weight: ArrayLike = None, rows: int = 256, frames: int = 80,
                 seed: int = 0) -> None:  # fmt: skip
        super().__init__()
        if x is None or y is None:
            raise ValueError("Film needs data to look at: Film(x, y)")
        check_integer("Film: rows", rows, kind="an int")
        if check_integer("Film: frames", frames, FEWEST) > MOST:
            raise ValueError(f"Film: frames must be an int <= {MOST}, received {frames!r}")
        self.data: Any = (x, y, sample_weight)
        self.rows, self.most_frames, self.seed = rows, frames, seed
        self.path = None if path is None else Page(path)
        self.widgets: list[Any] = []
        self._clear()

    def _clear(self):
        self.frames, self.epochs, self.shared = [], [], {}
        self.first_epoch = self.due = self.watch = self.place = None
        self.moments, self.unwritten = set(), False

    def get_state(self) -> State:
        return {"frames": self.frames, "epochs": self.epochs, "shared": self.shared,
                "first_epoch": self.first_epoch, "moments": sorted(self.moments)}  # fmt: skip

    def set_state(self, state: State) -> None:
        self.frames, self.epochs = state["frames"], state["epochs"]
        self.shared, self.moments = state["shared"], set(state["moments"])
        if state["first_epoch"] is not None:  # else no epoch had begun
            self._plan(state["first_epoch"])
            self._begin()

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self.__dict__.pop("on_train_batch_end", None)
        if (params.get("steps") or 1) > 1:  # else frames are taken at ends of epochs only
            self.on_train_batch_end = self._after_batch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        from ..film.watch import Watch  # what takes long to import only films need

        self._clear()
        self.watch = Watch(self.model, *self.data, self.rows, self.seed, self.most_frames)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.first_epoch is None:
            self._plan(epoch)
            self._begin()
            self._take(0, float(epoch))
        self.place = epoch, self.steps  # where it ends, unless batches tell

    def _plan(self, first_epoch):
        """Choose after which steps frames are due, now that the number of the first epoch is known.

        Where the steps of an epoch are not known beforehand, an epoch counts as one step.
        """
        from ..film.schedule import schedule

        self.first_epoch, self.steps = first_epoch, self.params.get("steps") or 1
        count = self.params["epochs"] - first_epoch
        self.due = schedule(self.steps, count, self.most_frames - 1)

    def _begin(self):
        for widget in self.widgets:
            widget.show(self.page(live=True))

    def _after_batch(self, batch, logs=None):
        self.place = self.model.course.epoch, batch + 1
        if batch + 1 < self.steps:  # else the epoch ends at once
            self._look()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        numbers = {k: float(v) for k, v in (logs or {}).items() if isinstance(v, Real)}
        known = {"epoch": epoch + 1, **numbers}
        self.epochs.append(known)
        self.unwritten = True
        self._tell(epoch=known)
        self._look()

    def _look(self, last=False):
        """Take a frame if one is due here, or if it is the `last`."""
        epoch, batch = self.place
        at = (epoch - self.first_epoch) * self.steps + batch
        seen = self.frames[-1]["at"] if self.frames else -1
        last = last or self.model.stop_training
        if (last and at > seen) or any(seen < due <= at for due in self.due):
            self._take(at, epoch + batch / self.steps, last)

    def _take(self, at, epoch, last=False):
        from ..film.moments import wanted

        number = len(self.frames)
        seen = self.watch.frame(self.frames[0] if number else None)
        frame = {"at": at, "epoch": epoch, **seen, "moment": None}
        if not number or number in self.moments or last or at >= self.due[-1]:
            self.shared, own = self.watch.moment(MOMENT_ROWS)
            frame["moment"] = base64.b64encode(own).decode("ascii")
            if not number:
                self.moments = wanted(len(own), len(self.due) + 1)
        self.frames.append(frame)
        self.unwritten = True
        self._tell(frame=frame, shared=self.shared if not number else None)

    def _tell(self, **message):
        from ..microscope.markup import finite

        for widget in self.widgets:
            widget.send(finite(message))

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.place is not None:
            self._look(last=True)  # a later callback may have stopped it
        self.write()

    def on_train_exit(self) -> None:
        if self.unwritten and self.frames:  # an error, or Ctrl-C
            self.write()

    def page(self, live: bool = False) -> str:
        """Return the page's HTML with the frames that there are; `live`, if more will come."""
        from ..film.page import page

        header = {"name": "model", "rows": self.rows} if self.watch is None else self.watch.header()
        return page(header, self.frames, self.epochs, self.shared, live)

    def write(self) -> Page | None:
        """Write the page with the frames that there are, and return its path."""
        from ..saving.atomic import atomic_write

        text, self.unwritten = self.page(), False
        for widget in self.widgets:
            widget.page = text  # of views that are opened from now on
        if self.path is not None:
            with atomic_write(self.path) as file:
                file.write(text.encode("utf-8"))
        return self.path

    def widget(self) -> Any:
        """Return the film as a notebook's widget, which is live while `fit` runs.

            film = keras.callbacks.Film(x, y)
            film.widget()                                # in a cell of its own
            model.fit(x, y, callbacks=[film])            # in the next one

        Frames appear as they are taken. A view that is opened while `fit` runs has the later ones,
        and one that is opened afterwards has all.

        Raises:
            ImportError: anywidget is missing; says how to install it.
        """
        from ..showing.widget import page_widget

        widget = page_widget(self.page(live=not self.frames), "film")
        self.widgets.append(widget)
        return widget
