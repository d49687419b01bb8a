// Losses beside the cross-entropies of rows.cu, a warp for each row. A gradient with the address 0
// is not wanted.

// The order of `_elementwise_losses.ELEMENTWISE_LOSSES`.
enum { SQUARED, ABSOLUTE, HUBER, PERCENTAGE, SQUARED_LOG, LOG_COSH, HINGE, SQUARED_HINGE, POISSON,
       KL_DIVERGENCE, BINARY_FOCAL, LOSSES };

__device__ real sign(real x) { return x > 0 ? real(1) : x < 0 ? real(-1) : x; }
__device__ real label_sign(real t) { return t - (t == 0); }  // of the labels 0 and 1, too

// The derivative of x^gamma; 0 at x = 0, where it may be infinite.
__device__ real power_slope(real x, real gamma) {
    if (gamma < 1 && x == 0) return 0;
    return gamma * pow(x, gamma - 1);
}

// f(y, t) and its derivative by y; a, b, c, d are the options in order.
__device__ void loss_of(i64 kind, real y, real t, real a, real b, real c, real d, real* value,
                        real* slope) {
    real e = y - t;
    switch (kind) {
        case SQUARED: *value = e * e; *slope = 2 * e; return;
        case ABSOLUTE: *value = fabs(e); *slope = sign(e); return;
        case HUBER: {
            real away = fabs(e);
            *value = away <= a ? real(0.5) * e * e : a * away - real(0.5) * a * a;
            *slope = clipped_to(e, -a, a);
            return;
        }
        case PERCENTAGE: {
            real size = larger(fabs(t), a);
            *value = 100 * fabs(e / size);
            *slope = 100 * sign(e) / size;
            return;
        }
        case SQUARED_LOG: {
            real raised = larger(y, a), apart = log1p(raised) - log1p(larger(t, a));
            *value = apart * apart;
            *slope = y > a ? 2 * apart / (1 + raised) : real(0);
            return;
        }
        case LOG_COSH: {
            real away = fabs(e);
            *value = away + log1p(expm1(-2 * away) / 2);
            *slope = tanh(e);
            return;
        }
        case HINGE: case SQUARED_HINGE: {
            real s = label_sign(t), miss = larger(1 - s * y, 0);
            *value = kind == HINGE ? miss : miss * miss;
            *slope = kind == HINGE ? (s * y < 1 ? -s : real(0)) : -2 * s * miss;
            return;
        }
        case POISSON: *value = y - t * log(y + a); *slope = 1 - t / (y + a); return;
        case KL_DIVERGENCE: {
            real q = clipped_to(t, a, 1), p = clipped_to(y, a, 1);
            *value = q * log(q / p);
            *slope = y == p ? -q / p : real(0);
            return;
        }
        default: {  // BINARY_FOCAL: gamma, positive, negative, epsilon
            real wrong = 1 - (t * y + (1 - t) * (1 - y)), p = clipped_to(y, d, 1 - d);
            real entropy = -t * log(p) - (1 - t) * log1p(-p);
            real weight = t * b + (1 - t) * c, factor = pow(wrong, a);
            real steep = y == p ? (p - t) / (p * (1 - p)) : real(0);
            *value = weight * factor * entropy;
            *slope = weight * (power_slope(wrong, a) * (1 - 2 * t) * entropy + factor * steep);
        }
    }
}

KERNEL elementwise_loss(i64 kind, const real* y, const real* targets, const real* w, i64 R, i64 C,
                        double a, double b, double c, double d, real* losses, real* dy) {
    i64 r = warp_row();
    if (r >= R) return;
    real total = 0;
    for (i64 i = r * C + lane(); i < r * C + C; i += WARP) {
        real value, slope;
        loss_of(kind, y[i], targets[i], real(a), real(b), real(c), real(d), &value, &slope);
        total += value;
        if (dy) dy[i] = w[r] / C * slope;
    }
    total = warp_sum(total);
    if (lane() == 0) losses[r] = w[r] * (total / C);
}

KERNEL focal_crossentropy(const real* p, const real* targets, const real* alpha, const real* w,
                          i64 R, i64 C, double gamma, double epsilon, real* losses, real* dp) {
    i64 r = warp_row();
    if (r >= R) return;
    p += r * C;
    targets += r * C;
    real low = real(epsilon), high = real(1 - epsilon), power = real(gamma);
    real total = 0, value = 0, dot = 0;
    FOR_ROW_COLUMNS(c) total += p[c];
    total = warp_sum(total);
    FOR_ROW_COLUMNS(c) {
        real q = p[c] / total, clipped = clipped_to(q, low, high), rest = 1 - clipped;
        real share = alpha[c] * targets[c], factor = pow(rest, power), log_q = log(clipped);
        real slope = power * pow(rest, power - 1) * log_q - factor / clipped;
        real g = q == clipped ? w[r] * share * slope : real(0);
        value += share * factor * log_q;
        dot += g * q;
        if (dp) dp[r * C + c] = g;
    }
    value = warp_sum(value);
    dot = warp_sum(dot);
    if (lane() == 0) losses[r] = -w[r] * value;
    if (!dp) return;
    FOR_ROW_COLUMNS(c) dp[r * C + c] = (dp[r * C + c] - dot) / total;
}

KERNEL categorical_hinge(const real* y, const real* targets, const real* w, i64 R, i64 C,
                         real* losses, real* dy) {
    i64 r = warp_row();
    if (r >= R) return;
    y += r * C;
    targets += r * C;
    real right = 0, wrong = (1 - targets[0]) * y[0], count = 0;
    FOR_ROW_COLUMNS(c) {
        right += targets[c] * y[c];
        wrong = larger(wrong, (1 - targets[c]) * y[c]);
    }
    right = warp_sum(right);
    wrong = warp_max(wrong);  // the strongest of the others; equally strong ones share
    FOR_ROW_COLUMNS(c) count += (1 - targets[c]) * y[c] == wrong;
    count = warp_sum(count);
    real value = larger(wrong - right + 1, 0);
    if (lane() == 0) losses[r] = w[r] * value;
    if (!dy) return;
    FOR_ROW_COLUMNS(c) {
        real share = (1 - targets[c]) * y[c] == wrong ? 1 / count : real(0);
        dy[r * C + c] = value > 0 ? w[r] * ((1 - targets[c]) * share - targets[c]) : real(0);
    }
}

KERNEL cosine_similarity(const real* y, const real* targets, const real* w, i64 R, i64 C,
                         double epsilon, real* losses, real* dy) {
    i64 r = warp_row();
    if (r >= R) return;
    y += r * C;
    targets += r * C;
    real yy = 0, tt = 0, dot = 0, least = real(epsilon);
    FOR_ROW_COLUMNS(c) {
        yy += y[c] * y[c];
        tt += targets[c] * targets[c];
        dot += y[c] * targets[c];
    }
    real size = sqrt(warp_sum(yy)), length = larger(size, least);
    real target_length = larger(sqrt(warp_sum(tt)), least);
    real cosine = warp_sum(dot) / length / target_length;
    if (lane() == 0) losses[r] = -w[r] * cosine;
    if (!dy) return;
    real along = size > least ? cosine : real(0);  // moving along y changes only its length
    FOR_ROW_COLUMNS(c) {
        dy[r * C + c] = w[r] * (along * y[c] / length - targets[c] / target_length) / length;
    }
}
