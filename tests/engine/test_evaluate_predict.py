"""`evaluate`, `predict` and the single steps, against Keras."""

import numpy as np
import pytest
from fit_models import IDS, REAL, VIDS, VX, WEIGHTS, X, classifier, inject, normalized, regression
from oracle import keras_case

import tinynet
from tinynet import Sequential, layers


@keras_case
def keras_evaluations(keras):
    return evaluations(keras)


def evaluations(k):
    model = inject(normalized(k))
    model.compile(
        k.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"],
        weighted_metrics=["sparse_categorical_accuracy"],
    )  # fmt: skip
    result = {
        "all": model.evaluate(X, IDS, batch_size=16, verbose=0),
        "steps": model.evaluate(X, IDS, batch_size=16, steps=2, verbose=0),
        "weighted": model.evaluate(X, IDS, sample_weight=WEIGHTS, verbose=0),
        "predict": model.predict(X, batch_size=16, verbose=0),
        "predict steps": model.predict(X, batch_size=16, steps=2, verbose=0),
        "predict_on_batch": model.predict_on_batch(X),
        "call": model(X[:3]),
        "call training": model(X[:3], training=True),
        "test_on_batch": model.test_on_batch(X[:9], IDS[:9], sample_weight=WEIGHTS[:9]),
        "train": [
            model.train_on_batch(X[i : i + 11], IDS[i : i + 11], sample_weight=WEIGHTS[:11])
            for i in (0, 7, 30)
        ],
        "test": model.test_on_batch(VX, VIDS),
        "class weights": model.train_on_batch(X, IDS, class_weight={1: 3.0, 2: 0.1}),
        "in the end": model.predict(VX, verbose=0),
    }
    named = model.evaluate(X, IDS, verbose=0, return_dict=True)
    result |= {f"named {key}": value for key, value in named.items()}
    named = model.train_on_batch(X, IDS, return_dict=True)
    return result | {f"trained {key}": value for key, value in named.items()}


def test_evaluate_predict_and_single_batches_are_those_of_keras():
    expected, ours = keras_evaluations(), evaluations(tinynet)
    assert set(expected) == set(ours)
    for key, value in expected.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-4, atol=1e-6, err_msg=key)
    assert type(ours["all"]) is list
    assert all(type(v) is float for v in ours["all"])


def test_evaluate_without_metrics_is_one_number():
    model = inject(regression(tinynet))
    model.compile("sgd", "mse")
    loss = model.evaluate(X, REAL, verbose=0)
    assert type(loss) is float
    assert loss == pytest.approx(np.mean((model.predict(X, verbose=0) - REAL) ** 2), rel=1e-5)
    assert model.test_on_batch(X, REAL) == pytest.approx(loss, rel=1e-5)
    assert model.evaluate(X, REAL, verbose=0, return_dict=True) == {"loss": loss}


def test_predict_needs_no_compile_and_no_particular_batches():
    model = inject(classifier(tinynet))
    whole = model.predict(X, batch_size=50, verbose=0)
    assert whole.shape == (50, 3)
    assert whole.dtype == np.float32
    for batch_size in (1, 7, 32, 49, 500):
        np.testing.assert_allclose(
            model.predict(X, batch_size=batch_size, verbose=0), whole, rtol=1e-5
        )
    with pytest.warns(UserWarning, match="the data ended after 2 batches"):
        np.testing.assert_allclose(model.predict(X, steps=3, batch_size=25, verbose=0), whole,
                                   rtol=1e-5)  # fmt: skip


def test_results_are_the_callers():
    """What was returned does not change with the next call."""
    model = inject(classifier(tinynet))
    for call in (lambda x: model.predict(x, verbose=0), model.predict_on_batch, model):
        first = call(X[:7])
        kept = first.copy()
        call(X[7:14])
        np.testing.assert_array_equal(first, kept)


def test_a_saturated_output_keeps_its_gradient():
    """Here we differ from Keras on JAX, whose loss ends at -log(1e-7) = 16.1 with gradient 0."""
    model = Sequential([layers.Input((2,)), layers.Dense(2, activation="softmax")])
    model.set_weights([np.array([[30.0, 0], [0, 30.0]]), np.zeros(2)])
    model.compile(tinynet.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    x = np.array([[1.0, 0.0]])
    assert model.evaluate(x, np.array([1]), verbose=0) == pytest.approx(30.0, rel=1e-6)
    model.fit(x, np.array([1]), verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], [[29, 1], [0, 30]], rtol=1e-6)


@keras_case
def keras_generator_batches(keras):
    return generator_batches(keras)


def generator_batches(k):
    """The losses are the means of the numbers of the batches that were taken."""
    ones = {"use_bias": False, "kernel_initializer": "ones"}
    model = k.Sequential([k.layers.Input((1,)), k.layers.Dense(1, **ones)])
    model.compile(k.optimizers.SGD(0.0), "mae")
    zero = np.zeros((1, 1))

    def batches():
        return ((np.full((1, 1), i), zero) for i in range(100))

    history = model.fit(zero, zero, epochs=3, validation_data=batches(), validation_steps=3,
                        verbose=0).history  # fmt: skip
    one_by_one = batches()
    alone = [model.evaluate(one_by_one, steps=1, verbose=0) for _ in range(2)]
    return {"of 3": 3 * np.array(history["val_loss"]), "alone": np.array(alone)}


def test_which_batches_of_a_generator_come():
    theirs, ours = keras_generator_batches(), generator_batches(tinynet)
    assert ours["of 3"].tolist() == [0 + 1 + 2, 3 + 4 + 5, 6 + 7 + 8]
    assert ours["alone"].tolist() == [0, 1]
    np.testing.assert_allclose(theirs["of 3"], [0 + 1 + 2, 0 + 1 + 3, 0 + 1 + 4], rtol=1e-6)
    assert theirs["alone"].tolist() == [0, 2]
