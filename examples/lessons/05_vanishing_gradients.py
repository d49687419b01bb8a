"""Why do deep networks stand still when the first weights are too small?

Each layer multiplies by its weights: the signal on its way up, the gradient on its way down.
Weights that are too small, twelve times over, leave nothing of either. Xavier (Glorot and Bengio
2010) keeps the size where the activation is like tanh; ReLU throws half away, so He (He et al.
2015) makes the variance twice as large. dW = x^T dz has both factors: it is tiny in every layer.

Open beside it: tinynet/initializers.py (`VarianceScaling`).
"""

import sys

import numpy as np

import tinynet as keras
from tinynet.layers import Dense

(x, y), (x_test, y_test) = keras.datasets.digits.load_data()
x, x_test = x.reshape(-1, 64) / 16, x_test.reshape(-1, 64) / 16
DEPTH = 12
SCALES = {
    "too small": keras.initializers.RandomNormal(stddev=0.03, seed=1),
    "Xavier": keras.initializers.GlorotNormal(seed=1),
    "He": keras.initializers.HeNormal(seed=1),
}


def build(initializer):
    keras.utils.set_random_seed(1)
    config = initializer.get_config()
    model = keras.Sequential([keras.layers.Input((64,))])
    for i in range(DEPTH):  # a seed of its own for each layer: else all would be alike
        scale = type(initializer).from_config({**config, "seed": i})
        model.add(Dense(64, "relu", kernel_initializer=scale, name=f"layer{i + 1}"))
    model.add(Dense(10, "softmax", name="output"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


arriving, dW, accuracy, monitors = {}, {}, {}, {}
names = [*(f"layer{i + 1}" for i in range(DEPTH)), "output"]
for name, initializer in SCALES.items():
    model = build(initializer)
    gradients = model.gradients(x, y)
    arriving[name] = [np.linalg.norm(gradients[f"{n}/bias"]) for n in names]  # db: the sum of dz
    dW[name] = [np.linalg.norm(gradients[f"{n}/kernel"]) for n in names]
    monitors[name] = keras.callbacks.GradientMonitor(x, y)
    model.fit(x, y, epochs=5, verbose=0, callbacks=[monitors[name]])
    _, accuracy[name] = model.evaluate(x_test, y_test, verbose=0)


def row(title, values, form):
    print(f"{title:>14}" + "".join(format(value, form) for value in values))


print("before the first step: what arrives of the gradient, |db|, from the loss down to the input")
row("", SCALES, ">12")
for i in (12, 11, 9, 7, 5, 3, 1, 0):
    row(names[i], [values[i] for values in arriving.values()], "12.1e")
row("|dW| of layer1", [values[0] for values in dW.values()], "12.1e")
print("after five epochs")
row("test accuracy", accuracy.values(), "12.3f")
print("\nThe output layer hears the loss in all three; only with He does layer1 hear it as loudly.")

if "--plot" in sys.argv:
    for name, monitor in monitors.items():
        file = f"05_{name.replace(' ', '_').lower()}.png"
        monitor.plot().savefig(file, dpi=150)
        print(f"saved {file}")
print(
    "\nTry: tanh for relu: which initializer keeps the size now? And BatchNormalization() between?"
)
