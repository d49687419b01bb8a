"""A loop of one's own over batches, and a data set that hands them out."""

import tinynet as keras  # isort: skip
import numpy as np

from tinynet import layers

random = np.random.default_rng(14)
x_train = random.normal(size=(200, 10)).astype("float32")
y_train = (x_train[:, 0] * x_train[:, 1] > 0).astype("int32")


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.size = x, y, size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        return self.x[rows], self.y[rows]


def generator(size=20):
    while True:
        for start in range(0, len(x_train), size):
            yield x_train[start : start + size], y_train[start : start + size]


class Classifier(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.hidden = layers.Dense(units, activation="relu")
        self.out = layers.Dense(2, activation="softmax")

    def call(self, inputs):
        return self.out(self.hidden(inputs))


model = Classifier(24)
model.compile(
    optimizer=keras.optimizers.Adagrad(0.1),
    loss="sparse_categorical_crossentropy",
    metrics=["sparse_categorical_accuracy"],
)
train_losses, epoch_scores = [], []
for epoch in range(3):
    for start in range(0, 200, 50):
        logs = model.train_on_batch(
            x_train[start : start + 50], y_train[start : start + 50], return_dict=True
        )
        train_losses.append(float(logs["loss"]))
    epoch_scores.append(model.evaluate(Batches(x_train, y_train, 64), verbose=0))
    print(f"epoch {epoch}: {epoch_scores[-1]}")

from_dataset = model.fit(Batches(x_train, y_train, 40), epochs=2, verbose=0)
from_generator = model.fit(
    generator(),
    steps_per_epoch=10,
    epochs=2,
    verbose=0,
    validation_data=(x_train[:60], y_train[:60]),
)
tested = model.test_on_batch(x_train[:30], y_train[:30])
on_batch = np.array(model.predict_on_batch(x_train[:5]))
direct = np.array(model(x_train[:5]))
