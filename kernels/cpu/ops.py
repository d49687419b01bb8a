"""The kernels on the CPU, in Numba: the twins of `reference`, same names, same order.

Each works on the rows (or columns, or entries) it is given, on one thread; `machine/loop.py`
decides who does which. Shapes: N rows, D inputs, H units, C classes.
"""

import math

import numpy as np
from numba import njit

from .machine.native import multiply_high

# Sums may be reordered (that makes them vector code), NaN and infinity keep their meaning.
jit = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@jit
def cast(x, y):
    """y = x in y's dtype."""
    for i in range(x.size):
        y[i] = x[i]


@jit
def accumulate(x, y):
    """y += x."""
    for i in range(x.size):
        y[i] += x[i]


# ------------------------------------------------------------------------------------- linear


@jit
def add_bias(b, y):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += b[j]


@jit
def sum_rows(x, out):
    """out += sum of the rows of x, four rows per pass over out."""
    full = x.shape[0] - x.shape[0] % 4
    for i in range(0, full, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(out.size):
            out[j] += (x0[j] + x1[j]) + (x2[j] + x3[j])
    for i in range(full, x.shape[0]):
        row = x[i]
        for j in range(out.size):
            out[j] += row[j]


@jit
def affine(x, scale, shift, y):
    a, b = x.dtype.type(scale), x.dtype.type(shift)
    for i in range(x.size):
        y[i] = a * x[i] + b


@jit
def multiply(x, m, y):
    for i in range(x.size):
        y[i] = x[i] * m[i]


# ------------------------------------------------------------------------------------ merging


@jit
def maximum(x, z, y):
    for i in range(x.size):
        y[i] = max(x[i], z[i])


@jit
def maximum_grad(x, z, dy, dx, dz):
    half = x.dtype.type(0.5)
    for i in range(x.size):
        first = x.dtype.type(x[i] > z[i])
        if x[i] == z[i]:
            first = half
        dx[i] = dy[i] * first
        dz[i] = dy[i] - dx[i]


# -------------------------------------------------------------------------------- activations


@jit
def relu(x, y):
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = max(x[i], zero)


@jit
def relu_grad(x, dy, dx):
    zero = x.dtype.type(0)
    for i in range(x.size):
        dx[i] = dy[i] if x[i] > zero else zero


@jit
def prelu(x, a, y):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = max(x[i, j], zero) + a[j] * min(x[i, j], zero)


@jit
def prelu_dx(x, a, dy, dx):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            slope = a[j] if x[i, j] < zero else zero  # 0 at the kink, as in Keras
            dx[i, j] = dy[i, j] if x[i, j] > zero else slope * dy[i, j]


@jit
def prelu_da(x, dy, da):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        row, up = x[i], dy[i]
        for j in range(da.size):
            da[j] += up[j] * min(row[j], zero)


@jit
def row_log_sum(x):
    """(largest entry, log sum e^(x - largest)) of a row."""
    largest, total = x[0], x.dtype.type(0)
    for j in range(x.size):
        largest = max(largest, x[j])
    for j in range(x.size):
        total += math.exp(x[j] - largest)
    return largest, math.log(total)


@jit
def softmax(x, y):
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for j in range(x.shape[1]):
            largest = max(largest, x[i, j])
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            y[i, j] = math.exp(x[i, j] - largest)
            total += y[i, j]
        for j in range(x.shape[1]):
            y[i, j] /= total


@jit
def softmax_grad(y, dy, dx):
    for i in range(y.shape[0]):
        dot = y.dtype.type(0)
        for j in range(y.shape[1]):
            dot += dy[i, j] * y[i, j]
        for j in range(y.shape[1]):
            dx[i, j] = y[i, j] * (dy[i, j] - dot)


@jit
def log_softmax(x, y):
    for i in range(x.shape[0]):
        largest, log_sum = row_log_sum(x[i])
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - largest) - log_sum


@jit
def log_softmax_grad(y, dy, dx):
    for i in range(y.shape[0]):
        total = y.dtype.type(0)
        for j in range(y.shape[1]):
            total += dy[i, j]
        for j in range(y.shape[1]):
            dx[i, j] = dy[i, j] - math.exp(y[i, j]) * total


# ------------------------------------------------------------------------------------ dropout

_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)


@jit
def philox(counter, step, key0, key1):
    """Philox4x64-10 (Salmon et al. 2011), the generator of NumPy's Philox: four random words."""
    c0, c1, c2, c3 = counter, step, np.uint64(0), np.uint64(0)
    k0, k1 = key0, key1
    for _ in range(10):
        h0, l0 = multiply_high(_M0, c0), _M0 * c0
        h1, l1 = multiply_high(_M1, c2), _M1 * c2
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0 += _W0
        k1 += _W1
    return c0, c1, c2, c3


@jit
def dropout_mask(rate, key0, key1, step, row, mask):
    """The mask of `reference.dropout_mask` for rows row, row + 1, ... of step `step`."""
    N, D = mask.shape
    T = mask.dtype.type
    blocks = (D + 7) // 8
    threshold = np.uint64(rate * 4294967296.0)
    keep = T(1.0 / (1.0 - rate)) if rate < 1.0 else T(0)
    zero, low = T(0), np.uint64(0xFFFFFFFF)
    words = np.empty(8, np.uint64)
    for i in range(N):
        for block in range(blocks):
            counter = np.uint64((row + i) * blocks + block + 1)
            a, b, c, d = philox(counter, np.uint64(step), key0, key1)
            words[0], words[1] = a & low, a >> np.uint64(32)
            words[2], words[3] = b & low, b >> np.uint64(32)
            words[4], words[5] = c & low, c >> np.uint64(32)
            words[6], words[7] = d & low, d >> np.uint64(32)
            start = block * 8
            for j in range(min(8, D - start)):
                mask[i, start + j] = keep if words[j] >= threshold else zero


# ------------------------------------------------------------------------ batch normalization


@jit
def column_statistics(x, mean, var):
    """Mean and population variance of the columns of x, in two passes."""
    n = x.dtype.type(x.shape[0])
    mean[:] = x.dtype.type(0)
    var[:] = x.dtype.type(0)
    sum_rows(x, mean)
    for j in range(mean.size):
        mean[j] /= n
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(mean.size):
            d = row[j] - mean[j]
            var[j] += d * d
    for j in range(mean.size):
        var[j] /= n


@jit
def batchnorm_apply(x, gamma, beta, mean, var, epsilon, y, xhat):
    e = x.dtype.type(epsilon)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            xhat[i, j] = (x[i, j] - mean[j]) / math.sqrt(var[j] + e)
            y[i, j] = xhat[i, j]
        if gamma.size:
            for j in range(x.shape[1]):
                y[i, j] *= gamma[j]
        if beta.size:
            for j in range(x.shape[1]):
                y[i, j] += beta[j]


@jit
def batchnorm_sums(xhat, dy, along, plain):
    """along = sum_i dy xhat, plain = sum_i dy, column by column."""
    zero = dy.dtype.type(0)
    along[:], plain[:] = zero, zero
    for i in range(dy.shape[0]):
        up, row = dy[i], xhat[i]
        for j in range(along.size):
            along[j] += up[j] * row[j]
            plain[j] += up[j]


@jit
def batchnorm_dx(xhat, gamma, var, epsilon, dy, along, plain, rows, dx):
    """dx for some rows; `rows` is the number of all rows, 0 where moving statistics were used."""
    e, zero, one = dy.dtype.type(epsilon), dy.dtype.type(0), dy.dtype.type(1)
    share = one / dy.dtype.type(rows) if rows else zero
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            d = dy[i, j] - share * plain[j] - xhat[i, j] * (share * along[j])
            dx[i, j] = d / math.sqrt(var[j] + e)
        if gamma.size:
            for j in range(dy.shape[1]):
                dx[i, j] *= gamma[j]


@jit
def moving_average(x, momentum, average):
    T = x.dtype.type
    a, b = T(momentum), T(1 - momentum)
    for j in range(x.size):
        average[j] = average[j] * a + x[j] * b


# ------------------------------------------------- penalties, clipping, updates (flat vectors)


@jit
def total(x):
    """Sum of a vector in float64."""
    result = 0.0
    for i in range(x.size):
        result += np.float64(x[i])
    return result


@jit
def sum_of_squares(x):
    result = 0.0
    for i in range(x.size):
        result += np.float64(x[i]) * np.float64(x[i])
    return result


@jit
def penalty(w, l1, l2):
    a, b = 0.0, 0.0
    for i in range(w.size):
        value = np.float64(w[i])
        a += abs(value)
        b += value * value
    return l1 * a + l2 * b


@jit
def penalty_grad(w, l1, l2, dw):
    T = w.dtype.type
    a, b, zero = T(l1), T(2 * l2), T(0)
    for i in range(w.size):
        sign = (a if w[i] > zero else -a) if w[i] != zero else zero
        dw[i] += sign + b * w[i]


@jit
def clip_by_value(c, g):
    high = g.dtype.type(c)
    for i in range(g.size):
        g[i] = min(max(g[i], -high), high)


@jit
def scale(factor, x):
    f = x.dtype.type(factor)
    for i in range(x.size):
        x[i] *= f


@jit
def sgd(g, lr, momentum, nesterov, w, m):
    T = w.dtype.type
    a, mu = T(lr), T(momentum)
    if momentum == 0:
        for i in range(w.size):
            w[i] -= a * g[i]
    elif nesterov:
        for i in range(w.size):
            m[i] = mu * m[i] - a * g[i]
            w[i] += mu * m[i] - a * g[i]
    else:
        for i in range(w.size):
            m[i] = mu * m[i] - a * g[i]
            w[i] += m[i]


@jit
def rmsprop(g, lr, rho, momentum, epsilon, w, v, a, m):
    T = w.dtype.type
    rate, r, s, mu, e = T(lr), T(rho), T(1 - rho), T(momentum), T(epsilon)
    if not a.size and not m.size:
        for i in range(w.size):
            v[i] = r * v[i] + s * g[i] * g[i]
            w[i] -= rate * g[i] / math.sqrt(v[i] + e)
        return
    for i in range(w.size):
        v[i] = r * v[i] + s * g[i] * g[i]
        d = v[i] + e
        if a.size:
            a[i] = r * a[i] + s * g[i]
            d -= a[i] * a[i]
        move = rate * g[i] / math.sqrt(d)
        if m.size:
            m[i] = mu * m[i] + move
            move = m[i]
        w[i] -= move


@jit
def adam(g, alpha, beta_1, beta_2, epsilon, w, m, v, v_max):
    T = w.dtype.type
    a, e = T(alpha), T(epsilon)
    one_minus_1, one_minus_2 = T(1 - beta_1), T(1 - beta_2)
    if v_max.size:
        for i in range(w.size):
            m[i] += (g[i] - m[i]) * one_minus_1
            v[i] += (g[i] * g[i] - v[i]) * one_minus_2
            v_max[i] = max(v_max[i], v[i])
            w[i] -= a * m[i] / (math.sqrt(v_max[i]) + e)
        return
    for i in range(w.size):
        m[i] += (g[i] - m[i]) * one_minus_1
        v[i] += (g[i] * g[i] - v[i]) * one_minus_2
        w[i] -= a * m[i] / (math.sqrt(v[i]) + e)
