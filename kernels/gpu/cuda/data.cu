// Rows of the data set, and what a recording reads and leaves behind at each step.

// The order of `card.sources.DTYPES`.
enum { FLOAT32, FLOAT64, UINT8, INT8, INT16, UINT16, INT32, UINT32, INT64, UINT64, FLOAT16 };

__device__ real from_half(unsigned short h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float infinity = ldexpf(1.0f, 128);
    float value = exponent == 0 ? ldexpf(float(fraction), -24)
        : exponent < 31 ? ldexpf(float(fraction + 1024), exponent - 25)
        : fraction ? infinity - infinity : infinity;
    return real(h >> 15 ? -value : value);
}

// Number i at an address, cast.
__device__ real number_at(const char* data, i64 i, i64 dtype) {
    switch (dtype) {
        case FLOAT32: return real(((const float*)data)[i]);
        case FLOAT64: return real(((const double*)data)[i]);
        case UINT8: return real(((const unsigned char*)data)[i]);
        case INT8: return real(((const signed char*)data)[i]);
        case INT16: return real(((const short*)data)[i]);
        case UINT16: return real(((const unsigned short*)data)[i]);
        case INT32: return real(((const int*)data)[i]);
        case UINT32: return real(((const u32*)data)[i]);
        case INT64: return real(((const i64*)data)[i]);
        case UINT64: return real(((const u64*)data)[i]);
        default: return from_half(((const unsigned short*)data)[i]);
    }
}

// out[i] = data[rows[i]] for rows of D numbers, `stride` bytes apart.
KERNEL gather(const char* data, i64 stride, i64 kind, const i64* rows, i64 n, i64 D, real* out) {
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        out[i] = number_at(data + rows[quotient(i, D)] * stride, j, kind);
    }
}

// Targets and weights of the running step: so many words of 4 bytes each.
__device__ void load_step(const Control* control, i64 y_words, u32* y, i64 w_words, u32* w) {
    const u32 *all_y = (const u32*)control->y, *all_w = (const u32*)control->w;
    i64 step = control->step;
    for (i64 i = first_entry(); i < y_words; i += entries()) y[i] = all_y[step * y_words + i];
    for (i64 i = first_entry(); i < w_words; i += entries()) w[i] = all_w[step * w_words + i];
}

// A step of a recording begins: N of its rows, n = N D, targets and weights.
KERNEL gather_step(const Control* control, i64 N, i64 n, i64 D, real* out, i64 y_words, u32* y,
                   i64 w_words, u32* w) {
    const i64* rows = control->index + control->step * N;
    for (i64 i = first_entry(); i < n; i += entries()) {
        i64 j = modulo(i, D);
        out[i] = number_at(control->x + rows[quotient(i, D)] * control->x_stride, j,
                           control->x_dtype);
    }
    load_step(control, y_words, y, w_words, w);
}

// The same for a sparse data set: a row's zeros, then its entries. A warp takes a row.
KERNEL gather_csr_step(const Control* control, i64 R, i64 C, real* out, i64 y_words, u32* y,
                       i64 w_words, u32* w) {
    load_step(control, y_words, y, w_words, w);
    OWN_ROW(r);
    FOR_ROW_COLUMNS(c) out[r * C + c] = 0;
    __syncwarp();
    i64 row = control->index[control->step * R + r];
    for (i64 e = control->starts[row] + lane(); e < control->starts[row + 1]; e += WARP) {
        i64 c = control->column_bytes == 4 ? ((const int*)control->columns)[e]
                                           : ((const i64*)control->columns)[e];
        out[r * C + c] = number_at(control->x, e, control->x_dtype);
    }
}

// y = x W for a sparse x (R, .) given by its entries; a block has the columns of one row of y.
// With the entries of x^T this is x^T dy.
KERNEL csr_product(const i64* starts, const int* columns, const real* values, const real* W,
                   i64 H, real* y) {
    i64 r = BLOCK_INDEX;
    for (i64 j = threadIdx.x; j < H; j += blockDim.x) {
        real total = 0;
        for (i64 e = starts[r]; e < starts[r + 1]; e++) total += values[e] * W[columns[e] * H + j];
        y[r * H + j] = total;
    }
}

// Predictions of the running step.
KERNEL store_step(const Control* control, const u32* outputs, i64 n) {
    u32* all = (u32*)control->outputs;
    for (i64 i = first_entry(); i < n; i += entries()) all[control->step * n + i] = outputs[i];
}

// Its loss: the sum of the weighted losses. One block.
KERNEL add_loss(const Control* control, const real* losses, i64 n) {
    double total = 0;
    for (i64 i = threadIdx.x; i < n; i += blockDim.x) total += double(losses[i]);
    total = block_sum(total);
    if (threadIdx.x == 0) control->losses[control->step] += total;
}

// And a penalty on weights, summed up before.
KERNEL add_penalty(const Control* control, const double* partial, i64 count) {
    if (first_entry() == 0) control->losses[control->step] += joined(partial, count);
}

// Rows of the step that match, for metric number k of K. One block.
KERNEL count_hits(const Control* control, const real* hits, i64 n, i64 k, i64 K) {
    double total = 0;
    for (i64 i = threadIdx.x; i < n; i += blockDim.x) total += double(hits[i]);
    total = block_sum(total);
    if (threadIdx.x == 0) control->counts[control->step * K + k] = total;
}

// The last launch of a step; with its loss, where that can wait so long.
KERNEL next_step(Control* control, const real* losses, i64 n) {
    double total = 0;
    for (i64 i = threadIdx.x; i < n; i += blockDim.x) total += double(losses[i]);
    total = block_sum(total);
    if (threadIdx.x) return;
    if (losses) control->losses[control->step] += total;
    control->step += 1;
}

// found[0] = 1 + the place of the first NaN or infinity, 0 where there is none. One block.
KERNEL find_bad(const real* x, i64 n, i64* found) {
    __shared__ i64 places[MOST_THREADS];
    i64 place = n;
    for (i64 i = threadIdx.x; i < n && place == n; i += blockDim.x) {
        if (!(fabs(x[i]) <= real(sizeof(real) == 4 ? 3.4028234663852886e38
                                                   : 1.7976931348623157e308))) place = i;
    }
    places[threadIdx.x] = place;
    __syncthreads();
    if (threadIdx.x) return;
    for (int t = 0; t < int(blockDim.x); t++) place = places[t] < place ? places[t] : place;
    found[0] = place == n ? 0 : place + 1;
}
