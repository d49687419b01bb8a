"""Which flower: labels that are words, one column for each, momentum."""

import tinynet as keras  # isort: skip
import numpy as np
from sklearn.metrics import classification_report
from sklearn.preprocessing import LabelEncoder

random = np.random.default_rng(2)
species = np.repeat(["Iris-setosa", "Iris-versicolor", "Iris-virginica"], 40)
centers = {
    "Iris-setosa": [5.0, 3.4, 1.5, 0.2],
    "Iris-versicolor": [5.9, 2.8, 4.3, 1.3],
    "Iris-virginica": [6.6, 3.0, 5.6, 2.0],
}
order = random.permutation(len(species))
Y = species[order]
X = np.array([centers[name] for name in Y]) + random.normal(size=(120, 4)) * 0.3

encoder = LabelEncoder()
encoded_Y = encoder.fit_transform(Y)
dummy_y = keras.utils.to_categorical(encoded_Y)

model = keras.models.Sequential(
    [
        keras.layers.InputLayer(shape=(4,)),
        keras.layers.Dense(10, activation="tanh", kernel_initializer="he_normal", name="hidden"),
        keras.layers.Dense(3, activation="softmax", name="species"),
    ],
    name="iris",
)
sgd = keras.optimizers.SGD(learning_rate=0.01, momentum=0.9, nesterov=True)
model.compile(
    loss="categorical_crossentropy", optimizer=sgd, metrics=["categorical_accuracy", "mse"]
)
hist = model.fit(X[:90], dummy_y[:90], epochs=10, batch_size=5, verbose=0)
score = model.evaluate(X[90:], dummy_y[90:], verbose=0)
names = encoder.inverse_transform(np.argmax(model.predict(X[90:]), axis=-1))
report = classification_report(Y[90:], names, output_dict=True, zero_division=0)
print(dict(zip(model.metrics_names, score, strict=False)), report["accuracy"])
hidden = keras.Model(model.inputs, model.get_layer("hidden").output).predict(X[90:])
weights, biases = model.get_layer("species").get_weights()
