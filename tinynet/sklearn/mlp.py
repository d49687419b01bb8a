"""MLPClassifier and MLPRegressor: scikit-learn's arguments, tinynet's training."""

from __future__ import annotations

import numbers
import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import initializers, layers, losses, optimizers, random, regularizers
from ..models import Sequential
from .lbfgs import minimize
from .stopping import Convergence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from ..callbacks.base import Callback
    from ..configs.types import Array, ArrayLike, LearningRate, Named, Path
    from ..losses import Loss
    from ..optimizers.base import Optimizer

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}  # as scikit-learn calls them


class HalfSquares(losses.ElementwiseLoss):
    """l = (p - y)^2 / 2, scikit-learn's squared error."""

    @staticmethod
    def f(p, y):
        return (p - y) ** 2 / 2

    @staticmethod
    def df(p, y):
        return p - y


class _MLP(BaseEstimator):
    """What the classifier and the regressor share."""

    def _arguments(self, given):
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # ------------------------------------------------------------------------------- fitting

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike = None) -> Self:
        """Train on X (N, D), dense or sparse, and y; with `warm_start`, from the present weights.

        Args:
            sample_weight: weight per row (N,).
        """
        return self._fit(X, y, sample_weight, self.max_iter, self.warm_start, None)

    def _partial(self, X, y, sample_weight, classes=None):
        return self._fit(X, y, sample_weight, 1, True, classes, partial=True)

    def _fit(self, X, y, sample_weight, epochs, goes_on, classes, partial=False):
        self._check()
        new = not (goes_on and hasattr(self, "model_"))
        X, y = validate_data(self, X, y, accept_sparse=("csr", "csc", "coo"), multi_output=True,
                             dtype=(np.float64, np.float32), reset=new, **self._y)  # fmt: skip
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        if y.ndim == 2 and y.shape[1] == 1:
            warnings.warn("A column-vector y was passed when a 1d array was expected. Please "
                          "change the shape of y to (n_samples, ), for example using ravel().",
                          DataConversionWarning, stacklevel=3)  # fmt: skip
            y = y.ravel()
        targets = self._targets(y, new, classes)
        if self.class_weight is not None:
            balance = compute_sample_weight(self.class_weight, y)
            sample_weight = balance if sample_weight is None else sample_weight * balance
        X = X.tocsr() if hasattr(X, "tocsr") else X
        goes_on = partial and not new
        seed = 0 if goes_on else int(check_random_state(self.random_state).randint(2**31 - 1))
        with random.own_stream(seed):
            self._train(X, y, targets, sample_weight, epochs, seed, new, partial)
        return self

    def _train(self, X, y, targets, sample_weight, epochs, seed, new, partial):
        """Make the network, if `new`, and train it by the solver."""
        whole, held_out = self.solver == "lbfgs", None
        if self.early_stopping and not (partial or whole):
            X, targets, sample_weight, held_out = self._split(X, y, targets, sample_weight, seed)
        batch = min(200, X.shape[0]) if self.batch_size == "auto" else self.batch_size
        batch = X.shape[0] if whole else int(min(batch, X.shape[0]))
        if new:
            self.model_ = self._model(X.shape[1], targets)
            self.loss_curve_, self.n_iter_, self.t_ = [], 0, 0
            self.validation_scores_ = [] if held_out is not None else None
        if new or not partial:
            self.best_loss_, self.best_validation_score_ = np.inf, -np.inf
            self._penalize(sample_weight.sum() if whole and sample_weight is not None else batch)
            self.model_.compile(self._optimizer(), self._loss, device=self.device)
        if whole:
            self._minimize(X, targets, sample_weight)
        else:
            self._descend(X, targets, sample_weight, epochs, batch, held_out, partial)

    def _minimize(self, X, targets, sample_weight):
        """Train by L-BFGS; the rows' weights count by their share, as in scikit-learn."""
        if sample_weight is not None:
            sample_weight = sample_weight / sample_weight.mean()
        found = minimize(self.model_, X, targets, sample_weight, maxiter=self.max_iter,
                         maxfun=self.max_fun, gtol=self.tol)  # fmt: skip
        self.n_iter_, self.loss_ = min(found.nit, self.max_iter), float(found.fun)
        self.history_ = {"loss": [self.loss_]}
        if found.status != 0:
            warnings.warn(f"lbfgs has not converged after {found.nit} iterations: {found.message}; "
                          "more: max_iter, max_fun", ConvergenceWarning, stacklevel=5)  # fmt: skip

    def _descend(self, X, targets, sample_weight, epochs, batch, held_out, partial):
        """Train by steps on batches."""
        ends = Convergence(self, X.shape[0], held_out)
        first = self.n_iter_
        history = self.model_.fit(
            X, targets, batch, epochs, 2 if self.verbose else 0,
            [*(self.callbacks or ()), ends], shuffle=self.shuffle,
            sample_weight=sample_weight, resume=self.resume,
        )  # fmt: skip
        self.history_ = history.history
        if not (partial or ends.converged) and self.n_iter_ - first == epochs:
            warnings.warn(f"the maximum of {epochs} epochs (max_iter) was reached before the "
                          "training converged", ConvergenceWarning, stacklevel=5)  # fmt: skip

    def _split(self, X, y, targets, sample_weight, seed):
        stratify = y if isinstance(self, ClassifierMixin) and y.ndim == 1 else None
        rows, held = train_test_split(np.arange(X.shape[0]), test_size=self.validation_fraction,
                                      random_state=seed, stratify=stratify)  # fmt: skip
        weight = None if sample_weight is None else sample_weight[rows]
        return X[rows], targets[rows], weight, (X[held], y[held])

    def _check(self):
        sizes = np.atleast_1d(self.hidden_layer_sizes)
        if not all(isinstance(h, numbers.Integral) and h > 0 for h in sizes.tolist()):
            raise ValueError("hidden_layer_sizes must be integers > 0, received "
                             f"{self.hidden_layer_sizes!r}")  # fmt: skip
        stepwise = ("dropout", "batch_normalization", "callbacks", "resume")
        given = [name for name in stepwise if getattr(self, name)]
        if self.solver == "lbfgs" and given:
            raise ValueError(f'solver="lbfgs" has no steps of batches, which {", ".join(given)} '
                             'would need; use solver="adam"')  # fmt: skip
        if self.learning_rate not in ("constant", "invscaling", "adaptive"):
            raise ValueError('learning_rate must be "constant", "invscaling" or "adaptive", '
                             f"received {self.learning_rate!r}")  # fmt: skip
        size = self.batch_size
        if size != "auto" and not (isinstance(size, numbers.Integral) and size > 0):
            raise ValueError(f'batch_size must be "auto" or an integer > 0, received {size!r}')
        if not (isinstance(self.max_iter, numbers.Integral) and self.max_iter > 0):
            raise ValueError(f"max_iter must be an integer > 0, received {self.max_iter!r}")

    def _optimizer(self):
        if self.solver == "lbfgs":
            return optimizers.SGD()  # `compile` wants one; it takes no step
        if self.solver == "adam":
            return optimizers.Adam(self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        if self.solver == "sgd":
            nesterov = self.nesterovs_momentum and self.momentum > 0
            return optimizers.SGD(self.learning_rate_init, self.momentum, nesterov)
        optimizer = optimizers.get(self.solver)
        return optimizers.deserialize(optimizers.serialize(optimizer))  # one of its own

    def _penalize(self, rows):
        """Add alpha / (2 rows) sum w^2 of each kernel to the loss, which is a mean over `rows`."""
        l2 = regularizers.L2(self.alpha / (2 * rows)) if self.alpha else None
        for dense in self._dense():
            dense.kernel_regularizer = dense.kernel.regularizer = l2

    def _model(self, D, targets):
        activation = ACTIVATIONS.get(self.activation, self.activation)
        glorot = initializers.VarianceScaling(
            1 / 3 if activation == "sigmoid" else 1.0, "fan_avg", "uniform")  # fmt: skip
        dtype = "float64" if self.solver == "lbfgs" else None  # what its line search asks for
        options = {"kernel_initializer": glorot, "dtype": dtype}
        stack = [layers.Input((D,), dtype=dtype)]
        for i, units in enumerate(np.atleast_1d(self.hidden_layer_sizes).tolist(), 1):
            dense = layers.Dense(units, name=f"hidden_{i}", **options)
            if self.batch_normalization:
                stack += [dense, layers.BatchNormalization(name=f"normalization_{i}"),
                          layers.Activation(activation, name=f"activation_{i}")]  # fmt: skip
            else:
                dense.activation = layers.Dense(1, activation).activation
                stack.append(dense)
            if self.dropout:
                stack.append(layers.Dropout(self.dropout, name=f"dropout_{i}"))
        self.n_outputs_ = targets.shape[1] if targets.ndim == 2 else self._columns
        stack.append(layers.Dense(self.n_outputs_, self._last, name="outputs", **options))
        return Sequential(stack, name="mlp")

    def _outputs(self, X):
        """Return the outputs of the network for X, in float64 (N, C)."""
        check_is_fitted(self, "model_")
        X = validate_data(self, X, accept_sparse=("csr", "csc", "coo"), reset=False,
                          dtype=(np.float64, np.float32))  # fmt: skip
        X = X.tocsr() if hasattr(X, "tocsr") else X
        return self.model_.predict(X, batch_size=512, verbose=0).astype(np.float64)

    def _dense(self):
        return [layer for layer in self.model_.layers if isinstance(layer, layers.Dense)]

    coefs_ = property(lambda self: [layer.kernel.numpy() for layer in self._dense()])
    intercepts_ = property(lambda self: [layer.bias.numpy() for layer in self._dense()])
    n_layers_ = property(lambda self: len(np.atleast_1d(self.hidden_layer_sizes)) + 2)


def _solver_is_known(estimator):
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is not there with solver='lbfgs'")
    return True


class MLPClassifier(ClassifierMixin, _MLP):
    """A multi-layer perceptron that classifies; for scikit-learn.

    The arguments are those of `sklearn.neural_network.MLPClassifier`, with their defaults; `solver`
    may be any optimizer of tinynet, too. More than that:

    Args:
        dropout: share of each hidden layer's outputs that is dropped in training.
        batch_normalization: whether each hidden layer is normalized before its activation.
        class_weight: dict of label -> weight, or "balanced".
        callbacks: list of `tinynet.callbacks`.
        resume: a folder for snapshots, see `fit` of a model.
        device: "cpu", "gpu", "reference", "auto"; None: as for every model.

    `random_state` decides initial weights, order and dropout; no global stream is read or changed.

    Attributes:
        classes_, coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_scores_, n_iter_,
            t_, n_outputs_, out_activation_: as scikit-learn has them.
        model_: the Sequential.
        history_: what its `fit` measured.
    """

    classes_: Array

    _y = {}  # noqa: RUF012

    def __init__(self, hidden_layer_sizes: int | Sequence[int] = (100,), activation: Named = "relu",
                 *, solver: str | Optimizer = "adam", alpha: float = 0.0001,
                 batch_size: int | str = "auto", learning_rate: LearningRate = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200,
                 shuffle: bool = True, random_state: int | np.random.RandomState | None = None,
                 tol: float = 1e-4, verbose: bool = False, warm_start: bool = False,
                 momentum: float = 0.9, nesterovs_momentum: bool = True,
                 early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 n_iter_no_change: int = 10, max_fun: int = 15000, dropout: float = 0.0,
                 batch_normalization: bool = False,
                 class_weight: dict[Any, float] | str | None = None,
                 callbacks: Sequence[Callback] | None = None, resume: Path | None = None,
                 device: str | None = None) -> None:  # fmt: skip
        self._arguments(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @available_if(_solver_is_known)
    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike = None,
                    sample_weight: ArrayLike = None) -> Self:  # fmt: skip
        """One epoch from where training stands; the first call names all `classes`, if not in y."""
        return self._partial(X, y, sample_weight, classes)

    def _targets(self, y, new, classes):
        check_classification_targets(y)
        self._multi = type_of_target(y).startswith("multilabel")
        if y.ndim == 2 and not self._multi:
            raise ValueError(f"y should be a 1d array, got an array of shape {y.shape} instead.")
        if new:
            found = np.arange(y.shape[1]) if self._multi else np.unique(y)
            self.classes_ = found if classes is None else np.unique(classes)
        if self._multi:
            self._last, self._loss = "sigmoid", "binary_crossentropy"
            return y.toarray() if hasattr(y, "toarray") else y
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has "
                             f"{self.classes_}. 'y' has {np.unique(y)}.")  # fmt: skip
        two = len(self.classes_) <= 2
        self._columns = 1 if two else len(self.classes_)
        self._last = "sigmoid" if two else "softmax"
        self._loss = "binary_crossentropy" if two else "sparse_categorical_crossentropy"
        return np.searchsorted(self.classes_, y)

    @property
    def out_activation_(self) -> str:
        return "logistic" if self._last == "sigmoid" else "softmax"

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probability of each class (N, C), or of each label."""
        p = self._outputs(X)
        if self._multi:
            return p
        if p.shape[1] == 1:
            return np.hstack([1 - p, p])[:, : max(2, len(self.classes_))]
        return p / p.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: ArrayLike) -> Array:
        """Return the most probable class of each row, or its labels as 0 and 1."""
        p = self._outputs(X)
        if self._multi:
            return (p > 0.5).astype(int)
        best = (p[:, 0] > 0.5).astype(int) if p.shape[1] == 1 else p.argmax(axis=1)
        return self.classes_[np.minimum(best, len(self.classes_) - 1)]

    def _score_of(self, X, y):
        p = self.model_.predict(X, batch_size=512, verbose=0)
        if self._multi:
            return accuracy_score(y, p > 0.5)
        best = (p[:, 0] > 0.5).astype(int) if p.shape[1] == 1 else p.argmax(axis=1)
        return accuracy_score(np.searchsorted(self.classes_, y), best)


class MLPRegressor(RegressorMixin, _MLP):
    """A multi-layer perceptron that predicts numbers; for scikit-learn.

    The arguments are those of `sklearn.neural_network.MLPRegressor`; see MLPClassifier for the
    others, and for the attributes.

    Args:
        loss: "squared_error", "poisson", or a loss of tinynet.
    """

    _y = {"y_numeric": True}  # noqa: RUF012
    class_weight = None

    def __init__(self, loss: str | Loss = "squared_error",
                 hidden_layer_sizes: int | Sequence[int] = (100,), activation: Named = "relu", *,
                 solver: str | Optimizer = "adam", alpha: float = 0.0001,
                 batch_size: int | str = "auto", learning_rate: LearningRate = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200,
                 shuffle: bool = True, random_state: int | np.random.RandomState | None = None,
                 tol: float = 1e-4, verbose: bool = False, warm_start: bool = False,
                 momentum: float = 0.9, nesterovs_momentum: bool = True,
                 early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 n_iter_no_change: int = 10, max_fun: int = 15000, dropout: float = 0.0,
                 batch_normalization: bool = False, callbacks: Sequence[Callback] | None = None,
                 resume: Path | None = None, device: str | None = None) -> None:  # fmt: skip
        self._arguments(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @available_if(_solver_is_known)
    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike = None) -> Self:
        """One epoch from where training stands."""
        return self._partial(X, y, sample_weight)

    def _targets(self, y, new, classes):
        self._flat = y.ndim == 1
        self._last = "exponential" if self.loss == "poisson" else None
        self._loss = HalfSquares() if self.loss == "squared_error" else self.loss
        return y[:, None] if self._flat else y

    @property
    def out_activation_(self) -> str:
        return self._last or "identity"

    def predict(self, X: ArrayLike) -> Array:
        """Return the prediction for each row, (N,) or (N, outputs)."""
        p = self._outputs(X)
        return p[:, 0] if self._flat else p

    def _score_of(self, X, y):
        p = self.model_.predict(X, batch_size=512, verbose=0)
        return r2_score(y, p[:, 0] if self._flat else p)
