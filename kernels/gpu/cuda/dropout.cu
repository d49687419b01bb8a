// Noise from a counter-based generator; dropout masks are bit-equal to those of the other devices.

// Philox4x64 with ten rounds (Salmon et al. 2011).
__device__ void philox(const u64* counter, u64 key0, u64 key1, u64* out) {
    u64 c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        u64 high0 = __umul64hi(0xD2E7470EE14C6C93ull, c0), low0 = 0xD2E7470EE14C6C93ull * c0;
        u64 high1 = __umul64hi(0xCA5A826395121157ull, c2), low1 = 0xCA5A826395121157ull * c2;
        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += 0x9E3779B97F4A7C15ull;
        key1 += 0xBB67AE8584CAA73Bull;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

// Block j of the `blocks` that belong to a row of a step; NumPy's Philox counts from 1.
__device__ void words_of(i64 blocks, i64 row, i64 j, i64 step, u64 key0, u64 key1, u64* words) {
    u64 place = u64(row) * u64(blocks) + u64(j) + 1;
    u64 counter[4] = {place, u64(step) + (place == 0), 0, 0};
    philox(counter, key0, key1, words);
}

// mask[i, j] = [u_ij >= rate] / (1 - rate). One thread makes the 8 uniforms of one counter; row i
// of the mask is row `row` + i of the step and owns ceil(D / 8) counters.
// `step` < 0: the running one of a recording.
KERNEL dropout_mask(const Control* control, double rate, u64 key0, u64 key1, i64 step, i64 row,
                    i64 R, i64 D, real* mask) {
    i64 blocks = (D + 7) / 8;
    if (step < 0) step = control->first_step + control->step;
    u32 threshold = rate < 1 ? u32(rate * 4294967296.0) : 0;
    real kept = rate < 1 ? real(1 / (1 - rate)) : real(0);
    for (i64 b = first_entry(); b < R * blocks; b += entries()) {
        i64 j = modulo(b, blocks), i = (b - j) / blocks;
        u64 words[4];
        words_of(blocks, row + i, j, step, key0, key1, words);
#pragma unroll  // so that the words stay in registers
        for (int k = 0; k < 8; k++) {
            u32 u = u32(words[k / 2] >> (k % 2 ? 32 : 0));
            if (8 * j + k < D) mask[i * D + 8 * j + k] = u >= threshold ? kept : real(0);
        }
    }
}

// mask[i, j] = mean + stddev n_ij, n_ij normal (Box and Muller 1958), in float64 for every dtype;
// a word of 64 bits makes one: its low half the radius, its high half the angle.
KERNEL normal_mask(const Control* control, double mean, double stddev, u64 key0, u64 key1,
                   i64 step, i64 row, i64 R, i64 D, real* mask) {
    i64 blocks = (D + 3) / 4;
    if (step < 0) step = control->first_step + control->step;
    for (i64 b = first_entry(); b < R * blocks; b += entries()) {
        i64 j = modulo(b, blocks), i = (b - j) / blocks;
        u64 words[4];
        words_of(blocks, row + i, j, step, key0, key1, words);
        for (i64 k = 0; k < 4 && 4 * j + k < D; k++) {
            double u = (double(u32(words[k])) + 1) / 4294967296.0;
            double v = double(words[k] >> 32) / 4294967296.0;
            double n = sqrt(-2 * log(u)) * cospi(2 * v);
            mask[i * D + 4 * j + k] = real(mean + stddev * n);
        }
    }
}
