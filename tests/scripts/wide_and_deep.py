"""What a district's houses cost: some inputs go straight to the output, others the long way."""

import tinynet as keras  # isort: skip
import numpy as np

random = np.random.default_rng(8)
X = random.normal(size=(400, 6)) * [1, 2, 3, 1, 5, 2] + [3, 28, 5, 1, 14, 3]
district = random.integers(0, 12, size=(400, 1))
y = 0.4 * X[:, 0] - 0.05 * (X[:, 4] - 14) ** 2 / 5 + 0.1 * district[:, 0] + 1
X_wide, X_deep = X[:, :3], X[:, 2:]
train, valid = slice(0, 300), slice(300, None)

norm_layer_wide = keras.layers.Normalization()
norm_layer_deep = keras.layers.Normalization()
input_wide = keras.layers.Input(shape=[3], name="wide_input")
input_deep = keras.layers.Input(shape=[4], name="deep_input")
input_place = keras.layers.Input(shape=[1], dtype="int32", name="place_input")
norm_wide = norm_layer_wide(input_wide)
norm_deep = norm_layer_deep(input_deep)
place = keras.layers.Flatten()(keras.layers.Embedding(12, 3)(input_place))
hidden1 = keras.layers.Dense(20, activation="relu")(norm_deep)
hidden2 = keras.layers.Dense(20, activation="relu")(hidden1)
concat = keras.layers.concatenate([norm_wide, hidden2, place])
output = keras.layers.Dense(1, name="output")(concat)
aux_output = keras.layers.Dense(1, name="aux_output")(hidden2)
model = keras.Model(inputs=[input_wide, input_deep, input_place], outputs=[output, aux_output])

model.compile(
    loss=["mse", "huber"],
    loss_weights=(0.9, 0.1),
    optimizer=keras.optimizers.Adam(learning_rate=1e-2, clipnorm=1.0),
    metrics=[["RootMeanSquaredError"], ["RootMeanSquaredError", "r2_score"]],
)
norm_layer_wide.adapt(X_wide[train])
norm_layer_deep.adapt(X_deep[train])
history = model.fit(
    (X_wide[train], X_deep[train], district[train]),
    (y[train], y[train]),
    epochs=4,
    verbose=0,
    validation_data=((X_wide[valid], X_deep[valid], district[valid]), (y[valid], y[valid])),
)
totals = model.evaluate((X_wide[valid], X_deep[valid], district[valid]), (y[valid], y[valid]),
                        return_dict=True)  # fmt: skip
y_pred_main, y_pred_aux = model.predict((X_wide[valid], X_deep[valid], district[valid]))
