"""TensorBoard: the event files, read back by the tensorboard package, hold what fit measured."""

import json
import sys

import numpy as np
import pytest

import tinynet as keras
from tinynet import layers
from tinynet.callbacks import GradientMonitor, TensorBoard

pytest.importorskip("tensorboard", reason="needs the tensorboard package")

RANDOM = np.random.default_rng(3)
X, Y = RANDOM.standard_normal((60, 4)).astype("float32"), RANDOM.integers(0, 3, 60)


def build():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(5, "relu", name="hidden"),
            layers.Dense(3, "softmax", name="top"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def read(folder):
    """Tag -> {step: array}."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        kept = events.Tensors(tag)
        found[tag] = {event.step: make_ndarray(event.tensor_proto) for event in kept}
        assert len(found[tag]) == len(kept)
    plugins = {tag: events.SummaryMetadata(tag).plugin_data.plugin_name for tag in found}
    return found, plugins


def test_logs_of_every_epoch(tmp_path):
    history = build().fit(X, Y, 20, epochs=3, verbose=0, validation_split=0.2,
                          callbacks=[TensorBoard(tmp_path)]).history  # fmt: skip
    train, plugins = read(tmp_path / "train")
    validation, _ = read(tmp_path / "validation")
    assert set(train) == {"keras", "epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    assert set(validation) == {"epoch_loss", "epoch_accuracy"}
    for part, prefix in ((train, ""), (validation, "val_")):
        for name in ("loss", "accuracy"):
            values = part[f"epoch_{name}"]
            assert list(values) == [0, 1, 2]
            np.testing.assert_allclose(list(values.values()), history[prefix + name], rtol=1e-6)
    np.testing.assert_allclose(list(train["epoch_learning_rate"].values()), 0.001, rtol=1e-6)
    assert plugins["epoch_loss"] == "scalars"


def test_batches(tmp_path):
    losses = []
    own = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(logs["loss"])
    )
    callback = TensorBoard(tmp_path, update_freq=2, write_graph=False, write_steps_per_second=True)
    build().fit(X, Y, 20, epochs=2, verbose=0, callbacks=[callback, own])
    train, _ = read(tmp_path / "train")
    assert list(train["batch_loss"]) == [2, 4, 6]  # of six batches
    np.testing.assert_allclose(list(train["batch_loss"].values()), losses[1::2], rtol=1e-6)
    assert all(value > 0 for value in train["epoch_steps_per_second"].values())
    assert "keras" not in train
    assert not (tmp_path / "validation").exists()


def test_gradients_and_histograms(tmp_path):
    callback = TensorBoard(tmp_path, histogram_freq=2, sample=(X, Y), rows=30)
    monitor, model = GradientMonitor(X, Y, rows=30), build()
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[callback, monitor]).history
    train, plugins = read(tmp_path / "train")
    names = [name for name in history if "/" in name]
    assert "update_ratio/hidden/kernel" in names
    assert names == list(monitor.history)
    for name, values in monitor.history.items():
        np.testing.assert_allclose(list(train[name].values()), values, rtol=1e-5)
    kernel = train["hidden/kernel/histogram"]
    assert list(kernel) == [0, 2]
    counts, edges = np.histogram(model.get_layer("hidden").kernel.numpy(), 30)
    np.testing.assert_allclose(kernel[2], np.stack([edges[:-1], edges[1:], counts], 1), rtol=1e-5)
    assert plugins["hidden/kernel/histogram"] == "histograms"
    assert train["gradients/hidden/kernel"][2][:, 2].sum() == 20
    outputs = train["outputs/hidden"][2]
    assert outputs[:, 2].sum() == 30 * 5  # zeros are back among them
    assert (np.diff(outputs[:, :2].ravel()) >= -1e-12).all()


def test_graph(tmp_path):
    from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def

    a = layers.Input((4,), name="in")
    model = keras.Model(a, layers.Add(name="sum")([layers.Dense(4, name="d")(a), a]))
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0, callbacks=[TensorBoard(tmp_path)])
    train, plugins = read(tmp_path / "train")
    assert plugins["keras"] == "graph_keras_model"
    graph = keras_model_to_graph_def(json.loads(train["keras"][0].item()))
    inputs = {node.name.split("/")[-1]: len(node.input) for node in graph.node}
    assert inputs == {"in": 0, "d": 1, "sum": 2}


def test_training_is_the_same_to_the_last_bit(tmp_path):
    plain = build()
    plain.fit(X, Y, epochs=2, verbose=0)
    watched = build()
    callback = TensorBoard(tmp_path, histogram_freq=1, sample=(X, Y))
    history = watched.fit(X, Y, epochs=2, verbose=0, callbacks=[callback]).history
    assert history == plain.history.history
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("options", "message"), [
    ({"update_freq": 0}, "update_freq must be .* received 0"),
    ({"histogram_freq": -1}, "histogram_freq must be an int >= 0, received -1"),
    ({"profile_batch": 2}, "profile_batch is not supported, received 2"),
    ({"sample": X}, r"sample: expected \(x, y\) .* received ndarray"),
])  # fmt: skip
def test_bad_arguments(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        TensorBoard(tmp_path, **options)


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(ImportError, match=r'pip install "tinynet\[tensorboard\]"'):
        TensorBoard(tmp_path)
