// Flat vectors of weights: sums in two passes, and the updates that need them.

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

// g c / max(|g|, c), with |g|^2 from the first pass.
KERNEL clip_to_norm(double c, const double* partial, i64 count, i64 n, real* g) {
    double norm = sqrt(joined(partial, count));
    if (!(norm > c)) return;
    for (i64 i = first_entry(); i < n; i += entries()) g[i] *= real(c / norm);
}

// The step u of `lamb`, before its length is known.
KERNEL lamb_step(const Control* control, const real* g, double beta_1, double beta_2,
                 double m_scale, double v_scale, double epsilon, i64 n, real* m, real* v,
                 real* u) {
    real a = real(number(control, m_scale)), b = real(number(control, v_scale));
    for (i64 i = first_entry(); i < n; i += entries()) {
        real first = m[i] + (g[i] - m[i]) * real(1 - beta_1);
        real second = v[i] + (g[i] * g[i] - v[i]) * real(1 - beta_2);
        m[i] = first;
        v[i] = second;
        u[i] = a * first / (sqrt(b * second) + real(epsilon));
    }
}

// w -= lr |w| / |u| u, with the squares of both from `partial_sums`.
KERNEL lamb_update(const Control* control, const real* u, double lr, const double* weights,
                   const double* steps, i64 count, i64 n, real* w) {
    double rate = number(control, lr), size = sqrt(joined(weights, count));
    double step = sqrt(joined(steps, count));
    if (size > 0 && step > 0) rate *= size / step;
    for (i64 i = first_entry(); i < n; i += entries()) w[i] -= real(rate) * u[i];
}

// Adafactor of matrices: the means of the squares over each row (of several matrices one below the
// other), and over each column of one, (R, D).
KERNEL adafactor_rows(const Control* control, const real* g, double beta_2, double epsilon, i64 R,
                      i64 C, real* r) {
    OWN_ROW(row);
    real b = real(number(control, beta_2));
    real total = row_sum(C, [&](i64 c) { return g[row * C + c] * g[row * C + c] + real(epsilon); });
    if (lane() == 0) r[row] = b * r[row] + (1 - b) * (total / C);
}

KERNEL adafactor_columns(const Control* control, const real* g, double beta_2, double epsilon,
                         i64 R, i64 D, i64 parts, real* room, u32* arrived, real* c) {
    real b = real(number(control, beta_2));
    Sums<1> total;
    auto load = [&](i64 i) { return g[i]; };
    auto use = [&](i64, real value, Sums<1>& sum) { sum.v[0] += value * value + real(epsilon); };
    if (!over_columns(R, D, parts, room, arrived, total, load, use)) return;
    i64 j = own_column(D);
    c[j] = b * c[j] + (1 - b) * (total.v[0] / R);
}

// means[b] = the mean of r[b] (R,)
KERNEL row_means(const real* r, i64 R, i64 C, real* means) {
    OWN_ROW(row);
    real total = row_sum(C, [&](i64 c) { return r[row * C + c]; });
    if (lane() == 0) means[row] = total / C;
}

// v from r, c and the means of r where there are such, else by itself; u = g / sqrt(v).
KERNEL adafactor_step(const Control* control, const real* g, double beta_2, double epsilon,
                      const real* r, const real* c, const real* means, i64 n, i64 R, i64 C,
                      real* v, real* u) {
    real b = real(number(control, beta_2));
    for (i64 i = first_entry(); i < n; i += entries()) {
        real value;
        if (r) {
            i64 j = modulo(i, C), row = (i - j) / C, matrix = row / R;
            value = r[row] / means[matrix] * c[matrix * C + j];
        } else {
            value = b * v[i] + (1 - b) * (g[i] * g[i] + real(epsilon));
        }
        v[i] = value;
        u[i] = g[i] / sqrt(value);
    }
}

KERNEL adafactor_update(const Control* control, const real* u, double rate, double least,
                        double threshold, const double* weights, const double* steps, i64 count,
                        i64 n, real* w) {
    double size = sqrt(joined(weights, count) / n), step = sqrt(joined(steps, count) / n);
    double a = number(control, rate) * (size > least ? size : least);
    if (step / threshold > 1) a /= step / threshold;
    for (i64 i = first_entry(); i < n; i += entries()) w[i] -= real(a) * u[i];
}

// Each of n lines to a norm in [low, high]; entry k of line i is w[starts[i] + steps[k]].
KERNEL limit_norm(double low, double high, double rate, double epsilon, const i64* starts,
                  const i64* steps, i64 n, i64 C, real* w) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        real* line = w + starts[i];
        real squares = 0;
        for (i64 k = 0; k < C; k++) squares += line[steps[k]] * line[steps[k]];
        real norm = sqrt(squares), goal = clipped_to(norm, real(low), real(high));
        real factor = (real(rate) * goal + real(1 - rate) * norm) / (real(epsilon) + norm);
        for (i64 k = 0; k < C; k++) line[steps[k]] *= factor;
    }
}
