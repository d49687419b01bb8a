// Layers beyond Dense: steps of a sequence, embedding, rows normalized, activations along any axis.

// x (N, T, D): entry i of (N, D) meets its T steps.
#define FOR_STEPS(x, at) for (i64 t = 0, at = (i - modulo(i, D)) * T + modulo(i, D); t < T; \
                              t++, at += D)

KERNEL sum_steps(const real* x, i64 n, i64 T, i64 D, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        real total = 0;
        FOR_STEPS(x, at) total += x[at];
        y[i] = total;
    }
}

KERNEL max_steps(const real* x, i64 n, i64 T, i64 D, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        real most = x[(i - modulo(i, D)) * T + modulo(i, D)];
        FOR_STEPS(x, at) most = larger(x[at], most);
        y[i] = most;
    }
}

// Steps that are equally large share the gradient.
KERNEL max_steps_grad(const real* x, const real* y, const real* dy, i64 n, i64 T, i64 D,
                      real* dx) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        real count = 0;
        FOR_STEPS(x, at) count += x[at] == y[i];
        FOR_STEPS(x, at) dx[at] = x[at] == y[i] ? dy[i] / count : real(0);
    }
}

// w[i, t] = [ids[i, t] != 0] / how many of them
KERNEL mask_weights(const real* ids, i64 R, i64 C, real* w) {
    OWN_ROW(r);
    real count = larger(row_sum(C, [&](i64 c) { return real(ids[r * C + c] != 0); }), 1);
    FOR_ROW_COLUMNS(c) w[r * C + c] = (ids[r * C + c] != 0) / count;
}

// -------------------------------------------------------------------------------- embedding
// Ids come as floats; one outside the table (V, D) reads NaN and teaches nothing.

__device__ i64 row_of(real id, i64 V) { return id >= 0 && id < real(V) ? i64(id) : -1; }

KERNEL embedding(const real* ids, const real* table, i64 n, i64 V, i64 D, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D), row = row_of(ids[(i - j) / D], V);
        real nothing = real(ldexp(1.0, 2000));
        y[i] = row < 0 ? nothing - nothing : table[row * D + j];
    }
}

// A block sums the gradient of one row of the table, in the order of the ids.
KERNEL embedding_grad(const real* ids, const real* dy, i64 count, i64 V, i64 D, real* dW) {
    i64 row = BLOCK_INDEX;
    for (i64 j = threadIdx.x; j < D; j += blockDim.x) {
        real total = 0;
        for (i64 e = 0; e < count; e++) {
            if (row_of(ids[e], V) == row) total += dy[e * D + j];
        }
        dW[row * D + j] = total;
    }
}

// ------------------------------------------------------------------ normalization of rows

enum { LAYER_NORM, RMS_NORM, UNIT_NORM };  // the order of `gpu.ROWNORM`

KERNEL rownorm(i64 kind, const real* x, const real* gamma, const real* beta, double epsilon,
               i64 R, i64 C, real* y, real* xhat, real* inv) {
    OWN_ROW(r);
    real mean = 0, e = real(epsilon);
    if (kind == LAYER_NORM) mean = row_sum(C, [&](i64 c) { return x[r * C + c]; }) / C;
    real squares = row_sum(C, [&](i64 c) {
        real d = x[r * C + c] - mean;
        return d * d;
    });
    real s = kind == UNIT_NORM ? 1 / larger(sqrt(squares), e) : 1 / sqrt(squares / C + e);
    if (lane() == 0) inv[r] = s;
    FOR_ROW_COLUMNS(c) {
        real h = (x[r * C + c] - mean) * s;
        xhat[r * C + c] = h;
        y[r * C + c] = (gamma ? h * gamma[c] : h) + (beta ? beta[c] : real(0));
    }
}

KERNEL rownorm_dx(i64 kind, const real* xhat, const real* gamma, const real* inv, const real* dy,
                  i64 R, i64 C, double epsilon, real* dx) {
    OWN_ROW(r);
    real along = 0, plain = 0, s = inv[r];
    FOR_ROW_COLUMNS(c) {
        real d = gamma ? dy[r * C + c] * gamma[c] : dy[r * C + c];
        along += d * xhat[r * C + c];
        plain += d;
    }
    along = warp_sum(along);
    plain = warp_sum(plain);
    if (kind == UNIT_NORM) {
        if (s == 1 / real(epsilon)) along = 0;  // the norm was clipped
    } else {
        along /= C;
    }
    plain = kind == LAYER_NORM ? plain / C : real(0);
    FOR_ROW_COLUMNS(c) {
        real d = gamma ? dy[r * C + c] * gamma[c] : dy[r * C + c];
        dx[r * C + c] = (d - xhat[r * C + c] * along - plain) * s;
    }
}

KERNEL activity_penalty(const real* x, i64 R, i64 C, double l1, double l2, real* losses) {
    OWN_ROW(r);
    real total = row_sum(C, [&](i64 c) {
        real v = x[r * C + c];
        return real(l1) * fabs(v) + real(l2) * v * v;
    });
    if (lane() == 0) losses[r] = total;
}

// --------------------------------------------------------- activations along any axis
// A thread takes a line of C numbers, `stride` apart.

enum { SOFTMAX, LOG_SOFTMAX, SPARSEMAX };  // the order of `gpu.ALONG`
#define FOR_LINE(at) for (i64 k = 0, at = (i - modulo(i, stride)) * C + modulo(i, stride); \
                          k < C; k++, at += stride)

// tau, so that the sum of max(x - tau, 0) is 1 (Michelot 1986): the mean of what still counts,
// less 1, and what lies below it counts no longer, until nothing changes.
__device__ real sparse_threshold(const real* x, i64 i, i64 C, i64 stride) {
    real tau = -real(ldexp(1.0, 120));
    for (i64 before = C + 1;;) {
        real total = 0;
        i64 count = 0;
        FOR_LINE(at) if (x[at] > tau) {
            total += x[at];
            count++;
        }
        if (count == before || count == 0) return tau;
        before = count;
        tau = (total - 1) / count;
    }
}

KERNEL along(i64 kind, const real* x, i64 lines, i64 C, i64 stride, real* y) {
    for (i64 i = first_entry(); i < lines; i += entries()) {
        if (kind == SPARSEMAX) {
            real tau = sparse_threshold(x, i, C, stride);
            FOR_LINE(at) y[at] = larger(x[at] - tau, 0);
            continue;
        }
        real m = x[(i - modulo(i, stride)) * C + modulo(i, stride)], total = 0;
        FOR_LINE(at) m = larger(m, x[at]);
        FOR_LINE(at) total += exp(x[at] - m);
        real log_total = log(total);
        FOR_LINE(at) y[at] = kind == SOFTMAX ? exp(x[at] - m) / total : x[at] - m - log_total;
    }
}

KERNEL along_grad(i64 kind, const real* y, const real* dy, i64 lines, i64 C, i64 stride,
                  real* dx) {
    for (i64 i = first_entry(); i < lines; i += entries()) {
        real total = 0, count = 0;
        FOR_LINE(at) {
            real kept = kind == SPARSEMAX ? real(y[at] > 0) : kind == SOFTMAX ? y[at] : real(1);
            total += dy[at] * kept;
            count += kept;
        }
        FOR_LINE(at) {
            if (kind == SPARSEMAX) dx[at] = y[at] > 0 ? dy[at] - total / count : real(0);
            if (kind == SOFTMAX) dx[at] = y[at] * (dy[at] - total);
            if (kind == LOG_SOFTMAX) dx[at] = dy[at] - exp(y[at]) * total;
        }
    }
}
