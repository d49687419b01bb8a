// Many steps of a recording in one launch. The blocks stay on the card; where one launch of the
// step waits for another, they wait for each other, which is meant to take less time than to end a
// kernel and begin the next.
//
// The text of all kernels stands above, within `struct Block`; `start`, written by
// `card.sources.persistent`, calls the one of a given number. The blocks of a launch are dealt out to
// the blocks that run.

typedef Block::i64 i64;
typedef Block::u32 u32;
typedef Block::Control Control;

// One launch of a step; mirrored by `passes.persistent.HEAD`.
struct Instruction {
    i64 kernel;
    i64 blocks;       // of the launch; 0: as many as run
    i64 first;        // which of those that run takes its first block
    i64 wait;         // whether all must have done what stands before
    i64 when;         // a number of the step: the launch is left out where it is 0; -1: never
    i64 words[WORDS]; // its arguments
};

// Wait until `goal` blocks have come here since the launch began. What they wrote before is then
// seen by all: the fences order it, and the card's first cache forgets what it held.
__device__ void wait_for_all(u32* arrived, u32 goal) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(arrived, 1u);
        for (u32 turns = 0; int(*(volatile u32*)arrived - goal) < 0; turns++) {
            if (turns >> 26) __trap();  // half a minute: an error instead of a card that hangs
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 700  // older cards can't
            __nanosleep(20);
#endif
        }
        __threadfence();
    }
    __syncthreads();
}

// Run `steps` steps of a program of `count` instructions. `arrived` is 0 before.
extern "C" __global__ void __launch_bounds__(SIDE * SIDE)
persistent(Control* global, const i64* program, i64 count, i64 steps, u32* arrived) {
    __shared__ Instruction step[LENGTH];
    __shared__ Control control;  // each block counts the steps for itself
    i64* words = (i64*)step;
    for (i64 i = threadIdx.x; i < count * i64(sizeof(Instruction) / 8); i += blockDim.x) {
        words[i] = program[i];
    }
    if (threadIdx.x == 0) control = *global;
    __syncthreads();
    u32 goal = 0;
    for (i64 s = 0; s < steps; s++) {
        for (i64 n = 0; n < count; n++) {
            const Instruction& one = step[n];
            if (one.wait) wait_for_all(arrived, goal += gridDim.x);
            const double* numbers = control.scalars + control.step * control.scalar_count;
            if (one.when >= 0 && numbers[one.when] == 0) continue;
            i64 blocks = one.blocks ? one.blocks : gridDim.x;
            i64 b = (i64(blockIdx.x) + gridDim.x - one.first) % gridDim.x;
            for (; b < blocks; b += gridDim.x) {
                start(Block{b, blocks}, one.kernel, one.words, &control);
                __syncthreads();  // shared memory is free again
            }
        }
        __syncthreads();
        if (threadIdx.x == 0) control.step += 1;
        __syncthreads();
    }
    wait_for_all(arrived, goal += gridDim.x);  // by now all have read the control
    if (blockIdx.x == 0 && threadIdx.x == 0) global->step = control.step;
}
