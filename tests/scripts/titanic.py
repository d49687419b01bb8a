"""Who survived: missing values, words for categories, a layer that normalizes."""

import tinynet as keras  # isort: skip
import numpy as np
import pandas as pd

random = np.random.default_rng(3)
n = 360
train = pd.DataFrame(
    {
        "Pclass": random.integers(1, 4, n),
        "Sex": random.choice(["male", "female"], n),
        "Age": random.normal(30, 12, n).clip(1, 80).round(),
        "SibSp": random.poisson(0.5, n),
        "Fare": random.exponential(30, n).round(2),
        "Embarked": random.choice(["S", "C", "Q", None], n, p=[0.7, 0.18, 0.1, 0.02]),
    }
)
train.loc[random.random(n) < 0.2, "Age"] = np.nan
lived = 2.0 * (train["Sex"] == "female") - 0.7 * (train["Pclass"] - 2) - 0.8
train["Survived"] = (lived + random.normal(size=n) > 0).astype(int)

print(train.isnull().sum())
train["Age"] = train["Age"].fillna(train["Age"].median())
train["Embarked"] = train["Embarked"].fillna("S")
train["Sex"] = train["Sex"].map({"male": 0, "female": 1})
train = pd.get_dummies(train, columns=["Embarked"], dtype=float)
X = train.drop(columns="Survived").astype("float32")
y = train.pop("Survived")

normalizer = keras.layers.Normalization(axis=-1)
normalizer.adapt(np.array(X))
means = np.array(normalizer.mean).ravel()

model = keras.Sequential(
    [
        normalizer,
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dense(12, activation="elu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer="nadam", loss="binary_crossentropy", metrics=["accuracy"])
plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, verbose=1)
history = model.fit(
    X[:280],
    y[:280],
    validation_data=(X[280:], y[280:]),
    epochs=8,
    batch_size=40,
    callbacks=[plateau],
)
rates = history.history["learning_rate"]
model.summary()
count = model.count_params()
probability = model.predict(X[280:]).ravel()
submission = pd.DataFrame({"Id": X.index[280:], "Survived": (probability > 0.5).astype(int)})
submission.to_csv("submission.csv", index=False)
