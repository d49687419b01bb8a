"""Class ids and names from whatever stands for classes."""

import numpy as np


def as_names(what, values, n, class_names):
    """What to write for labels or predictions: a list of n strings."""
    if values is None:
        return None
    values = np.asarray(values)
    if values.dtype.kind not in "US":
        values = as_classes(what, values)
    if len(values) != n:
        raise ValueError(f"{what} must have one entry per image: {n} images, {len(values)} {what}")
    if class_names is None or values.dtype.kind in "US":
        return [str(value) for value in values]
    if values.max() >= len(class_names):
        raise ValueError(f"{what} has class {values.max()}, class_names only {len(class_names)}")
    return [str(class_names[value]) for value in values]


def as_classes(what, values):
    """Class ids (n,) from ids (n,) or (n, 1), from P(class 1) (n, 1), or from (n, C)."""
    values = np.asarray(values)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise ValueError(f"{what} has NaN or infinity in row {row}")
    if values.ndim == 2 and values.shape[1] > 1:
        return values.argmax(axis=1)
    if values.ndim not in (1, 2) or values.dtype.kind not in "buif":
        raise ValueError(
            f"{what} must be class ids (n,) or probabilities (n, C), "
            f"received shape {values.shape} of {values.dtype}"
        )
    probability = values.ndim == 2 and values.dtype.kind == "f"
    values = values.ravel()
    if probability and ((values >= 0) & (values <= 1)).all():
        return (values > 0.5).astype(int)
    ids = values.astype(int)
    if (ids != values).any() or (ids < 0).any():
        row = int(np.argmax((ids != values) | (ids < 0)))
        raise ValueError(f"{what} must be class ids 0, 1, ..., received {values[row]} in row {row}")
    return ids


def as_shares(scores):
    """Scores (n, C) as shares of 1: of logits, which leave [0, 1], the softmax."""
    if scores.min() < 0 or scores.max() > 1:
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)
