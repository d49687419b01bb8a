// Matrix products of our own, with what follows them, for the persistent kernel: it can't call
// cuBLAS.

#define MICRO 4               // a thread sums up MICRO x MICRO numbers of a tile
#define SQUARE (SIDE * SIDE)  // threads
#define ROOM (2 * EACH * (SQUARE + MICRO * SIDE))  // two slices; rows end MICRO further, see `put`

// The numbers of a slice that a thread multiplies: they lie side by side, and are read at once.
struct __align__(16) Micro { real v[MICRO]; };

// A matrix; entry (i, j) lies at data[i * down + j * across].
struct Operand {
    const real* data;
    i64 down, across, rows, columns;
};

// What becomes of an entry of the product: v = sum + bias; C = v; out = f(v), or v f'(x) where
// there is an x, with y = f(x), by `finished`. Bias and out with the address 0 are left out; out
// may be C.
struct Finish {
    const real* bias;
    i64 kind;
    double p0, p1, p2;
    const real *x, *y;
    real *C, *out;
    i64 rows, columns;
};

__device__ void finish(const Finish& f, i64 i, i64 j, real v) {
    if (i >= f.rows || j >= f.columns) return;
    i64 at = i * f.columns + j;
    if (f.bias) v += f.bias[j];
    f.C[at] = v;
    if (!f.out) return;
    real x = f.x ? f.x[at] : real(0), y = f.x ? f.y[at] : real(0);
    f.out[at] = finished(f.kind, v, x, y, f.p0, f.p1, f.p2);
}

// The numbers of a region of ROWS x COLUMNS that this thread brings: the first one's place, how far
// it is to the next. Neighbours read what lies side by side.
struct Share {
    int row, column, down, across;
};

template <int ROWS, int COLUMNS> __device__ Share share_of(const Operand& m) {
    int t = threadIdx.x;
    if (m.across == 1) return {t / COLUMNS, t % COLUMNS, SQUARE / COLUMNS, 0};
    return {t % ROWS, t / ROWS, 0, SQUARE / ROWS};
}

// Its numbers where the region begins at (i, j); beyond the matrix there are zeros.
__device__ void fetch(const Operand& m, const Share& own, i64 i, i64 j, real* numbers) {
    i64 rows = m.rows - i - own.row, columns = m.columns - j - own.column;
    i64 count = own.down ? (rows + own.down - 1) / own.down
                         : (columns + own.across - 1) / own.across;
    int inside = rows > 0 && columns > 0 ? int(count < EACH ? count : EACH) : 0;
    const real* at = m.data + (i + own.row) * m.down + (j + own.column) * m.across;
    i64 step = own.down * m.down + own.across * m.across;
#pragma unroll
    for (int e = 0; e < EACH; e++) numbers[e] = e < inside ? at[e * step] : real(0);
}

// And into shared memory: entry (row, column) goes to row * down + column * across. Where rows of a
// slice are MICRO further apart than they are long, neither side meets a bank too often.
__device__ void put(const Share& own, const real* numbers, int down, int across, real* slice) {
#pragma unroll
    for (int e = 0; e < EACH; e++) {
        slice[(own.row + e * own.down) * down + (own.column + e * own.across) * across] =
            numbers[e];
    }
}

// The sums of this thread, and where in the tile they lie.
#define FOR_SUMS \
    _Pragma("unroll") for (int r = 0; r < MICRO; r++) \
    _Pragma("unroll") for (int c = 0, at = (MICRO * top + r) * TILE + MICRO * left; c < MICRO; \
                           c++, at++)

// The tile (TILE, TILE) of A B that begins at (i, j), over the depth from `first` to `end`. Slices
// of DEPTH columns of A and rows of B go through shared memory, A's turned over, the next one on its
// way while one is summed. Where the tile is small, GROUPS of threads each take a share of a slice,
// and their sums are added pairwise. Of `parts` that share the depth each leaves its sums in
// `partial`, and the last one to come joins them in their order.
template <int TILE>
__device__ void make_tile(const Operand& A, const Operand& B, i64 i, i64 j, i64 first, i64 end,
                          i64 parts, real* partial, u32* arrived, const Finish& f, real* room) {
    constexpr int DEPTH = EACH * SQUARE / TILE, GROUPS = MICRO * MICRO * SQUARE / (TILE * TILE);
    constexpr int SHARE = DEPTH / GROUPS, ACROSS = TILE / MICRO, WIDTH = TILE + MICRO;
    int group = threadIdx.x / (ACROSS * ACROSS), own = threadIdx.x % (ACROSS * ACROSS);
    int top = own / ACROSS, left = own % ACROSS;
    real *a = room, *b = room + DEPTH * WIDTH;
    real sums[MICRO][MICRO] = {}, next_a[EACH], next_b[EACH];
    Share own_a = share_of<TILE, DEPTH>(A), own_b = share_of<DEPTH, TILE>(B);
    Operand within_a = {A.data, A.down, A.across, A.rows, end};
    Operand within_b = {B.data, B.down, B.across, end, B.columns};
    fetch(within_a, own_a, i, first, next_a);
    fetch(within_b, own_b, first, j, next_b);
    for (i64 k = first; k < end; k += DEPTH) {
        put(own_a, next_a, 1, WIDTH, a);
        put(own_b, next_b, WIDTH, 1, b);
        __syncthreads();
        if (k + DEPTH < end) {
            fetch(within_a, own_a, i, k + DEPTH, next_a);
            fetch(within_b, own_b, k + DEPTH, j, next_b);
        }
#pragma unroll 4
        for (int s = 0; s < SHARE; s++) {
            int place = (group * SHARE + s) * WIDTH;
            Micro p = *(const Micro*)(a + place + MICRO * top);
            Micro q = *(const Micro*)(b + place + MICRO * left);
            FOR_SUMS sums[r][c] += p.v[r] * q.v[c];
        }
        __syncthreads();
    }
    for (int half = GROUPS / 2; half > 0; half /= 2) {
        real* theirs = room + group % half * TILE * TILE;
        if (group >= half && group < 2 * half) FOR_SUMS theirs[at] = sums[r][c];
        __syncthreads();
        if (group < half) FOR_SUMS sums[r][c] += theirs[at];
        __syncthreads();
    }
    if (parts > 1) {
        real* mine = partial + BLOCK_INDEX * TILE * TILE;
        if (group == 0) FOR_SUMS mine[at] = sums[r][c];
        if (!is_last(arrived + BLOCK_INDEX / parts, parts)) return;
        mine -= BLOCK_INDEX % parts * TILE * TILE;
        if (group == 0) FOR_SUMS sums[r][c] = mine[at];
        for (i64 part = 1; part < parts; part++) {
            mine += TILE * TILE;
            if (group == 0) FOR_SUMS sums[r][c] += mine[at];
        }
    }
    constexpr int TURNS = TILE * TILE > ROOM ? 2 : 1, ROWS = TILE / TURNS;
    for (int turn = 0; turn < TURNS; turn++) {  // all threads finish some
        real* there = room - turn * ROWS * TILE;
        if (group == 0 && MICRO * top / ROWS == turn) FOR_SUMS there[at] = sums[r][c];
        __syncthreads();
        for (int at = threadIdx.x; at < ROWS * TILE; at += SQUARE) {
            finish(f, i + turn * ROWS + at / TILE, j + at % TILE, room[at]);
        }
        __syncthreads();
    }
}

// C = A B (M, N) and what `Finish` says; a block makes the tile of its number, of `sides` * SIDE
// rows and columns, or one of `parts` of it.
KERNEL product(i64 sides, i64 parts, const real* A, i64 a_down, i64 a_across, const real* B,
               i64 b_down, i64 b_across, i64 M, i64 N, i64 K, const real* bias, i64 kind,
               double p0, double p1, double p2, const real* x, const real* y, real* partial,
               u32* arrived, real* C, real* out) {
    __shared__ __align__(16) real room[ROOM];
    Operand left = {A, a_down, a_across, M, K}, right = {B, b_down, b_across, K, N};
    Finish f = {bias, kind, p0, p1, p2, x, y, C, out, M, N};
    i64 tile = sides * SIDE, tiles = (N + tile - 1) / tile, number = BLOCK_INDEX / parts;
    i64 j = number % tiles * tile, i = number / tiles * tile;
    i64 share = (K + parts - 1) / parts, first = BLOCK_INDEX % parts * share;
    i64 end = first + share < K ? first + share : K;
    if (sides == 1) {
        make_tile<SIDE>(left, right, i, j, first, end, parts, partial, arrived, f, room);
    } else if (sides == 2) {
        make_tile<2 * SIDE>(left, right, i, j, first, end, parts, partial, arrived, f, room);
    } else {
        make_tile<4 * SIDE>(left, right, i, j, first, end, parts, partial, arrived, f, room);
    }
}
