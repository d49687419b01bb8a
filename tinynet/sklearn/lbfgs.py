"""Training on all rows at once by L-BFGS, scikit-learn's solver for small data sets."""

import numpy as np
import scipy.optimize

from ..core.parameters import slices_of


def minimize(model, x, y, sample_weight, **options):
    """Bring the loss L over all rows to a minimum, in place; SciPy's L-BFGS-B makes the steps.

        w* = argmin L(w),      w: all trainable weights of the model (P,)

    dL/dw is the model's own backward (Nocedal 1980; Zhu, Byrd, Lu and Nocedal 1997).

    Args:
        options: those of `scipy.optimize.minimize`: maxiter, maxfun, gtol.

    Returns:
        SciPy's OptimizeResult.
    """
    parameters = model.trainable_weights
    slices = slices_of(parameters)

    def assign(w):
        for p, part in zip(parameters, slices, strict=True):
            p.assign(w[part].reshape(p.shape))

    def loss_and_gradient(w):
        assign(w)
        loss, grads = model.loss_and_gradients(x, y, sample_weight)
        return loss, np.concatenate([grads[p.path].ravel() for p in parameters])  # (P,)

    start = np.concatenate([p.numpy().ravel() for p in parameters])  # (P,)
    found = scipy.optimize.minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B",
                                    options=options)  # fmt: skip
    assign(found.x)
    return found
