"""Estimators for scikit-learn: pipelines, grid searches, calibration, its checks.

`MLPClassifier` and `MLPRegressor` take scikit-learn's arguments, and more. `SKLearnClassifier`,
`SKLearnRegressor` and `SKLearnTransformer` make an estimator of a model of your own.
"""

from ..configs.extras import needs

with needs("sklearn", "tinynet.sklearn needs scikit-learn"):
    import sklearn

from .mlp import MLPClassifier, MLPRegressor
from .wrapped import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

__all__ = ["MLPClassifier", "MLPRegressor", "SKLearnClassifier", "SKLearnRegressor",
           "SKLearnTransformer"]  # fmt: skip
