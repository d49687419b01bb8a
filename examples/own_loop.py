"""The training loop written out: every piece of tinynet also works alone, on NumPy arrays."""

import numpy as np

import tinynet as keras

keras.utils.set_random_seed(0)
(x, y), (x_test, y_test) = keras.datasets.digits.load_data()
x, x_test = x.reshape(-1, 64) / 16, x_test.reshape(-1, 64) / 16

hidden = keras.layers.Dense(64, activation="relu")
output = keras.layers.Dense(10)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.Adam(learning_rate=0.01)
order = np.random.default_rng(0)

for epoch in range(10):
    for rows in np.array_split(order.permutation(len(x)), len(x) // 32):
        logits = output(hidden(x[rows], training=True), training=True)  # (N, 10)
        hidden.backward(output.backward(loss.gradient(y[rows], logits)))
        parameters = hidden.trainable_weights + output.trainable_weights
        optimizer.apply([p.grad for p in parameters], parameters)
    logits = output(hidden(x_test))
    print(f"epoch {epoch + 1}: loss {loss(y_test, logits):.4f}, "
          f"accuracy {(logits.argmax(axis=1) == y_test).mean():.4f}")  # fmt: skip
