// Row by row, a warp for each: softmax, losses with their gradients, metrics.
// R rows of C columns. A gradient with the address 0 is not wanted.

#define FOR_ROW_COLUMNS(c) for (i64 c = lane(); c < C; c += WARP)

// Sum of term(c) over the columns; every lane of the warp has it.
template <class Term> __device__ real row_sum(i64 C, Term term) {
    real total = 0;
    FOR_ROW_COLUMNS(c) total += term(c);
    return warp_sum(total);
}

// max and log(sum e^(x - max)) of one row
__device__ void log_total(const real* x, i64 C, real* max, real* log_sum) {
    real m = x[0];
    FOR_ROW_COLUMNS(c) m = larger(m, x[c]);
    *max = m = warp_max(m);
    *log_sum = log(row_sum(C, [&](i64 c) { return exp(x[c] - m); }));
}

KERNEL softmax(const real* x, i64 R, i64 C, real* y) {
    OWN_ROW(r);
    x += r * C;
    y += r * C;
    real m = x[0];
    FOR_ROW_COLUMNS(c) m = larger(m, x[c]);
    m = warp_max(m);  // the largest exponent is 0; from here on x may be overwritten
    real total = row_sum(C, [&](i64 c) { return y[c] = exp(x[c] - m); });
    FOR_ROW_COLUMNS(c) y[c] /= total;
}

KERNEL softmax_grad(const real* y, const real* dy, i64 R, i64 C, real* dx) {
    OWN_ROW(r);
    y += r * C;
    dy += r * C;
    real dot = row_sum(C, [&](i64 c) { return dy[c] * y[c]; });
    FOR_ROW_COLUMNS(c) dx[r * C + c] = y[c] * (dy[c] - dot);
}

KERNEL log_softmax(const real* x, i64 R, i64 C, real* y) {
    OWN_ROW(r);
    real m, log_sum;
    log_total(x + r * C, C, &m, &log_sum);
    FOR_ROW_COLUMNS(c) y[r * C + c] = x[r * C + c] - m - log_sum;
}

KERNEL log_softmax_grad(const real* y, const real* dy, i64 R, i64 C, real* dx) {
    OWN_ROW(r);
    real total = row_sum(C, [&](i64 c) { return dy[r * C + c]; });
    FOR_ROW_COLUMNS(c) dx[r * C + c] = dy[r * C + c] - exp(y[r * C + c]) * total;
}

// ------------------------------------------------------------------------- from the logits

KERNEL sparse_softmax_crossentropy(const real* z, const i64* labels, const real* w, i64 R, i64 C,
                                   real* p, real* losses, real* dz) {
    OWN_ROW(r);
    z += r * C;
    real m, log_sum;
    log_total(z, C, &m, &log_sum);
    i64 label = labels[r];
    if (lane() == 0) losses[r] = -w[r] * (z[label] - m - log_sum);
    FOR_ROW_COLUMNS(c) {
        real q = exp(z[c] - m - log_sum);
        p[r * C + c] = q;
        if (dz) dz[r * C + c] = q * w[r] - (c == label ? w[r] : real(0));
    }
}

KERNEL softmax_crossentropy(const real* z, const real* targets, const real* w, i64 R, i64 C,
                            real* p, real* losses, real* dz) {
    OWN_ROW(r);
    z += r * C;
    targets += r * C;
    real m, log_sum, dot = 0, total = 0;
    log_total(z, C, &m, &log_sum);
    FOR_ROW_COLUMNS(c) {
        dot += targets[c] * (z[c] - m - log_sum);
        total += targets[c];
    }
    dot = warp_sum(dot);
    total = warp_sum(total);
    if (lane() == 0) losses[r] = -w[r] * dot;
    FOR_ROW_COLUMNS(c) {
        real q = exp(z[c] - m - log_sum);
        p[r * C + c] = q;
        if (dz) dz[r * C + c] = w[r] * (q * total - targets[c]);
    }
}

KERNEL sigmoid_crossentropy(const real* z, const real* targets, const real* w, i64 R, i64 C,
                            real* p, real* losses, real* dz) {
    OWN_ROW(r);
    real total = 0;
    FOR_ROW_COLUMNS(c) {
        i64 i = r * C + c;
        real q = sigmoid(z[i]);
        total += softplus(z[i]) - z[i] * targets[i];
        p[i] = q;
        if (dz) dz[i] = w[r] / C * (q - targets[i]);
    }
    total = warp_sum(total);
    if (lane() == 0) losses[r] = w[r] * (total / C);
}

// -------------------------------------------------- from probabilities, clipped to [low, high]

KERNEL sparse_crossentropy(const real* p, const i64* labels, const real* w, i64 R, i64 C,
                           double epsilon, real* losses, real* dp) {
    OWN_ROW(r);
    p += r * C;
    real total = row_sum(C, [&](i64 c) { return p[c]; });
    real q = p[labels[r]] / total;
    real clipped = clipped_to(q, real(epsilon), real(1 - epsilon));
    if (lane() == 0) losses[r] = -w[r] * log(clipped);
    if (!dp) return;
    real g = q == clipped ? -w[r] / clipped : real(0);
    FOR_ROW_COLUMNS(c) dp[r * C + c] = -g * q / total + (c == labels[r] ? g / total : real(0));
}

KERNEL crossentropy(const real* p, const real* targets, const real* w, i64 R, i64 C,
                    double epsilon, real* losses, real* dp) {
    OWN_ROW(r);
    p += r * C;
    targets += r * C;
    real low = real(epsilon), high = real(1 - epsilon), value = 0, dot = 0;
    real total = row_sum(C, [&](i64 c) { return p[c]; });
    FOR_ROW_COLUMNS(c) {
        real q = p[c] / total, clipped = clipped_to(q, low, high);
        real g = q == clipped ? -w[r] * targets[c] / clipped : real(0);
        value += targets[c] * log(clipped);
        dot += g * q;
        if (dp) dp[r * C + c] = g;
    }
    value = warp_sum(value);
    dot = warp_sum(dot);
    if (lane() == 0) losses[r] = -w[r] * value;
    if (!dp) return;
    FOR_ROW_COLUMNS(c) dp[r * C + c] = (dp[r * C + c] - dot) / total;
}

KERNEL binary_crossentropy(const real* p, const real* targets, const real* w, i64 R, i64 C,
                           double epsilon, real* losses, real* dp) {
    OWN_ROW(r);
    real low = real(epsilon), high = real(1 - epsilon), total = 0;
    FOR_ROW_COLUMNS(c) {
        i64 i = r * C + c;
        real q = clipped_to(p[i], low, high), t = targets[i];
        total += t * log(q) + (1 - t) * log1p(-q);
        if (dp) dp[i] = p[i] == q ? w[r] / C * ((q - t) / (q * (1 - q))) : real(0);
    }
    total = warp_sum(total);
    if (lane() == 0) losses[r] = -w[r] * (total / C);
}

// --------------------------------------------------------------------------------- metrics

// Whether a comes before b; NaN before all others, as in NumPy.
__device__ bool before(real a, real b) { return a > b || (a != a && b == b); }

// The first of the largest entries of a row.
__device__ i64 arg_max(const real* x, i64 C) {
    i64 best = lane() < C ? lane() : 0;
    FOR_ROW_COLUMNS(c) if (before(x[c], x[best])) best = c;
    for (int o = WARP / 2; o > 0; o /= 2) {
        i64 other = __shfl_xor_sync(0xffffffffu, best, o, WARP);
        if (before(x[other], x[best]) || (!before(x[best], x[other]) && other < best)) best = other;
    }
    return best;
}

KERNEL sparse_matches(const real* p, const i64* labels, i64 R, i64 C, real* hits) {
    OWN_ROW(r);
    i64 best = arg_max(p + r * C, C);
    if (lane() == 0) hits[r] = best == labels[r] && p[r * C + best] == p[r * C + best];
}

KERNEL categorical_matches(const real* p, const real* targets, i64 R, i64 C, real* hits) {
    OWN_ROW(r);
    i64 best = arg_max(p + r * C, C), wanted = arg_max(targets + r * C, C);
    if (lane() == 0) hits[r] = best == wanted && p[r * C + best] == p[r * C + best];
}

KERNEL binary_matches(const real* p, const real* targets, i64 R, i64 C, double threshold,
                      real* hits) {
    OWN_ROW(r);
    real count = row_sum(C, [&](i64 c) {
        real q = p[r * C + c];
        return real(real(q > real(threshold)) == targets[r * C + c] && q == q);
    });
    if (lane() == 0) hits[r] = count / C;
}
