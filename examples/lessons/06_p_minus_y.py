# %% [markdown]
# # Why does the backward pass of a classifier begin with (p - y) / N?
#
# Softmax gives p from logits z, cross-entropy gives the loss -log p of the true class. Alone, each
# has an unpleasant derivative; together nearly all of it cancels:
#
#     dL/dp = -y / p                     the loss: infinite where p is 0
#     dp/dz = diag(p) - p p^T            softmax: every p depends on every z
#     dL/dz = (diag(p) - p p^T) (-y / p) = p - y         since the y sum to 1
#
# and the mean over N rows divides by N, once.
#
# Open beside it: tinynet/losses/base.py (`row_weights`) and `softmax_crossentropy` in
# kernels/reference/losses.py.

# %% two rows of logits
import numpy as np

import tinynet as keras

z = np.array([[2.0, 1.0, -1.0], [0.0, 3.0, 0.5]])  # logits: N = 2 rows, C = 3 classes
labels = np.array([0, 2])
np.set_printoptions(precision=4, suppress=True)


# %% exercise: softmax, cross-entropy, and the gradient of both together
def softmax_crossentropy(z, labels):
    """Return the mean loss, and dz (N, C), for logits z (N, C) and class ids labels (N,).

    Logits may be large: e^800 is infinite, and subtracting a row's largest logit changes no p.
    """
    # blank: p (N, C), the loss, y (N, C) with a 1 at each row's class, and dz (N, C)
    N, C = z.shape
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    p, y = np.exp(log_p), np.eye(C)[labels]
    loss = -(y * log_p).sum() / N
    dz = (p - y) / N
    # end
    return loss, dz


loss, short = softmax_crossentropy(z, labels)
print(f"loss {loss:.4f}")

# %% the same by both matrices, by tinynet, and by moving each logit
N, p = len(z), np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
long = np.stack([(np.diag(row) - np.outer(row, row)) @ (-t / row)
                 for row, t in zip(p, np.eye(3)[labels], strict=True)]) / N  # fmt: skip
crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
engine = crossentropy.gradient(labels, z)

moved, h = np.zeros_like(z), 1e-5
for i, j in np.ndindex(*z.shape):
    up, down = z.copy(), z.copy()
    up[i, j] += h
    down[i, j] -= h
    moved[i, j] = (crossentropy(labels, up) - crossentropy(labels, down)) / (2 * h)

for name, g in {"(p - y) / N": short, "both matrices": long, "tinynet": engine,
                "moved": moved}.items():  # fmt: skip
    print(f"{name:14}", *(f"{v:8.4f}" for v in g.ravel()))
print("each row sums to 0:", *(f"{v:.0e}" for v in np.abs(engine.sum(axis=1))))

# %% why 1/N
print("\nWhy 1/N: the same two rows, ten times over")
again = crossentropy.gradient(np.tile(labels, 10), np.tile(z, (10, 1)))
x = np.array([[1.0, 2.0], [3.0, -1.0]])  # what the last layer read
dW, dW_again = x.T @ engine, np.tile(x, (10, 1)).T @ again
print(f"  a row's own share: {engine[0, 0]:.4f} -> {again[0, 0]:.4f}")
print(
    f"  dW[0, 0]:          {dW[0, 0]:.4f} -> {dW_again[0, 0]:.4f}   the step does not grow with N"
)

# %% why together
print("\nWhy together: a row that is very sure, and wrong")
sure = np.array([[0.0, 800.0]])
g = crossentropy.gradient([0], sure)
print(f"  loss {crossentropy([0], sure):.1f}, dL/dz {g[0]}; alone, -y / p would be -1 / 0")
print("\nTry: label_smoothing=0.1 in the loss. What is y now, and what do the rows sum to?")
