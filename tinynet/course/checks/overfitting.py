"""Lesson 13: dropout, its mask, and its backward."""

import numpy as np

from ...inspecting.gradient_check import central_differences

HINTS = (
    "self.random.random(x.shape) is below rate with probability rate: those entries are dropped.",
    "Kept entries are divided by 1 - rate, so that the mean over all masks is x. With "
    "training=False nothing is dropped and nothing divided.",
    "y = x mask, entry by entry, so dx = dy mask: with the mask that forward drew, not a new one.",
)
RATE = 0.2


def check(student):
    """Look at the mask that forward draws, then compare backward with moved entries."""
    own = student.function("OwnDropout")
    layer = student.run("OwnDropout(rate, seed)", lambda: own(RATE, 7))
    forward = lambda x, training: student.run(  # noqa: E731
        f"forward(x, training={training})", lambda: np.asarray(layer.forward(x, training), float)
    )
    _the_mask(student, forward)
    random = np.random.default_rng(0)
    x, dy = random.standard_normal((6, 5)), random.standard_normal((6, 5))
    back = lambda: student.run("backward(dy)", lambda: layer.backward(dy.copy()))  # noqa: E731
    before = forward(x, True) / x
    mask = forward(x, True) / x
    student.require(not np.array_equal(before, mask), "forward", "self.mask",
                    "two batches get one mask; each forward draws a new one")  # fmt: skip
    kept = layer.random
    want = central_differences(lambda: (dy * x * mask).sum(), x)
    got = back()
    student.compare("backward", "dx", got, want, {
        "it is not the mask that forward drew: a stale one, of the batch before": dy * before,
        "the mask is missing: what was dropped has no part in the loss": dy,
        "dropped entries have no gradient, but kept ones need 1 / (1 - rate), too": dy * (mask > 0),
        "the mask comes twice": dy * mask * mask,
        "it is divided by the mask's factor; it must be multiplied": dy * (mask > 0) * (1 - RATE),
        "dy is missing": mask,
        "x is no factor of it: y = x mask has the slope mask": dy * mask * x,
        "dropped and kept are exchanged": dy * (mask == 0),
        "the sign is wrong": -want,
    }, instead=_stranger(got, want, dy, mask, before))  # fmt: skip
    assert kept is layer.random
    y = forward(x, False)
    student.compare("forward", "y", y, x, {
        "with training=False entries are divided by 1 - rate; y = x": x / (1 - RATE),
        "with training=False entries are multiplied by 1 - rate; y = x": x * (1 - RATE),
        "with training=False entries are dropped; y = x": y if (y == 0).any() else None,
    })  # fmt: skip
    told = "after forward(training=False) dx = dy: the mask is a stale one"
    student.compare("backward", "dx", back(), dy, instead=told)


def _the_mask(student, forward):
    x = np.ones((200, 50))
    x[:, 0] = -1  # a mask is drawn whatever the sign
    y = forward(x, True)
    student.require(y.shape == x.shape, "forward", "y", f"shape {y.shape}, expected {x.shape}")
    mask = y / x
    student.require((mask != 1).any(), "forward", "y", "nothing happens while training")
    dropped, scale = (mask == 0).mean(), np.unique(mask[mask != 0])
    whole = (np.ptp(mask, axis=0) == 0).all() or (np.ptp(mask, axis=1) == 0).all()
    told = "whole rows or columns are dropped together; each entry has its own draw: x.shape"
    student.require(not whole, "forward", "self.mask", told)
    swapped = abs(dropped - (1 - RATE)) < 0.03
    student.require(not swapped, "forward", "self.mask", f"rate {RATE} drops {dropped:.0%} of the "
                    "entries: dropped and kept are exchanged")  # fmt: skip
    student.require(abs(dropped - RATE) < 0.03, "forward", "self.mask",
                    f"rate {RATE} drops {dropped:.0%} of the entries")  # fmt: skip
    student.require(len(scale) == 1, "forward", "self.mask", "kept entries have different factors; "
                    "each has 1 / (1 - rate)")  # fmt: skip
    factor = float(scale[0])
    names = {
        1.0: "kept entries do not make up for the dropped: 1 / (1 - rate) is missing",
        1 / RATE: "kept entries are divided by rate; it is 1 - rate",
        1 - RATE: "kept entries are multiplied by 1 - rate; they are divided by it",
    }
    told = [told for value, told in names.items() if np.isclose(factor, value)]
    told = told or [f"kept entries have the factor {factor:.4g}; it is 1 / (1 - rate)"]
    student.require(np.isclose(factor, 1 / (1 - RATE)), "forward", "self.mask", told[0])


def _stranger(got, want, dy, mask, before):
    """Return a sentence if dx has a mask that no forward drew."""
    share = np.asarray(got, float) / dy if np.shape(got) == dy.shape else mask
    drawn = set(np.round(np.unique(share), 9)) <= set(np.round(np.unique([mask, 0 * mask]), 9))
    other = not any(np.allclose(share, m) for m in (mask, before))
    if drawn and other and 0 < (share == 0).mean() < 1:
        return "it has a mask of its own, drawn anew; forward's is needed: self.mask"
    return None
