"""Several labels at once: a sigmoid for each, and what to measure then."""

import tinynet as keras  # isort: skip
import numpy as np
from sklearn.datasets import make_multilabel_classification

from tinynet import layers

X, y = make_multilabel_classification(
    n_samples=400, n_features=20, n_classes=6, n_labels=2, random_state=1
)
X = X / X.max(axis=0)
X_train, X_test, y_train, y_test = X[:300], X[300:], y[:300], y[300:]


def get_model(n_inputs, n_outputs):
    inputs = layers.Input(shape=(n_inputs,), name="features")
    x = layers.Dense(32, kernel_initializer="he_uniform")(inputs)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.LayerNormalization()(x)
    outputs = layers.Dense(n_outputs, activation="sigmoid", name="tags")(x)
    return keras.Model(inputs=inputs, outputs=outputs)


model = get_model(X.shape[1], y.shape[1])
model.compile(
    optimizer=keras.optimizers.AdamW(learning_rate=5e-3, weight_decay=1e-3),
    loss=keras.losses.BinaryCrossentropy(label_smoothing=0.05),
    metrics=[
        keras.metrics.BinaryAccuracy(threshold=0.4),
        keras.metrics.AUC(multi_label=True, num_labels=6, name="auc"),
        keras.metrics.F1Score(average="macro", threshold=0.5, name="f1"),
    ],
)
history = model.fit(
    X_train, y_train, epochs=6, batch_size=25, verbose=0, validation_data=(X_test, y_test)
)
yhat = model.predict(X_test)
exact = np.mean(np.all((yhat > 0.5) == y_test, axis=1))
scores = model.evaluate(X_test, y_test, return_dict=True, verbose=0)
print(f"exact: {exact:.3f}", {name: round(value, 3) for name, value in scores.items()})
