# %% [markdown]
# # How do I write a layer of my own, and know that its backward is right?
#
# Swish, y = x sigmoid(beta x), with a beta per unit that learns. (Ramachandran et al. 2017)
# By the product rule, with s = sigmoid(beta x):
#
#     dx    = dy (s + beta x s (1 - s))
#     dbeta = sum over rows of dy x^2 s (1 - s)
#
# Open beside it: tinynet/layers/base.py (its first lines) and
# tinynet/inspecting/gradient_check.py.

# %% exercise: a layer with its backward
import numpy as np

import tinynet as keras


class Swish(keras.layers.Layer):
    def build(self, input_shape):
        self.beta = self.add_weight((input_shape[-1],), "ones", name="beta")  # (H,)

    def forward(self, x, training=False):
        s = 1 / (1 + np.exp(-self.beta.value * x))  # (N, H)
        self.saved = (x, s)
        return x * s  # (N, H)

    def backward(self, dy):
        x, s = self.recall()
        # blank: beta's gradient (H,), into self.beta.grad, and dx (N, H), from dy, x, s
        slope = s * (1 - s)  # of the sigmoid
        self.beta.grad[...] = (dy * x * x * slope).sum(axis=0)  # (H,)
        dx = dy * (s + self.beta.value * x * slope)  # (N, H)
        # end
        return dx


# %% is it right? And does the check notice if it is not?
class Wrong(Swish):
    def backward(self, dy):
        _, s = self.recall()
        super().backward(dy)
        return dy * s  # the second half is missing


keras.utils.set_random_seed(0)
x = np.random.default_rng(0).standard_normal((5, 3))
check = keras.gradcheck(Swish(dtype="float64"), x)
print("gradcheck, largest relative errors:")
for name, error in check.errors.items():
    print(f"  {name:14}{error:.1e}")
try:
    keras.gradcheck(Wrong(dtype="float64"), x)
except AssertionError as error:
    message = str(error)
    print(f"\nand of the wrong one it says:\n  {message}")

# %% in a model
(x, y), (x_test, y_test) = keras.datasets.digits.load_data()
model = keras.Sequential(
    [
        keras.layers.Flatten(input_shape=(8, 8)),
        keras.layers.Dense(32),
        Swish(name="swish"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x / 16, y, epochs=15, verbose=0)
_, accuracy = model.evaluate(x_test / 16, y_test, verbose=0)
beta = model.get_layer("swish").beta.numpy()
print(f"\nin a model: test accuracy {accuracy:.3f}; beta was 1, "
      f"is now {beta.min():.2f} to {beta.max():.2f}")  # fmt: skip
print(f"how it ran: {model.explain_execution()[:60]}...")
print(
    "\nTry: y = x tanh(softplus(x)), called Mish. Write its backward; gradcheck says when it fits."
)
