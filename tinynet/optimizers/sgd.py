"""Stochastic gradient descent."""

from .base import Optimizer, register


@register()
class SGD(Optimizer):
    """w -= lr g, or with momentum (Polyak 1964):

        m = momentum m - lr g
        w += m;             nesterov: w += momentum m - lr g     (Sutskever et al. 2013)

    Args:
        learning_rate: lr.
        momentum: in [0, 1).
        nesterov: look one step ahead.
        **options: see Optimizer.
    """

    stored = ((("m", "momentum"),),)

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, **options):
        super().__init__(learning_rate, **options)
        self.set_checked(below=1, momentum=momentum)
        self.nesterov = bool(nesterov)

    def make_state(self, zeros):
        return {"m": zeros()} if self.momentum else {"m": None}

    def update(self, w, g, lr, m):
        self.ops.sgd(g, lr, self.momentum, self.nesterov, w=w, m=m)
