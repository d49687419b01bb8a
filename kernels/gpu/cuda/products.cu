// Matrix products of our own, with what follows them, for the persistent kernel: it can't call
// cuBLAS.

#define MICRO 4                  // a thread sums up MICRO x MICRO numbers of a tile
#define SQUARE (SIDE * SIDE)     // threads
#define ROOM (2 * EACH * SQUARE + 9 * SIDE)  // two slices, with a column more against conflicts

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

// And into shared memory, whose rows are `width` apart.
__device__ void put(const Share& own, const real* numbers, int width, real* slice) {
#pragma unroll
    for (int e = 0; e < EACH; e++) {
        slice[(own.row + e * own.down) * width + own.column + e * own.across] = numbers[e];
    }
}

// The sums of this thread, of its rows from `first` to before `end`, and where in the tile they lie.
#define FOR_SUMS(first, end) \
    _Pragma("unroll") for (int r = first; r < end; r++) \
    _Pragma("unroll") for (int c = 0, at = (top + r * ACROSS) * TILE + left; c < MICRO; \
                           c++, at += ACROSS)

// The tile (TILE, TILE) of A B that begins at (i, j). Slices of DEPTH columns of A and rows of B
// go through shared memory, the next one on its way while one is summed. Where the tile is small,
// GROUPS of threads each take a share of a slice, and their sums are added pairwise.
template <int TILE>
__device__ void make_tile(const Operand& A, const Operand& B, i64 i, i64 j, const Finish& f,
                          real* room) {
    constexpr int DEPTH = EACH * SQUARE / TILE, GROUPS = MICRO * MICRO * SQUARE / (TILE * TILE);
    constexpr int SHARE = DEPTH / GROUPS, ACROSS = TILE / MICRO;
    int group = threadIdx.x / (ACROSS * ACROSS), own = threadIdx.x % (ACROSS * ACROSS);
    int top = own / ACROSS, left = own % ACROSS;
    real *a = room, *b = room + TILE * (DEPTH + 1);
    real sums[MICRO][MICRO] = {}, next_a[EACH], next_b[EACH];
    Share own_a = share_of<TILE, DEPTH>(A), own_b = share_of<DEPTH, TILE>(B);
    fetch(A, own_a, i, 0, next_a);
    fetch(B, own_b, 0, j, next_b);
    for (i64 k = 0; k < A.columns; k += DEPTH) {
        put(own_a, next_a, DEPTH + 1, a);
        put(own_b, next_b, TILE + 1, b);
        __syncthreads();
        if (k + DEPTH < A.columns) {
            fetch(A, own_a, i, k + DEPTH, next_a);
            fetch(B, own_b, k + DEPTH, j, next_b);
        }
#pragma unroll 4
        for (int s = 0; s < SHARE; s++) {
            int place = group * SHARE + s;
            real p[MICRO], q[MICRO];
            for (int r = 0; r < MICRO; r++) p[r] = a[(top + r * ACROSS) * (DEPTH + 1) + place];
            for (int c = 0; c < MICRO; c++) q[c] = b[place * (TILE + 1) + left + c * ACROSS];
            FOR_SUMS(0, MICRO) sums[r][c] += p[r] * q[c];
        }
        __syncthreads();
    }
    for (int half = GROUPS / 2; half > 0; half /= 2) {
        real* theirs = room + group % half * TILE * TILE;
        if (group >= half && group < 2 * half) FOR_SUMS(0, MICRO) theirs[at] = sums[r][c];
        __syncthreads();
        if (group < half) FOR_SUMS(0, MICRO) sums[r][c] += theirs[at];
        __syncthreads();
    }
    constexpr int PARTS = TILE * TILE > ROOM ? 2 : 1, ROWS = TILE / PARTS;
#pragma unroll
    for (int part = 0; part < PARTS; part++) {  // all threads finish some
        real* there = room - part * ROWS * TILE;
        if (group == 0) {
            FOR_SUMS(part * MICRO / PARTS, (part + 1) * MICRO / PARTS) there[at] = sums[r][c];
        }
        __syncthreads();
        for (int at = threadIdx.x; at < ROWS * TILE; at += SQUARE) {
            finish(f, i + part * ROWS + at / TILE, j + at % TILE, room[at]);
        }
        __syncthreads();
    }
}

// C = A B (M, N) and what `Finish` says; a block makes the tile of its number, of `sides` * SIDE
// rows and columns.
KERNEL product(i64 sides, const real* A, i64 a_down, i64 a_across, const real* B, i64 b_down,
               i64 b_across, i64 M, i64 N, i64 K, const real* bias, i64 kind, double p0, double p1,
               double p2, const real* x, const real* y, real* C, real* out) {
    __shared__ real room[ROOM];
    Operand left = {A, a_down, a_across, M, K}, right = {B, b_down, b_across, K, N};
    Finish f = {bias, kind, p0, p1, p2, x, y, C, out, M, N};
    i64 tile = sides * SIDE, tiles = (N + tile - 1) / tile;
    i64 j = modulo(BLOCK_INDEX, tiles), i = (BLOCK_INDEX - j) / tiles;
    if (sides == 1) make_tile<SIDE>(left, right, i * tile, j * tile, f, room);
    if (sides == 2) make_tile<2 * SIDE>(left, right, i * tile, j * tile, f, room);
    if (sides == 4) make_tile<4 * SIDE>(left, right, i * tile, j * tile, f, room);
}
