"""Copies by pickle and copy: independent, and they train on to the bits of the original."""

import concurrent.futures
import copy
import multiprocessing
import pickle
import threading

import copied_models as models
import joblib
import numpy as np
import pytest

import tinynet
from tinynet import callbacks, initializers, layers, losses, metrics, optimizers
from tinynet.kernels import DEVICES


def pickled(thing):
    return pickle.loads(pickle.dumps(thing))


COPIES = {"pickle": pickled, "deepcopy": copy.deepcopy, "copy": copy.copy}


def compiled(kind="sequential", device="cpu", optimizer="adam"):
    tinynet.utils.set_random_seed(3)
    model = models.MODELS[kind]()
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"],
                  weighted_metrics=["sparse_categorical_crossentropy"], device=device)  # fmt: skip
    return model


def equal(left, right):
    return len(left) == len(right) and all(map(np.array_equal, left, right))


OPTIMIZERS = {
    "adam": lambda: optimizers.Adam(
        optimizers.schedules.ExponentialDecay(0.02, 3, 0.9), amsgrad=True, clipnorm=1.0,
        use_ema=True, gradient_accumulation_steps=2),
    "adafactor": lambda: "adafactor",
    "nadam": lambda: optimizers.Nadam(0.01, weight_decay=0.01),
}  # fmt: skip


@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize(("kind", "optimizer"), [*zip(models.MODELS, OPTIMIZERS, strict=True)])
def test_copy_trains_on_to_the_same_bits(kind, optimizer, copied, device):
    original = compiled(kind, device, OPTIMIZERS[optimizer]())
    models.train(original)
    twin, still = (COPIES[copied](original) for _ in range(2))
    before = still.get_weights()
    history, weights = models.train(original)
    assert equal(still.get_weights(), before)
    assert not equal(weights, before)
    found = models.train(twin)
    assert found[0] == history
    assert equal(found[1], weights)
    assert models.train(still)[0] == history
    assert type(twin) is type(original)
    assert getattr(twin, "count", 0) == getattr(original, "count", 0)
    for model in (twin, original):  # whose weights are views of a flat vector of its own
        assert all(p.home is model.flat for p in model.weights)


def test_copies_of_models_that_are_not_trained():
    unbuilt = tinynet.Sequential([layers.Dense(3), layers.Dense(2, "softmax")])
    for copied in COPIES.values():
        twin = copied(unbuilt)
        assert not twin.built
        twin.add(layers.Dense(1))
        assert len(unbuilt.layers) == 2
        built = compiled("functional")
        twin = copied(built)
        assert equal(twin.get_weights(), built.get_weights())
        assert twin.to_json() == built.to_json()
        built.steps_taken = twin.steps_taken = 0
        tinynet.utils.set_random_seed(1)
        first = models.train(built)
        tinynet.utils.set_random_seed(1)
        assert models.train(twin)[0] == first[0]
        assert equal(twin.get_weights(), first[1])


def test_process_that_is_sent_a_model_trains_it_to_the_same_bits():
    """Spawned, not forked: whatever it has came through pickle."""
    model = compiled("sequential", "reference")
    models.train(model)
    spawned = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawned) as pool:
        history, weights = pool.submit(models.train, model).result(timeout=120)
    expected = models.train(model)
    assert history == expected[0]
    assert equal(weights, expected[1])


def test_joblib_maps_arrays_that_can_only_be_read(tmp_path):
    model = compiled("functional", "cpu")
    models.train(model)
    layer = layers.Dense(3)
    layer.build((None, 2))
    joblib.dump((model, layer), tmp_path / "model.joblib")
    twin, loaded = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    loaded.kernel.assign(np.ones((2, 3)))
    expected, found = models.train(model), models.train(twin)
    assert found[0] == expected[0]
    assert equal(found[1], expected[1])


def test_parts_come_with_what_they_are_and_without_the_models_around_them():
    model = compiled("functional")
    checkpoint = callbacks.EarlyStopping("loss", restore_best_weights=True, patience=1)
    history = model.fit(models.X, models.IDS, epochs=2, verbose=0, callbacks=[checkpoint])
    for copied in (pickled, copy.deepcopy):
        assert copied(history).history == history.history
        assert copied(checkpoint).get_state().keys() == checkpoint.get_state().keys()
        assert copied(checkpoint).best == checkpoint.best
        top = copied(model.layers[-1])
        assert equal(top.get_weights(), model.layers[-1].get_weights())
        assert np.array_equal(top(np.ones((2, 10))), model.layers[-1](np.ones((2, 10))))
        p = copied(top.kernel)
        p.assign(np.zeros(p.shape))
        assert p.grad.shape == p.shape
        assert np.any(top.kernel.numpy())
        optimizer = copied(model.optimizer)
        assert all(map(np.array_equal, optimizer.variables, model.optimizer.variables))
    # a layer far up brings none of those below it
    assert len(pickle.dumps(model.layers[-1])) < len(pickle.dumps(model)) / 2
    together, its_layer, its_optimizer = pickled((model, model.layers[-1], model.optimizer))
    assert together.layers[-1] is its_layer
    assert together.optimizer is its_optimizer
    assert together.history.model is together


@pytest.mark.parametrize("thing", [
    losses.Huber(0.3), losses.SparseCategoricalCrossentropy(from_logits=True),
    initializers.GlorotUniform(seed=4), initializers.Constant(np.eye(3)),
    optimizers.schedules.CosineDecay(0.1, 10, alpha=0.1), optimizers.SGD(0.1, momentum=0.9),
    metrics.AUC(num_thresholds=7), metrics.F1Score(), layers.Dense(3, "gelu"), layers.Input((3,)),
    tinynet.regularizers.L1L2(0.1, 0.2), tinynet.constraints.MaxNorm(2), tinynet.activations.relu,
    callbacks.ReduceLROnPlateau("loss"), callbacks.CSVLogger("x.csv"), callbacks.History(),
], ids=lambda thing: type(thing).__name__)  # fmt: skip
def test_parts_that_were_not_used(thing):
    for copied in COPIES.values():
        twin = copied(thing)
        assert type(twin) is type(thing)
        assert twin is not thing
        if hasattr(thing, "get_config"):
            assert twin.get_config().keys() == thing.get_config().keys()
            assert repr(twin.get_config()) == repr(thing.get_config())


def test_metric_counts_on():
    metric = metrics.AUC()
    metric.update_state([0, 1, 1], [0.2, 0.7, 0.1])
    twin = pickled(metric)
    assert twin.result() == metric.result()
    twin.update_state([1], [0.9])
    metric.update_state([1], [0.9])
    assert twin.result() == metric.result()


def test_copy_of_a_callback_counts_for_itself(tmp_path):
    """Its hook for batches is an attribute, bound to the callback that it was made for."""
    original = callbacks.ModelCheckpoint(str(tmp_path / "m.npz"), save_freq=1000)
    for copied in COPIES.values():
        twin = copied(original)
        twin.on_train_batch_end(0, {})
        assert (twin.batches, original.batches) == (1, 0)


def test_long_models_need_no_deep_stack():
    x = h = layers.Input((2,))
    for _ in range(150):
        h = layers.Dense(2)(h)
    graph, stack = tinynet.Model(x, h), tinynet.Sequential([layers.Input((2,))])
    for _ in range(150):
        stack.add(layers.Dense(2))
    for model in (graph, stack):
        for copied in (pickled, copy.deepcopy):
            twin = copied(model)
            assert np.array_equal(twin.predict(models.X[:3, :2]), model.predict(models.X[:3, :2]))


def test_callback_may_copy_the_model_that_trains():
    model = compiled("sequential")
    kept = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(pickled(model)))
    model.fit(models.X, models.IDS, batch_size=16, epochs=3, verbose=0, callbacks=[keep])
    assert equal(kept[-1].get_weights(), model.get_weights())
    _history, weights = models.train(kept[0], epochs=2)
    assert equal(weights, model.get_weights())


def test_another_thread_is_told_that_the_model_trains():
    model, errors = compiled("sequential"), []

    def look():
        try:
            copy.deepcopy(model)
        except RuntimeError as error:
            errors.append(str(error))

    def elsewhere(epoch, logs):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    callback = callbacks.LambdaCallback(on_epoch_end=elsewhere)
    model.fit(models.X, models.IDS, verbose=0, callbacks=[callback])
    assert len(errors) == 1
    assert "copy: sequential" in errors[0]
    assert "trained" in errors[0]
