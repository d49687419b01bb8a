"""What a model's outputs say: classes and how sure they are, or numbers."""

import numpy as np


class Answers:
    """The targets of the rows that a film looks at, and how outputs answer them.

    Args:
        model: prepared.
        y: its targets, (N,) or (N, C).
        C: number of outputs.

    Attributes:
        kind: "classes"; "binary", one output that is a probability; or "numbers".
        right: class of each row (N,), or its first target, float64.
    """

    def __init__(self, model, y, C):
        loss, y = model.loss, np.asarray(y)
        hot = y.ndim == 2 and C > 1 and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
        self.of_probabilities = loss.of_probabilities
        self.logits_of = loss.logits_of if loss.from_logits else None
        if C > 1 and (loss.integer_targets or hot):
            self.kind = "classes"
            self.right = y.argmax(axis=1) if hot else y.ravel().astype(np.int64)
        elif C == 1 and loss.of_probabilities:
            self.kind, self.right = "binary", (y.ravel() > 0.5).astype(np.int64)
        else:
            self.kind, self.right = "numbers", y.reshape(len(y), -1)[:, 0].astype(np.float64)

    def shares(self, outputs):
        """Return outputs (N, C) in float64, as probabilities where they are logits."""
        p = np.asarray(outputs, np.float64)
        if self.logits_of == "softmax":
            e = np.exp(p - p.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)
        return 1 / (1 + np.exp(-p)) if self.logits_of == "sigmoid" else p

    def said(self, shares):
        """Return the class of each row, and the share that it has: (N,) and (N,)."""
        if self.kind == "binary":
            p = shares[:, 0]
            return (p > 0.5).astype(np.int64), np.where(p > 0.5, p, 1 - p)
        return shares.argmax(axis=1), shares.max(axis=1)

    def of_right(self, shares):
        """Return what each row's right class was given (N,)."""
        if self.kind == "binary":
            return np.where(self.right == 1, shares[:, 0], 1 - shares[:, 0])
        return shares[np.arange(len(shares)), self.right]
