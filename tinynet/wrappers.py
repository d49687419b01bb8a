"""Keras's wrappers for scikit-learn, see `tinynet.sklearn`."""

from .sklearn import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]
