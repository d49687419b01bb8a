# %% [markdown]
# # What happens between `fit` and one entry of one gradient?
#
# One step of training, done four times, each time one floor further down: `fit`, `train_step`, the
# layers' own forward and backward, the kernels. The weights afterwards agree to the last digit.
# Each floor says where it is written: read along.
#
# Open beside it: the files it prints, in that order.

# %% exercise: all of it, in one function
import inspect
import pathlib

import numpy as np

import tinynet as keras
from tinynet.kernels import reference as ops
from tinynet.layers import Dense


def train_step(x, labels, W1, b1, W2, b2, rate):
    """Return W1, b1, W2, b2, as new arrays, after one step of plain descent on cross-entropy.

    h = tanh(x W1 + b1) (N, H), p = softmax(h W2 + b2) (N, C); labels (N,) are class ids.
    """
    # blank: h and p; dz2, dW2, db2; dz1, dW1, db1; then all four weights less rate times theirs
    h = np.tanh(x @ W1 + b1)  # linear, then elementwise "tanh"     (N, H)
    p = np.exp(h @ W2 + b2)
    p /= p.sum(axis=1, keepdims=True)  # softmax                      (N, C)
    dz2 = (p - np.eye(len(b2))[labels]) / len(x)  # softmax_crossentropy
    dW2, db2 = h.T @ dz2, dz2.sum(axis=0)  # linear_dW, sum_rows      (H, C), (C,)
    dz1 = (dz2 @ W2.T) * (1 - h * h)  # linear_dx, elementwise_grad   (N, H)
    dW1, db1 = x.T @ dz1, dz1.sum(axis=0)  #                          (D, H), (H,)
    W1, b1, W2, b2 = W1 - rate * dW1, b1 - rate * db1, W2 - rate * dW2, b2 - rate * db2
    # end
    return W1, b1, W2, b2


# %% the four floors
ROOT = pathlib.Path(keras.__file__).parent.parent
x = np.array([[1.0, 2.0], [0.5, -1.0], [-1.5, 0.5]])  # (N, D) = (3, 2)
y = np.array([0, 1, 1])
RATE = 0.1


def floor(title, *functions):
    print(title)
    for function in functions:
        path = pathlib.Path(inspect.getsourcefile(function)).relative_to(ROOT)
        print(f"   {path}:{inspect.getsourcelines(function)[1]}  {function.__qualname__}")


def build():
    first, second = keras.initializers.GlorotUniform(1), keras.initializers.GlorotUniform(2)
    hidden = Dense(3, "tanh", kernel_initializer=first, dtype="float64")
    output = Dense(2, "softmax", kernel_initializer=second, dtype="float64")
    model = keras.Sequential([keras.layers.Input((2,), dtype="float64"), hidden, output])
    model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy", device="reference")
    return model


results = {}
floor("1. fit: epochs, batches, callbacks", keras.Model.fit)
model = build()
model.fit(x, y, batch_size=3, epochs=1, shuffle=False, verbose=0)
results["fit"] = model.get_weights()

floor("2. one step: forward, loss, backward, update", keras.Model.train_step)
model = build()
gradients = model.gradients(x, y)
model.train_step(x, y, np.full(3, 1 / 3))  # each row has its share of the mean
results["train_step"] = model.get_weights()

floor("3. the layers", Dense.forward, Dense.backward_from_logits)
hidden, output = build().layers
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
z = output.logits(hidden.forward(x))  # softmax is part of the loss
hidden.backward(output.backward_from_logits(loss.gradient(y, z)))
results["layers"] = [p.numpy() - RATE * p.grad for p in hidden.weights + output.weights]

floor("4. the kernels", ops.linear, ops.linear_dW, ops.linear_dx)
W1, b1, W2, b2 = build().get_weights()
results["kernels"] = list(train_step(x, y, W1, b1, W2, b2, RATE))

# %% one entry
h = np.tanh(x @ W1 + b1)
p = np.exp(h @ W2 + b2)
dz2 = (p / p.sum(axis=1, keepdims=True) - np.eye(2)[y]) / len(x)
dz1 = (dz2 @ W2.T) * (1 - h * h)
terms = x[:, 0] * dz1[:, 0]
print("one entry of one gradient, dW1[0, 0], is a sum over the three rows of x * dz:")
print("  " + " + ".join(f"{a} * {d:.6f}" for a, d in zip(x[:, 0], dz1[:, 0], strict=True)))
first = next(iter(gradients.values()))[0, 0]
print(f"  = {terms.sum():.10f};  model.gradients says {first:.10f}")
print("\nW1[0, 0] after the step")
for name, weights in results.items():
    print(f"  {name:11}{weights[0][0, 0]:.12f}")
print("\nTry: put a breakpoint into each of these functions, run fit, and look at the shapes.")
