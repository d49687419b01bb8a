# %% [markdown]
# # Can what was learnt on one task help with another?
#
# Digits at random places on a larger canvas. Of 0 to 4 there are 8000 pictures, of 5 to 9 only six
# each: far too few to learn that a digit may stand anywhere. But the lower layers of a network for
# 0 to 4 have learnt that already. Take them over, freeze them, and train a new top.
#
# What is frozen saves work, too: below the lowest layer that learns no gradient is needed. A frozen
# layer above one that learns still hands its gradient down.
#
# Open beside it: `trainable` in tinynet/core/weights.py, then `plan_backward` in
# tinynet/models/sequential.py.

# %% exercise: backward through layers, some of them frozen
import numpy as np

import tinynet as keras
from tinynet.layers import Dense


class Linear:
    """y = x W, with the two products of its backward; x is what forward saw."""

    def __init__(self, name, x, W, trainable):
        self.name, self.x, self.W, self.trainable = name, x, W, trainable

    def dW(self, dy):
        return self.x.T @ dy

    def dx(self, dy):
        return dy @ self.W.T


def backward(layers, dy):
    """Return {name: dW} of the layers that are trainable, from dy of the last one's output.

    dW(dy) and dx(dy) of a layer cost a product each; none is computed that is not needed.
    """
    # blank: gradients, a dict; from the last layer down to the lowest that is trainable
    gradients = {}
    lowest = next((i for i, layer in enumerate(layers) if layer.trainable), len(layers))
    for i in reversed(range(lowest, len(layers))):
        if layers[i].trainable:
            gradients[layers[i].name] = layers[i].dW(dy)
        if i > lowest:
            dy = layers[i].dx(dy)
    # end
    return gradients


ones = np.ones((2, 2))
chain = [Linear(name, ones, ones, name in "bd") for name in "abcd"]
print("a and c are frozen; gradients of", *backward(chain, ones), "\n")

# %% the digits
(x, y), (x_test, y_test) = keras.datasets.digits.load_data()
random = np.random.default_rng(0)
LOWER = ("lower1", "lower2")


def placed(images):
    """(N, 144): each 8x8 image somewhere on a 12x12 canvas."""
    canvas = np.zeros((len(images), 12, 12), "float32")
    for picture, image, (top, left) in zip(canvas, images, random.integers(0, 5, (len(images), 2)),
                                           strict=True):  # fmt: skip
        picture[top : top + 8, left : left + 8] = image / 16
    return canvas.reshape(-1, 144)


def build(classes):
    layers = [Dense(128, "relu", name=LOWER[0]), Dense(64, "relu", name=LOWER[1])]
    top = Dense(classes, "softmax", name="top")
    return keras.Sequential([keras.layers.Input((144,)), *layers, top])


def compiled(model):
    model.compile(keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy",
                  metrics=["accuracy"])  # fmt: skip
    return model


many = random.choice(np.flatnonzero(y < 5), 8000)
few = np.concatenate([random.choice(np.flatnonzero(y == c), 6, replace=False)
                      for c in range(5, 10)])  # fmt: skip
tests = random.choice(np.flatnonzero(y_test >= 5), 1000)
x_many, x_few, x_tests = placed(x[many]), placed(x[few]), placed(x_test[tests])
ways = {"from nothing": [], "taken over": [], "frozen": []}
for seed in range(3):
    keras.utils.set_random_seed(seed)
    source = compiled(build(5))
    source.fit(x_many, y[many], epochs=15, verbose=0)
    for way, accuracies in ways.items():
        keras.utils.set_random_seed(seed)
        model = build(5)
        for name in LOWER if way != "from nothing" else ():
            layer = model.get_layer(name)
            layer.set_weights(source.get_layer(name).get_weights())
            layer.trainable = way != "frozen"
        compiled(model).fit(x_few, y[few] - 5, batch_size=10, epochs=100, verbose=0)
        accuracies.append(model.evaluate(x_tests, y_test[tests] - 5, verbose=0)[1])
        if way == "frozen":
            same = all(np.array_equal(model.get_layer(n).kernel, source.get_layer(n).kernel)
                       for n in LOWER)  # fmt: skip

print("test accuracy on 5 to 9, trained on 30 pictures (guessing: 0.200)")
print(f"{'seed':>14}" + "".join(f"{seed:8d}" for seed in range(3)) + "    mean")
for way, values in ways.items():
    print(f"{way:>14}" + "".join(f"{v:8.3f}" for v in values) + f"{np.mean(values):8.3f}")
print("\nThe frozen layers kept every bit:", same)
print("Taken over but not frozen, 30 pictures soon pull the lower layers away again.")
print("\nTry: 60 pictures of each new digit. When does starting from nothing catch up?")
