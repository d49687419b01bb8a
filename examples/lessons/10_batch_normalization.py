# %% [markdown]
# # Why does one row's gradient depend on the other rows?
#
# BatchNormalization takes each unit's mean and variance over the batch (Ioffe and Szegedy 2015):
#
#     xhat = (x - mean) / std      std = sqrt(var + epsilon)      y = gamma xhat + beta
#
# Move x in one row, and three things move: this xhat; the mean, and so all rows; the std, and so
# all rows again. Hence three terms. With g = gamma dy, and means over the rows, unit by unit:
#
#     dx = (g  -  mean(g)  -  xhat mean(g xhat)) / std
#
# The second term takes the mean out of the gradient and the third what points along xhat: to shift
# or to stretch a unit's column changes nothing that comes out, so no gradient may ask for it.
#
# Open beside it: `batchnorm_grad` in kernels/reference/layers.py, then
# tinynet/layers/normalization.py.

# %% forward
import numpy as np

import tinynet as keras

random = np.random.default_rng(0)
N, H, epsilon = 6, 3, 1e-3
x, dy = 3 + 2 * random.standard_normal((N, H)), random.standard_normal((N, H))
gamma, beta = np.array([1.0, 0.5, 2.0]), np.array([0.0, 1.0, -1.0])


def forward(x, gamma, beta, epsilon):
    std = np.sqrt(x.var(axis=0) + epsilon)  # (H,)
    xhat = (x - x.mean(axis=0)) / std  # (N, H)
    return xhat, std, gamma * xhat + beta


# %% exercise: three terms
def backward(dy, xhat, std, gamma):
    """Return dx (N, H), dgamma (H,) and dbeta (H,) from dy (N, H), xhat (N, H), std (H,)."""
    # blank: dgamma (H,), dbeta (H,), g (N, H), and dx (N, H)
    dgamma = (dy * xhat).sum(axis=0)
    dbeta = dy.sum(axis=0)
    g = dy * gamma
    dx = (g - g.mean(axis=0) - xhat * (g * xhat).mean(axis=0)) / std
    # end
    return dx, dgamma, dbeta


xhat, std, y = forward(x, gamma, beta, epsilon)
dx, dgamma, dbeta = backward(dy, xhat, std, gamma)

# %% tinynet, and moving one entry
layer = keras.layers.BatchNormalization(epsilon=epsilon, dtype="float64")
check = keras.gradcheck(layer, x)
print("gradcheck of tinynet's layer:", *(f"{n} {e:.0e}" for n, e in check.errors.items()))
moved, h = np.zeros_like(x), 1e-5
for index in np.ndindex(*x.shape):
    up, down = x.copy(), x.copy()
    up[index] += h
    down[index] -= h
    difference = forward(up, gamma, beta, epsilon)[2] - forward(down, gamma, beta, epsilon)[2]
    moved[index] = (dy * difference).sum() / (2 * h)
print("\nunit 0           by hand       moved     g / std alone")
for n in range(N):
    alone = gamma[0] * dy[n, 0] / std[0]
    print(f"  row {n}   {dx[n, 0]:14.8f}{moved[n, 0]:12.8f}{alone:14.8f}")
along = (dx * xhat).sum(axis=0)  # epsilon leaves a trace of it
print(f"sum of dx over the rows {np.abs(dx.sum(axis=0)).max():.0e}; along xhat "
      f"{np.abs(along).max():.0e}")  # fmt: skip

# %% what it is for: the sizes of what came in are gone
print("\n      x times    sd of y    |dx|")
for scale in (0.1, 1.0, 10.0):
    xhat, std, y = forward(scale * x, gamma, beta, epsilon)
    size = np.linalg.norm(backward(dy, xhat, std, gamma)[0])
    print(f"{scale:13.1f}{y.std():11.4f}{size:8.4f}")
print("Ten times larger inputs: the same outputs, and a tenth of the gradient.")
print("\nTry: a batch of one row. What is xhat, what dx? And of two rows, whose y are always +-1?")
