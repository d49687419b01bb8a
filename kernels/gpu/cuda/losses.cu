// Losses beside the cross-entropies of rows.cu, a warp for each row. A gradient with the address 0
// is not wanted.

KERNEL focal_crossentropy(const real* p, const real* targets, const real* alpha, const real* w,
                          i64 R, i64 C, double gamma, double epsilon, real* losses, real* dp) {
    OWN_ROW(r);
    p += r * C;
    targets += r * C;
    real low = real(epsilon), high = real(1 - epsilon), power = real(gamma);
    real total = row_sum(C, [&](i64 c) { return p[c]; }), value = 0, dot = 0;
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
    OWN_ROW(r);
    y += r * C;
    targets += r * C;
    real right = 0, wrong = (1 - targets[0]) * y[0];
    FOR_ROW_COLUMNS(c) {
        right += targets[c] * y[c];
        wrong = larger(wrong, (1 - targets[c]) * y[c]);
    }
    right = warp_sum(right);
    wrong = warp_max(wrong);  // the strongest of the others; equally strong ones share
    real count = row_sum(C, [&](i64 c) { return real((1 - targets[c]) * y[c] == wrong); });
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
    OWN_ROW(r);
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
