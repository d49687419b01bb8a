// What translated PTX (ptx_to_cpp.py) needs beside cuda_on_cpu.h: memory accesses that are checked for
// alignment and for races within a block, shuffles that must not diverge, instructions of PTX.
#pragma once
#include <stdint.h>

#include <limits>
#include <unordered_map>

template <class To, class From> static inline To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

[[noreturn]] static void bad(const char* what, const char* where) {
    fprintf(stderr, "PTX: %s at %s (block %d thread %d)\n", what, where, blockIdx.x, threadIdx.x);
    abort();
}

// ------------------------------------------------------------------------------------- memory

// Who has read and written a word of shared memory since the block's last barrier.
struct Touched {
    unsigned write_epoch = ~0u, read_epoch = ~0u;
    int writer = -1, reader = -1;
    bool readers = false;
};
OF_A_BLOCK std::unordered_map<uint64_t, Touched> touched;
OF_A_BLOCK int touched_by = -1;

static void touch(uint64_t address, int size, bool write, const char* where) {
    if (touched_by != blockIdx.x) {
        touched.clear();
        touched_by = blockIdx.x;
    }
    unsigned epoch = block.generation;
    int me = threadIdx.x;
    for (uint64_t i = address / 4; i < (address + size + 3) / 4; i++) {
        Touched& word = touched[i];
        if (word.write_epoch == epoch && word.writer != me) bad("a race in shared memory", where);
        if (write) {
            bool others = word.readers || word.reader != me;
            if (word.read_epoch == epoch && others) bad("a race in shared memory", where);
            word.write_epoch = epoch;
            word.writer = me;
        } else if (word.read_epoch == epoch) {
            word.readers |= word.reader != me;
        } else {
            word.read_epoch = epoch;
            word.reader = me;
            word.readers = false;
        }
    }
}

template <class T> static inline T load(uint64_t address, int together, bool shared, const char* w) {
    if (address % (sizeof(T) * together)) bad("a misaligned load", w);
    if (shared) touch(address, sizeof(T), false, w);
    return *(volatile T*)address;
}

template <class T>
static inline void store(uint64_t address, T value, int together, bool shared, const char* w) {
    if (address % (sizeof(T) * together)) bad("a misaligned store", w);
    if (shared) touch(address, sizeof(T), true, w);
    *(volatile T*)address = value;
}

// --------------------------------------------------------------------------- between the lanes

OF_A_BLOCK int at_instruction[1024];

// All lanes of the warp have to be at the same instruction.
static void together(int number, const char* where) {
    at_instruction[threadIdx.x] = number;
    __syncwarp();
    if (at_instruction[threadIdx.x ^ 1] != number) bad("a divergent warp", where);
    __syncwarp();
}

static uint32_t shuffle(uint32_t value, uint32_t other, uint32_t clamp, uint32_t mask, int number,
                        const char* where) {
    if (clamp != 31 || mask != 0xffffffffu) bad("an unexpected shuffle", where);
    together(number, where);
    return __shfl_xor_sync(mask, value, other, 32);
}

// -------------------------------------------------------------------------------- instructions

static inline float fma_down(float a, float b, float c) {
    double d = fma((double)a, (double)b, (double)c);
    float f = (float)d;
    return f > d ? nextafterf(f, -INFINITY) : f;
}

static inline float add_towards_zero(float a, float b) {
    double d = (double)a + (double)b;
    float f = (float)d;
    return fabs(f) > fabs(d) ? nextafterf(f, 0.0f) : f;
}

static inline double reciprocal_of_high_word(double x) {
    return bits<double>(bits<uint64_t>(1.0 / x) & 0xffffffff00000000ull);
}

template <class I> static inline I to_integer(double x) {
    const double low = (double)std::numeric_limits<I>::min();
    const double high = (double)std::numeric_limits<I>::max();
    if (x != x) return 0;
    return x <= low ? std::numeric_limits<I>::min()
                    : x >= high ? std::numeric_limits<I>::max() : (I)x;
}

static inline float saturated(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }

static inline uint32_t insert_bits(uint32_t from, uint32_t into, uint32_t place, uint32_t length) {
    uint32_t mask = ((1u << length) - 1) << place;
    return (into & ~mask) | ((from << place) & mask);
}

static inline uint32_t funnel(uint32_t low, uint32_t high, uint32_t by, bool left, bool wrap) {
    uint64_t both = ((uint64_t)high << 32) | low;
    by = wrap ? by & 31 : by > 32 ? 32 : by;
    return (uint32_t)(left ? (both << by) >> 32 : both >> by);
}

static inline uint32_t permute(uint32_t low, uint32_t high, uint32_t selector) {
    uint64_t both = ((uint64_t)high << 32) | low;
    uint32_t result = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t chosen = selector >> (4 * i) & 15, byte = both >> (8 * (chosen & 7)) & 255;
        if (chosen & 8) byte = byte & 128 ? 255 : 0;
        result |= byte << (8 * i);
    }
    return result;
}
