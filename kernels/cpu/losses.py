"""The losses that are more than a formula of single entries.

Each works on the rows that it is given, on one thread: N rows, C classes. A gradient that is not
wanted has no columns.
"""

import math

import numpy as np

from .activations import row_log_sum
from .elementary import exp, log, log1p
from .formulas import sigmoid, softplus
from .machine import operands
from .machine.call import Instruction, called, kernel
from .machine.loop import ROWS, THREAD
from .machine.native import inlined, vector
from .machine.operands import Flat, Labels, Number, PerRow, Rows, Wanted, Whole, at, instruction
from .machine.threads import threads

# ------------------------------------------------------------------------------ cross-entropy


@kernel
def sparse_softmax_crossentropy(z: Rows, labels: Labels, w: PerRow, p: Rows, losses: PerRow,
                                dz: Wanted):  # fmt: skip
    for i in range(z.shape[0]):
        largest, log_sum = row_log_sum(z[i])
        label = labels[i]
        losses[i] = -w[i] * ((z[i, label] - largest) - log_sum)
        for j in range(z.shape[1]):
            p[i, j] = exp((z[i, j] - largest) - log_sum)
        for j in range(dz.shape[1]):
            dz[i, j] = w[i] * p[i, j]
        if dz.shape[1]:
            dz[i, label] -= w[i]


@kernel
def softmax_crossentropy(z: Rows, targets: Rows, w: PerRow, p: Rows, losses: PerRow, dz: Wanted):
    for i in range(z.shape[0]):
        largest, log_sum = row_log_sum(z[i])
        dot, total = z.dtype.type(0), z.dtype.type(0)
        for j in range(z.shape[1]):
            log_p = (z[i, j] - largest) - log_sum
            dot += targets[i, j] * log_p
            total += targets[i, j]
            p[i, j] = exp(log_p)
        losses[i] = -w[i] * dot
        for j in range(dz.shape[1]):
            dz[i, j] = w[i] * (p[i, j] * total - targets[i, j])


@kernel
def sigmoid_crossentropy(z: Rows, targets: Rows, w: PerRow, p: Rows, losses: PerRow, dz: Wanted):
    T = z.dtype.type
    zero, C = T(0), T(z.shape[1])
    for i in range(z.shape[0]):
        total = zero
        for j in range(z.shape[1]):
            p[i, j] = sigmoid(T, z[i, j])
            total += softplus(T, z[i, j]) - z[i, j] * targets[i, j]
        losses[i] = w[i] * (total / C)
        for j in range(dz.shape[1]):
            dz[i, j] = (w[i] / C) * (p[i, j] - targets[i, j])


@kernel
def sparse_crossentropy(p: Rows, labels: Labels, w: PerRow, epsilon: Number, losses: PerRow,
                        dp: Wanted):  # fmt: skip
    T = p.dtype.type
    low, high, zero = T(epsilon), T(1 - epsilon), T(0)
    for i in range(p.shape[0]):
        total = zero
        for j in range(p.shape[1]):
            total += p[i, j]
        q = p[i, labels[i]] / total
        clipped = min(max(q, low), high)
        losses[i] = -w[i] * log(clipped)
        g = -w[i] / clipped if q == clipped else zero
        for j in range(dp.shape[1]):
            dp[i, j] = -g * q / total
        if dp.shape[1]:
            dp[i, labels[i]] += g / total


@kernel
def crossentropy(p: Rows, targets: Rows, w: PerRow, epsilon: Number, losses: PerRow, dp: Wanted):
    T = p.dtype.type
    low, high, zero = T(epsilon), T(1 - epsilon), T(0)
    for i in range(p.shape[0]):
        total, value, dot = zero, zero, zero
        for j in range(p.shape[1]):
            total += p[i, j]
        for j in range(p.shape[1]):
            q = p[i, j] / total
            clipped = min(max(q, low), high)
            value += targets[i, j] * log(clipped)
            g = -w[i] * targets[i, j] / clipped if q == clipped else zero
            dot += g * q
            if dp.shape[1]:
                dp[i, j] = g
        losses[i] = -w[i] * value
        for j in range(dp.shape[1]):
            dp[i, j] = (dp[i, j] - dot) / total


@kernel
def binary_crossentropy(p: Rows, targets: Rows, w: PerRow, epsilon: Number, losses: PerRow,
                        dp: Wanted):  # fmt: skip
    T = p.dtype.type
    low, high, zero, one = T(epsilon), T(1 - epsilon), T(0), T(1)
    C = T(p.shape[1])
    for i in range(p.shape[0]):
        total = zero
        for j in range(p.shape[1]):
            clipped, t = min(max(p[i, j], low), high), targets[i, j]
            total += t * log(clipped) + (one - t) * log1p(-clipped)
            if dp.shape[1]:
                slope = (clipped - t) / (clipped * (one - clipped))
                dp[i, j] = (w[i] / C) * slope if p[i, j] == clipped else zero
        losses[i] = -w[i] * (total / C)


@kernel
def focal_crossentropy(p: Rows, targets: Rows, alpha: Whole, w: PerRow, gamma: Number,
                       epsilon: Number, losses: PerRow, dp: Wanted):  # fmt: skip
    T = p.dtype.type
    low, high, zero, one = T(epsilon), T(1 - epsilon), T(0), T(1)
    power = T(gamma)
    for i in range(p.shape[0]):
        total, value, dot = zero, zero, zero
        for j in range(p.shape[1]):
            total += p[i, j]
        for j in range(p.shape[1]):
            q = p[i, j] / total
            clipped = min(max(q, low), high)
            log_q, rest = log(clipped), one - clipped
            factor, share = rest**power, alpha[j] * targets[i, j]
            value += share * factor * log_q
            slope = power * (factor / rest) * log_q - factor / clipped
            g = w[i] * share * slope if q == clipped else zero
            dot += g * q
            if dp.shape[1]:
                dp[i, j] = g
        losses[i] = -w[i] * value
        for j in range(dp.shape[1]):
            dp[i, j] = (dp[i, j] - dot) / total


# ------------------------------------------------------------------------------- other losses


@kernel
def categorical_hinge(y: Rows, targets: Rows, w: PerRow, losses: PerRow, dy: Wanted):
    T = y.dtype.type
    zero, one = T(0), T(1)
    for i in range(y.shape[0]):
        right, wrong, ties = zero, (one - targets[i, 0]) * y[i, 0], zero
        for j in range(y.shape[1]):
            right += targets[i, j] * y[i, j]
            other = (one - targets[i, j]) * y[i, j]
            wrong = max(wrong, other)
        for j in range(y.shape[1]):
            ties += one if (one - targets[i, j]) * y[i, j] == wrong else zero
        value = max(wrong - right + one, zero)
        losses[i] = w[i] * value
        for j in range(dy.shape[1]):
            rest = one - targets[i, j]
            share = rest / ties if rest * y[i, j] == wrong else zero
            dy[i, j] = w[i] * (share - targets[i, j]) if value > zero else zero


@kernel
def cosine_similarity(y: Rows, targets: Rows, w: PerRow, epsilon: Number, losses: PerRow,
                      dy: Wanted):  # fmt: skip
    T = y.dtype.type
    least, zero = T(epsilon), T(0)
    for i in range(y.shape[0]):
        square, target_square, dot = zero, zero, zero
        for j in range(y.shape[1]):
            square += y[i, j] * y[i, j]
            target_square += targets[i, j] * targets[i, j]
            dot += y[i, j] * targets[i, j]
        size = math.sqrt(square)
        length, target_length = max(size, least), max(math.sqrt(target_square), least)
        cosine = dot / length / target_length
        losses[i] = -w[i] * cosine
        along = cosine / length if size > least else zero
        for j in range(dy.shape[1]):
            dy[i, j] = w[i] * (along * y[i, j] - targets[i, j] / target_length) / length


# -------------------------------------------------------------------------------- metrics' hits


@inlined
def first_of_largest(x):
    """Where the largest number of a row stands; -1 where one is NaN."""
    best, is_number = 0, True
    for j in range(x.size):
        best = j if x[j] > x[best] else best
        is_number = is_number and x[j] == x[j]
    return best if is_number else -1


@kernel
def sparse_matches(p: Rows, labels: Labels, hits: PerRow):
    one, zero = p.dtype.type(1), p.dtype.type(0)
    for i in range(p.shape[0]):
        hits[i] = one if first_of_largest(p[i]) == labels[i] else zero


@kernel
def categorical_matches(p: Rows, targets: Rows, hits: PerRow):
    one, zero = p.dtype.type(1), p.dtype.type(0)
    for i in range(p.shape[0]):
        best = first_of_largest(p[i])
        hits[i] = one if best >= 0 and best == first_of_largest(targets[i]) else zero


@kernel
def binary_matches(p: Rows, targets: Rows, threshold: Number, hits: PerRow):
    T = p.dtype.type
    limit, zero, one = T(threshold), T(0), T(1)
    for i in range(p.shape[0]):
        right = zero
        for j in range(p.shape[1]):
            side = one if p[i, j] > limit else zero
            right += one if side == targets[i, j] and p[i, j] == p[i, j] else zero
        hits[i] = right / T(p.shape[1])


@instruction
def count_hits(word, mine, n, first, step, like):
    """Add the hits of these rows to number k0 of the k1 that this share counts."""
    hits, total = vector(at(word, 0, first, step), n, like), 0.0
    for i in range(n):
        total += hits[i]
    counts = vector(at(word, 1, 0, step) + mine[THREAD] * word[7] * 8, word[7], 0.0)
    counts[word[6]] += total


def room_for_counts(count):
    """Room for so many metrics' hits of each share of a step, (shares, count) float64."""
    return np.zeros((threads(), count))


def count_matches_instructions(name, p, targets, numbers, hits, place, counts):
    """Count the rows of a batch that match, towards number `place` of `counts`, which
    `room_for_counts` has returned; the other arguments are those of `gpu.sums`.
    """
    yield from globals()[name].instructions(p, targets, *numbers, hits=hits)
    flags = place, counts.shape[1]
    yield Instruction("count_hits", ROWS, (hits, counts), (0,), len(hits), (1,), flags)


# ------------------------------------------------------------------------------ the step's loss


@instruction
def add_loss(losses: Flat, loss: operands.StepLoss):
    loss[0] += operands.total_of(losses)


def add_loss_instruction(losses):
    """Count the weighted losses of a batch towards the step's loss."""
    return called("add_loss", (losses,))
