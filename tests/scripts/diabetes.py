"""Who falls ill: eight measurements, a first network, and the file it is kept in."""

import tinynet as keras  # isort: skip
import numpy as np

from tinynet.layers import Dense
from tinynet.models import Sequential

random = np.random.default_rng(7)
dataset = random.normal(size=(320, 8)) * [3, 30, 18, 15, 90, 7, 0.3, 11]
dataset += [4, 120, 70, 20, 80, 32, 0.5, 33]
risk = 0.03 * (dataset[:, 1] - 120) + 0.1 * (dataset[:, 5] - 32) + random.normal(size=320) * 0.5
X = (dataset - dataset.mean(axis=0)) / dataset.std(axis=0)
y = (risk > 0).astype(int)

model = Sequential()
model.add(Dense(12, input_dim=8, activation="relu"))
model.add(Dense(8, activation="relu"))
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(X, y, validation_split=0.25, epochs=6, batch_size=10, verbose=0)

_, accuracy = model.evaluate(X, y)
print(f"Accuracy: {accuracy * 100:.2f}")

predictions = model.predict(X)
rounded = (predictions > 0.5).astype(int)
for i in range(3):
    print(f"{dataset[i].round(1).tolist()} => {rounded[i, 0]} (expected {y[i]})")

model.save("diabetes.keras")
loaded = keras.models.load_model("diabetes.keras")
loaded_score = loaded.evaluate(X, y, verbose=0)
print(f"{loaded.metrics_names[0]}: {loaded_score[0]:.4f}")
