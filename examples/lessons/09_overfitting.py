"""When does a network learn by heart, and what helps?

300 images, a fifth of their labels wrong on purpose, and far more weights than images. The training
accuracy goes to 1: the wrong labels are learnt by heart. The validation loss falls and then rises
again. Dropout keeps units from relying on each other (Srivastava et al. 2014); early stopping goes
back to the epoch in which the validation loss was lowest.

Open beside it: tinynet/layers/dropout.py, and `EarlyStopping` in tinynet/callbacks/monitor.py.
"""

import sys

import lesson_data
import numpy as np

import tinynet as keras
from tinynet.layers import Dense, Dropout

(x, y), (x_test, y_test) = lesson_data.images("fashion_mnist")
random = np.random.default_rng(0)
x_valid, y_valid = x[300:800], y[300:800]
x, y = x[:300], y[:300].copy()
wrong = random.random(len(y)) < 0.2
y[wrong] = random.integers(0, 10, wrong.sum())


def train(dropout, callbacks=()):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((x.shape[1],))])
    for _ in range(2):
        model.add(Dense(256, "relu", kernel_initializer="he_normal"))
        if dropout:
            model.add(Dropout(dropout))
    model.add(Dense(10, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=40, verbose=0, callbacks=list(callbacks),
                        validation_data=(x_valid, y_valid))  # fmt: skip
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    return history, accuracy


stopping = keras.callbacks.EarlyStopping("val_loss", patience=8, restore_best_weights=True)
runs = {
    "nothing": train(0.0),
    "dropout 0.5": train(0.5),
    "early stopping": train(0.0, [stopping]),
}

print("validation loss")
print(f"{'epoch':>6}" + "".join(f"{name:>16}" for name in runs))
for epoch in (1, 3, 5, 10, 20, 30, 40):
    values = [history.history["val_loss"] for history, _ in runs.values()]
    cells = [f"{v[epoch - 1]:16.3f}" if epoch <= len(v) else " " * 16 for v in values]
    print(f"{epoch:6d}" + "".join(cells))

print(f"\n{'':16}{'epochs':>8}{'training':>10}{'test':>8}   accuracy")
for name, (history, accuracy) in runs.items():
    training = history.history["accuracy"][-1]
    print(f"{name:16}{len(history.epoch):8d}{training:10.3f}{accuracy:8.3f}")
print(f"\n{wrong.sum()} of 300 labels were drawn anew. Early stopping kept the weights of epoch"
      f" {stopping.best_epoch + 1}.")  # fmt: skip

if "--plot" in sys.argv:
    keras.plotting.plot_history(runs["nothing"][0]).savefig("09_overfitting.png", dpi=150)
    print("saved 09_overfitting.png")
print("\nTry: 3000 images instead of 300. Which of the two is still worth having?")
