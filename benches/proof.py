"""Before any time is taken: an engine trains as the reference does, or it is left out.

Same initial weights, same rows in the same order: 20 steps of 32 rows in four stretches, then from
the start again 3 steps of 512, through the very `train` that is timed.
"""

import itertools

import numpy as np
from products import WIDTHS

from tinynet.kernels.gpu.machine.options import tf32

CASES = ((32, 5, 4), (512, 3, 1))  # rows per step, steps per stretch, stretches
# Now and then a unit lies so close to the kink of relu that the order of summation decides on which
# side: Adam makes 1e-3 to 1e-1 of it. Of 48 cases on MNIST with engines that are right this came to
# 3. So whoever fails has two more tries, with other orders of the rows; what is wrong fails in all.
ORDERS = (2, 3, 4)
LOSS_TOLERANCE = 1e-4  # absolute, of a stretch's mean loss
WEIGHT_TOLERANCE = 1e-3  # |w - reference| / |reference - initial|, Euclidean, over all weights
# Engines that are right differ by 1e-5 at most (order of summation, float32 powers of beta); a
# learning rate that is 0.1 % off already gives 1e-3.
# The same for products in TF32. Operands rounded to its 11 bits move these 23 steps by 1.3e-3 and
# 0.08 on MNIST, by 4e-3 and 0.23 on random rows: Adam makes a step of any gradient, however small.
TF32_TOLERANCES = 1e-2, 0.3


def initial_weights():
    """Glorot-normal kernels and zero biases [W, b, W, b, ...], the same in every process."""
    random = np.random.default_rng(0)
    weights = []
    for D, H in itertools.pairwise(WIDTHS):
        W = random.standard_normal((D, H), dtype=np.float32) * np.float32((2 / (D + H)) ** 0.5)
        weights += [W, np.zeros(H, np.float32)]
    return weights


def record(engine, order=ORDERS[0]):
    """What `engine` makes of the cases: a list of (mean loss per stretch, final weights).

    Args:
        order: the seed of the rows' order.
    """
    found = []
    for batch, steps, stretches in CASES:
        random = np.random.default_rng(order)
        engine.load(initial_weights())
        losses = []
        for _ in range(stretches):
            rows = random.permutation(len(engine.x))[: batch * steps]
            losses.append(engine.train(batch, steps, rows)[1])
        found.append((losses, engine.weights()))
    return found


def tolerances(place):
    """(of the loss, of the weights) for an engine on "cpu" or "gpu"."""
    if place == "gpu" and tf32():
        return TF32_TOLERANCES
    return LOSS_TOLERANCE, WEIGHT_TOLERANCE


def compare(found, expected, place="cpu"):
    """The largest errors against the reference's record, and whether they pass.

    Args:
        found, expected: as `record` returns them.
        place: where the engine computes, "cpu" or "gpu".

    Returns:
        dict: loss_error, weight_error (see the tolerances above), passed.
    """
    loss_error = weight_error = 0.0
    start = _flat(initial_weights())
    for (losses, weights), (right_losses, right_weights) in zip(found, expected, strict=True):
        w, right = _flat(weights), _flat(right_weights)
        error = np.linalg.norm(w - right) / np.linalg.norm(right - start)
        # np.max, unlike max, hands a NaN on
        loss_error = float(np.max([loss_error, *np.abs(np.subtract(losses, right_losses))]))
        weight_error = float(np.max([weight_error, error]))
    allowed_loss, allowed_weight = tolerances(place)
    passed = loss_error <= allowed_loss and weight_error <= allowed_weight
    return {"loss_error": loss_error, "weight_error": weight_error, "passed": passed}


def _flat(weights):
    return np.concatenate([np.ravel(w) for w in weights]).astype(np.float64)
