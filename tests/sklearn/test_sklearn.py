"""tinynet.sklearn: scikit-learn's own checks, its tools, and its MLP's numbers."""

import multiprocessing
import pickle
import random
import warnings
from concurrent.futures import ProcessPoolExecutor

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn import set_config
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn_models import made

import tinynet
from tinynet.sklearn import (
    MLPClassifier,
    MLPRegressor,
    SKLearnClassifier,
    SKLearnRegressor,
    SKLearnTransformer,
)

pytestmark = pytest.mark.filterwarnings("ignore", "default::DeprecationWarning")
ESTIMATORS = [
    MLPClassifier(max_iter=60, device="reference"), MLPRegressor(max_iter=60, device="reference"),
    SKLearnClassifier(made, fit_kwargs={"epochs": 60}),
    SKLearnRegressor(made, fit_kwargs={"epochs": 1}), SKLearnTransformer(made),
    MLPClassifier(solver="lbfgs", max_iter=100, device="reference"),
    MLPRegressor(solver="lbfgs", max_iter=100, device="reference"),
]  # fmt: skip


def expected_to_fail(estimator):
    """What scikit-learn declares for its own MLP: the batches are others where rows are repeated.

    There it is declared for the solvers and seeds that fail, on dense data; the check of sparse
    data is the same check. L-BFGS has no batches, and passes.
    """
    batches = isinstance(estimator, (MLPClassifier, MLPRegressor)) and estimator.solver != "lbfgs"
    if not batches:
        return {}
    reason = "rows of weight 0 take a place in a batch, so the steps are others"
    return {f"check_sample_weight_equivalence_on_{kind}_data": reason for kind in
            ("dense", "sparse")}  # fmt: skip


@pytest.fixture(scope="module")
def process():
    """A process for what joblib maps from a file.

    Twice, after thousands of tests of a session, joblib.load lost its place in the file of the
    wrapped classifier (KeyError: 4); in thousands of runs by themselves, never.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as one:
        yield one


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_to_fail)
def test_checks(estimator, check, process, monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", "reference")
    if check.keywords == {"readonly_memmap": True}:
        process.submit(check, estimator).result()
        return
    if check.func.__name__.endswith("_invariance"):
        # Its 1e-7 is meant for float64; in float32 one row's sums may round otherwise than many's.
        monkeypatch.setattr("tinynet.config._floatx", "float64")
    check(estimator)


@pytest.fixture(autouse=True)
def _on_the_reference(monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", "reference")


X, Y = make_classification(200, 8, n_informative=5, n_classes=3, random_state=0)
QUICK = {"max_iter": 30, "random_state": 0, "learning_rate_init": 0.01}


def test_grid_search_on_two_processes_gives_the_scores_of_one():
    grids = {
        MLPClassifier(**QUICK): {"hidden_layer_sizes": [(4,), (8, 4)], "dropout": [0, 0.2],
                                 "alpha": [0, 0.1]},
        SKLearnClassifier(made, fit__epochs=5, random_state=1): {"model__units": [2, 9],
                                                                 "fit__batch_size": [16, 32]},
    }  # fmt: skip
    for estimator, grid in grids.items():
        found = [GridSearchCV(estimator, grid, cv=3, n_jobs=n).fit(X, Y) for n in (1, 2)]
        assert len(set(found[0].cv_results_["mean_test_score"])) > 1
        np.testing.assert_array_equal(*[f.cv_results_["mean_test_score"] for f in found])
        np.testing.assert_array_equal(*[f.best_estimator_.predict_proba(X) for f in found])


@pytest.mark.slow
def test_grid_search_on_a_dask_cluster_gives_the_scores_of_one_process():
    distributed = pytest.importorskip("dask.distributed")
    search = GridSearchCV(MLPClassifier(**QUICK), {"alpha": [0, 0.1], "dropout": [0, 0.2]}, cv=3)
    alone = clone(search).fit(X, Y)
    cluster = distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, joblib.parallel_backend("dask"):
        together = clone(search).fit(X, Y)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(together.cv_results_[name], alone.cv_results_[name])
    np.testing.assert_array_equal(together.predict_proba(X), alone.predict_proba(X))


def test_as_good_as_their_mlp():
    """Not the same numbers, but as good: means over folds, on two sets and both kinds."""
    for data in (load_iris, load_breast_cancer):
        x, y = data(return_X_y=True)
        scores = [
            cross_val_score(make_pipeline(StandardScaler(), kind(
                (20,), max_iter=150, learning_rate_init=0.01, random_state=0)), x, y, cv=4)
            for kind in (MLPClassifier, TheirClassifier)
        ]  # fmt: skip
        assert abs(scores[0].mean() - scores[1].mean()) < 0.03
    x, y = make_regression(200, 6, noise=5, random_state=0)
    y = y / y.std()
    scores = [
        r2_score(y, kind(hidden_layer_sizes=(30,), max_iter=200, learning_rate_init=0.01,
                         random_state=0).fit(x, y).predict(x))
        for kind in (MLPRegressor, TheirRegressor)
    ]  # fmt: skip
    assert min(scores) > 0.97


@pytest.mark.parametrize("rule", ["constant", "invscaling", "adaptive"])
def test_first_steps_are_those_of_their_mlp(rule):
    """The same first weights, no shuffling: the losses agree epoch by epoch."""
    options = {
        "hidden_layer_sizes": (6,), "activation": "tanh", "solver": "sgd", "alpha": 0.3,
        "learning_rate": rule, "learning_rate_init": 0.05, "shuffle": False, "batch_size": 50,
        "random_state": 0, "n_iter_no_change": 2, "max_iter": 1, "warm_start": False,
    }  # fmt: skip
    x, y = X[:, :4], Y
    ours, theirs = from_one_start(MLPClassifier(**options), TheirClassifier(**options), x, y, 8)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_[-8:], rtol=2e-4)


def from_one_start(ours, theirs, x, y, max_iter, scale=0.1):
    """Both, trained from the same first weights."""
    for estimator in (ours, theirs):
        estimator.fit(x, y)
    shapes = [a.shape for pair in zip(theirs.coefs_, theirs.intercepts_, strict=True) for a in pair]
    start = [scale * np.cos(np.arange(np.prod(shape))).reshape(shape) for shape in shapes]
    copies = [a.copy() for a in start]
    theirs.coefs_, theirs.intercepts_ = copies[0::2], copies[1::2]
    ours.model_.set_weights(start)
    for estimator in (ours, theirs):
        estimator.set_params(warm_start=True, max_iter=max_iter)
        estimator.t_, estimator.loss_curve_, estimator.n_iter_ = 0, [], 0
        estimator.fit(x, y)
    return ours, theirs


def test_lbfgs_is_that_of_their_mlp():
    """In float64 from the same start: loss, weights and predictions after 15 iterations."""
    options = {"hidden_layer_sizes": (6,), "activation": "tanh", "solver": "lbfgs", "alpha": 0.3,
               "random_state": 0, "max_iter": 1}  # fmt: skip
    lengths, height = make_regression(100, 5, random_state=0)
    for kinds, x, y in (
        ((MLPClassifier, TheirClassifier), X, Y),
        ((MLPClassifier, TheirClassifier), X, Y > 0),
        ((MLPRegressor, TheirRegressor), lengths, height / height.std()),
    ):
        ours, theirs = from_one_start(*(kind(**options) for kind in kinds), x, y, 15, scale=0.3)
        assert ours.n_iter_ == theirs.n_iter_ == 15
        np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-9)
        for name in ("coefs_", "intercepts_"):
            for a, b in zip(getattr(ours, name), getattr(theirs, name), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-6)
        for estimator in (ours, theirs):  # goes on with the penalty that it has now
            estimator.set_params(alpha=30.0, max_iter=5).fit(x, y)
        np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-6)


def test_lbfgs_ends_when_there_is_nothing_to_gain():
    smooth = {"activation": "tanh", "solver": "lbfgs", "alpha": 1, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        found = MLPClassifier((8,), max_iter=500, **smooth).fit(X, Y)
    assert found.n_iter_ < 500
    assert found.score(X, Y) > 0.7
    assert not hasattr(found, "partial_fit")
    with pytest.warns(ConvergenceWarning, match="not converged after 2 iterations"):
        MLPClassifier((8,), solver="lbfgs", random_state=0, max_iter=2).fit(X, Y)
    heavy = MLPClassifier((8,), max_iter=500, **smooth)
    weight = np.where(Y == 2, 0.0, 3.0)  # rows of weight 0 are as if they were not there
    heavy.fit(X, Y, sample_weight=weight)
    alone = MLPClassifier((8,), max_iter=500, **smooth)
    alone.fit(X[Y < 2], Y[Y < 2])
    assert (heavy.predict(X) == 2).mean() == 0
    assert (heavy.predict(X) == alone.predict(X)).mean() > 0.9


def test_random_state_touches_no_stream():
    np.random.seed(3)  # noqa: NPY002
    states = tinynet.random.get_state(), random.getstate()
    first = MLPClassifier(**QUICK, dropout=0.3).fit(X, Y)
    assert str(tinynet.random.get_state()) == str(states[0])
    assert random.getstate() == states[1]
    tinynet.utils.set_random_seed(9)
    again = MLPClassifier(**QUICK, dropout=0.3).fit(X, Y)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    other = MLPClassifier(**{**QUICK, "random_state": 1}, dropout=0.3).fit(X, Y)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_tools_around_it():
    names = np.array(["low", "middle", "high"])[Y]
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((12,), **QUICK)).fit(X, names)
    assert pipeline.score(X, names) > 0.7
    assert set(pipeline.classes_) == {"low", "middle", "high"}
    dense = MLPClassifier(**QUICK).fit(X, Y).predict_proba(X)
    sparse = MLPClassifier(**QUICK).fit(scipy.sparse.csr_matrix(X), Y).predict_proba(X)
    np.testing.assert_allclose(sparse, dense, rtol=1e-4)
    calibrated = CalibratedClassifierCV(MLPClassifier(**QUICK), cv=3).fit(X, names)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    copied = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(copied.predict(X), pipeline.predict(X))
    labels = np.stack([Y == 0, X[:, 0] > 0], axis=1).astype(int)
    several = MLPClassifier((16,), **{**QUICK, "max_iter": 80}).fit(X, labels)
    assert several.predict(X).shape == (200, 2)
    assert several.score(X, labels) > 0.7
    features = make_pipeline(SKLearnTransformer(made, fit_kwargs={"epochs": 20}, random_state=0),
                             LogisticRegression())  # fmt: skip
    assert features.fit(X, Y).predict(X).shape == (200,)


def test_goes_on():
    whole = MLPClassifier(**QUICK, shuffle=False)
    parts = MLPClassifier(**QUICK, shuffle=False)
    whole.set_params(max_iter=3).fit(X, Y)
    for _ in range(3):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-6)
    with pytest.raises(ValueError, match="classes not in"):
        parts.partial_fit(X, Y + 1)
    warm = MLPClassifier(**QUICK, warm_start=True).fit(X, Y)
    n, before = warm.n_iter_, warm.loss_
    warm.fit(X, Y)
    assert warm.n_iter_ > n
    assert warm.loss_ < before


def test_weights_of_rows_and_classes():
    weight = np.where(Y == 2, 0.0, 1.0)
    never = MLPClassifier(**QUICK).fit(X, Y, sample_weight=weight)
    assert (never.predict(X) == 2).mean() < 0.05
    heavy = MLPClassifier(**QUICK, class_weight={0: 1, 1: 1, 2: 50}).fit(X, Y)
    assert (heavy.predict(X) == 2).mean() > 0.4
    set_config(enable_metadata_routing=True)
    try:
        estimator = MLPClassifier(**QUICK).set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=False)
        search = GridSearchCV(estimator, {"alpha": [0.1]}, cv=3)
        search.fit(X, Y, sample_weight=weight)
        assert (search.predict(X) == 2).mean() < 0.05
    finally:
        set_config(enable_metadata_routing=False)


def test_early_stopping_keeps_the_best():
    estimator = MLPClassifier((20,), early_stopping=True, n_iter_no_change=3, max_iter=200,
                              learning_rate_init=0.02, random_state=0).fit(X, Y)  # fmt: skip
    assert estimator.n_iter_ < 200
    assert len(estimator.validation_scores_) == estimator.n_iter_
    assert max(estimator.validation_scores_) == estimator.best_validation_score_
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MLPClassifier(max_iter=2, random_state=0).fit(X, Y)
    assert [w.category for w in caught] == [ConvergenceWarning]


@pytest.mark.parametrize(("options", "message"), [
    ({"solver": "lbfgs", "dropout": 0.1}, "no steps of batches, which dropout would need"),
    ({"batch_size": 0}, "batch_size must be"),
    ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be"), ({"max_iter": 0}, "max_iter"),
    ({"learning_rate": "fast"}, "learning_rate must be"), ({"solver": "adamm"}, "did you mean"),
])  # fmt: skip
def test_arguments_are_refused_when_it_is_fitted(options, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**options).fit(X, Y)


def test_wrappers():
    from tinynet import wrappers

    assert wrappers.SKLearnClassifier is SKLearnClassifier
    model = made(X, np.eye(3)[Y])
    estimator = SKLearnClassifier(model, fit_kwargs={"epochs": 30}, random_state=0).fit(X, Y)
    assert estimator.score(X, Y) > 0.7
    assert model.steps_taken == 0  # a clone was trained
    assert len(estimator.history_.history["loss"]) == 30
    more = estimator.set_params(warm_start=True).fit(X, Y, epochs=2)
    assert more.model_.optimizer.iterations == 32 * 7
    routed = SKLearnClassifier(made, model__units=3, fit__epochs=1).fit(X, Y)
    assert routed.model_.layers[0].units == 3
    with pytest.raises(TypeError, match="unexpected argument 'units'"):
        SKLearnClassifier(made, units=3).fit(X, Y)
    with pytest.raises(RuntimeError, match="not compiled"):
        SKLearnRegressor(tinynet.Sequential([tinynet.layers.Dense(1)])).fit(X, Y)
