"""Adamax: Adam with the infinity norm."""

from .adam import TwoMoments
from .base import register


@register()
class Adamax(TwoMoments):
    """Kingma and Ba 2015, section 7, for t = 1, 2, ...:

        m += (1 - beta_1) (g - m)
        u = max(beta_2 u, |g|)
        w -= lr / (1 - beta_1^t) m / (u + epsilon)

    Args: as for Adam, without amsgrad.
    """

    stored = ((("m", "momentum"), ("u", "norm")),)

    def scalars(self, t, lr):
        return {"alpha": lr / (1 - self.beta_1**t)}

    def update(self, w, g, alpha, m, u):
        self.ops.adamax(g, alpha, self.beta_1, self.beta_2, self.epsilon, w=w, m=m, u=u)
