// Flat vectors of weights: sums in two passes, penalties, clipping, and the optimizers' updates,
// each a single launch over all parameters.

enum { SQUARES, PENALTY };

__device__ double term(i64 kind, double v, double a, double b) {
    return kind == SQUARES ? v * v : a * fabs(v) + b * v * v;
}

// First pass of a sum: partial[block], in float64 and in an order that only the grid decides.
KERNEL partial_sums(i64 kind, const real* x, i64 n, double a, double b, double* partial) {
    double total = 0;
    for (i64 i = first_entry(); i < n; i += entries()) total += term(kind, double(x[i]), a, b);
    total = block_sum(total);
    if (threadIdx.x == 0) partial[BLOCK_INDEX] = total;
}

// Second pass.
__device__ double joined(const double* partial, i64 count) {
    double total = 0;
    for (i64 i = 0; i < count; i++) total += partial[i];
    return total;
}

KERNEL penalty_grad(const real* w, double l1, double l2, i64 n, real* dw) {
    real a = real(l1), b = real(2 * l2);
    for (i64 i = first_entry(); i < n; i += entries()) {
        dw[i] += (w[i] > 0 ? a : w[i] < 0 ? -a : real(0)) + b * w[i];
    }
}

KERNEL clip_by_value(double c, i64 n, real* g) {
    for (i64 i = first_entry(); i < n; i += entries()) g[i] = clipped_to(g[i], real(-c), real(c));
}

// g c / max(|g|, c), with |g|^2 from the first pass.
KERNEL clip_to_norm(double c, const double* partial, i64 count, i64 n, real* g) {
    double norm = sqrt(joined(partial, count));
    if (!(norm > c)) return;
    for (i64 i = first_entry(); i < n; i += entries()) g[i] *= real(c / norm);
}

KERNEL scale_(const Control* control, double factor, i64 n, real* x) {
    real f = real(number(control, factor));
    for (i64 i = first_entry(); i < n; i += entries()) x[i] *= f;
}

KERNEL sgd(const Control* control, const real* g, double lr, double momentum, i64 nesterov,
           i64 n, real* w, real* m) {
    real a = real(number(control, lr)), mu = real(momentum);
    for (i64 i = first_entry(); i < n; i += entries()) {
        real step = -a * g[i];
        if (m) {
            real v = mu * m[i] + step;
            m[i] = v;
            step = nesterov ? mu * v + step : v;
        }
        w[i] += step;
    }
}

KERNEL rmsprop(const Control* control, const real* g, double lr, double rho,
               double momentum, double epsilon, i64 n, real* w, real* v, real* a, real* m) {
    real rate = real(number(control, lr)), r = real(rho), s = real(1 - rho);
    for (i64 i = first_entry(); i < n; i += entries()) {
        real second = r * v[i] + s * g[i] * g[i], d = second + real(epsilon);
        v[i] = second;
        if (a) {  // centered: the variance instead of the second moment
            real first = r * a[i] + s * g[i];
            a[i] = first;
            d -= first * first;
        }
        real step = rate * g[i] / sqrt(d);
        if (m) m[i] = step = real(momentum) * m[i] + step;
        w[i] -= step;
    }
}

KERNEL adam(const Control* control, const real* g, double alpha, double beta_1,
            double beta_2, double epsilon, i64 n, real* w, real* m, real* v, real* v_max) {
    real a = real(number(control, alpha));
    for (i64 i = first_entry(); i < n; i += entries()) {
        real first = m[i] + (g[i] - m[i]) * real(1 - beta_1);
        real second = v[i] + (g[i] * g[i] - v[i]) * real(1 - beta_2);
        m[i] = first;
        v[i] = second;
        if (v_max) v_max[i] = second = larger(v_max[i], second);  // amsgrad
        w[i] -= a * first / (sqrt(second) + real(epsilon));
    }
}
