"""Good or bad: padded reviews through an embedding, and as multi-hot rows with less to learn."""

import tinynet as keras  # isort: skip
import numpy as np

from tinynet.preprocessing.sequence import pad_sequences

random = np.random.default_rng(9)
max_features, maxlen = 300, 24
labels = random.integers(0, 2, 320)
reviews = [random.integers(4, max_features, random.integers(5, 40)).tolist() for _ in labels]
for review, label in zip(reviews, labels, strict=True):
    review[:3] = random.choice([[10, 11, 12], [20, 21, 22]][label], 3).tolist()

x_train = pad_sequences(reviews[:240], maxlen=maxlen, truncating="post")
x_test = pad_sequences(reviews[240:], maxlen=maxlen, truncating="post")
y_train, y_test = labels[:240].astype("float32"), labels[240:].astype("float32")

model = keras.Sequential()
model.add(keras.layers.Embedding(max_features, 8, mask_zero=True))
model.add(keras.layers.GlobalAveragePooling1D())
model.add(keras.layers.Dense(16, activation="relu"))
model.add(keras.layers.Dense(1, activation="sigmoid"))
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["acc"])
history = model.fit(x_train, y_train, epochs=5, batch_size=32, validation_split=0.2)
loss, acc = model.evaluate(x_test, y_test)
vectors = model.layers[0].get_weights()[0]

encoding = keras.layers.CategoryEncoding(num_tokens=max_features, output_mode="multi_hot")
multi_hot_train, multi_hot_test = np.array(encoding(x_train)), np.array(encoding(x_test))
curves = {}
for units in (4, 16):
    smaller = keras.Sequential(
        [
            keras.layers.Dense(
                units,
                activation="relu",
                kernel_regularizer=keras.regularizers.L1L2(l1=1e-5, l2=1e-3),
            ),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    smaller.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    fitted = smaller.fit(
        multi_hot_train,
        y_train,
        epochs=4,
        batch_size=64,
        verbose=0,
        validation_data=(multi_hot_test, y_test),
    )
    curves[units] = fitted.history["val_loss"]
probabilities = smaller.predict(multi_hot_test, batch_size=16)
