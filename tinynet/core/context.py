"""What the layers of one model share during a step: kernels, arrays, and the step's number."""


class Masks:
    """Which places of an array are padding, as Embedding(mask_zero=True) found them.

    A mask is an array (N, T), 0 where the place is padding. It belongs to one array, the output of
    a layer; `Layer.forward_pass` sets those of the next layers' outputs.
    """

    def __init__(self, keep):
        self.keep, self.pairs = keep, []

    def set(self, array, mask):
        """`mask` belongs to `array`."""
        if not self.keep:
            self.pairs.clear()
        self.pairs.append((array, mask))

    def of(self, array):
        """The mask that belongs to `array`, or None."""
        return next((mask for owner, mask in self.pairs if owner is array), None)


class StepContext:
    """Kernels (`ops`), the arrays of the step, and the counters that key its randomness.

    A large `np.empty` costs page faults, some hundred microseconds a step; arrays that are used
    again cost nothing. Between `begin(step)` and the next one every array is handed out once, and
    the n-th request for a shape gets the same array as in the step before. With `reuse=False`
    (a layer called on its own) every request gets a fresh array.

    Attributes:
        ops: the kernel module of the device.
        step: number of the training step, from 0; dropout masks are keyed by it.
        first_row: where this batch starts in the step's global batch.
        use: number of the application that is under way of a layer that is applied several times in
            one step, else 0; each has masks of its own.
        masks: which places of the step's arrays are padding.
        loss_scale: what the gradients of this step are multiplied by until they are unscaled.
    """

    def __init__(self, ops, reuse=False):
        self.ops, self.reuse = ops, reuse
        self.step, self.first_row, self.use = 0, 0, 0
        self.loss_scale = 1.0
        self.masks = Masks(reuse)
        self.arrays = {}  # (shape, dtype) -> arrays
        self.used = {}  # (shape, dtype) -> how many are out

    def begin(self, step):
        """Start step number `step`: every array may be handed out again."""
        self.step, self.loss_scale, self.use = step, 1.0, 0
        self.masks.pairs.clear()
        for key in self.used:
            self.used[key] = 0

    def empty(self, shape, dtype):
        """An array with undefined content."""
        if not self.reuse:
            return self.ops.empty(shape, dtype)
        key = (shape, dtype)
        count = self.used.get(key, 0)
        self.used[key] = count + 1
        pool = self.arrays.setdefault(key, [])
        if count == len(pool):
            pool.append(self.ops.empty(shape, dtype))
        return pool[count]

    def release(self):
        """Give all arrays back."""
        self.arrays.clear()
        self.masks.pairs.clear()
        self.used.clear()
