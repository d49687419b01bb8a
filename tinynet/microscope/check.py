"""Is the step's gradient the derivative? Sampled entries beside differences in float64.

The model is recomputed in float64 with the NumPy reference kernels, whatever it runs on. Each
sampled weight is moved by h and 2h to both sides, and

    (8 (L(+h) - L(-h)) - (L(+2h) - L(-2h))) / 12 h,      wrong by about h^4 and 1e-16 / h,

stands beside what backward says in float64 and what it said in the step. A kink (ReLU at 0) within
reach of 2h spoils the difference, so a smaller h is tried. Where the slopes to the left and right
differ at every h, the weight stands on a kink: there is no derivative there to compare with, and
the entry is marked instead of judged.

Source of the formula: Abramowitz and Stegun 1964, 25.3.6.
"""

import dataclasses

import numpy as np

from ..core.devices import load_ops
from ..inspecting.listen import replaced
from ..inspecting.untouched import untouched
from ..random import generator
from .trace import run

H = (1e-4, 1e-5, 1e-6)  # the next one only where the one before disagrees
PASS_LINE = 1e-6  # float64: backward against differences
PASS_LINE_32 = 1e-3  # float32: backward in the step against backward in float64
SMALL = 1e-3  # entries below this share of their array's largest count as that large


@dataclasses.dataclass
class Checked:
    """One entry: what three ways of computing it say, and the verdict: "pass", "kink", "fail"."""

    path: str
    index: tuple
    backward: float  # in the step: the model's device and dtype
    backward64: float
    numeric: float
    error: float  # of backward64 against numeric, relative
    error_step: float  # of backward against backward64, relative
    verdict: str


def check(model, batch, found, entries=6, seed=0):
    """Return a list of Checked, `entries` of each gradient of the step `found`."""
    random = generator(seed, 1)
    line = PASS_LINE if str(model.dtype) == "float64" else PASS_LINE_32
    results = []
    with untouched(model):
        batch = in_float64(model, batch)
        exact = run(model, batch, update=False).parameters
        loss = _loss_of(model, batch)
        middle = loss()
        for p in model.trainable_weights:
            gradient, taken = exact[p.path].gradient.ravel(), found.parameters[p.path].gradient
            least = SMALL * np.abs(gradient).max(initial=0) or 1e-8
            for i in _sample(gradient, entries, random):
                for h in H:
                    numeric, kink = _difference(p.value.reshape(-1), i, h, loss, middle, least)
                    error = _relative(numeric, gradient[i], least)
                    if error <= PASS_LINE:
                        break
                step = _relative(taken.flat[i], gradient[i], least)
                good = error <= PASS_LINE and step <= line
                verdict = "pass" if good else "kink" if kink and step <= line else "fail"
                index = tuple(map(int, np.unravel_index(i, p.shape)))
                results.append(Checked(p.path, index, float(taken.flat[i]), float(gradient[i]),
                                       float(numeric), error, step, verdict))  # fmt: skip
    return results


def in_float64(model, batch):
    """Turn the model to float64 and the reference kernels; call it within `untouched`."""
    for p in model.parameters:
        p.__dict__.update(value=p.numpy().astype(np.float64), home=None)
        p.__dict__["grad"] = np.zeros_like(p.value) if p.trainable else None
    for layer in model.layers:
        layer.__dict__["own_dtype"] = "float64"
    to_host = model.context.ops.to_host
    model.context.ops = load_ops("reference")
    model.flat = None
    x, y, w = batch
    x = np.asarray(to_host(x))
    return x.astype(np.float64) if x.dtype.kind == "f" else x, y, w


def _loss_of(model, batch):
    """Return loss() of the batch at the present weights, with the same masks each time."""
    x, y, sample_weight = batch

    def loss():
        model.begin_step()
        with replaced(model, backward=_nothing):
            shape = model.output_shape_for(x)
            model.compute_gradients(x, *model.target_rows(y, sample_weight, shape))
        return model.context.loss

    return loss


def _sample(gradient, entries, random):
    """Return the largest entry, then drawn ones: half of them where the gradient is not zero.

    The others may be zero and have to be tried too: a gradient can be wrong by being zero.
    """
    drawn = random.permutation(gradient.size)
    nonzero = [i for i in drawn if gradient[i] != 0]
    order = [np.abs(gradient).argmax(), *nonzero[: entries // 2], *drawn, *nonzero]
    return list(dict.fromkeys(map(int, order)))[:entries]


def _nothing(*_, **__):
    """Do nothing, in place of a part of the step that a loss does not need."""


def _difference(flat, i, h, loss, middle, least):
    """Return the derivative by entry i from four losses, and whether it stands on a kink."""
    before, L = flat[i], {0: middle}
    for k in (-2, -1, 1, 2):
        flat[i] = before + k * h
        L[k] = loss()
    flat[i] = before
    numeric = (8 * (L[1] - L[-1]) - (L[2] - L[-2])) / (12 * h)
    low, high = sorted([(L[1] - L[0]) / h, (L[0] - L[-1]) / h])
    return numeric, high - low > 1e-3 * max(abs(low), abs(high), least)


def _relative(a, b, least):
    return float(abs(a - b) / max(abs(a), abs(b), least))
