"""Losses that compare distributions, or a count with its rate."""

from .base import EPSILON, ElementwiseLoss, register


@register("kl_divergence", "kld", "kullback_leibler_divergence")
class KLDivergence(ElementwiseLoss):
    """What is lost by taking p for y (Kullback and Leibler 1951), both clipped to [1e-7, 1].

    l_i = sum_c y log(y / p);      dp = -w y / p, 0 where p was clipped
    """

    kind, options = "kl_divergence", (EPSILON,)
    of_probabilities = True
    whole_rows = True
    for_class_ids = "utils.to_categorical"

    def forward(self, y, p, w, logits=False):
        total = self.context.empty(w.shape, w.dtype)  # (N,)
        self.context.ops.affine(w, p.shape[-1], 0.0, y=total)  # the kernel takes the mean over C
        return super().forward(y, p, total)


@register("poisson")
class Poisson(ElementwiseLoss):
    """Minus the log-likelihood of counts y under rates p > 0, without the terms that p is not in.

    l_i = mean_c p - y log(p + 1e-7);      dp = w/C (1 - y / (p + 1e-7))
    """

    kind, options = "poisson", (EPSILON,)
