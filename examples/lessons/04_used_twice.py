# %% [markdown]
# # What is the gradient of a value that is used twice?
#
# In a chain each value has one reader. In a graph it may have several: a layer that is applied
# twice, a shortcut around some layers. Move such a value a little, and the loss changes along
# every way that leads from it to the loss. The changes add up, and so do the gradients:
#
#     u = tanh(x W)    v = tanh(u W)    y = x + v        x is read by two, W is used by two
#
#     x --+-- W -- tanh -- u -- W -- tanh -- v -- + -- y
#         '---------------------------------------'
#
# Open beside it: `backward` in tinynet/models/functional.py.

# %% the graph, in float64
import numpy as np

import tinynet as keras

random = np.random.default_rng(1)
x, W = random.standard_normal((4, 3)), random.standard_normal((3, 3))  # (N, D), (D, D)


def forward(x, W):
    u = np.tanh(x @ W)  # (N, D)
    v = np.tanh(u @ W)
    return u, v, x + v


# %% exercise: two readers, two terms
def backward(dy, x, u, v, W):
    """Return dx (N, D) and dW (D, D) of y = x + v, v = tanh(u W), u = tanh(x W)."""
    # blank: db of v = tanh(b), then da of u = tanh(a), then dW and dx; each is a sum of two terms
    db = dy * (1 - v * v)
    da = (db @ W.T) * (1 - u * u)
    dW = u.T @ db + x.T @ da
    dx = dy + da @ W.T
    # end
    return dx, dW


u, v, y = forward(x, W)
dy = 2 * y / y.size  # of loss = mean(y^2)
dx, dW = backward(dy, x, u, v, W)

# %% the same graph in tinynet: one layer, applied twice, and an Add
shared = keras.layers.Dense(3, "tanh", use_bias=False, dtype="float64")
i = keras.layers.Input((3,), dtype="float64")
model = keras.Model(i, keras.layers.Add(dtype="float64")([i, shared(shared(i))]))
shared.set_weights([W])
model.compile("sgd", "mse", device="reference")
(engine,) = model.gradients(x, np.zeros_like(y)).values()


# %% and by moving one entry: the loss changes along all ways at once
def moved(array, index, h=1e-5):
    array[index] += h
    up = (forward(x, W)[2] ** 2).mean()
    array[index] -= 2 * h
    down = (forward(x, W)[2] ** 2).mean()
    array[index] += h
    return (up - down) / (2 * h)


ways = u.T @ (dy * (1 - v * v)), x.T @ ((dy * (1 - v * v)) @ W.T * (1 - u * u))
print("               by hand       moved     it is the sum of two")
print(f"  dW[0, 0] {dW[0, 0]:12.8f}{moved(W, (0, 0)):12.8f}"
      f"{ways[0][0, 0]:14.8f} {ways[1][0, 0]:+.8f}")  # fmt: skip
print(f"  dx[0, 0] {dx[0, 0]:12.8f}{moved(x, (0, 0)):12.8f}"
      f"{dy[0, 0]:14.8f} {dx[0, 0] - dy[0, 0]:+.8f}")  # fmt: skip
print(f"  tinynet's dW[0, 0]     {engine[0, 0]:.8f}")
print("\nThe shortcut hands dy down as it is: however many layers stand beside it,")
print("dx does not vanish. That is what residual networks live on (He et al. 2016).")
print("\nTry: y = x * v instead of x + v. What do the two readers of x get now?")
