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

// i % D and i / D; the division of 32-bit numbers is several times faster.
__device__ i64 modulo(i64 i, i64 D) {
    if (i >> 31 || D >> 31) return i % D;
    return u32(i) % u32(D);
}

__device__ i64 quotient(i64 i, i64 D) {
    if (i >> 31 || D >> 31) return i / D;
    return u32(i) / u32(D);
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

// ---------------------------------------------------------------- several blocks at one result

// Whether this block is the last of `parts` that come here with what they have left for it, which
// it then sees; the order of memory is that of threadFenceReduction in NVIDIA's samples.
// `arrived` counts them, and is 0 before and after.
__device__ bool is_last(u32* arrived, i64 parts) {
    __shared__ u32 come[1];
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        come[0] = atomicAdd(arrived, 1u);
        if (come[0] == parts - 1) *arrived = 0;
        __threadfence();
    }
    __syncthreads();
    return come[0] == parts - 1;
}

// ---------------------------------------------------------------- sums over the rows of (R, D)
// A block works on WARP columns and on one of `parts` shares of the rows, with blockDim / WARP
// threads for a column. Where there are several shares, each block leaves what it has in `room`
// (parts, K, D), and the last block to come joins them, in the order of the shares; `arrived`
// counts the blocks of each group of columns, and is 0 before and after.

#define IN_FLIGHT 4  // rows that a thread reads before it sums them up

__device__ int first_row() { return threadIdx.x / WARP; }
__device__ int row_step() { return blockDim.x / WARP; }
__device__ i64 own_group(i64 D) { return modulo(BLOCK_INDEX, (D + WARP - 1) / WARP); }
__device__ i64 own_column(i64 D) { return own_group(D) * WARP + lane(); }

// K sums, one beside the other.
template <int K> struct Sums {
    static constexpr int COUNT = K;
    real v[K];
    __device__ void join(const Sums& other) {
#pragma unroll
        for (int k = 0; k < K; k++) v[k] += other.v[k];
    }
};

// Number, mean and sum of squared deviations of values that come one after the other (Welford
// 1962), which no large mean can spoil; two sets are joined by Chan, Golub and LeVeque (1979).
struct Moments {
    static constexpr int COUNT = 3;
    real v[3];
    __device__ void add(real value) {
        real before = value - v[1];
        v[0] += 1;
        v[1] += before / v[0];
        v[2] += before * (value - v[1]);
    }
    __device__ void join(const Moments& other) {
        if (!(other.v[0] > 0)) return;
        real both = v[0] + other.v[0], apart = other.v[1] - v[1];
        v[1] += apart * (other.v[0] / both);
        v[2] += other.v[2] + apart * apart * (v[0] * other.v[0] / both);
        v[0] = both;
    }
};

// Join the states of the threads of each column; the first of them has the result.
template <class State> __device__ void join_columns(State& mine) {
    __shared__ State states[MOST_THREADS];
    states[threadIdx.x] = mine;
    __syncthreads();
    if (first_row() == 0) {
        for (int t = 1; t < row_step(); t++) mine.join(states[t * WARP + lane()]);
    }
    __syncthreads();
}

// Go over the rows of this thread's column: `total` joins what `use(i, load(i), total)` makes of
// every entry i. Returns whether this thread has the total of column own_column(D).
template <class State, class Load, class Use>
__device__ bool over_columns(i64 R, i64 D, i64 parts, real* room, u32* arrived, State& total,
                             Load load, Use use) {
    i64 j = own_column(D), part = BLOCK_INDEX / ((D + WARP - 1) / WARP);
    i64 share = (R + parts - 1) / parts, end = (part + 1) * share < R ? (part + 1) * share : R;
    total = State{};
    for (i64 r = part * share + first_row(); j < D && r < end; r += IN_FLIGHT * row_step()) {
        decltype(load(r)) values[IN_FLIGHT];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) {
            i64 row = r + k * row_step();
            if (row < end) values[k] = load(row * D + j);
        }
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) {
            i64 row = r + k * row_step();
            if (row < end) use(row * D + j, values[k], total);
        }
    }
    join_columns(total);
    bool mine = j < D && first_row() == 0;
    if (parts == 1) return mine;
#pragma unroll
    for (int k = 0; k < State::COUNT; k++) {
        if (mine) room[(part * State::COUNT + k) * D + j] = total.v[k];
    }
    if (!is_last(arrived + own_group(D), parts)) return false;
    total = State{};
    for (i64 p = first_row(); j < D && p < parts; p += row_step()) {
        State theirs;
#pragma unroll
        for (int k = 0; k < State::COUNT; k++) {
            theirs.v[k] = room[(p * State::COUNT + k) * D + j];
        }
        total.join(theirs);
    }
    join_columns(total);
    return mine;
}

// out[j] = the sum of load(i) over the entries i of column j.
template <class Load>
__device__ void sum_columns(i64 R, i64 D, i64 parts, real* room, u32* arrived, real* out,
                            Load load) {
    Sums<1> total;
    auto use = [](i64, real value, Sums<1>& sum) { sum.v[0] += value; };
    if (over_columns(R, D, parts, room, arrived, total, load, use)) out[own_column(D)] = total.v[0];
}
