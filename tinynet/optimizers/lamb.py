"""LAMB: Adam's direction, in steps as long as each parameter."""

from .base import Optimizer, register


@register()
class Lamb(Optimizer):
    """You et al. 2020, for t = 1, 2, ... and each parameter w by itself:

        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)
        u = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)
        w -= lr |w| / |u| u          (lr u, if one of the norms is 0)

    Args:
        learning_rate: lr.
        beta_1, beta_2: decay of the moments, in [0, 1).
        epsilon: keeps the divisor away from zero.
        **options: see Optimizer.
    """

    stored = ((("m", "momentum"), ("v", "velocity")),)

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **options):
        super().__init__(learning_rate, **options)
        self.set_checked(below=1, beta_1=beta_1, beta_2=beta_2)
        self.set_checked(epsilon=epsilon)

    def make_state(self, zeros):
        return {"m": zeros(), "v": zeros()}

    def scalars(self, t, lr):
        m_scale, v_scale = 1 / (1 - self.beta_1**t), 1 / (1 - self.beta_2**t)
        return {"lr": lr, "m_scale": m_scale, "v_scale": v_scale}

    def update(self, w, g, lr, m_scale, v_scale, m, v):
        for at in self.slices:
            self.ops.lamb(
                g[at], lr, self.beta_1, self.beta_2, m_scale, v_scale, self.epsilon,
                w=w[at], m=m[at], v=v[at],
            )  # fmt: skip
