"""Which size and which batch: scikit-learn tries them all over three folds."""

import tinynet as keras  # isort: skip
import numpy as np
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

X, y = make_classification(
    n_samples=180, n_features=8, n_informative=5, n_classes=3, random_state=5
)


def create_model(X, y, units=8, activation="relu"):
    model = keras.Sequential()
    model.add(keras.layers.Input(shape=X.shape[1:]))
    model.add(keras.layers.Dense(units, activation=activation))
    model.add(keras.layers.Dense(y.shape[1], activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(0.02))
    return model


model = keras.wrappers.SKLearnClassifier(
    create_model, model_kwargs={"units": 4}, fit_kwargs={"epochs": 3, "verbose": 0}
)
param_grid = {
    "model_kwargs": [{"units": 6}, {"units": 12, "activation": "tanh"}],
    "fit_kwargs": [{"epochs": 4, "batch_size": size, "verbose": 0} for size in (10, 30)],
}
grid = GridSearchCV(estimator=model, param_grid=param_grid, cv=3)
grid_result = grid.fit(X, y)
means = grid_result.cv_results_["mean_test_score"]
stds = grid_result.cv_results_["std_test_score"]
for mean, stdev, param in zip(means, stds, grid_result.cv_results_["params"], strict=True):
    print(f"{mean:f} ({stdev:f}) with: {param}")
best = grid_result.best_score_

pipeline = Pipeline([("scale", StandardScaler()), ("mlp", model)])
score = pipeline.fit(X[:120], y[:120]).score(X[120:], y[120:])
predicted = np.array(grid.predict(X)).ravel()
