"""Estimators around a model of your own: a classifier, a regressor, a transformer."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import random
from ..models import Model, clone_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike

PREFIXES = ("model__", "fit__")


class _Wrapped(BaseEstimator):
    """What the three share: `keras.wrappers.SKLBase`, with routed parameters and a random_state.

    Args:
        model: a compiled Model, which is cloned before it is trained; or a function that returns
            one, and takes X, y and the parameters of `model_kwargs`.
        warm_start: train the model of the last `fit` further.
        model_kwargs: arguments of the function.
        fit_kwargs: arguments of the model's `fit`; those that are passed to `fit` win.
        random_state: decides initial weights, order and dropout; no global stream is changed.
        **routed: model__units=5 stands for model_kwargs={"units": 5}, fit__epochs=3 for
            fit_kwargs={"epochs": 3}; a grid search can set them.

    Attributes:
        model_: the trained model.
        history_: its History.
    """

    def __init__(self, model: Model | Callable[..., Model], warm_start: bool = False,
                 model_kwargs: dict[str, Any] | None = None,
                 fit_kwargs: dict[str, Any] | None = None,
                 random_state: int | np.random.RandomState | None = None,
                 **routed: Any) -> None:  # fmt: skip
        self.model, self.warm_start, self.random_state = model, warm_start, random_state
        self.model_kwargs, self.fit_kwargs = model_kwargs, fit_kwargs
        for name, value in routed.items():
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments, routed ones among them."""
        routed = {name: value for name, value in vars(self).items()
                  if not (name.endswith("_") or name.startswith("_"))}  # fmt: skip
        return {**super().get_params(deep=False), **routed}

    def set_params(self, **params: Any) -> None:
        """Set arguments, routed ones among them."""
        for name in [name for name in params if name.startswith(PREFIXES)]:
            setattr(self, name, params.pop(name))  # also those that were not given before
        return super().set_params(**params)

    def __sklearn_clone__(self) -> Self:
        own = copy.copy(self.get_params())
        if isinstance(self.model, Model):
            own["model"] = copy.deepcopy(self.model)
        return type(self)(**own)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def _options(self, kind, given):
        prefix = f"{kind}__"
        routed = {name.removeprefix(prefix): value for name, value in vars(self).items()
                  if name.startswith(prefix)}  # fmt: skip
        return {**(given or {}), **routed}

    def fit(self, X: ArrayLike, y: ArrayLike = None, **kwargs: Any) -> Self:
        """Train a model on X and y; `kwargs` are arguments of the model's `fit`."""
        for name in self.get_params().keys() - super().get_params().keys():
            if not name.startswith(PREFIXES):
                raise TypeError(f"{type(self).__name__}: unexpected argument {name!r}; expected "
                                "model__NAME or fit__NAME")  # fmt: skip
        X, y = self._checked(X, y)
        if y.ndim == 2 and y.shape[1] == 1:
            warnings.warn("A column-vector y was passed when a 1d array was expected",
                          DataConversionWarning, stacklevel=2)  # fmt: skip
            y = y.ravel()
        y = self._encoded(y)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with random.own_stream(seed):
            if not (self.warm_start and hasattr(self, "model_")):
                self.model_ = self._made(X, y)
            options = {"verbose": 0, **self._options("fit", self.fit_kwargs), **kwargs}
            self.history_ = self.model_.fit(X, y, **options)
        return self

    def _checked(self, X, y):
        return validate_data(self, X, y, multi_output=True, y_numeric=self._numeric)

    _numeric = True

    def _made(self, X, y):
        if isinstance(self.model, Model):
            model = clone_model(self.model)
        elif callable(self.model):
            model = self.model(X=X, y=y, **self._options("model", self.model_kwargs))
        else:
            raise TypeError(f"{type(self).__name__}: model must be a Model or a function that "
                            f"returns one, received {self.model!r}")  # fmt: skip
        if model.optimizer is None or model.loss is None:
            raise RuntimeError(f"{type(self).__name__}: the model is not compiled: call "
                               "model.compile(optimizer=..., loss=...)")  # fmt: skip
        return model

    def _encoded(self, y):
        self._flat = y.ndim == 1
        return y[:, None] if self._flat else y

    def _outputs(self, X):
        check_is_fitted(self, "model_")
        return self.model_.predict(validate_data(self, X, reset=False), verbose=0)

    def predict(self, X: ArrayLike) -> Array:
        """Return the model's outputs for X, (N,) where y was."""
        p = self._outputs(X)
        return p[:, 0] if self._flat else p


class SKLearnClassifier(ClassifierMixin, _Wrapped):
    """A model as a classifier: y becomes one column per class, 0 or 1."""

    classes_: Array

    __doc__ += _Wrapped.__doc__.partition("\n")[2]
    _numeric = False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # how good it becomes is the model's affair
        return tags

    def _encoded(self, y):
        kind = type_of_target(y, raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise ValueError("Only binary and multiclass target types are supported. Unknown label "
                             f"type: {kind}")  # fmt: skip
        self.classes_ = np.unique(y)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return (y[:, None] == self.classes_).astype(float)

    def decision_function(self, X: ArrayLike) -> Array:
        """Return the model's outputs (N, C); of two classes, what the second one has more (N,)."""
        p = self._outputs(X)
        return p[:, 1] - p[:, 0] if p.shape[1] == 2 else p

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the model's outputs (N, C): probabilities, if its last layer makes them."""
        return self._outputs(X)

    def predict(self, X: ArrayLike) -> Array:
        """Return the class of the largest output of each row."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]


class SKLearnRegressor(RegressorMixin, _Wrapped):
    """A model as a regressor."""

    __doc__ += _Wrapped.__doc__.partition("\n")[2]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # as a classifier's
        return tags


class SKLearnTransformer(TransformerMixin, _Wrapped):
    """A model as a transformer: `transform` returns its outputs. Without y, the targets are X."""

    __doc__ += _Wrapped.__doc__.partition("\n")[2]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _checked(self, X, y):
        if y is None:
            X = validate_data(self, X)
            return X, X
        return super()._checked(X, y)

    def transform(self, X: ArrayLike) -> Array:
        """Return the model's outputs for X."""
        return self._outputs(X)
