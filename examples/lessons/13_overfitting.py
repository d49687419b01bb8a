# %% [markdown]
# # When does a network learn by heart, and what helps?
#
# 300 images, a fifth of their labels wrong on purpose, and far more weights than images. The
# training accuracy goes to 1: the wrong labels are learnt by heart. The validation loss falls and
# then rises again. Dropout keeps units from relying on each other (Srivastava et al. 2014); early
# stopping goes back to the epoch in which the validation loss was lowest.
#
# Open beside it: tinynet/layers/dropout.py, and `EarlyStopping` in tinynet/callbacks/monitor.py.

# %% exercise: dropout
import numpy as np

import tinynet as keras
from tinynet.course.data import images
from tinynet.course.pictures import picture
from tinynet.layers import Dense, Dropout


class OwnDropout:
    """While training, entries become 0 with probability `rate`; the others make up for them."""

    def __init__(self, rate, seed):
        self.rate, self.random = rate, np.random.default_rng(seed)

    def forward(self, x, training):
        """Return y (N, H), whose mean over all masks is x. With training=False y = x."""
        # blank: self.mask (N, H) or 1, from self.random.random(x.shape), and y (N, H)
        self.mask = 1.0
        if training:
            self.mask = (self.random.random(x.shape) >= self.rate) / (1 - self.rate)
        y = x * self.mask
        # end
        return y

    def backward(self, dy):
        """Return dx (N, H) for the latest forward."""
        # blank: dx (N, H)
        dx = dy * self.mask
        # end
        return dx


ones = np.ones((10000, 4))
dropped = OwnDropout(0.5, 1).forward(ones, training=True)
print(f"dropout 0.5 of ones: {np.unique(dropped)}, mean {dropped.mean():.3f}\n")


# %% three trainings

(x, y), (x_test, y_test) = images("fashion_mnist")
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
    _, without = model.evaluate(x, y, verbose=0)  # the same rows, dropout off
    return history, accuracy, without


stopping = keras.callbacks.EarlyStopping("val_loss", patience=8, restore_best_weights=True)
runs = {
    "nothing": train(0.0),
    "dropout 0.5": train(0.5),
    "early stopping": train(0.0, [stopping]),
}

print("validation loss")
print(f"{'epoch':>6}" + "".join(f"{name:>16}" for name in runs))
for epoch in (1, 3, 5, 10, 20, 30, 40):
    values = [history.history["val_loss"] for history, *_ in runs.values()]
    cells = [f"{v[epoch - 1]:16.3f}" if epoch <= len(v) else " " * 16 for v in values]
    print(f"{epoch:6d}" + "".join(cells))

print(f"\n{'':16}{'epochs':>8}{'in training':>13}{'training rows':>15}{'test':>8}   accuracy")
for name, (history, accuracy, without) in runs.items():
    training = history.history["accuracy"][-1]
    print(f"{name:16}{len(history.epoch):8d}{training:13.3f}{without:15.3f}{accuracy:8.3f}")
print("The first is what fit prints. It is measured in each training step, from the very outputs")
print("that the loss was computed with: with dropout on, half of the units missing, and with")
print("weights still on their way. It costs nothing. The second is `evaluate` on the same rows,")
print("with all units at work. So dropout's training accuracy may lie below that of the test.")
print(f"\n{wrong.sum()} of 300 labels were drawn anew. Early stopping kept the weights of epoch"
      f" {stopping.best_epoch + 1}.")  # fmt: skip

# %% the picture
picture("13_overfitting.png", lambda: keras.plotting.plot_history(runs["nothing"][0]))
print("\nTry: 3000 images instead of 300. Which of the two is still worth having?")
