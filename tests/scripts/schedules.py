"""The learning rate over time, three ways, with callbacks that watch and decide."""

import tinynet as keras  # isort: skip
import math

import numpy as np
import pandas as pd

random = np.random.default_rng(10)
x = random.uniform(-3, 3, size=(256, 1))
y = np.sin(x) + 0.1 * random.normal(size=(256, 1))


class LossHistory(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses, self.rates, self.norms = [], [], []

    def on_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(np.array(self.model.optimizer.learning_rate)))
        self.norms.append(float(np.linalg.norm(self.model.layers[0].get_weights()[0])))


class StopBelow(keras.callbacks.Callback):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def on_epoch_end(self, epoch, logs={}):  # noqa: B006  as many write it
        if logs.get("loss") < self.limit:
            print(f"\nloss below {self.limit}: stopping")
            self.model.stop_training = True


def build(optimizer):
    model = keras.Sequential(
        [
            keras.layers.Dense(16, activation="tanh", input_shape=(1,)),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(loss="mean_squared_error", optimizer=optimizer)
    return model


def step_decay(epoch, lr):
    return 0.1 * math.pow(0.5, math.floor((1 + epoch) / 3))


watcher = LossHistory()
model = build(keras.optimizers.SGD(learning_rate=0.0, momentum=0.9))
history = model.fit(
    x,
    y,
    epochs=7,
    batch_size=32,
    verbose=0,
    callbacks=[
        watcher,
        keras.callbacks.LearningRateScheduler(step_decay),
        StopBelow(0.002),
        keras.callbacks.CSVLogger("log.csv"),
    ],
)
losses, rates, norms = watcher.losses, watcher.rates, watcher.norms
logged = pd.read_csv("log.csv")[["epoch", "learning_rate", "loss"]]

schedules = {
    "exponential": keras.optimizers.schedules.ExponentialDecay(
        initial_learning_rate=0.05, decay_steps=10, decay_rate=0.9, staircase=True
    ),
    "cosine": keras.optimizers.schedules.CosineDecay(0.05, 40, warmup_target=0.1, warmup_steps=8),
    "steps": keras.optimizers.schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.05, 0.01]),
}
ends = {}
for name, schedule in schedules.items():
    model = build(keras.optimizers.SGD(schedule))
    fitted = model.fit(x, y, epochs=5, batch_size=32, verbose=0)
    ends[name] = [*fitted.history["loss"], float(np.array(schedule(15)))]
y_new = model.predict(np.linspace(-3, 3, 7)[:, None])
