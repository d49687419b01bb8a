// What all kernels share. The files are joined in the order of `card.sources.FILES` and compiled
// as one program, once per dtype: REAL is float or double.
//
// Every reduction has a fixed order and no float is ever added atomically, so two runs on one card
// are bit-equal. Sizes are 64-bit. Block sizes are multiples of WARP.

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;
typedef REAL real;

// The persistent kernel (persistent.cu) is made of the same text: there a kernel is a function, and
// its blocks are numbers that a running block works through.
#ifndef KERNEL
#define KERNEL extern "C" __global__ void
#define BLOCK_INDEX blockIdx.x
#define BLOCK_COUNT gridDim.x
#endif

#ifndef WARP
#define WARP 32
#define SIDE 16  // a block that multiplies matrices has SIDE * SIDE threads,
#define EACH (32 / int(sizeof(real)))  // which fetch so many numbers of either at a time
#endif
#define MOST_THREADS 256  // of a block, at most; `card.runtime.THREADS` says how many are launched

// What changes from step to step of a recording: the same launches serve all steps, because they
// read from here. Mirrored by `machine.program.FIELDS`.
struct Control {
    i64 step;               // of this run, from 0
    i64 first_step;         // number of the run's first step: keys the dropout masks
    const char* x;          // rows of the data set, or the values of a sparse one
    i64 x_stride;           // bytes from row to row
    i64 x_dtype;            // see `number_at`
    const i64* index;       // (steps N,) which rows
    const i64* starts;      // of a sparse data set: where each row's entries begin
    const char* columns;    // and their columns
    i64 column_bytes;       // 4 or 8
    const char* y;          // targets of the run, in the order of the steps
    const char* w;          // and weights
    char* outputs;          // predictions of the run
    double* losses;         // (steps,)
    const double* scalars;  // (steps, scalar_count): learning rates and the like
    i64 scalar_count;
    double* counts;         // (steps, metrics): rows that match
};

// A number of a launch: itself, or one that changes from step to step, an entry of the running
// step's scalars. That one comes as a NaN that has the entry's place in its low half.
__device__ double number(const Control* control, double value) {
    u64 bits = u64(__double_as_longlong(value));
    if (bits >> 32 != 0x7ff85107u) return value;
    return control->scalars[control->step * control->scalar_count + i64(u32(bits))];
}

// This thread's entries of a vector: for (i64 i = first_entry(); i < n; i += entries()).
__device__ i64 first_entry() { return i64(BLOCK_INDEX) * blockDim.x + threadIdx.x; }
__device__ i64 entries() { return i64(BLOCK_COUNT) * blockDim.x; }

// i % D; the division of 32-bit numbers is several times faster.
__device__ i64 modulo(i64 i, i64 D) {
    if (i >> 31 || D >> 31) return i % D;
    return u32(i) % u32(D);
}

// NaN goes through, as in NumPy; fmax and fmin would hide it.
__device__ real larger(real a, real b) { return a > b || a != a ? a : b; }
__device__ real smaller(real a, real b) { return a < b || a != a ? a : b; }
__device__ real clipped_to(real x, real low, real high) { return smaller(larger(x, low), high); }

// ---------------------------------------------------------------- reductions within a warp
// Lanes exchange their values pairwise; every lane ends with the same bits.

__device__ int lane() { return threadIdx.x % WARP; }

template <class T> __device__ T warp_sum(T v) {
    for (int o = WARP / 2; o > 0; o /= 2) v += __shfl_xor_sync(0xffffffffu, v, o, WARP);
    return v;
}

__device__ real warp_max(real v) {
    for (int o = WARP / 2; o > 0; o /= 2) {
        v = larger(v, __shfl_xor_sync(0xffffffffu, v, o, WARP));
    }
    return v;
}

// The row of R that this warp works on; its lanes take the columns lane(), lane() + WARP...
#define OWN_ROW(r) \
    i64 r = first_entry() / WARP; \
    if (r >= R) return

// ---------------------------------------------------------------- reductions within a block

// Sum over all threads of the block, the same bits for each of them.
__device__ double block_sum(double v) {
    __shared__ double room[MOST_THREADS];
    v = warp_sum(v);
    if (lane() == 0) room[threadIdx.x / WARP] = v;
    __syncthreads();
    double total = 0;
    for (int i = 0; i < int(blockDim.x) / WARP; i++) total += room[i];
    __syncthreads();
    return total;
}

// A block works on WARP columns, with blockDim / WARP threads for each; they take every
// `row_step()`th row from `first_row()` on: FOR_COLUMN_ROWS, for column j of D.
__device__ i64 own_column() { return i64(BLOCK_INDEX) * WARP + lane(); }
__device__ int first_row() { return threadIdx.x / WARP; }
__device__ int row_step() { return blockDim.x / WARP; }
#define FOR_COLUMN_ROWS(r) for (i64 r = j < D ? first_row() : R; r < R; r += row_step())

// Sum over the threads of one column.
__device__ real column_sum(real v) {
    __shared__ real room[MOST_THREADS];
    room[threadIdx.x] = v;
    __syncthreads();
    real total = 0;
    for (int t = 0; t < row_step(); t++) total += room[t * WARP + lane()];
    __syncthreads();
    return total;
}

// out[j] = the sum of term(i) over the entries i of column j of D; a column is summed as above.
template <class Term> __device__ void sum_columns(i64 R, i64 D, real* out, Term term) {
    i64 j = own_column();
    real total = 0;
    FOR_COLUMN_ROWS(r) total += term(r * D + j);
    total = column_sum(total);
    if (j < D && first_row() == 0) out[j] = total;
}
