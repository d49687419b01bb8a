"""Which of 46 topics: texts as lists of word numbers, one vector of zeros and ones for each."""

import tinynet as keras  # isort: skip
import numpy as np

from tinynet.layers import Dense
from tinynet.models import Sequential
from tinynet.utils import to_categorical

random = np.random.default_rng(5)
topics = random.integers(0, 46, 600)
texts = [
    [1, *random.integers(4, 500, 12).tolist(), 4 + 10 * topic, 5 + 10 * topic] for topic in topics
]


def vectorize_sequences(sequences, dimension=500):
    results = np.zeros((len(sequences), dimension))
    for i, sequence in enumerate(sequences):
        results[i, sequence] = 1.0
    return results


x_train, x_test = vectorize_sequences(texts[:500]), vectorize_sequences(texts[500:])
one_hot_train_labels = to_categorical(topics[:500])
one_hot_test_labels = to_categorical(topics[500:], num_classes=46)
x_val, partial_x_train = x_train[:100], x_train[100:]
y_val, partial_y_train = one_hot_train_labels[:100], one_hot_train_labels[100:]

model = Sequential()
model.add(keras.Input(shape=(500,)))
model.add(Dense(64, activation="relu"))
model.add(Dense(64, activation="relu"))
model.add(Dense(46, activation="softmax"))
model.compile(
    optimizer="rmsprop",
    loss="categorical_crossentropy",
    metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(k=3, name="top3")],
)
history = model.fit(
    partial_x_train, partial_y_train, epochs=6, batch_size=64, validation_data=(x_val, y_val)
)
results = model.evaluate(x_test, one_hot_test_labels)
predictions = model.predict(x_test)
assert predictions[0].shape == (46,)
sums = predictions.sum(axis=1)
chance = np.mean(np.equal(topics[500:], random.permutation(topics[500:])))
print(results, chance, np.argmax(predictions[0]))

# the same with integer labels
model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["acc"])
integers = model.fit(x_train, topics[:500], epochs=2, batch_size=128, verbose=2)
