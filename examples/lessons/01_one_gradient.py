# %% [markdown]
# # What is a gradient, in numbers?
#
# One row goes through one unit: x -> z = x W + b -> p = sigmoid(z) -> loss = (p - y)^2. Then the
# chain rule walks the same way back. Every number is printed; in the end three ways agree: ours by
# hand, tinynet's backward, and simply moving each weight a little (finite differences).
#
# Open beside it: tinynet/layers/dense.py, from `forward` to `backward_from_logits`.

# %% forward
import math

import numpy as np

import tinynet as keras

x, y = np.array([0.5, -1.0]), 1.0
W, b = np.array([0.8, 0.2]), 0.1

z = x[0] * W[0] + x[1] * W[1] + b
p = 1 / (1 + math.exp(-z))
loss = (p - y) ** 2
print("forward")
print(f"  z    = {x[0]} * {W[0]} + {x[1]} * {W[1]} + {b} = {z:.4f}")
print(f"  p    = 1 / (1 + exp(-{z:.4f}))       = {p:.4f}")
print(f"  loss = ({p:.4f} - {y})^2            = {loss:.4f}")


# %% exercise: each line of backward reverses one line of forward
def backward(x, p, y):
    """Return dz, dW (2,) and db for a row x (2,), its answer p and its target y.

    dv is short for dloss/dv. The slope of the sigmoid is p (1 - p).
    """
    # blank: dp from the loss, dz from dp, and dW (2,) and db from dz
    dp = 2 * (p - y)
    dz = dp * p * (1 - p)
    dW = x * dz
    db = dz
    # end
    return dz, dW, db


dz, dW, db = backward(x, p, y)
print("backward")
print(f"  dz   = {dz:.4f}    how the loss grows with z")
print(f"  dW   = {dW[0]:.4f}, {dW[1]:.4f}")
print(f"  db   = {db:.4f}")

# %% the same with tinynet, in float64
layer = keras.layers.Dense(1, "sigmoid", dtype="float64")
layer.build_once((None, 2))
layer.set_weights([W[:, None], np.array([b])])
layer.backward(2 * (layer(x[None]) - y))
ours = [*layer.kernel.grad[:, 0], layer.bias.grad[0]]


# %% and by moving each weight a little
def loss_at(w0, w1, bias):
    return (1 / (1 + math.exp(-(x[0] * w0 + x[1] * w1 + bias))) - y) ** 2


h = 1e-5
moved = []
for i in range(3):
    up, down = [*W, b], [*W, b]
    up[i], down[i] = up[i] + h, down[i] - h
    moved.append((loss_at(*up) - loss_at(*down)) / (2 * h))

print(f"\n{'':6}{'by hand':>12}{'tinynet':>12}{'moved':>12}")
for name, *values in zip(["dW[0]", "dW[1]", "db"], [*dW, db], ours, moved, strict=True):
    print(f"{name:6}" + "".join(f"{value:12.8f}" for value in values))

# %% one step
rate = 1.0
after = loss_at(*(W - rate * dW), b - rate * db)
print(f"\none step against the gradient: loss {loss:.4f} -> {after:.4f}")
print("\nTry: y = 0. Which signs change, and why? Then x = [0, 0]: which weight still learns?")
