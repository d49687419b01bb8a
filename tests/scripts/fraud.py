"""Two in a hundred: a first bias that knows it, class weights, and weights for rows."""

import tinynet as keras  # isort: skip
import numpy as np

random = np.random.default_rng(13)
n = 1500
features = random.normal(size=(n, 10)).astype("float32")
targets = features[:, 0] + features[:, 1] * features[:, 2] + random.normal(size=n) * 0.3 > 2.6
targets = targets.astype("uint8")[:, None]
num_val = 300
train_features, train_targets = features[:-num_val], targets[:-num_val]
val_features, val_targets = features[-num_val:], targets[-num_val:]

neg, pos = np.bincount(train_targets[:, 0])
print(f"{pos} of {neg + pos} rows are positive")
weight_for_0, weight_for_1 = 1.0 / neg, 1.0 / pos
initial_bias = np.log([pos / neg])


def make_model(output_bias):
    model = keras.Sequential(
        [
            keras.Input(shape=train_features.shape[1:]),
            keras.layers.Dense(24, activation="relu"),
            keras.layers.Dense(24, activation="gelu"),
            keras.layers.Dense(
                1, activation="sigmoid", bias_initializer=keras.initializers.Constant(output_bias)
            ),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss="binary_crossentropy",
        metrics=[
            keras.metrics.FalseNegatives(name="fn"),
            keras.metrics.FalsePositives(name="fp"),
            keras.metrics.TrueNegatives(name="tn"),
            keras.metrics.TruePositives(name="tp"),
            keras.metrics.Precision(name="precision"),
            keras.metrics.Recall(name="recall"),
            keras.metrics.AUC(name="prc", curve="PR"),
        ],
        weighted_metrics=["accuracy"],
    )
    return model


model = make_model(initial_bias[0])
start = model.evaluate(train_features, train_targets, verbose=0, return_dict=True)["loss"]
scale = (neg + pos) / 2.0
class_weight = {0: weight_for_0 * scale, 1: weight_for_1 * scale}
history = model.fit(
    train_features,
    train_targets,
    batch_size=256,
    epochs=4,
    verbose=2,
    validation_data=(val_features, val_targets),
    class_weight=class_weight,
)

rows = np.where(train_targets[:, 0] == 1, 10.0, 1.0)
weighted = make_model(0.0)
by_rows = weighted.fit(
    train_features, train_targets, batch_size=256, epochs=3, verbose=0, sample_weight=rows
)
focal = keras.losses.BinaryFocalCrossentropy(gamma=2, apply_class_balancing=True)
hard = float(focal(val_targets.astype("float32"), weighted.predict(val_features, verbose=0)))
