// More update rules, and what comes before and after an update.

KERNEL nadam(const Control* control, const real* g, double m_rate, double g_rate, double beta_1,
             double beta_2, double v_root, double epsilon, i64 n, real* w, real* m, real* v) {
    real a = real(number(control, m_rate)), b = real(number(control, g_rate));
    real root = real(number(control, v_root));
    for (i64 i = first_entry(); i < n; i += entries()) {
        real first = m[i] + (g[i] - m[i]) * real(1 - beta_1);
        real second = v[i] + (g[i] * g[i] - v[i]) * real(1 - beta_2);
        m[i] = first;
        v[i] = second;
        w[i] -= (a * first + b * g[i]) / (root * sqrt(second) + real(epsilon));
    }
}

KERNEL adamax(const Control* control, const real* g, double alpha, double beta_1, double beta_2,
              double epsilon, i64 n, real* w, real* m, real* u) {
    real a = real(number(control, alpha));
    for (i64 i = first_entry(); i < n; i += entries()) {
        real first = m[i] + (g[i] - m[i]) * real(1 - beta_1);
        real most = larger(real(beta_2) * u[i], fabs(g[i]));
        m[i] = first;
        u[i] = most;
        w[i] -= a * first / (most + real(epsilon));
    }
}

KERNEL adagrad(const Control* control, const real* g, double lr, double epsilon, i64 n, real* w,
               real* a) {
    real rate = real(number(control, lr));
    for (i64 i = first_entry(); i < n; i += entries()) {
        real total = a[i] + g[i] * g[i];
        a[i] = total;
        w[i] -= rate * g[i] / sqrt(total + real(epsilon));
    }
}

KERNEL adadelta(const Control* control, const real* g, double lr, double rho, double epsilon,
                i64 n, real* w, real* a, real* x) {
    real rate = real(number(control, lr)), r = real(rho), s = real(1 - rho), e = real(epsilon);
    for (i64 i = first_entry(); i < n; i += entries()) {
        real square = r * a[i] + s * g[i] * g[i];
        real d = sqrt(x[i] + e) / sqrt(square + e) * g[i];
        a[i] = square;
        x[i] = r * x[i] + s * d * d;
        w[i] -= rate * d;
    }
}

KERNEL lion(const Control* control, const real* g, double lr, double beta_1, double beta_2, i64 n,
            real* w, real* m) {
    real rate = real(number(control, lr));
    for (i64 i = first_entry(); i < n; i += entries()) {
        w[i] -= rate * sign(real(beta_1) * m[i] + real(1 - beta_1) * g[i]);
        m[i] = real(beta_2) * m[i] + real(1 - beta_2) * g[i];
    }
}

KERNEL ftrl(const Control* control, const real* g, double lr, double power, double l1, double l2,
            double shrinkage, i64 length, real* w, real* n, real* z) {
    real rate = real(number(control, lr)), a = real(l1), ridge = real(number(control, l2));
    for (i64 i = first_entry(); i < length; i += entries()) {
        real before = pow(n[i], real(-power)), total = n[i] + g[i] * g[i];
        real after = pow(total, real(-power));
        real value = z[i] + g[i] + real(2 * shrinkage) * w[i] - (after - before) / rate * w[i];
        n[i] = total;
        z[i] = value;
        w[i] = (clipped_to(value, -a, a) - value) / (after / rate + ridge);
    }
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

// Adafactor of matrices (B, R, C): the means of the squares over each row, and over each column.
KERNEL adafactor_rows(const Control* control, const real* g, double beta_2, double epsilon, i64 R,
                      i64 C, real* r) {
    i64 row = warp_row();
    if (row >= R) return;
    real total = 0, b = real(number(control, beta_2));
    FOR_ROW_COLUMNS(c) total += g[row * C + c] * g[row * C + c] + real(epsilon);
    total = warp_sum(total);
    if (lane() == 0) r[row] = b * r[row] + (1 - b) * (total / C);
}

KERNEL adafactor_columns(const Control* control, const real* g, double beta_2, double epsilon,
                         i64 n, i64 R, i64 C, real* c) {
    real b = real(number(control, beta_2));
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, C);
        real total = 0;
        for (i64 k = 0; k < R; k++) {
            real value = g[((i - j) / C * R + k) * C + j];
            total += value * value + real(epsilon);
        }
        c[i] = b * c[i] + (1 - b) * (total / R);
    }
}

// means[b] = the mean of r[b] (R,)
KERNEL row_means(const real* r, i64 R, i64 C, real* means) {
    i64 row = warp_row();
    if (row >= R) return;
    real total = 0;
    FOR_ROW_COLUMNS(c) total += r[row * C + c];
    total = warp_sum(total);
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

// --------------------------------------------------------------- before and after an update

KERNEL accumulate(const Control* control, double due, double steps, i64 n, real* g, real* total) {
    bool now = number(control, due) != 0;
    for (i64 i = first_entry(); i < n; i += entries()) {
        real sum = total[i] + g[i];
        if (now) g[i] = sum / real(steps);
        total[i] = now ? real(0) : sum;
    }
}

KERNEL ema(const Control* control, double momentum, double overwrite, i64 n, real* w,
           real* average) {
    double m = number(control, momentum);
    bool over = number(control, overwrite) != 0;
    for (i64 i = first_entry(); i < n; i += entries()) {
        real a = average[i] * real(m) + real(1 - m) * w[i];
        average[i] = a;
        if (over) w[i] = a;
    }
}

KERNEL not_negative(i64 n, real* w) {
    for (i64 i = first_entry(); i < n; i += entries()) w[i] = larger(w[i], 0);
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
