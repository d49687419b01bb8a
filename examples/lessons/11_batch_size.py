# %% [markdown]
# # How many rows should one step look at?
#
# Few rows: many cheap steps, each in a noisy direction. Many rows: few steps, each in a good
# direction, and less overhead. The noise falls with the root of the batch size, so four times the
# rows buy only twice the precision.
#
# Open beside it: tinynet/engine/fit.py (`fit`), then tinynet/engine/replay.py (`Replay`).

# %% exercise: cut the rows into batches, and put the gradient together again
import time

import numpy as np

import tinynet as keras
from tinynet.course.data import images


def batches(order, size):
    """Return a list of arrays of row numbers: `order` (N,) in pieces of `size`.

    Every row is in one of them; the last is shorter where `size` does not divide N.
    """
    # blank: pieces, a list
    pieces = [order[start : start + size] for start in range(0, len(order), size)]
    # end
    return pieces


def whole(gradients, sizes):
    """Return the gradient of the mean loss over all rows.

    gradients (B, P) has that of the mean loss of each batch, sizes (B,) their numbers of rows.
    """
    # blank: full (P,)
    full = (gradients * sizes[:, None]).sum(axis=0) / sizes.sum()
    # end
    return full


# %% the data, and a model
(x, y), (x_test, y_test) = images("mnist")
x, y = x[:10000], y[:10000]
SIZES = [8, 32, 128, 512, 5000] if len(x) > 5000 else [8, 32, 128, 512, len(x)]


def build(device="auto"):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu", kernel_initializer="he_normal"),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy",
                  metrics=["accuracy"], device=device)  # fmt: skip
    return model


def gradient(model, rows):
    return np.concatenate([g.ravel() for g in model.gradients(x[rows], y[rows]).values()])


def noise(model, size, random):
    """How far a batch's gradient is from that of all rows, as a share of its length."""
    batches = [random.choice(len(x), size, replace=False) for _ in range(10)]
    errors = [np.linalg.norm(gradient(model, rows) - full) for rows in batches]
    return np.sqrt(np.mean(np.square(errors))) / np.linalg.norm(full)


def seconds(model, size):
    """Of one epoch; the first one, which prepares things, is not counted."""
    model.fit(x, y, size, epochs=1, verbose=0)
    start = time.perf_counter()
    model.fit(x, y, size, epochs=1, verbose=0)
    return time.perf_counter() - start


random, first = np.random.default_rng(0), build()
full = gradient(first, slice(None))
cut = batches(random.permutation(len(x)), 512)
parts, rows = np.array([gradient(first, b) for b in cut]), np.array([len(b) for b in cut])
print(f"the batches' gradients, put together: off by "
      f"{np.abs(whole(parts, rows) - full).max():.0e};"
      f" as a plain mean, by {np.abs(parts.mean(axis=0) - full).max():.0e}\n")  # fmt: skip

# %% one epoch for each batch size
steps, noises, accuracies, times = [], [], [], {"cpu": [], "reference": []}
print(f"one epoch of {len(x)} rows      (replayed: the default; one by one: device='reference')")
print(
    f"{'batch':>6}{'steps':>7}{'noise':>8}{'test accuracy':>15}{'replayed':>12}{'one by one':>12}"
)
for size in SIZES:
    steps.append(-(-len(x) // size))
    noises.append(noise(first, size, random))
    model = build()
    model.fit(x, y, size, epochs=1, verbose=0)
    accuracies.append(model.evaluate(x_test, y_test, batch_size=1000, verbose=0)[1])
    for device, known in times.items():
        known.append(seconds(build(device), size))
    print(f"{size:6d}{steps[-1]:7d}{noises[-1]:8.2f}{accuracies[-1]:15.3f}"
          f"{times['cpu'][-1]:10.3f} s{times['reference'][-1]:10.3f} s")  # fmt: skip
gain = {device: known[1] / known[-1] for device, known in times.items()}
print(f"\nBatch 32 takes {gain['reference']:.1f} times as long as {SIZES[-1]} where Python calls"
      f" every kernel, {gain['cpu']:.1f} times where steps are replayed.")  # fmt: skip
print("Engines that spend long between kernels show 6 and more on MNIST: overhead, not arithmetic.")
print("After one epoch the largest batch has learnt least: it took the fewest steps.")
print("\nTry: learning rate 0.1 * size / 32. How far does that carry the large batches?")
