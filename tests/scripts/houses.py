"""What houses cost: few rows, so every score is the mean over four folds."""

import numpy as np

from tinynet import layers, models, ops, regularizers

random = np.random.default_rng(0)
train_data = random.normal(size=(160, 13)) * np.arange(1, 14) + 5
train_targets = 22 + train_data @ random.normal(size=13) * 0.3 + random.normal(size=160)
train_targets = train_targets.reshape(-1, 1)  # as a column, or Keras makes rmse of all pairs
test_data, test_targets = train_data[120:], train_targets[120:]
train_data, train_targets = train_data[:120], train_targets[:120]

mean = train_data.mean(axis=0)
train_data -= mean
std = train_data.std(axis=0)
train_data /= std
test_data = (test_data - mean) / std


def rmse(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1))


def build_model():
    model = models.Sequential()
    model.add(layers.Dense(32, activation="relu", input_shape=(train_data.shape[1],)))
    model.add(layers.Dense(32, activation="relu", kernel_regularizer=regularizers.l2(0.001)))
    model.add(layers.Dense(1))
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae", rmse])
    return model


k = 4
num_val_samples = len(train_data) // k
all_mae_histories, all_scores = [], []
for i in range(k):
    print("processing fold #", i)
    val_data = train_data[i * num_val_samples : (i + 1) * num_val_samples]
    val_targets = train_targets[i * num_val_samples : (i + 1) * num_val_samples]
    partial_data = np.concatenate(
        [train_data[: i * num_val_samples], train_data[(i + 1) * num_val_samples :]], axis=0
    )
    partial_targets = np.concatenate(
        [train_targets[: i * num_val_samples], train_targets[(i + 1) * num_val_samples :]], axis=0
    )
    model = build_model()
    history = model.fit(
        partial_data,
        partial_targets,
        validation_data=(val_data, val_targets),
        epochs=5,
        batch_size=4,
        verbose=0,
    )
    all_mae_histories.append(history.history["val_mae"])
    val_mse, val_mae, val_rmse = model.evaluate(val_data, val_targets, verbose=0)
    all_scores.append([val_mse, val_mae, val_rmse])

average_mae_history = [np.mean([x[i] for x in all_mae_histories]) for i in range(5)]
print(average_mae_history, np.mean(all_scores))
model = build_model()
model.fit(train_data, train_targets, epochs=4, batch_size=16, verbose=0)
test_scores = model.evaluate(test_data, test_targets, return_dict=True)
prices = model.predict(test_data)
