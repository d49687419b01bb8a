// Column by column: sums over the rows, and batch normalization. R rows of D columns.

KERNEL sum_rows(const real* x, i64 R, i64 D, i64 parts, real* room, u32* arrived, real* out) {
    sum_columns(R, D, parts, room, arrived, out, [&](i64 i) { return x[i]; });
}

// da = sum_i dy_i min(x_i, 0)
KERNEL prelu_da(const real* x, const real* dy, i64 R, i64 D, i64 parts, real* room, u32* arrived,
                real* da) {
    sum_columns(R, D, parts, room, arrived, da,
                [&](i64 i) { return dy[i] * smaller(x[i], 0); });
}

// Mean and population variance, in one pass.
KERNEL batchnorm_statistics(const real* x, i64 R, i64 D, i64 parts, real* room, u32* arrived,
                            real* mean, real* var) {
    Moments total;
    auto load = [&](i64 i) { return x[i]; };
    auto use = [](i64, real value, Moments& moments) { moments.add(value); };
    if (!over_columns(R, D, parts, room, arrived, total, load, use)) return;
    mean[own_column(D)] = total.v[1];
    var[own_column(D)] = total.v[2] / total.v[0];
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
KERNEL batchnorm_sums(const real* xhat, const real* dy, i64 R, i64 D, i64 parts, real* room,
                      u32* arrived, real* along, real* plain, real* dgamma, real* dbeta) {
    struct Entry { real d, h; };
    Sums<2> total;
    auto load = [&](i64 i) { return Entry{dy[i], xhat[i]}; };
    auto use = [](i64, const Entry& entry, Sums<2>& sums) {
        sums.v[0] += entry.d * entry.h;
        sums.v[1] += entry.d;
    };
    if (!over_columns(R, D, parts, room, arrived, total, load, use)) return;
    i64 j = own_column(D);
    along[j] = total.v[0];
    plain[j] = total.v[1];
    if (dgamma) dgamma[j] = total.v[0];
    if (dbeta) dbeta[j] = total.v[1];
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
