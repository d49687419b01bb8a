"""`Watch`: what a film sees of a model, frame by frame; the model stays as it is, bit by bit."""

import numpy as np

from ..core.ranks import ALONE
from ..inspecting.listen import replaced
from ..inspecting.observing import sample, take, vital_signs
from ..inspecting.untouched import untouched
from ..microscope.trace import prepare
from .answers import Answers
from .moments import take_moment
from .packing import packed
from .pictures import Marks, Units, picture_of

FRAMES_BYTES = 1_700_000  # of all frames' pictures
ARRAYS = 16  # whose gradients and updates are shown
CUT = 4  # significant digits of these


class Watch:
    """Looks at a model that is being trained.

    Args:
        model: prepared for its first step.
        x, y, sample_weight: data to look at, as for `fit`.
        rows, seed: how many of them, and which.
        frames: how many there will be, about.

    Raises:
        ValueError: the model has several inputs or outputs.
    """

    def __init__(self, model, x, y, sample_weight, rows, seed, frames):
        self.model, self.batch = model, sample(x, y, sample_weight, rows=rows, seed=seed)
        for which, shape in (("input", model.input_shape), ("output", model.output_shape)):
            if not isinstance(shape, tuple):
                raise ValueError(f"{model.name}: a film is of a model of one {which}, received "
                                 f"{len(shape)}; GradientMonitor looks at any model")  # fmt: skip
        with untouched(model):
            device_x, targets, _ = prepare(model, *self.batch)
            x = np.array(model.context.ops.to_host(device_x))
        C = int(model.output_shape[-1])
        self.N, self.flat = len(x), len(model.output_shape) == 2
        self.answers = Answers(model, targets, C) if self.flat else None
        self.picture = picture_of(x, self.answers) if self.flat else None
        self.marks = Marks(self.answers)
        most = FRAMES_BYTES // frames
        grid = self.picture.grid if self.flat else None
        used = 0 if grid is None else 2 * len(grid)
        self.units = Units(model, x, grid, most - used)
        self.arrays = [p.path for p in model.trainable_weights if len(p.shape) > 1][:ARRAYS]

    def header(self) -> dict:
        """Return what is the same in all frames."""
        model, answers = self.model, self.answers
        about = {"name": model.name, "loss": model.loss.name, "rows": self.N,
                 "optimizer": type(model.optimizer).__name__, "arrays": self.arrays,
                 "units": self.units.header()}  # fmt: skip
        if not self.flat:
            return {**about, "kind": None, "picture": None}
        return {**about, "kind": answers.kind, "classes": int(model.output_shape[-1]),
                "targets": packed(answers.right.astype("f4")),
                "picture": {"kind": self.picture.kind, **self.picture.header()}}  # fmt: skip

    def frame(self, first=None) -> dict:
        """Return what the model is like now, ready for JSON; `first` is the film's first frame."""
        model, (x, y, weight) = self.model, self.batch
        with replaced(model, ranks=ALONE), untouched(model):  # the other ranks train
            logs = model.test_on_batch(x, y, weight, return_dict=True)
            outputs = np.asarray(model.predict_on_batch(x))
            signs, _, _ = vital_signs(model, x, y, weight)
            parts = self._pictures(outputs, first)
        return {
            "logs": {name: float(value) for name, value in logs.items()}, **parts,
            "norm": [_short(signs[f"gradient_norm/{path}"]) for path in self.arrays],
            "ratio": [_short(signs[f"update_ratio/{path}"]) for path in self.arrays],
            "dead": {name.removeprefix("dead_units/"): _short(share)
                     for name, share in signs.items() if name.startswith("dead_units/")},
        }  # fmt: skip

    def _pictures(self, outputs, first):
        parts = self.units.frame(self.model, first)
        if self.flat:
            parts |= self.marks.of(outputs)
            parts |= self.picture.frame(lambda x: np.asarray(self.model.predict_on_batch(x)),
                                        outputs)  # fmt: skip
        return parts

    def moment(self, rows) -> dict:
        """Return the microscope's view of the step that the first `rows` rows would cause."""
        with replaced(self.model, ranks=ALONE):
            return take_moment(self.model, *(take(part, slice(rows)) for part in self.batch))


def _short(value):
    return float(f"{value:.{CUT}g}")
