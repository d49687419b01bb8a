"""What a frame draws of the outputs: a plane, a curve, samples or a cloud; and of the units."""

import numpy as np

from ..inspecting.observing import layer_outputs
from ..layers import Dense
from ..microscope.page import image_of
from .packing import between, packed, signed, smaller, unpacked

GRID = 48  # points of a plane on each side
POINTS = 120  # of a curve
MARGIN = 0.1  # around the data, in parts of their range
SAMPLES_BYTES = 400_000  # of the samples' own pictures
UNITS = 24  # shown of a layer, at most, and at least:
FEW_UNITS = 4
COLOURS = 10  # of the page, for classes
CURVES = 8  # outputs that a curve is drawn of


def picture_of(x, answers):
    """Return what shows the outputs for rows x (N, ...)."""
    features = int(np.prod(x.shape[1:]))
    if x.ndim == 2 and features == 2:
        return Plane(x, answers)
    if x.ndim == 2 and features == 1:
        return Curve(x, answers)
    return Cloud(answers) if answers.kind == "numbers" else Samples(x, answers)


def _axis(values, count):
    """Return `count` points over the range of some values, with a margin."""
    low, high = float(np.min(values)), float(np.max(values))
    more = MARGIN * (high - low) or 1.0
    return np.linspace(low - more, high + more, count)


class Marks:
    """What each row was taken for, for samples and dots: its class, and the right one's share."""

    def __init__(self, answers):
        self.answers = answers

    def of(self, outputs):
        if self.answers.kind == "numbers":
            return {}
        shares = self.answers.shares(outputs)
        said, _ = self.answers.said(shares)
        wrong = int((said != self.answers.right).sum())
        return {"said": packed(said.astype(np.uint16)), "wrong": wrong,
                "right": packed(between(self.answers.of_right(shares), 0, 1))}  # fmt: skip


class Plane:
    """Outputs over the plane of two features, and the data as dots.

    Attributes:
        grid: the points (GRID * GRID, 2), a row of the picture after the other, from the top.
    """

    kind = "plane"

    def __init__(self, x, answers):
        self.answers, self.x = answers, x
        across, up = (_axis(x[:, k], GRID) for k in (0, 1))
        self.bounds = [across[0], across[-1], up[0], up[-1]]
        self.grid = np.stack(np.meshgrid(across, up[::-1]), axis=-1).reshape(-1, 2)
        self.low, self.high = float(np.min(answers.right)), float(np.max(answers.right))

    def header(self):
        return {"bounds": self.bounds, "side": GRID, "dots": packed(self.x.astype("f4")),
                "low": self.low, "high": self.high}  # fmt: skip

    def frame(self, predict, outputs):
        """Return the frame's part; `predict` is asked for the grid."""
        shares = self.answers.shares(predict(self.grid))
        if self.answers.kind == "numbers":
            return {"value": packed(between(shares[:, 0], self.low, self.high))}
        if self.answers.kind == "binary":
            return {"value": packed(between(shares[:, 0], 0, 1))}
        said, sure = self.answers.said(shares)
        return {
            "class": packed((said % COLOURS).astype(np.uint8)),
            "value": packed(between(sure, 0, 1)),
        }


class Curve:
    """Outputs over the line of one feature, and the data as dots."""

    kind = "curve"

    def __init__(self, x, answers):
        self.answers, self.x = answers, x
        self.grid = _axis(x, POINTS)[:, None]

    def header(self):
        return {"points": packed(self.grid.astype("f4")), "dots": packed(self.x.astype("f4"))}

    def frame(self, predict, outputs):
        shares = self.answers.shares(predict(self.grid))[:, :CURVES]
        return {"curves": packed(shares.T.astype("f4")), "count": shares.shape[1]}


class Samples:
    """The rows themselves, as pictures where they are some; the page shows those that are wrong."""

    kind, grid = "samples", None

    def __init__(self, x, answers):
        flat = x.reshape(len(x), -1).astype(np.float64)
        cells, self.shape = smaller(flat, image_of(x.shape[1:]))
        self.shown = min(len(x), max(8, SAMPLES_BYTES // cells.shape[1]))
        low, high = float(np.nanmin(cells)), float(np.nanmax(cells))
        self.cells, self.low, self.high = between(cells[: self.shown], low, high), low, high

    def header(self):
        return {"cells": packed(self.cells), "shape": self.shape, "shown": self.shown,
                "low": self.low, "high": self.high}  # fmt: skip

    def frame(self, predict, outputs):
        return {}


class Cloud:
    """Outputs against targets, a dot for each row."""

    kind, grid = "cloud", None

    def __init__(self, answers):
        self.answers = answers

    def header(self):
        return {}

    def frame(self, predict, outputs):
        return {"outputs": packed(self.answers.shares(outputs)[:, 0].astype("f4"))}


class Units:
    """Some units of the first Dense layer: their weights, or what they give over plane or line.

    Args:
        model: prepared.
        x: rows (N, ...).
        grid: the points of the plane (GRID * GRID, 2) or line (POINTS, 1) of the outputs, or None.
        most: bytes of a frame.
    """

    def __init__(self, model, x, grid, most):
        dense = [layer for layer in model.leaves() if isinstance(layer, Dense)]
        self.layer = dense[0] if dense else None
        if self.layer is None:
            return
        self.grid, D = grid, self.layer.kernel.shape[0]
        if grid is None:
            image = image_of(x.shape[1:])
            self.image = None if image is None or image[0] * image[1] != D else image
            _, self.shape = smaller(np.zeros((1, D)), self.image)
        elif grid.shape[1] == 2:
            self.grid = grid.reshape(GRID, GRID, 2)[::2, ::2].reshape(-1, 2)
            self.shape = (GRID // 2, GRID // 2)
        else:
            self.shape = (1, POINTS)
        cells = self.shape[0] * self.shape[1]
        self.shown = min(self.layer.units, UNITS, max(FEW_UNITS, most // cells))

    def header(self):
        if self.layer is None:
            return None
        kind = "weights" if self.grid is None else "plane" if self.shape[0] > 1 else "curve"
        return {"layer": self.layer.name, "of": kind, "count": self.layer.units,
                "shown": self.shown, "shape": self.shape}  # fmt: skip

    def frame(self, model, first=None):
        """Return the frame's part, or nothing where there is no Dense layer.

        Of weights, the `first` frame holds all, as "start", and each their change since then.
        """
        if self.layer is None:
            return {}
        if self.grid is not None:
            rows = layer_outputs(model, self.grid)[0][self.layer.name].T[: self.shown]
            return _pictures(rows)
        rows = self.layer.kernel.numpy().astype(np.float64).T[: self.shown]  # (units, D)
        rows = smaller(rows, self.image)[0].astype("f4")
        if first is None:
            return {"start": packed(rows), **_pictures(np.zeros(rows.shape))}
        return _pictures(rows - unpacked(first["start"], "f4").reshape(rows.shape))


def _pictures(rows):
    cells, tops = signed(rows)
    return {"units": packed(cells), "tops": tops}
