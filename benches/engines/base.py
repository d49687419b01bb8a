"""What the sweep asks of an engine: take these weights, train so many steps, say how long."""

import os

import numpy as np

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 0.001, 0.9, 0.999, 1e-7  # Adam's, as in Keras


class Engine:
    """784-300-200-100-10, relu and softmax, sparse cross-entropy, Adam, float32.

    What belongs to a user's preparation (conversion of the data, compilation) happens in
    `__init__` and in the first `train` of a batch size, which is never timed.

    Args:
        x, y: all rows, float32 (N, 784) and int64 (N,).
    """

    settings = ""  # one line: how this engine is run, for the report

    def __init__(self, x, y):
        self.x, self.y = x, y
        self.random = np.random.default_rng(1)

    def load(self, weights):
        """Start again from these weights [W, b, W, b, ...], with the moments of Adam at zero."""
        raise NotImplementedError(f"engine {type(self).__name__} needs load(weights)")

    def weights(self):
        """The weights now, as `load` takes them."""
        raise NotImplementedError(f"engine {type(self).__name__} needs weights()")

    def train(self, batch, steps, order=None):
        """Train `steps` steps of `batch` rows; every result is there when this returns.

        Args:
            order: rows (steps * batch,) in the order in which to see them; None: the beginning of
                a new permutation of all rows, drawn inside the time.

        Returns:
            (seconds, mean loss of the steps)
        """
        raise NotImplementedError(f"engine {type(self).__name__} needs train(batch, steps, order)")

    def permutation(self, batch, steps, order=None):
        """(steps, batch) rows; NumPy draws 55,000 of them in under a millisecond."""
        if order is None:
            order = self.random.permutation(len(self.x))[: steps * batch]
        return np.asarray(order).reshape(steps, batch)


def threads():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
