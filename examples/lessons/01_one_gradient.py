"""What is a gradient, in numbers?

One row goes through one unit: x -> z = x W + b -> p = sigmoid(z) -> loss = (p - y)^2. Then the
chain rule walks the same way back. Every number is printed; in the end three ways agree: ours by
hand, tinynet's backward, and simply moving each weight a little (finite differences).

Open beside it: tinynet/layers/dense.py, from `forward` to `backward_from_logits`.
"""

import math

import numpy as np

import tinynet as keras

x, y = [0.5, -1.0], 1.0
W, b = [0.8, 0.2], 0.1

print("forward")
z = x[0] * W[0] + x[1] * W[1] + b
p = 1 / (1 + math.exp(-z))
loss = (p - y) ** 2
print(f"  z    = {x[0]} * {W[0]} + {x[1]} * {W[1]} + {b} = {z:.4f}")
print(f"  p    = 1 / (1 + exp(-{z:.4f}))       = {p:.4f}")
print(f"  loss = ({p:.4f} - {y})^2            = {loss:.4f}")

print("backward: each line reverses one line above; dp is short for dloss/dp")
dp = 2 * (p - y)
dz = dp * p * (1 - p)
dW = [x[0] * dz, x[1] * dz]
db = dz
print(f"  dp   = 2 * ({p:.4f} - {y})          = {dp:.4f}")
print(f"  dz   = dp * p * (1 - p)             = {dz:.4f}")
print(f"  dW   = x * dz                       = {dW[0]:.4f}, {dW[1]:.4f}")
print(f"  db   = dz                           = {db:.4f}")

# the same with tinynet, in float64
layer = keras.layers.Dense(1, "sigmoid", dtype="float64")
layer.build_once((None, 2))
layer.set_weights([np.array([[W[0]], [W[1]]]), np.array([b])])
output = layer(np.array([x]))
layer.backward(2 * (output - y))
ours = [*layer.kernel.grad[:, 0], layer.bias.grad[0]]


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

rate = 1.0
after = loss_at(W[0] - rate * dW[0], W[1] - rate * dW[1], b - rate * db)
print(f"\none step against the gradient: loss {loss:.4f} -> {after:.4f}")
print("\nTry: y = 0. Which signs change, and why? Then x = [0, 0]: which weight still learns?")
