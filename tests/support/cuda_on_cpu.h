// Just enough of CUDA for g++ to run the kernels of kernels/gpu/cuda on a CPU, one block after another.
// The threads of a block are fibers that take turns at barriers and shuffles: slow, and the same
// at every run. Grids and blocks have one dimension. With TOGETHER the blocks of a launch run at the
// same time, each on a thread of the CPU.
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include <functional>
#include <utility>
#include <vector>

#ifdef TOGETHER
#include <sched.h>

#include <thread>
#define OF_A_BLOCK static thread_local
#else
#define OF_A_BLOCK static
#endif
#define __device__ inline  // members of a struct among them
#define __global__
#define __shared__ OF_A_BLOCK
#define __launch_bounds__(...)

struct Place { int x; };
OF_A_BLOCK Place threadIdx, blockIdx, blockDim, gridDim;

struct Fiber {
    ucontext_t begin;
    jmp_buf here;
    char* stack = nullptr;
    bool started = false, done = true;
};
struct Barrier { int arrived = 0, live = 0; unsigned generation = 0; };

OF_A_BLOCK std::vector<Fiber> fibers;
OF_A_BLOCK std::vector<Barrier> warps;
OF_A_BLOCK Barrier block;
OF_A_BLOCK std::vector<unsigned long long> slots;
OF_A_BLOCK jmp_buf scheduler;
OF_A_BLOCK std::function<void()>* body;
OF_A_BLOCK bool moved;  // whether anything happened in a round; else the threads wait for each other

static void pause_fiber() {
    int me = threadIdx.x;
    if (!_setjmp(fibers[me].here)) _longjmp(scheduler, 1);
}

static void fiber_main() {
    for (;;) {
        (*body)();
        int me = threadIdx.x;
        fibers[me].done = moved = true;
        block.live--;
        warps[me / WARP].live--;
        pause_fiber();
    }
}

static void wait_at(Barrier& barrier) {
    unsigned generation = barrier.generation;
    barrier.arrived++;
    moved = true;
    while (barrier.generation == generation) {
        if (barrier.arrived >= barrier.live) {
            barrier.arrived = 0;
            barrier.generation++;
            moved = true;
            return;
        }
        pause_fiber();
    }
}

static void __syncthreads() { wait_at(block); }
static void __syncwarp() { wait_at(warps[threadIdx.x / WARP]); }

template <class T> static T __shfl_xor_sync(unsigned, T value, int other, int) {
    static_assert(sizeof(T) <= 8, "a shuffle exchanges up to 8 bytes");
    memcpy(&slots[threadIdx.x], &value, sizeof(T));
    __syncwarp();
    memcpy(&value, &slots[threadIdx.x ^ other], sizeof(T));
    __syncwarp();
    return value;
}

static long long __double_as_longlong(double value) {
    long long bits;
    memcpy(&bits, &value, 8);
    return bits;
}

static double __longlong_as_double(long long bits) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

static void __threadfence() { __sync_synchronize(); }
static unsigned atomicAdd(unsigned* place, unsigned value) {
    return __sync_fetch_and_add(place, value);
}

#ifdef TOGETHER
static void __nanosleep(unsigned) { sched_yield(); }
static void __trap() {
    fprintf(stderr, "cuda_on_cpu: the blocks of a launch wait for each other\n");
    abort();
}
#endif

struct alignas(16) float4 { float x, y, z, w; };
#define __align__(n) __attribute__((aligned(n)))

static float __uint_as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static unsigned __float_as_uint(float value) {
    unsigned bits;
    memcpy(&bits, &value, 4);
    return bits;
}

// Numbers of TF32 are those of float with 13 bits less; to the nearest, ties away from zero.
static unsigned to_tf32(float x) {
    return x - x == 0 ? (__float_as_uint(x) + 0x1000u) & 0xffffe000u : __float_as_uint(x);
}

// d += a b for a (16, 8) and b (8, 8) in TF32, spread over a warp of 32 as the manual of PTX says.
struct Fragments { float a[4], b[2]; };
OF_A_BLOCK Fragments fragments[1024];

static void multiply_tiles(float* d, const unsigned* a, const unsigned* b) {
    Fragments& mine = fragments[threadIdx.x];
    for (int i = 0; i < 4; i++) mine.a[i] = __uint_as_float(a[i] & 0xffffe000u);
    for (int i = 0; i < 2; i++) mine.b[i] = __uint_as_float(b[i] & 0xffffe000u);
    __syncwarp();
    const Fragments* warp = fragments + threadIdx.x / 32 * 32;
    int row = threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
    for (int i = 0; i < 4; i++) {
        double total = d[i];
        for (int k = 0; k < 8; k++) {
            float left = warp[row * 4 + k % 4].a[(i >= 2) + 2 * (k >= 4)];
            total += double(left) * warp[(column + i % 2) * 4 + k % 4].b[k >= 4];
        }
        d[i] = float(total);
    }
    __syncwarp();
}

static double cospi_on_cpu(double x) { return cos(3.141592653589793 * x); }
#define cospi cospi_on_cpu  // newer C libraries have one of this name

static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

static void resume(int thread) {
    threadIdx.x = thread;
    Fiber& fiber = fibers[thread];
    if (_setjmp(scheduler)) return;
    if (fiber.started) _longjmp(fiber.here, 1);
    fiber.started = true;
    const int room = 1 << 16;
    fiber.stack = (char*)malloc(room);
    getcontext(&fiber.begin);
    fiber.begin.uc_stack.ss_sp = fiber.stack;
    fiber.begin.uc_stack.ss_size = room;
    fiber.begin.uc_link = nullptr;
    makecontext(&fiber.begin, fiber_main, 0);
    setcontext(&fiber.begin);
}

static void run_block(int threads) {
    block = {0, threads, 0};
    warps.assign((threads + WARP - 1) / WARP, Barrier());
    for (int t = 0; t < threads; t++) {
        fibers[t].done = false;
        warps[t / WARP].live++;
    }
    do {
        moved = false;
        for (int t = 0; t < threads; t++) {
            if (!fibers[t].done) resume(t);
        }
        if (!moved && block.live) {
            fprintf(stderr, "cuda_on_cpu: the threads of a block wait for each other\n");
            abort();
        }
    } while (block.live);
}

// CuPy compiles with -ftz=true: numbers of float below 1.2e-38 count as 0, those of double do not.
struct Flushed {
#ifdef __SSE__
    unsigned before = _mm_getcsr();
    Flushed() { if (sizeof(REAL) == 4) _mm_setcsr(before | 0x8040); }
    ~Flushed() { _mm_setcsr(before); }
#endif
};

// The blocks from `first` to before `end`, one after another.
static void run_blocks(std::function<void()> call, int first, int end, int blocks, int threads) {
    body = &call;
    if ((int)fibers.size() < threads) {
        fibers.resize(threads);
        slots.resize(threads);
    }
    blockDim.x = threads;
    gridDim.x = blocks;
    Flushed flushed;
    for (blockIdx.x = first; blockIdx.x < end; blockIdx.x++) run_block(threads);
}

template <class... A, size_t... I>
static void run(void (*kernel)(A...), int blocks, int threads, void** args,
                std::index_sequence<I...>) {
    std::function<void()> call = [&] { kernel(*(A*)args[I]...); };
#ifdef TOGETHER
    std::vector<std::thread> all;
    for (int b = 0; b < blocks; b++) {
        all.emplace_back([=] {
            run_blocks(call, b, b + 1, blocks, threads);
            for (Fiber& fiber : fibers) free(fiber.stack);
        });
    }
    for (std::thread& one : all) one.join();
#else
    run_blocks(call, 0, blocks, blocks, threads);
#endif
}

template <class... A> static void run(void (*kernel)(A...), int blocks, int threads, void** args) {
    run(kernel, blocks, threads, args, std::index_sequence_for<A...>());
}

// What the program of the kernels ends with: one entry per kernel, callable through ctypes. Nothing
// else is visible: what two programs call the same would be shared among them, whatever its size.
#define ON_CPU(name) \
    extern "C" __attribute__((visibility("default"))) \
    void on_cpu_##name(int blocks, int threads, void** args) { \
        run(name, blocks, threads, args); \
    }
