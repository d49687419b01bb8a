"""Which customers leave: a table with categories, scaled, and early stopping."""

import tinynet as keras  # isort: skip
import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from tinynet.callbacks import EarlyStopping

random = np.random.default_rng(11)
n = 400
df = pd.DataFrame(
    {
        "CreditScore": random.integers(350, 850, n),
        "Geography": random.choice(["France", "Spain", "Germany"], n),
        "Gender": random.choice(["Female", "Male"], n),
        "Age": random.integers(18, 80, n),
        "Balance": random.exponential(60_000, n),
        "IsActiveMember": random.integers(0, 2, n),
    }
)
leaves = (df["Age"] - 45) / 12 - df["IsActiveMember"] + (df["Geography"] == "Germany")
df["Exited"] = (leaves + random.normal(size=n) > 0).astype(int)

X = pd.get_dummies(df.drop("Exited", axis=1), columns=["Geography", "Gender"], drop_first=True)
y = df["Exited"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)

classifier = keras.Sequential(
    [
        keras.Input(shape=(X_train.shape[1],)),
        keras.layers.Dense(16, kernel_initializer="he_uniform"),
        keras.layers.BatchNormalization(),
        keras.layers.Activation("relu"),
        keras.layers.Dense(8, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
classifier.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.01),
    loss="binary_crossentropy",
    metrics=[
        "accuracy",
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
    ],
)
stop = EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
history = classifier.fit(
    X_train,
    y_train,
    batch_size=32,
    epochs=12,
    validation_data=(X_test, y_test),
    callbacks=[stop],
    verbose=2,
)
results = pd.DataFrame(history.history)
best_epoch, stopped = stop.best_epoch, stop.stopped_epoch
y_pred = classifier.predict(X_test) > 0.5
cm = confusion_matrix(y_test, y_pred)
print(results.round(3).tail(), cm, sep="\n")
