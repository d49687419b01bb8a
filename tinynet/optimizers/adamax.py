"""Adamax: Adam with the infinity norm."""

from .base import Optimizer, register


@register()
class Adamax(Optimizer):
    """Kingma and Ba 2015, section 7, for t = 1, 2, ...:

        m += (1 - beta_1) (g - m)
        u = max(beta_2 u, |g|)
        w -= lr / (1 - beta_1^t) m / (u + epsilon)

    Args:
        learning_rate: lr.
        beta_1, beta_2: decay of the moments, in [0, 1).
        epsilon: keeps the divisor away from zero.
        **options: see Optimizer.
    """

    stored = ((("m", "momentum"), ("u", "norm")),)

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **options):
        super().__init__(learning_rate, **options)
        self.set_checked(below=1, beta_1=beta_1, beta_2=beta_2)
        self.set_checked(epsilon=epsilon)

    def make_state(self, zeros):
        return {"m": zeros(), "u": zeros()}

    def scalars(self, t, lr):
        return {"alpha": lr / (1 - self.beta_1**t)}

    def update(self, w, g, alpha, m, u):
        self.ops.adamax(g, alpha, self.beta_1, self.beta_2, self.epsilon, w=w, m=m, u=u)
