"""What does not look like the rest: an autoencoder, its two halves, and a threshold."""

import tinynet as keras  # isort: skip
import numpy as np

from tinynet import layers
from tinynet.models import Model

random = np.random.default_rng(4)
time = np.linspace(0, 2 * np.pi, 32)
normal = np.sin(time + random.normal(size=(240, 1)) * 0.3) * 0.4 + 0.5
strange = np.sign(np.sin(3 * time + random.normal(size=(30, 1)))) * 0.4 + 0.5
normal += random.normal(size=normal.shape) * 0.02
x_train, x_test = normal[:200].astype("float32"), normal[200:].astype("float32")

input_img = keras.Input(shape=(32,))
encoded = layers.Dense(16, activation="relu")(input_img)
encoded = layers.Dense(4, activation="relu", activity_regularizer=keras.regularizers.l1(1e-5))(
    encoded
)
decoded = layers.Dense(16, activation="relu")(encoded)
decoded = layers.Dense(32, activation="sigmoid")(decoded)
autoencoder = Model(input_img, decoded)
encoder = Model(input_img, encoded)
encoded_input = keras.Input(shape=(4,))
decoder = Model(encoded_input, autoencoder.layers[-1](autoencoder.layers[-2](encoded_input)))

autoencoder.compile(optimizer="adam", loss="mae")
history = autoencoder.fit(
    x_train,
    x_train,
    epochs=8,
    batch_size=20,
    shuffle=True,
    validation_data=(x_test, x_test),
    verbose=0,
)
codes = encoder.predict(x_test)
rebuilt = decoder.predict(codes)
whole = autoencoder.predict(x_test)
assert np.allclose(rebuilt, whole, atol=1e-6)

train_loss = np.mean(np.abs(autoencoder.predict(x_train) - x_train), axis=1)
threshold = np.mean(train_loss) + 2 * np.std(train_loss)
strange_loss = np.array(
    keras.losses.mean_absolute_error(strange.astype("float32"), autoencoder(strange))
)
found = (strange_loss > threshold).mean()
print("Threshold:", threshold, "found:", found)
