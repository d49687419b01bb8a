// Products of float32 by tensor cores that keep its accuracy (3xTF32, as in CUTLASS): each factor is
// the sum of two numbers of 11 bits, and of their four products all but the smallest are made.

#define TILE_ROWS 128
#define TILE_COLUMNS 64
#define TILE_DEPTH 16
#define TILE_THREADS 256

#ifdef __CUDA_ARCH__
__device__ u32 to_tf32(float x) {
    u32 found = 0;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(found) : "f"(x));
#endif
    return found;
}

// d += a b for a (16, 8) and b (8, 8), spread over the warp.
__device__ void multiply_tiles(float* d, const u32* a, const u32* b) {
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
#endif

// x = big + small, but for a few of its last bits.
__device__ void halves_of(float x, u32& big, u32& small) {
    big = to_tf32(x);
    small = to_tf32(x - __uint_as_float(big));
}

// A slice (ROWS, TILE_DEPTH) of a factor in shared memory. Four numbers that are neighbours in the
// factor, along its depth or along its rows, stay neighbours; lanes of a warp that read a fragment
// meet 32 banks.
template <int ROWS, bool DEEP> struct Slice {
    static constexpr int SIZE = DEEP ? ROWS * (TILE_DEPTH + 4) : TILE_DEPTH * (ROWS + 8);
    static constexpr int QUADS = ROWS * TILE_DEPTH / 4 / TILE_THREADS;  // of a thread

    static __device__ int at(int row, int k) {
        return DEEP ? row * (TILE_DEPTH + 4) + k : k * (ROWS + 8) + row;
    }
    static __device__ void place(int e, int& row, int& k) {
        int q = threadIdx.x + e * TILE_THREADS;
        row = DEEP ? q / (TILE_DEPTH / 4) : q % (ROWS / 4) * 4;
        k = DEEP ? q % (TILE_DEPTH / 4) * 4 : q / (ROWS / 4);
    }

    // This thread's numbers of the slice at (i, first); beyond `rows` and `end` there are zeros.
    static __device__ void fetch(const float* data, i64 step, bool aligned, i64 i, i64 rows,
                                 i64 first, i64 end, float4* quads) {
#pragma unroll
        for (int e = 0; e < QUADS; e++) {
            int row, k;
            place(e, row, k);
            i64 left_rows = rows - i - row, left = end - first - k;
            quads[e] = float4{0, 0, 0, 0};
            if (left_rows <= 0 || left <= 0) continue;
            const float* from = data + (DEEP ? (i + row) * step + first + k
                                             : (first + k) * step + i + row);
            i64 count = DEEP ? left : left_rows;
            if (aligned && count >= 4) {
                quads[e] = *(const float4*)from;
            } else {
                quads[e].x = from[0];
                if (count > 1) quads[e].y = from[1];
                if (count > 2) quads[e].z = from[2];
                if (count > 3) quads[e].w = from[3];
            }
        }
    }
    static __device__ void put(const float4* quads, float* slice) {
#pragma unroll
        for (int e = 0; e < QUADS; e++) {
            int row, k;
            place(e, row, k);
            *(float4*)(slice + at(row, k)) = quads[e];
        }
    }
};

// Whether four numbers may be read at once from wherever rows begin.
__device__ bool is_aligned(const float* data, i64 step) {
    return u64(data) % 16 == 0 && step % 4 == 0;
}

// sums = A B for the tile at (i, j), over the depth from `first` to `end`. A warp has (32, 32) of
// the tile, in 2 x 4 pieces (16, 8). The next slices are on their way while one is multiplied.
template <bool A_DEEP, bool B_DEEP>
__device__ void tensor_tile(const float* A, i64 a_step, const float* B, i64 b_step, i64 M, i64 N,
                            i64 i, i64 j, i64 first, i64 end, float* room, float sums[2][4][4]) {
    using Left = Slice<TILE_ROWS, A_DEEP>;
    using Right = Slice<TILE_COLUMNS, B_DEEP>;
    float4 a_next[Left::QUADS], b_next[Right::QUADS];
    bool a_aligned = is_aligned(A, a_step), b_aligned = is_aligned(B, b_step);
    int warp = threadIdx.x / 32, row = lane() / 4, k = lane() % 4;
    int top = warp / 2 * 32 + row, left = warp % 2 * 32 + row;
    Left::fetch(A, a_step, a_aligned, i, M, first, end, a_next);
    Right::fetch(B, b_step, b_aligned, j, N, first, end, b_next);
    float* a = room;
    for (i64 depth = first; depth < end; depth += TILE_DEPTH) {
        float* b = a + Left::SIZE;
        Left::put(a_next, a);
        Right::put(b_next, b);
        __syncthreads();  // and all have done with the slices before these: there are two of each
        if (depth + TILE_DEPTH < end) {
            Left::fetch(A, a_step, a_aligned, i, M, depth + TILE_DEPTH, end, a_next);
            Right::fetch(B, b_step, b_aligned, j, N, depth + TILE_DEPTH, end, b_next);
        }
#pragma unroll 1  // for two blocks on a multiprocessor
        for (int s = 0; s < TILE_DEPTH; s += 8) {
            u32 big[2][4], small[2][4];
#pragma unroll
            for (int m = 0; m < 2; m++) {
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    float value = a[Left::at(top + 16 * m + 8 * (e % 2), s + k + 4 * (e / 2))];
                    halves_of(value, big[m][e], small[m][e]);
                }
            }
#pragma unroll
            for (int n = 0; n < 4; n++) {
                u32 b_big[2], b_small[2];
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    halves_of(b[Right::at(left + 8 * n, s + k + 4 * e)], b_big[e], b_small[e]);
                }
#pragma unroll
                for (int m = 0; m < 2; m++) {
                    multiply_tiles(sums[m][n], small[m], b_big);
                    multiply_tiles(sums[m][n], big[m], b_small);
                    multiply_tiles(sums[m][n], big[m], b_big);
                }
            }
        }
        a = a == room ? room + Left::SIZE + Right::SIZE : room;
    }
}

// As `product`; the depth K may be split into several parts, each a block's: they leave their sums
// in `partial`, and the last one of a tile to come joins them, in the order of the parts. `arrived`
// counts those of each tile, and is 0 before and after.
KERNEL tensor_product(i64 parts, const real* A, i64 a_down, i64 a_across, const real* B, i64 b_down,
                      i64 b_across, i64 M, i64 N, i64 K, const real* bias, i64 kind, double p0,
                      double p1, double p2, const real* x, const real* y, real* partial,
                      u32* arrived, real* C, real* out) {
    constexpr int SUMS = 32;  // of a thread
    __shared__ __align__(16) float room[2 * (TILE_ROWS + TILE_COLUMNS) * (TILE_DEPTH + 4)];
    i64 tile = BLOCK_INDEX / parts, part = BLOCK_INDEX % parts;
    i64 across = (N + TILE_COLUMNS - 1) / TILE_COLUMNS;
    i64 i = tile / across * TILE_ROWS, j = tile % across * TILE_COLUMNS;
    i64 share = ((K + parts - 1) / parts + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH;
    i64 first = part * share, end = first + share < K ? first + share : K;
    const float *left = (const float*)A, *right = (const float*)B;
    float sums[2][4][4] = {};
    if (a_across == 1 && b_across == 1) {
        tensor_tile<true, false>(left, a_down, right, b_down, M, N, i, j, first, end, room, sums);
    } else if (a_across == 1) {
        tensor_tile<true, true>(left, a_down, right, b_across, M, N, i, j, first, end, room, sums);
    } else {
        tensor_tile<false, false>(left, a_across, right, b_down, M, N, i, j, first, end, room,
                                  sums);
    }
    if (parts > 1) {
        float* own = (float*)partial + BLOCK_INDEX * SUMS * TILE_THREADS + threadIdx.x;
#pragma unroll
        for (int e = 0; e < SUMS; e++) own[e * TILE_THREADS] = sums[e / 16][e / 4 % 4][e % 4];
        if (!is_last(arrived + tile, parts)) return;
        own -= part * SUMS * TILE_THREADS;
#pragma unroll
        for (int e = 0; e < SUMS; e++) sums[e / 16][e / 4 % 4][e % 4] = own[e * TILE_THREADS];
        for (i64 p = 1; p < parts; p++) {
            own += SUMS * TILE_THREADS;
#pragma unroll
            for (int e = 0; e < SUMS; e++) sums[e / 16][e / 4 % 4][e % 4] += own[e * TILE_THREADS];
        }
    }
    Finish f = {bias, kind, p0, p1, p2, x, y, C, out, M, N};
    i += threadIdx.x / 64 * 32 + lane() / 4;
    j += threadIdx.x / 32 % 2 * 32 + lane() % 4 * 2;
#pragma unroll
    for (int e = 0; e < SUMS; e++) {
        i64 row = i + e / 16 * 16 + e % 4 / 2 * 8, column = j + e / 4 % 4 * 8 + e % 2;
        finish(f, row, column, real(sums[e / 16][e / 4 % 4][e % 4]));
    }
}
