"""What is a dead unit, and what kills it?

ReLU is 0 for negative z, and so is its slope. A unit whose z is negative for every row gets no
gradient: no step will ever bring it back. One step that is too long is enough to push it there.
LeakyReLU keeps a small slope, so its units can come back. (Maas et al. 2013)

Here the first epoch is a shock, with a learning rate much too high; the others are gentle.

Open beside it: tinynet/callbacks/gradients.py, and `relu` in kernels/reference/activations.py.
"""

import sys

import tinynet as keras
from tinynet.layers import Dense, LeakyReLU

(x, y), _ = keras.datasets.digits.load_data()
x = x.reshape(-1, 64) / 16


def train(activation, shock):
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [
            keras.layers.Input((64,)),
            Dense(64, activation, kernel_initializer="he_normal", name="hidden"),
            Dense(10, "softmax", name="output"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: shock if epoch == 0 else 0.1)
    monitor = keras.callbacks.GradientMonitor(x, y, rows=len(x))
    model.fit(x, y, epochs=15, verbose=0, callbacks=[rate, monitor])
    return monitor, model.history.history["accuracy"]


CASES = {
    "relu, no shock": ("relu", 0.1),
    "relu, shock 1.7": ("relu", 1.7),
    "leaky, shock 1.7": (LeakyReLU(0.1), 1.7),
}
dead, accuracy, monitors = {}, {}, {}
for name, case in CASES.items():
    monitors[name], accuracy[name] = train(*case)
    dead[name] = monitors[name].history["dead_units/hidden"]

print("dead: share of the 64 hidden units without any slope; right: accuracy on the training data")
print(f"{'epoch':>5}" + "".join(f"{name:>22}" for name in CASES))
print(" " * 5 + f"{'dead   right':>22}" * len(CASES))
for epoch in (0, 1, 2, 4, 6, 9, 14):
    cells = (f"{dead[n][epoch]:15.0%}{accuracy[n][epoch]:7.2f}" for n in CASES)
    print(f"{epoch + 1:5d}" + "".join(cells))
print("\nThe dead stay dead, however gentle the steps are now; the leaky ones recover.")

if "--plot" in sys.argv:
    monitors["relu, shock 1.7"].plot().savefig("06_dying_relu.png", dpi=150)
    print("saved 06_dying_relu.png")
print("\nTry: clipnorm=1 in SGD, with the same shock. Then Adam: which shock does it take to kill?")
