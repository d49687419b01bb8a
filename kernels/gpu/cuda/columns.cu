// Column by column: sums over the rows, and batch normalization. R rows of D columns.

KERNEL sum_rows(const real* x, i64 R, i64 D, real* out) {
    sum_columns(R, D, out, [&](i64 i) { return x[i]; });
}

// da = sum_i dy_i min(x_i, 0)
KERNEL prelu_da(const real* x, const real* dy, i64 R, i64 D, real* da) {
    sum_columns(R, D, da, [&](i64 i) { return dy[i] * smaller(x[i], 0); });
}

// Mean and population variance in one pass (Welford 1962), which no large mean can spoil; the
// threads of a column then join theirs in order (Chan, Golub and LeVeque 1979).
KERNEL batchnorm_statistics(const real* x, i64 R, i64 D, real* mean, real* var) {
    __shared__ real means[MOST_THREADS], squares[MOST_THREADS], counts[MOST_THREADS];
    i64 j = own_column();
    real m = 0, s = 0, n = 0;
    FOR_COLUMN_ROWS(r) {
        real value = x[r * D + j], before = value - m;
        n += 1;
        m += before / n;
        s += before * (value - m);
    }
    means[threadIdx.x] = m;
    squares[threadIdx.x] = s;
    counts[threadIdx.x] = n;
    __syncthreads();
    if (j >= D || first_row() > 0) return;
    for (int t = 1; t < row_step(); t++) {
        int i = t * WARP + lane();
        if (counts[i] > 0) {
            real both = n + counts[i], apart = means[i] - m;
            m += apart * (counts[i] / both);
            s += squares[i] + apart * apart * (n * counts[i] / both);
            n = both;
        }
    }
    mean[j] = m;
    var[j] = s / n;
}

KERNEL batchnorm_apply(const real* x, const real* gamma, const real* beta, const real* mean,
                       const real* var, double epsilon, i64 n, i64 D, real* y, real* xhat) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        real h = (x[i] - mean[j]) / sqrt(var[j] + real(epsilon));
        xhat[i] = h;
        y[i] = (gamma ? h * gamma[j] : h) + (beta ? beta[j] : real(0));
    }
}

// along = sum_i dy_i xhat_i, plain = sum_i dy_i; dgamma and dbeta are the same where wanted.
KERNEL batchnorm_sums(const real* xhat, const real* dy, i64 R, i64 D, real* along, real* plain,
                      real* dgamma, real* dbeta) {
    i64 j = own_column();
    real a = 0, b = 0;
    FOR_COLUMN_ROWS(r) {
        a += dy[r * D + j] * xhat[r * D + j];
        b += dy[r * D + j];
    }
    a = column_sum(a);
    b = column_sum(b);
    if (j >= D || first_row() > 0) return;
    along[j] = a;
    plain[j] = b;
    if (dgamma) dgamma[j] = a;
    if (dbeta) dbeta[j] = b;
}

// `rows`: those that mean and variance were taken over; 0 where they were the moving ones.
KERNEL batchnorm_dx(const real* xhat, const real* gamma, const real* var, double epsilon,
                    const real* dy, const real* along, const real* plain, i64 rows, i64 n, i64 D,
                    real* dx) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        real d = dy[i];
        if (rows) d -= plain[j] / rows + xhat[i] * (along[j] / rows);
        dx[i] = (gamma ? d * gamma[j] : d) / sqrt(var[j] + real(epsilon));
    }
}
