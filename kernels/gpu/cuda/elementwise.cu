// Entry by entry: activations and their derivatives, arithmetic, merging, columns of a matrix.

// The order of `_elementwise_rare.FUNCTIONS`.
enum { LINEAR, RELU, CLIPPED_RELU, LEAKY_RELU, ELU, SELU, SIGMOID, TANH, SOFTPLUS, SOFTSIGN, SILU,
       GELU, GELU_TANH, EXPONENTIAL, HARD_SIGMOID, MISH, CELU, SQUAREPLUS, SOFT_SHRINK,
       HARD_SHRINK, SPARSE_PLUS, HARD_TANH, TANH_SHRINK, THRESHOLD, LOG_SIGMOID, SPARSE_SIGMOID,
       HARD_SILU, KINDS };

#define SELU_SCALE real(1.0507009873554805)
#define SELU_ALPHA real(1.6732632423543772)
#define SQRT_HALF real(0.70710678118654752440)
#define INV_SQRT_2PI real(0.39894228040143267794)
#define SQRT_2_OVER_PI real(0.79788456080286535588)

__device__ real sigmoid(real x) {
    real e = exp(-fabs(x));  // never overflows
    return (x >= 0 ? real(1) : e) / (1 + e);
}

__device__ real softplus(real x) { return larger(x, 0) + log1p(exp(-fabs(x))); }

__device__ real normal_cdf(real x) { return real(0.5) * erfc(-x * SQRT_HALF); }

// f(x), f named by `kind`; a, b, c are its options in order.
__device__ real activation(i64 kind, real x, real a, real b, real c) {
    switch (kind) {
        case RELU: return larger(x, 0);
        case CLIPPED_RELU: return smaller(x > c ? x : a * (x - c), b);
        case LEAKY_RELU: return x > 0 ? x : a * x;
        case ELU: return x > 0 ? x : a * expm1(x);
        case SELU: return SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1(x));
        case SIGMOID: return sigmoid(x);
        case TANH: return tanh(x);
        case SOFTPLUS: return softplus(x);
        case SOFTSIGN: return x / (1 + fabs(x));
        case SILU: return x * sigmoid(x);
        case GELU: return x * normal_cdf(x);
        case GELU_TANH:
            return real(0.5) * x
                * (1 + tanh(SQRT_2_OVER_PI * (x + real(0.044715) * x * x * x)));
        case EXPONENTIAL: return exp(x);
        case HARD_SIGMOID: return clipped_to(x / 6 + real(0.5), 0, 1);
        case MISH: return x * tanh(softplus(x));
        case CELU: return larger(x, 0) + a * expm1(smaller(x, 0) / a);
        case SQUAREPLUS: {  // of x < 0 nothing cancels this way
            real away = sqrt(x * x + a) + fabs(x);
            return x >= 0 ? away / 2 : a / (2 * away);
        }
        case SOFT_SHRINK: return x > a ? x - a : x < -a ? x + a : real(0);
        case HARD_SHRINK: return fabs(x) > a ? x : real(0);
        case SPARSE_PLUS: return x <= -1 ? real(0) : x < 1 ? (x + 1) * (x + 1) / 4 : x;
        case HARD_TANH: return clipped_to(x, -1, 1);
        case TANH_SHRINK: return x - tanh(x);
        case THRESHOLD: return x > a ? x : b;
        case LOG_SIGMOID: return -softplus(-x);
        case SPARSE_SIGMOID: return clipped_to((x + 1) / 2, 0, 1);
        case HARD_SILU: return x * clipped_to(x / 6 + real(0.5), 0, 1);
        default: return x;
    }
}

// f'(x), given x and y = f(x).
__device__ real slope(i64 kind, real x, real y, real a, real b, real c) {
    switch (kind) {
        case RELU: return x > 0;
        case CLIPPED_RELU: return x > c ? real(x < b) : a;
        case LEAKY_RELU: return x > 0 ? real(1) : a;
        case ELU: return x > 0 ? real(1) : a * exp(x);
        case SELU: return SELU_SCALE * (x > 0 ? real(1) : SELU_ALPHA * exp(x));
        case SIGMOID: return y * (1 - y);
        case TANH: return 1 - y * y;
        case SOFTPLUS: return sigmoid(x);
        case SOFTSIGN: { real s = 1 + fabs(x); return 1 / (s * s); }
        case SILU: { real s = sigmoid(x); return s + y * (1 - s); }
        case GELU: return normal_cdf(x) + x * (exp(real(-0.5) * x * x) * INV_SQRT_2PI);
        case GELU_TANH: {
            real t = tanh(SQRT_2_OVER_PI * (x + real(0.044715) * x * x * x));
            return real(0.5) * (1 + t) + real(0.5) * x * (1 - t * t) * SQRT_2_OVER_PI
                * (1 + real(3 * 0.044715) * x * x);
        }
        case EXPONENTIAL: return y;
        case HARD_SIGMOID: return real(x > -3 && x < 3) / 6;
        case MISH: { real t = tanh(softplus(x)); return t + x * (1 - t * t) * sigmoid(x); }
        case CELU: return x > 0 ? real(1) : exp(x / a);
        case SQUAREPLUS: return y / sqrt(x * x + a);
        case SOFT_SHRINK: return x > a || x < -a;
        case HARD_SHRINK: return fabs(x) > a;
        case SPARSE_PLUS: return clipped_to((x + 1) / 2, 0, 1);
        case HARD_TANH: return x >= -1 && x <= 1;
        case TANH_SHRINK: { real t = tanh(x); return t * t; }
        case THRESHOLD: return x > a;
        case LOG_SIGMOID: return sigmoid(-x);
        case SPARSE_SIGMOID: return real(x > -1 && x < 1) / 2;
        case HARD_SILU:
            return clipped_to(x / 6 + real(0.5), 0, 1) + (x > -3 && x < 3 ? x / 6 : real(0));
        default: return 1;
    }
}

KERNEL elementwise(i64 kind, const real* x, i64 n, double a, double b, double c, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        y[i] = activation(kind, x[i], real(a), real(b), real(c));
    }
}

KERNEL elementwise_grad(i64 kind, const real* x, const real* y, const real* dy, i64 n, double a,
                        double b, double c, real* dx) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        dx[i] = dy[i] * slope(kind, x[i], y[i], real(a), real(b), real(c));
    }
}

// y += b in every row (N, H).
KERNEL add_bias(const real* b, i64 n, i64 H, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) y[i] += b[modulo(i, H)];
}

// z += b and y = f(z) in one pass.
KERNEL bias_elementwise(i64 kind, const real* b, i64 n, i64 H, double p0, double p1, double p2,
                        real* z, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        real value = z[i] + b[modulo(i, H)];
        z[i] = value;
        y[i] = activation(kind, value, real(p0), real(p1), real(p2));
    }
}

// dx = dy f'(x) and db = the sum of its rows, in one pass over (N, H).
KERNEL elementwise_grad_bias(i64 kind, const real* x, const real* y, const real* dy, i64 N, i64 H,
                             double a, double b, double c, real* dx, real* db) {
    i64 j = own_column();
    real total = 0;
    if (j < H) {
        for (i64 r = first_row(); r < N; r += row_step()) {
            i64 i = r * H + j;
            real d = dy[i] * slope(kind, x[i], y[i], real(a), real(b), real(c));
            dx[i] = d;
            total += d;
        }
    }
    total = column_sum(total);
    if (j < H && first_row() == 0) db[j] = total;
}

KERNEL affine(const real* x, double scale, double shift, i64 n, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) y[i] = real(scale) * x[i] + real(shift);
}

KERNEL multiply(const real* x, const real* m, i64 n, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) y[i] = x[i] * m[i];
}

KERNEL add(const real* x, const real* a, i64 n, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) y[i] = x[i] + a[i];
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

KERNEL add_to(const real* x, i64 n, real* total) {
    for (i64 i = first_entry(); i < n; i += entries()) total[i] += x[i];
}

KERNEL maximum(const real* x, const real* z, i64 n, real* y) {
    for (i64 i = first_entry(); i < n; i += entries()) y[i] = larger(x[i], z[i]);
}

KERNEL maximum_grad(const real* x, const real* z, const real* dy, i64 n, real* dx, real* dz) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        real first = x[i] > z[i] ? real(1) : x[i] < z[i] ? real(0) : real(0.5);  // equals share
        real d = dy[i];
        dx[i] = d * first;
        dz[i] = d * (1 - first);
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

KERNEL activity_penalty_grad(const real* x, const real* dy, double l1, double l2, i64 n,
                             real* dx) {
    real a = real(l1), b = real(2 * l2);
    for (i64 i = first_entry(); i < n; i += entries()) {
        dx[i] = dy[i] + (x[i] > 0 ? a : x[i] < 0 ? -a : real(0)) + b * x[i];
    }
}

KERNEL deviation(const real* var, double least, i64 n, real* out) {
    for (i64 i = first_entry(); i < n; i += entries()) out[i] = larger(sqrt(var[i]), real(least));
}
