"""Two answers from one text: how urgent, and for which department."""

import tinynet as keras  # isort: skip
import numpy as np

from tinynet import layers

num_tags, num_words, num_departments = 6, 40, 4
random = np.random.default_rng(6)
title_data = random.integers(0, 2, size=(256, num_words)).astype("float32")
body_data = random.poisson(0.5, size=(256, num_words)).astype("float32")
tags_data = random.integers(0, 2, size=(256, num_tags)).astype("float32")
priority_targets = (title_data[:, :5].mean(axis=1) + 0.1 * random.normal(size=256)).clip(0, 1)
dept_targets = (body_data[:, :3].sum(axis=1) + tags_data[:, 0]).astype(int) % num_departments

title = keras.Input(shape=(num_words,), name="title")
body = keras.Input(shape=(num_words,), name="body")
tags = keras.Input(shape=(num_tags,), name="tags")
x = layers.concatenate(
    [layers.Dense(16, activation="relu")(title), layers.Dense(12, activation="relu")(body), tags]
)
x = layers.Dense(24, activation="swish")(x)
priority_pred = layers.Dense(1, activation="sigmoid", name="priority")(x)
department_pred = layers.Dense(num_departments, name="department")(x)
model = keras.Model(
    inputs=[title, body, tags], outputs={"priority": priority_pred, "department": department_pred}
)
model.compile(
    optimizer=keras.optimizers.RMSprop(1e-3),
    loss={
        "priority": keras.losses.MeanSquaredError(),
        "department": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    },
    loss_weights={"priority": 1.0, "department": 0.2},
    metrics={"priority": ["mae"], "department": ["accuracy"]},
)
inputs = {"title": title_data, "body": body_data, "tags": tags_data}
targets = {"priority": priority_targets, "department": dept_targets}
history = model.fit(inputs, targets, epochs=4, batch_size=32, verbose=0, validation_split=0.25)
scores = model.evaluate(inputs, targets, return_dict=True, verbose=0)
answers = model.predict(inputs)
urgent, department = answers["priority"], np.argmax(answers["department"], axis=1)
print(urgent[:3, 0], department[:3], sorted(scores))
