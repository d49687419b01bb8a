"""The progress line: Keras's words, and what reaches a terminal, a notebook and a file."""

import io
import math
import re
import subprocess
import sys
import types

import numpy as np
import pytest
from oracle import keras_case

from tinynet.showing import progress
from tinynet.showing.progress import ProgressBar, format_number, format_seconds, format_step_time

BAR = "━" * 20


class Clock:
    """Stands in for perf_counter: time passes when a test says so."""

    now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True

    def screen(self):
        """The lines that a terminal would show, without colours."""
        lines, column = [[]], 0
        for c in re.sub(r"\x1b\[\d*m", "", self.getvalue()):
            if c == "\n":
                lines.append([])
                column = 0
            elif c == "\r":
                column = 0
            else:
                lines[-1][column : column + 1] = [c]
                column += 1
        return ["".join(line).rstrip() for line in lines]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "perf_counter", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5537, "1.5537"),
        (2.8528e-05, "2.8528e-05"),
        (1e-3, "1.0000e-03"),
        (1.01e-3, "0.0010"),
        (-0.25, "-0.2500"),
        (-2e-4, "-2.0000e-04"),
        (0.0, "0.0000e+00"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (3, "3.0000"),
        (np.float32(0.5), "0.5000"),
        ([1.0, 2.0], "1.5000"),
        ([], "nan"),
        (None, "None"),
        ("text", "text"),
    ],
)
def test_number(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0s"), (7, "7s"), (60, "60s"), (83, "1:23"), (3723, "1:02:03")],
)
def test_seconds(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s/step"), (2.4, "2s/step"), (0.185, "185ms/step"), (3.7e-5, "37us/step")],
)
def test_step_time(seconds, text):
    assert format_step_time(seconds) == text


VALUES = (1.5537, 2.8528e-05, 0.0, -0.5, 1e-3, 12345.678)


@keras_case
def keras_line(keras, verbose, target, first, rest):
    """What Keras's Progbar shows in the end: `first` seconds for step 1, `rest` for each other."""
    from unittest import mock

    from keras.src.utils import io_utils, progbar

    written, now = [], [50.0]
    clock = types.SimpleNamespace(time=lambda: now[0])
    with (
        mock.patch.object(progbar, "time", clock),
        mock.patch.object(io_utils, "print_msg", lambda text, line_break: written.append(text)),
    ):
        bar = progbar.Progbar(target, verbose=verbose, stateless_metrics=set())
        for step in range(1, target + 1):
            now[0] += first if step == 1 else rest
            bar.update(step, [], finalize=False)
        bar.update(target, [(f"m{i}", v) for i, v in enumerate(VALUES[: 7 - verbose])], True)
    return {"line": re.sub(r"\x1b\[\d*m|[\b\r\n]", "", written[-1]).strip()}


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize(
    ("target", "first", "rest"),
    [(11, 0.75, 0.125), (1, 2.5, 0.0), (1000, 0.5, 0.0003), (3, 40.0, 50.0)],
)
def test_finished_line_is_keras(clock, verbose, target, first, rest):
    file = io.StringIO()
    bar = ProgressBar(target, verbose=verbose, file=file)
    for step in range(1, target + 1):
        clock.now += first if step == 1 else rest
        bar.update(step)
    values = VALUES[:6] if verbose == 1 else VALUES[:5]
    bar.finish(target, {f"m{i}": v for i, v in enumerate(values)})
    # Keras's verbose=2 forgets the absolute value: -0.5 is -5.0000e-01 there.
    expected = str(keras_line(verbose, target, first, rest)["line"])
    assert file.getvalue() == expected.replace("-5.0000e-01", "-0.5000") + "\n"


def test_file_gets_only_the_finished_line(clock):
    file = io.StringIO()
    for epoch in (1, 2):
        bar = ProgressBar(11, title=f"Epoch {epoch}/2", file=file)
        for step in range(1, 12):
            clock.now += 0.185
            bar.update(step, {"loss": 1.0})
        logs = {"loss": 1.5537, "accuracy": 0.4795, "val_loss": 0.4806, "val_accuracy": 0.8638}
        bar.finish(11, logs | {f"a_long_metric_{i}": 0.5 for i in range(4)})
    line = (
        f"11/11 {BAR} 2s 185ms/step - loss: 1.5537 - accuracy: 0.4795 - val_loss: 0.4806"
        " - val_accuracy: 0.8638 - a_long_metric_0: 0.5000 - a_long_metric_1: 0.5000"
        " - a_long_metric_2: 0.5000 - a_long_metric_3: 0.5000\n"
    )
    assert file.getvalue() == "Epoch 1/2\n" + line + "Epoch 2/2\n" + line


def test_one_line_per_epoch(clock, terminal):
    bar = ProgressBar(5, title="Epoch 1/3", verbose=2, file=terminal)
    for step in range(1, 6):
        clock.now += 1.5
        bar.update(step, {"loss": 1.0})
    bar.finish(5, lambda: {"loss": 0.25})
    assert terminal.getvalue() == "Epoch 1/3\n5/5 - 8s - 2s/step - loss: 0.2500\n"


def test_silent(clock, terminal):
    with ProgressBar(5, title="Epoch 1/3", verbose=0, file=terminal) as bar:
        bar.update(1, pytest.fail)
        bar.finish(5, pytest.fail)
    assert terminal.getvalue() == ""


def test_live_line(clock, terminal):
    bar = ProgressBar(200, title="Epoch 1/2", file=terminal)
    clock.now += 0.5
    bar.update(1, {"loss": 2.0})
    clock.now += 9.9
    bar.update(100, {"loss": 1.0, "accuracy": 0.5})
    assert terminal.screen() == [
        "Epoch 1/2",
        f"100/200 {BAR} 10s 100ms/step - loss: 1.0000 - accuracy: 0.5000",
    ]
    # half of the bar is green, half grey, the count bold
    assert (
        "\x1b[1m100/200\x1b[0m \x1b[32m━━━━━━━━━━\x1b[90m━━━━━━━━━━\x1b[0m " in terminal.getvalue()
    )
    clock.now += 10
    bar.finish(200, {"loss": 0.5})
    # The shorter line leaves nothing of the longer one behind.
    assert terminal.screen() == ["Epoch 1/2", f"200/200 {BAR} 20s 100ms/step - loss: 0.5000", ""]


def test_without_colour_the_bar_still_shows_how_far(clock, terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    ProgressBar(4, file=terminal).update(1, {})
    assert "\x1b" not in terminal.getvalue()
    assert terminal.screen() == [f"1/4 {'━' * 5}{'─' * 15} 0s 0s/step"]


def test_logs_are_computed_only_for_a_redraw(clock, terminal):
    calls = []

    def logs():
        calls.append(clock.now)
        return {"loss": 1.0}

    bar = ProgressBar(1000, file=terminal)
    for step in range(1, 1001):
        clock.now += progress.INTERVAL / 100
        bar.update(step, logs)
    assert 9 <= len(calls) <= 11
    bar.finish(1000, logs)
    bar.update(1000, pytest.fail)


@pytest.mark.parametrize("columns", [10, 40, 60, 80, 100])
def test_live_line_never_wraps_and_the_finished_one_is_whole(clock, terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    logs = {"loss": 1.5537, "accuracy": 0.4795, "precision": 0.5, "recall": 0.25, "准确率": 0.125}
    bar = ProgressBar(11, title=None, file=terminal)
    for step in range(1, 12):
        clock.now += 0.185
        bar.update(step, logs)
        line = terminal.screen()[-1]
        wide = sum(2 if c in "准确率" else 1 for c in line)
        assert wide <= columns - 3
        assert len(terminal.screen()) == 1
    bar.finish(11, logs)
    *lines, end = terminal.screen()
    assert end == ""
    shown = " ".join(line.strip() for line in lines)
    assert shown.startswith("11/11 ━━━━━" if columns >= 40 else "11/11 2s")
    assert shown.endswith(
        "2s 185ms/step - loss: 1.5537 - accuracy: 0.4795 - precision: 0.5000 - recall: 0.2500"
        " - 准确率: 0.1250"
    )
    if columns >= 40:
        assert max(map(len, lines)) < columns


def test_narrow_terminal_shrinks_the_bar_first(clock, terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "64")  # 61 to use, 54 beside the bar
    bar = ProgressBar(10, file=terminal)
    clock.now += 1
    bar.update(5, {"loss": 1.0, "accuracy": 0.5})
    assert terminal.screen() == [f" 5/10 {'━' * 7} 1s 200ms/step - loss: 1.0000 - accuracy: 0.5000"]
    monkeypatch.setenv("COLUMNS", "59")  # a bar of three says nothing: it goes
    clock.now += 1
    bar.update(10, {"loss": 1.0, "accuracy": 0.5})
    assert terminal.screen() == ["10/10 0s 200ms/step - loss: 1.0000 - accuracy: 0.5000"]


def test_unknown_target(clock, terminal):
    bar = ProgressBar(None, file=terminal)
    clock.now += 2
    bar.update(4, {"loss": 1.0})
    assert terminal.screen() == ["4/Unknown 2s 500ms/step - loss: 1.0000"]
    clock.now += 1
    bar.finish(6, {"loss": 0.5})
    assert terminal.screen() == [f"6/6 {BAR} 3s 500ms/step - loss: 0.5000", ""]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_ends_the_line(clock, terminal, error):
    with pytest.raises(error), ProgressBar(10, file=terminal) as bar:  # noqa: PT012
        clock.now += 1
        bar.update(5, {"loss": 1.0})
        raise error
    assert terminal.getvalue().endswith("loss: 1.0000\n")
    bar.close()
    bar.finish(10, {"loss": 1.0})
    assert terminal.getvalue().count("\n") == 1


def test_finishing_twice_draws_once(clock):
    file = io.StringIO()
    bar = ProgressBar(2, file=file)
    bar.finish(2)
    bar.finish(2)
    bar.close()
    assert file.getvalue() == f"2/2 {BAR} 0s 0s/step\n"


def test_stopped_early_shows_where(clock):
    file = io.StringIO()
    ProgressBar(10, file=file).finish(5)
    assert file.getvalue() == f" 5/10 {'━' * 10}{'─' * 10} 0s 0s/step\n"


def test_no_steps_at_all(clock):
    file = io.StringIO()
    ProgressBar(0, file=file).finish(0)
    assert file.getvalue() == "0/0 0s 0s/step\n"


def test_dumb_terminal_is_treated_as_a_file(clock, terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    bar = ProgressBar(2, file=terminal)
    bar.update(1)
    bar.finish(2)
    assert terminal.getvalue() == f"2/2 {BAR} 0s 0s/step\n"


def test_ascii_stream():
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    ProgressBar(4, file=file).finish(2, {"loss": 1.0})
    assert re.fullmatch(rb"2/4 =={5}={4}\.{10} 0s \d+us/step - loss: 1.0000\n", raw.getvalue())


def test_notebook_replaces_one_output(clock, monkeypatch):
    """A stream that says it is a kernel's, and IPython's `display` recorded."""
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(("update", data["text/plain"]))

    def display(data, raw, display_id):
        assert raw
        assert display_id is True
        shown.append(("new", data["text/plain"]))
        return Handle()

    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    fake = types.ModuleType("IPython.display")
    fake.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    bar = ProgressBar(2, title="Epoch 1/1", file=stream)
    clock.now += 1
    bar.update(1, {"loss": 1.0})
    clock.now += 1
    bar.finish(2, {"loss": 0.5})
    half = "━" * 10 + "─" * 10
    assert shown == [
        ("new", f"Epoch 1/1\n1/2 {half} 1s 1s/step - loss: 1.0000"),
        ("update", f"Epoch 1/1\n2/2 {BAR} 2s 1s/step - loss: 0.5000"),
    ]
    assert stream.getvalue() == ""


def test_no_stdout_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # as under pythonw
    bar = ProgressBar(2, title="Epoch 1/1")
    bar.update(1)
    bar.finish(2)


@pytest.mark.parametrize(("options", "message"), [
    ({"target": 3, "verbose": 3}, "verbose .* received 3"),
    ({"target": -1}, "target .* received -1"),
])  # fmt: skip
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        ProgressBar(**options)


def test_importing_it_imports_no_rich_and_no_ipython():
    code = (
        "import sys, tinynet.showing.progress, tinynet.showing.summary, tinynet.plotting; "
        "print([m for m in ('rich', 'IPython', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
