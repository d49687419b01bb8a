"""The arithmetic of the optimizers' newer rules, and of what comes before and after an update.

The twins of `reference`, same names, same order, entry by entry on one thread.
"""

import math

from .ops import jit


@jit
def nadam(g, m_rate, g_rate, beta_1, beta_2, v_root, epsilon, w, m, v):
    T = w.dtype.type
    a, b, root, e = T(m_rate), T(g_rate), T(v_root), T(epsilon)
    one_minus_1, one_minus_2 = T(1 - beta_1), T(1 - beta_2)
    for i in range(w.size):
        m[i] += (g[i] - m[i]) * one_minus_1
        v[i] += (g[i] * g[i] - v[i]) * one_minus_2
        w[i] -= (a * m[i] + b * g[i]) / (root * math.sqrt(v[i]) + e)


@jit
def adamax(g, alpha, beta_1, beta_2, epsilon, w, m, u):
    T = w.dtype.type
    a, one_minus_1, decay, e = T(alpha), T(1 - beta_1), T(beta_2), T(epsilon)
    for i in range(w.size):
        m[i] += (g[i] - m[i]) * one_minus_1
        u[i] = max(decay * u[i], abs(g[i]))
        w[i] -= a * m[i] / (u[i] + e)


@jit
def adagrad(g, lr, epsilon, w, a):
    T = w.dtype.type
    rate, e = T(lr), T(epsilon)
    for i in range(w.size):
        a[i] += g[i] * g[i]
        w[i] -= rate * g[i] / math.sqrt(a[i] + e)


@jit
def adadelta(g, lr, rho, epsilon, w, a, x):
    T = w.dtype.type
    rate, r, s, e = T(lr), T(rho), T(1 - rho), T(epsilon)
    for i in range(w.size):
        a[i] = r * a[i] + s * g[i] * g[i]
        d = math.sqrt(x[i] + e) / math.sqrt(a[i] + e) * g[i]
        x[i] = r * x[i] + s * d * d
        w[i] -= rate * d


@jit
def lion(g, lr, beta_1, beta_2, w, m):
    T = w.dtype.type
    rate, b1, c1, b2, c2 = T(lr), T(beta_1), T(1 - beta_1), T(beta_2), T(1 - beta_2)
    zero = T(0)
    for i in range(w.size):
        d = b1 * m[i] + c1 * g[i]
        w[i] -= (rate if d > zero else -rate) if d != zero else zero * d
        m[i] = b2 * m[i] + c2 * g[i]


@jit
def ftrl(g, lr, power, l1, l2, shrinkage, w, n, z):
    T = w.dtype.type
    rate, p, a, b, s = T(lr), T(-power), T(l1), T(l2), T(2 * shrinkage)
    for i in range(w.size):
        before = n[i] ** p
        n[i] += g[i] * g[i]
        after = n[i] ** p
        z[i] += g[i] + s * w[i] - (after - before) / rate * w[i]
        w[i] = (min(max(z[i], -a), a) - z[i]) / (after / rate + b)


@jit
def lamb_moments(g, beta_1, beta_2, m, v):
    T = g.dtype.type
    one_minus_1, one_minus_2 = T(1 - beta_1), T(1 - beta_2)
    for i in range(g.size):
        m[i] += (g[i] - m[i]) * one_minus_1
        v[i] += (g[i] * g[i] - v[i]) * one_minus_2


@jit
def lamb_squares(m, v, m_scale, v_scale, epsilon):
    """Sum of the squared steps."""
    T = m.dtype.type
    a, b, e, squares = T(m_scale), T(v_scale), T(epsilon), 0.0
    for i in range(m.size):
        u = a * m[i] / (math.sqrt(b * v[i]) + e)
        squares += u * u
    return squares


@jit
def lamb(m, v, lr, m_scale, v_scale, epsilon, w):
    T = w.dtype.type
    rate, b, e = T(lr * m_scale), T(v_scale), T(epsilon)
    for i in range(w.size):
        w[i] -= rate * m[i] / (math.sqrt(b * v[i]) + e)


@jit
def adafactor_moments(g, beta_2, epsilon_1, R, C, r, c, v):
    """v (A, R, C) from the means of its rows r (A, R) and columns c (A, C); R = 0: by itself."""
    T = g.dtype.type
    b, rest, e = T(beta_2), T(1 - beta_2), T(epsilon_1)
    if R == 0:
        for i in range(g.size):
            v[i] = b * v[i] + rest * (g[i] * g[i] + e)
        return
    for a in range(g.size // (R * C)):
        rows, columns, start = r[a * R : (a + 1) * R], c[a * C : (a + 1) * C], a * R * C
        for j in range(C):
            columns[j] *= b
        total = T(0)
        for i in range(R):
            row, mean = g[start + i * C : start + (i + 1) * C], T(0)
            for j in range(C):
                square = row[j] * row[j] + e
                mean += square
                columns[j] += rest * square / T(R)
            rows[i] = b * rows[i] + rest * mean / T(C)
            total += rows[i]
        for i in range(R):
            share = rows[i] / (total / T(R))
            for j in range(C):
                v[start + i * C + j] = share * columns[j]


@jit
def adafactor(g, rate, epsilon_2, threshold, w, v):
    T, size, step = w.dtype.type, 0.0, 0.0
    for i in range(g.size):
        u = g[i] / math.sqrt(v[i])
        size += w[i] * w[i]
        step += u * u
    size, step = math.sqrt(size / w.size), math.sqrt(step / w.size)
    a = T(rate * max(epsilon_2, size) / max(1.0, step / threshold))
    for i in range(g.size):
        w[i] -= a * g[i] / math.sqrt(v[i])


# ------------------------------------------------------------- before and after an update


@jit
def accumulate(due, steps, g, total):
    T = g.dtype.type
    k, zero = T(steps), T(0)
    if due != 0:
        for i in range(g.size):
            g[i] = (g[i] + total[i]) / k
            total[i] = zero
    else:
        for i in range(g.size):
            total[i] += g[i]


@jit
def ema(momentum, overwrite, w, average):
    T = w.dtype.type
    m, n = T(momentum), T(1 - momentum)
    for i in range(w.size):
        average[i] = m * average[i] + n * w[i]
        if overwrite != 0:
            w[i] = average[i]


@jit
def not_negative(w):
    zero = w.dtype.type(0)
    for i in range(w.size):
        w[i] = zero if w[i] < zero else w[i]


@jit
def limit_norm(low, high, rate, epsilon, R, B, first, last, w, norms):
    """For columns first..last of w (R, B); `norms` has room for them."""
    T = w.dtype.type
    a, b, r, keep, e = T(low), T(high), T(rate), T(1 - rate), T(epsilon)
    for j in range(last - first):
        norms[j] = T(0)
    for i in range(R):
        row = w[i * B + first : i * B + last]
        for j in range(row.size):
            norms[j] += row[j] * row[j]
    for j in range(last - first):
        norm = math.sqrt(norms[j])
        norms[j] = (r * min(max(norm, a), b) + keep * norm) / (e + norm)
    for i in range(R):
        row = w[i * B + first : i * B + last]
        for j in range(row.size):
            row[j] *= norms[j]
