# %% [markdown]
# # How does the gradient get past a layer?
#
# Two units, tanh, then one unit: x -> h = tanh(x V) -> z = h W -> loss = (z - y)^2 / 2. Take a
# pencil first. With x = (1, 2), V = [[0.5, -1], [0.25, 0.5]], W = (2, -1) and y = 1:
#
#     forward                                         backward
#     x V  = (1, 0)                                   dz = z - y = 0.5232
#     h    = (tanh 1, tanh 0) = (0.7616, 0)           dW = h dz  = (0.3985, 0)
#     z    = 2 * 0.7616 - 1 * 0 = 1.5232              dh = W dz  = (1.0464, -0.5232)
#     loss = 0.5232^2 / 2 = 0.1369                    da = dh (1 - h^2) = (0.4395, -0.5232)
#                                                     dV[i, j] = x[i] da[j]
#
# What reaches a layer is only dh. It need not know what the layers above do: that is why a network
# can be built of layers. The second unit answers 0, so dW[1] is 0; and yet its own V learns.
#
# Open beside it: `Dense` in examples/two_hundred_lines.py, then tinynet/models/sequential.py.

# %% the same in matrices, for N rows at once; the loss is the mean over the rows
import numpy as np

import tinynet as keras

x = np.array([[1.0, 2.0], [-1.0, 0.5], [0.5, -2.0]])  # (N, D) = (3, 2)
y = np.array([[1.0], [0.0], [-1.0]])  # (N, 1)
V = np.array([[0.5, -1.0], [0.25, 0.5]])  # (D, H)
W = np.array([[2.0], [-1.0]])  # (H, 1)


def forward(x, V, W):
    h = np.tanh(x @ V)  # (N, H)
    return h, h @ W  # and z (N, 1)


# %% exercise: the pencil's right column in three lines
def backward(x, h, z, y, W):
    """Return dV (D, H) and dW (H, 1) of loss = sum((z - y)^2) / (2 N)."""
    # blank: dz (N, 1), dW (H, 1), da (N, H), dV (D, H); 1/N enters once, in dz
    dz = (z - y) / len(x)
    dW = h.T @ dz
    da = (dz @ W.T) * (1 - h * h)
    dV = x.T @ da
    # end
    return dV, dW


first = forward(x[:1], V, W)
dV, dW = backward(x[:1], *first, y[:1], W)
print("the first row, as with the pencil:")
print(f"  h {first[0][0].round(4)}, z {first[1][0, 0]:.4f}")
print(f"  dW {dW[:, 0].round(4)}, dV[0] {dV[0].round(4)}, dV[1] {dV[1].round(4)}")

# %% all rows, and tinynet
dV, dW = backward(x, *forward(x, V, W), y, W)
hidden = keras.layers.Dense(2, "tanh", use_bias=False, dtype="float64")
output = keras.layers.Dense(1, use_bias=False, dtype="float64")
model = keras.Sequential([keras.layers.Input((2,), dtype="float64"), hidden, output])
model.set_weights([V, W])
model.compile("sgd", "mse", device="reference")
engine = [g / 2 for g in model.gradients(x, y).values()]  # mse has no 1/2
print("\nall three rows      by hand     tinynet")
for name, ours, theirs in (("dV", dV, engine[0]), ("dW", dW, engine[1])):
    for index in np.ndindex(*ours.shape):
        print(f"  {name}{list(index)}     {ours[index]:12.8f}{theirs[index]:12.8f}")
print("\nTry: V = 0. Which of dV and dW is 0? And with W = 0? What must first weights not be?")
