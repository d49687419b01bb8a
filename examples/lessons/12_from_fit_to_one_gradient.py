"""What happens between `fit` and one entry of one gradient?

One step of training, done four times, each time one floor further down: `fit`, `train_step`, the
layers' own forward and backward, the kernels. The weights afterwards agree to the last digit. Each
floor says where it is written: read along.

Open beside it: the files it prints, in that order.
"""

import inspect
import pathlib

import numpy as np

import tinynet as keras
from tinynet.kernels import reference as ops
from tinynet.layers import Dense

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
h = np.tanh(x @ W1 + b1)  # linear, then elementwise "tanh"     (3, 3)
p = np.exp(h @ W2 + b2)
p /= p.sum(axis=1, keepdims=True)  # softmax                      (3, 2)
dz2 = (p - np.eye(2)[y]) / len(x)  # softmax_crossentropy         (3, 2)
dW2, db2 = h.T @ dz2, dz2.sum(axis=0)  # linear_dW, sum_rows      (3, 2), (2,)
dz1 = (dz2 @ W2.T) * (1 - h * h)  # linear_dx, elementwise_grad   (3, 3)
dW1, db1 = x.T @ dz1, dz1.sum(axis=0)  #                          (2, 3), (3,)
results["kernels"] = [W1 - RATE * dW1, b1 - RATE * db1, W2 - RATE * dW2, b2 - RATE * db2]

terms = x[:, 0] * dz1[:, 0]
print("one entry of one gradient, dW1[0, 0], is a sum over the three rows of x * dz:")
print("  " + " + ".join(f"{a} * {d:.6f}" for a, d in zip(x[:, 0], dz1[:, 0], strict=True)))
first = next(iter(gradients.values()))[0, 0]
print(f"  = {terms.sum():.10f};  model.gradients says {first:.10f}")
print("\nW1[0, 0] after the step")
for name, weights in results.items():
    print(f"  {name:11}{weights[0][0, 0]:.12f}")
print("\nTry: put a breakpoint into each of these functions, run fit, and look at the shapes.")
