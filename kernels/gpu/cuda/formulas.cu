// Frames of kernels that are made from formulas (card/formulas.py). FORMULA is the formula, SLOPE its
// derivative, both printed from the reference's text; OPTIONS declares its options, VALUES hands
// them on.

// y = f(x)
KERNEL elementwise(const real* x, i64 n OPTIONS, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) y[i] = FORMULA(x[i] VALUES);
}

// dx = dy f'(x), given y = f(x)
KERNEL elementwise_grad(const real* x, const real* y, const real* dy, i64 n OPTIONS, real* dx) {
    for (i64 i = first_entry(); i < n; i += entries()) dx[i] = dy[i] * SLOPE(x[i], y[i] VALUES);
}

// z += b and y = f(z) in one pass over (N, H).
KERNEL bias_elementwise(const real* b, i64 n, i64 H OPTIONS, real* z, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        real value = z[i] + b[modulo(i, H)];
        z[i] = value;
        y[i] = FORMULA(value VALUES);
    }
}

// dx = dy f'(x) and db = the sum of its rows, in one pass over (R, D).
KERNEL elementwise_grad_bias(const real* x, const real* y, const real* dy, i64 R, i64 D, i64 parts,
                             real* room, u32* arrived OPTIONS, real* dx, real* db) {
    Sums<1> total;
    auto load = [&](i64 i) { return dy[i] * SLOPE(x[i], y[i] VALUES); };
    auto use = [&](i64 i, real value, Sums<1>& sum) {
        dx[i] = value;
        sum.v[0] += value;
    };
    if (over_columns(R, D, parts, room, arrived, total, load, use)) db[own_column(D)] = total.v[0];
}

// losses_i = w_i mean_c f(y_ic, t_ic), and its gradient by y where it is wanted.
KERNEL elementwise_loss(const real* y, const real* targets, const real* w, i64 R, i64 C OPTIONS,
                        real* losses, real* dy) {
    OWN_ROW(r);
    real total = 0;
    for (i64 i = r * C + lane(); i < r * C + C; i += WARP) {
        real value = FORMULA(y[i], targets[i] VALUES), slope = SLOPE(y[i], targets[i] VALUES);
        total += value;
        if (dy) dy[i] = w[r] / C * slope;
    }
    total = warp_sum(total);
    if (lane() == 0) losses[r] = w[r] * (total / C);
}
