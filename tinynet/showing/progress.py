"""The progress line of fit, evaluate and predict, in Keras's words.

    Epoch 1/100
    11/11 ━━━━━━━━━━━━━━━━━━━━ 2s 185ms/step - loss: 1.5537 - accuracy: 0.4795

Three media, three ways to draw; none of them starts a thread or hides the cursor:

- A terminal: one line, rewritten after a carriage return. rich.live was the alternative; it takes
  over sys.stdout while it is live, so that `breakpoint()` in a user's layer becomes unusable, it
  hides the cursor until it is stopped, and a redraw costs about a millisecond instead of 30 us.
- A notebook: one output that is replaced (`display_id`). Carriage returns would look the same on
  screen, but a notebook that is executed by a program stores every frame, and rich.live needs
  ipywidgets there.
- A file or a pipe: only the finished line, whole, with no control characters.
"""

import math
import os
import shutil
import sys
from time import perf_counter

import numpy as np

from .encoding import printable

BAR_WIDTH = 20  # columns, as in Keras
NARROWEST_BAR = 5  # below this a bar says less than the columns it takes
INTERVAL = 0.08  # seconds between two redraws


def format_number(value) -> str:
    """Return a metric's value as Keras prints it: 4 decimals, scientific if |value| <= 0.001.

    Arrays and lists are averaged, as Keras does; what is no number is shown by `str`.
    """
    if not isinstance(value, float):
        try:
            value = float(np.mean(value)) if np.size(value) else math.nan
        except (TypeError, ValueError):
            return str(value)
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def format_seconds(seconds: float) -> str:
    """Return a duration in whole seconds: `7s`, `1:23` above a minute, `1:02:03` above an hour."""
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    if whole > 60:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole}s"


def format_step_time(seconds: float) -> str:
    """Return the duration of one step: `2s/step`, `185ms/step` or `37us/step`."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/step"
    return f"{seconds * 1e6:.0f}us/step"


def _columns(text: str) -> int:
    """Return how many terminal columns `text` takes (a Chinese character takes two)."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, columns: int) -> str:
    """Return `text`, shortened at its right end to `columns` columns if it is longer."""
    if _columns(text) <= columns:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, max(columns - 3, 0)) + "..."


def _is_notebook(file) -> bool:
    # Asking the stream and not IPython: in a notebook sys.stdout may be redirected to a file.
    return type(file).__module__.split(".")[0] == "ipykernel"


def _is_terminal(file) -> bool:
    return bool(getattr(file, "isatty", lambda: False)()) and os.environ.get("TERM") != "dumb"


def _bar_glyphs(file) -> str:
    """Return the characters for what is done and what is left, in an encoding that may be ASCII."""
    return "━─" if printable("━─", file) == "━─" else "=."


class ProgressBar:
    """One progress line, from its first step to `finish`; made anew for each epoch.

        with ProgressBar(11, title="Epoch 1/100", verbose=1) as bar:
            for step in range(1, 12):
                ...
                bar.update(step, metrics.result)
            bar.finish(11, logs)

    Leaving the `with` block without `finish` (an exception, Ctrl-C) only ends the live line, so
    that whatever is printed next starts on a line of its own.

    Args:
        target: number of steps; None if it isn't known.
        title: a line above the bar, e.g. "Epoch 1/100".
        verbose: 0 nothing, 1 (or "auto") a live line, 2 one line when finished.
        file: a text stream; sys.stdout at the time of the call if None.

    Raises:
        ValueError: `verbose` or `target` is none of the above.
    """

    def __init__(self, target, *, title=None, verbose=1, file=None):
        verbose = 1 if verbose == "auto" else verbose
        if verbose not in (0, 1, 2):
            raise ValueError(f'verbose must be 0, 1, 2 or "auto", received {verbose!r}')
        if target is not None and target < 0:
            raise ValueError(f"target must be a number of steps or None, received {target!r}")
        self.target, self.title = target, title
        self.file = sys.stdout if file is None else file
        self.verbose = 0 if self.file is None else int(verbose)  # pythonw has no stdout
        self.live = None
        if self.verbose == 1 and _is_notebook(self.file):
            self.live = "notebook"
        elif self.verbose == 1 and _is_terminal(self.file):
            self.live = "terminal"
        self.display = None  # the notebook output that is replaced
        self.drawn = 0  # columns that the live line covers
        self.glyphs = _bar_glyphs(self.file)
        self.colour = (
            self.live == "terminal"
            and not os.environ.get("NO_COLOR")
            and (os.name != "nt" or "WT_SESSION" in os.environ)
        )
        self.start = perf_counter()
        self.first = None  # when the first step ended
        # The one number that `update` looks at. A bar with nothing to draw still wants to see the
        # end of the first step; a silent one wants nothing.
        self.due = -math.inf if self.verbose else math.inf
        self.finished = False
        if title is not None and self.verbose and self.live != "notebook":
            self._write(title + "\n")

    def update(self, step: int, logs=None):
        """Say that `step` steps are done; draws if the last drawing is long enough ago.

        Args:
            step: steps done so far, 1 after the first.
            logs: dict of name -> value, or a function without arguments that returns one; it is
                called only when something is drawn, so it may be expensive.
        """
        now = perf_counter()
        if now >= self.due:
            self._draw(step, logs, now)

    def finish(self, step: int, logs=None):
        """Draw the last line: `step` steps done, `logs` as for `update`. A second call is void."""
        if self.finished:
            return
        self.finished, self.due = True, math.inf
        if not self.verbose:
            return
        now = perf_counter()
        if self.target is None:
            self.target = step
        items = self._items(logs)
        took = [f"{now - self.start:.0f}s", format_step_time(self._per_step(step, now))]
        if self.verbose == 2:
            line = " - ".join([self._count(step), *took, *items])
            self._write(line + "\n")
        elif self.live == "notebook":
            self._show(" - ".join([self._head(step, BAR_WIDTH, *took), *items]))
        elif self.live == "terminal":
            self._write(self._finished_line(step, took, items))
        else:
            self._write(" - ".join([self._head(step, BAR_WIDTH, *took), *items]) + "\n")
        self.drawn = 0

    def close(self):
        """End the live line where it is, if there is one. Safe to call at any time, repeatedly."""
        self.finished, self.due = True, math.inf
        if self.drawn:
            self._write("\n")
            self.drawn = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _draw(self, step, logs, now):
        if step == 1 and self.first is None:
            self.first = now
        if self.live is None:
            self.due = math.inf
            return
        per_step = self._per_step(step, now)
        if self.target:
            clock = format_seconds(max(self.target - step, 0) * per_step)  # what is left
        else:
            clock = f"{now - self.start:.0f}s"  # what has passed
        times = clock, format_step_time(per_step)
        items = self._items(logs)
        if self.live == "notebook":
            self._show(" - ".join([self._head(step, BAR_WIDTH, *times), *items]))
        else:
            # Terminals differ in what they do after filling the last column, and Ctrl-C is
            # echoed in two columns.
            room = self._terminal_columns() - 3
            tail = "".join(f" - {item}" for item in items)
            bar = self._bar_that_fits(step, times, tail, room)
            head = self._head(step, bar, *times)
            line = _cut(head + tail, room)
            columns = _columns(line)
            if self.colour and line.startswith(head):
                line = self._head(step, bar, *times, colour=True) + line[len(head) :]
            self._write("\r" + line + " " * (self.drawn - columns))
            self.drawn = columns
        # Counted from now on, so that a slow medium can't take all the time there is.
        self.due = perf_counter() + INTERVAL

    def _items(self, logs) -> list:
        logs = logs() if callable(logs) else logs
        return [f"{name}: {format_number(value)}" for name, value in (logs or {}).items()]

    def _per_step(self, step, now) -> float:
        """Return seconds per step, without the first one, which compiles, as in Keras."""
        if not step:
            return 0.0
        if self.first is not None and step > 1:
            return (now - self.first) / (step - 1)
        return (now - self.start) / step

    def _count(self, step) -> str:
        if self.target is None:
            return f"{step}/Unknown"
        return f"{step:>{len(str(self.target))}}/{self.target}"

    def _head(self, step, bar, *times, colour=False) -> str:
        """Count, a bar of `bar` columns and the times; with Keras's colours if asked."""
        count = self._count(step)
        parts = [f"\x1b[1m{count}\x1b[0m" if colour else count]
        if self.target and bar:
            done = min(bar * step // self.target, bar)
            if colour:
                left = self.glyphs[0] * (bar - done)
                parts.append(f"\x1b[32m{self.glyphs[0] * done}\x1b[90m{left}\x1b[0m")
            else:  # the two parts must differ by something else
                parts.append(self.glyphs[0] * done + self.glyphs[1] * (bar - done))
        return " ".join([*parts, *times])

    def _bar_that_fits(self, step, times, tail, room) -> int:
        """Return the widest bar with which the line fits `room` columns; 0 if none does."""
        bare = _columns(self._head(step, 0, *times) + tail) + 1  # and the space beside the bar
        bar = min(BAR_WIDTH, room - bare)
        return bar if bar >= NARROWEST_BAR else 0

    def _finished_line(self, step, took, items) -> str:
        """Return the last line for a terminal; what doesn't fit continues on a new line."""
        room = self._terminal_columns() - 1
        tail = "".join(f" - {item}" for item in items)
        bar = self._bar_that_fits(step, took, tail, room)
        bar = bar or self._bar_that_fits(step, took, "", room)
        head = self._head(step, bar, *took)
        lines = [head]
        for item in items:
            if _columns(lines[-1]) + _columns(item) + 3 <= room:
                lines[-1] += f" - {item}"
            else:
                lines.append(" " * len(self._count(step)) + f" - {item}")
        blank = " " * max(self.drawn - _columns(lines[0]), 0)
        if self.colour:
            lines[0] = self._head(step, bar, *took, colour=True) + lines[0][len(head) :]
        return "\r" + "\n".join([lines[0] + blank, *lines[1:]]) + "\n"

    def _terminal_columns(self) -> int:
        """Return the window's width, which may change between redraws."""
        try:
            return os.get_terminal_size(self.file.fileno()).columns or 80
        except (OSError, AttributeError, ValueError):
            return shutil.get_terminal_size().columns

    def _show(self, line):
        text = line if self.title is None else f"{self.title}\n{line}"
        if self.display is None:
            from IPython.display import display

            self.display = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self.display.update({"text/plain": text}, raw=True)

    def _write(self, text):
        self.file.write(printable(text, self.file))
        self.file.flush()
