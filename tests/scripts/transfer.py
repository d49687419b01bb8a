"""What was learned on one task serves another: frozen layers, then all with a small step."""

import tinynet as keras  # isort: skip
import numpy as np

from tinynet import layers

random = np.random.default_rng(12)
X = random.normal(size=(500, 12)).astype("float32")
mix = np.tanh(X @ random.normal(size=(12, 5)))
big_task = np.argmax(mix, axis=1)
small_task = (mix[:, 0] > mix[:, 1]).astype("float32")

source = keras.Sequential(
    [
        keras.Input((12,)),
        layers.Dense(32, activation="relu", name="low"),
        layers.BatchNormalization(name="norm"),
        layers.Dense(16, activation="selu", kernel_initializer="lecun_normal", name="middle"),
        layers.Dense(5, activation="softmax", name="top"),
    ]
)
source.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
first = source.fit(X[:400], big_task[:400], epochs=4, batch_size=50, verbose=0)

base = keras.models.clone_model(source)
base.set_weights(source.get_weights())
base.pop()
base.trainable = False
before = base.get_weights()

inputs = keras.Input(shape=(12,))
x = base(inputs, training=False)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy", metrics=["binary_accuracy"])
trainable = [len(model.trainable_weights), len(model.non_trainable_weights)]
frozen = model.fit(X[400:480], small_task[400:480], epochs=5, batch_size=20, verbose=0)
assert all(np.array_equal(a, b) for a, b in zip(before, base.get_weights(), strict=True))

base.trainable = True
for layer in base.layers[:-1]:
    layer.trainable = False
model.compile(keras.optimizers.Adam(1e-4), "binary_crossentropy", metrics=["binary_accuracy"])
tuned = model.fit(X[400:480], small_task[400:480], epochs=3, batch_size=20, verbose=0)
moved = [float(np.abs(a - b).max()) for a, b in zip(before, base.get_weights(), strict=True)]
score = model.evaluate(X[480:], small_task[480:], verbose=0)
predictions = model.predict(X[480:], verbose=0)
print("weights trained and not:", trainable, "moved:", np.round(moved, 5))
