// Entry by entry, where an entry meets others than its own: layout, arithmetic that broadcasts.

// y += b in every row (N, H).
KERNEL add_bias(const real* b, i64 n, i64 H, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) y[i] += b[modulo(i, H)];
}

// y = x m or x + m for x (N, D), where entry j of a row meets m[index[j]], or entry index[j] of
// its row of m, (N, M).
KERNEL broadcast(i64 adds, const real* x, const real* m, const i64* index, i64 n, i64 D, i64 M,
                 i64 by_rows, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        real other = m[(by_rows ? (i - j) / D * M : 0) + index[j]];
        y[i] = adds ? x[i] + other : x[i] * other;
    }
}

// y[i, j] = x[i, index[j]] for x (N, E), y (N, D).
KERNEL take(const real* x, const i64* index, i64 n, i64 E, i64 D, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        y[i] = x[(i - j) / D * E + index[j]];
    }
}

// y[:, first : first + D] = x for x (R, D), y (R, E).
KERNEL put_columns(const real* x, i64 n, i64 D, i64 E, i64 first, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        y[(i - j) / D * E + first + j] = x[i];
    }
}

KERNEL take_columns(const real* y, i64 n, i64 D, i64 E, i64 first, real* x) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        x[i] = y[(i - j) / D * E + first + j];
    }
}

// x (N, D); entry j of a row has the slope a[index[j]], or a[j] where there is no index.
KERNEL prelu(const real* x, const real* a, const i64* index, i64 n, i64 D, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        y[i] = larger(x[i], 0) + a[index ? index[j] : j] * smaller(x[i], 0);
    }
}

KERNEL prelu_dx(const real* x, const real* a, const i64* index, const real* dy, i64 n, i64 D,
                real* dx) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        real s = a[index ? index[j] : j];
        dx[i] = dy[i] * (x[i] > 0 ? real(1) : x[i] < 0 ? s : real(0));
    }
}

// out[k] = sum of x[index[e]] for e from starts[k] to starts[k + 1].
KERNEL sum_groups(const real* x, const i64* starts, const i64* index, i64 n, real* out) {
    for (i64 k = first_entry(); k < n; k += entries()) {
        real total = 0;
        for (i64 e = starts[k]; e < starts[k + 1]; e++) total += x[index[e]];
        out[k] = total;
    }
}

// y = a sigmoid(b) for x = (a, b), each (R, C).
KERNEL glu(const real* x, i64 n, i64 C, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        const real* row = x + (i + (i - modulo(i, C)));
        y[i] = row[0] * sigmoid(row[C]);
    }
}

KERNEL glu_grad(const real* x, const real* dy, i64 n, i64 C, real* dx) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 at = i + (i - modulo(i, C));
        real gate = sigmoid(x[at + C]);
        dx[at] = dy[i] * gate;
        dx[at + C] = dy[i] * x[at] * (gate * (1 - gate));
    }
}
