"""Small pictures of clothes: logits out of the network, a softmax behind it, a checkpoint."""

import tinynet as keras  # isort: skip
import matplotlib.pyplot as plt
import numpy as np

class_names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat"]
random = np.random.default_rng(1)
labels = random.integers(0, 5, 500).astype("uint8")
images = random.integers(0, 90, (500, 14, 14)).astype("uint8")
for image, label in zip(images, labels, strict=True):
    image[2 * label : 2 * label + 4, 3:9] += 100
(train_images, train_labels), (test_images, test_labels) = (
    (images[:400], labels[:400]),
    (images[400:], labels[400:]),
)
train_images = train_images / 255.0
test_images = test_images / 255.0

plt.figure(figsize=(4, 4))
for i in range(4):
    plt.subplot(2, 2, i + 1)
    plt.imshow(train_images[i], cmap=plt.cm.binary)
    plt.xlabel(class_names[train_labels[i]])
plt.close()

model = keras.Sequential(
    [
        keras.layers.Flatten(input_shape=(14, 14)),
        keras.layers.Dense(48, activation="relu"),
        keras.layers.Dense(5),
    ]
)
model.compile(
    optimizer="adam",
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
checkpoint = keras.callbacks.ModelCheckpoint(
    "best.weights.h5",
    monitor="val_accuracy",
    mode="max",
    save_best_only=True,
    save_weights_only=True,
)
history = model.fit(
    train_images,
    train_labels,
    epochs=5,
    validation_data=(test_images, test_labels),
    callbacks=[checkpoint],
)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=2)
model.load_weights("best.weights.h5")
best_loss, best_acc = model.evaluate(test_images, test_labels, verbose=0)

probability_model = keras.Sequential([model, keras.layers.Softmax()])
predictions = probability_model.predict(test_images)
guess = class_names[np.argmax(predictions[0])]
img = np.expand_dims(test_images[1], 0)
single = probability_model.predict(img)
print(guess, single.round(3), "\nTest accuracy:", test_acc)
