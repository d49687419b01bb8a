"""The film's numbers: each frame's are the model's own at that moment."""

import json

import numpy as np
import pytest
import scipy.sparse
from film_pages import (
    IDS,
    PICTURES,
    PLANE,
    WIDE,
    classifier,
    data_of,
    filmed,
    numbers,
    own_parts,
    regressor,
)

import tinynet as keras
from tinynet import layers
from tinynet.callbacks import Film, GradientMonitor
from tinynet.film.moments import thinned, wanted
from tinynet.film.schedule import schedule


@pytest.mark.parametrize(
    ("steps", "epochs", "most", "due"),
    [(1, 3, 79, [1, 2, 3]), (5, 2, 79, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
     (100, 1, 3, [1, 11, 100]), (10, 50, 7, [1, 3, 10, 30, 100, 290, 500])],
)  # fmt: skip
def test_frames_are_dense_at_first_and_end_with_the_training(steps, epochs, most, due):
    found = schedule(steps, epochs, most)
    assert len(found) <= most
    assert found[0] == 1
    assert found[-1] == steps * epochs
    if most > 10:
        assert found == due
    gaps = np.diff(found)
    assert (gaps[1:-1] * 2 + steps >= gaps[:-2]).all()
    late = [at for at, gap in zip(found[1:], gaps, strict=True) if gap > steps]
    assert all(at % steps == 0 for at in late)


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_a_frame_is_the_model_of_a_fit_that_stopped_there(device, tmp_path):
    data = filmed(classifier(device=device), PLANE, IDS, tmp_path)
    assert [f["at"] for f in data["frames"]] == list(range(16))
    for epochs in (1, 2, 3):
        model = classifier(device=device)
        history = model.fit(PLANE, IDS, batch_size=8, epochs=epochs, verbose=0).history
        frame, told = data["frames"][5 * epochs], data["epochs"][epochs - 1]
        assert frame["epoch"] == told["epoch"] == epochs
        assert told["loss"] == history["loss"][-1]
        assert told["accuracy"] == history["accuracy"][-1]
        loss, accuracy = model.evaluate(PLANE, IDS, verbose=0)
        assert frame["logs"]["loss"] == pytest.approx(loss, rel=1e-5)
        assert frame["logs"]["accuracy"] == pytest.approx(accuracy)
        _, _, *bounds = [None, None, *data["picture"]["bounds"]]
        side = data["picture"]["side"]
        across, up = (np.linspace(*bounds[k : k + 2], side) for k in (0, 2))
        grid = np.array([[a, b] for b in up[::-1] for a in across])
        p = model.predict(grid, verbose=0)
        same = numbers(frame["class"], "u1") == p.argmax(axis=1)
        assert same.mean() > 0.999  # but for ties
        np.testing.assert_allclose(numbers(frame["value"], "u1") / 254, p.max(axis=1), atol=0.003)
        own = model.predict(PLANE, verbose=0)
        assert frame["wrong"] == (own.argmax(axis=1) != IDS).sum()
        np.testing.assert_array_equal(numbers(frame["said"], "u2"), own.argmax(axis=1))
        np.testing.assert_allclose(numbers(frame["right"], "u1") / 254, own[np.arange(40), IDS],
                                   atol=0.003)  # fmt: skip
        W, b = model.layers[0].get_weights()
        hidden = np.tanh(grid.reshape(side, side, 2)[::2, ::2].reshape(-1, 2) @ W + b)
        units = numbers(frame["units"], "i1").reshape(6, -1) / 127
        tops = np.array(frame["tops"])
        np.testing.assert_allclose(units * tops[:, None], hidden.T, atol=0.005)
        np.testing.assert_allclose(tops, np.abs(hidden).max(axis=0), rtol=1e-5)


def test_gradients_and_updates_are_those_of_the_monitor(tmp_path):
    model = classifier()
    monitor = GradientMonitor(PLANE, IDS)
    data = filmed(model, PLANE, IDS, tmp_path, callbacks=[monitor])
    assert data["arrays"] == ["first/kernel", "last/kernel"]
    for epoch in range(3):
        frame = data["frames"][5 * epoch + 5]
        for k, path in enumerate(data["arrays"]):
            for name, key in (("gradient_norm", "norm"), ("update_ratio", "ratio")):
                expected = monitor.history[f"{name}/{path}"][epoch]
                assert frame[key][k] == pytest.approx(expected, rel=1e-3)
        assert frame["dead"] == {"first": monitor.history["dead_units/first"][epoch]}
    gradients = classifier().gradients(PLANE, IDS)
    norm = np.linalg.norm(gradients["first/kernel"])
    assert data["frames"][0]["norm"][0] == pytest.approx(norm, rel=1e-3)


def test_a_moment_is_the_microscopes_step(tmp_path):
    model = classifier()
    path = keras.microscope.film(model, PLANE, IDS, tmp_path / "film.html", epochs=2, batch_size=8,
                                 verbose=0)  # fmt: skip
    data = data_of(path)
    assert all(f["moment"] for f in data["frames"])  # of a small model every frame opens
    parts = {**data["shared"], **own_parts(data["frames"][-1])}
    step = json.loads(parts["DATA"])
    trace = model.trace(PLANE[:12], IDS[:12])
    assert step["loss"]["before"] == trace.loss.before
    assert step["loss"]["after"] == trace.loss.after
    assert step["count"] == step["rows"] == 12
    first = {**data["shared"], **own_parts(data["frames"][0])}
    assert json.loads(first["DATA"])["loss"]["before"] == classifier().trace(
        PLANE[:12], IDS[:12]).loss.before  # fmt: skip
    assert set(parts) == {"BODY", "TITLE", "CSS", "JS", "HEADER", "DETAILS", "META", "STRIP",
                          "STOPS", "HOW", "SOURCES", "WORDS", "DATA"}  # fmt: skip
    assert "keras.microscope" in parts["WORDS"]
    assert 'id="check"' not in parts["STOPS"]


def test_weights_are_those_of_the_start_and_their_change(tmp_path):
    model = classifier((8, 8))
    data = filmed(model, PICTURES, IDS, tmp_path)
    first, last = data["frames"][0], data["frames"][-1]
    start = numbers(first["start"], "f4").reshape(6, 64)
    np.testing.assert_array_equal(start, classifier((8, 8)).layers[1].kernel.numpy().T)
    assert not numbers(first["units"], "i1").any()
    change = numbers(last["units"], "i1").reshape(6, 64) / 127 * np.array(last["tops"])[:, None]
    np.testing.assert_allclose(start + change, model.layers[1].kernel.numpy().T, atol=4e-4)
    picture = data["picture"]
    assert (picture["kind"], picture["shape"], picture["shown"]) == ("samples", [8, 8], 40)
    cells = picture["low"] + numbers(picture["cells"], "u1") / 254 * (
        picture["high"] - picture["low"]
    )
    np.testing.assert_allclose(cells.reshape(40, 8, 8), PICTURES, atol=0.003)


def test_a_curve_and_a_cloud_are_predictions(tmp_path):
    x, y = PLANE[:, :1], np.sin(3 * PLANE[:, 0])
    model = regressor(1)
    data = filmed(model, x, y, tmp_path)
    points = numbers(data["picture"]["points"], "f4")
    assert points[0] < x.min() < x.max() < points[-1]
    curve = numbers(data["frames"][-1]["curves"], "f4")
    np.testing.assert_allclose(curve, model.predict(points[:, None], verbose=0)[:, 0], rtol=1e-4,
                               atol=1e-6)  # fmt: skip
    assert "wrong" not in data["frames"][-1]
    model = regressor(5, 2)
    data = filmed(model, WIDE, WIDE[:, :2], tmp_path)
    np.testing.assert_allclose(numbers(data["frames"][-1]["outputs"], "f4"),
                               model.predict(WIDE, verbose=0)[:, 0], rtol=1e-5)  # fmt: skip
    np.testing.assert_array_equal(numbers(data["targets"], "f4"), WIDE[:, 0])


@pytest.mark.parametrize("from_logits", [False, True])
def test_one_output_that_is_a_probability(from_logits, tmp_path):
    loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)
    model = regressor(2, 1, "linear" if from_logits else "sigmoid", loss, metrics=["accuracy"])
    data = filmed(model, PLANE, IDS > 1, tmp_path, sample_weight=np.linspace(0, 2, 40))
    p = model.predict(PLANE, verbose=0)[:, 0]
    p = 1 / (1 + np.exp(-p)) if from_logits else p
    frame = data["frames"][-1]
    assert data["kind"] == "binary"
    assert frame["wrong"] == ((p > 0.5) != (IDS > 1)).sum()
    right = np.where(IDS > 1, p, 1 - p)
    np.testing.assert_allclose(numbers(frame["right"], "u1") / 254, right, atol=0.003)
    loss = model.evaluate(PLANE, IDS > 1, sample_weight=np.linspace(0, 2, 40), verbose=0)[0]
    assert frame["logs"]["loss"] == pytest.approx(loss, rel=1e-5)


def test_doubles_one_hot_targets_and_a_functional_model(tmp_path):
    keras.utils.set_random_seed(1)
    x = keras.Input((5,), dtype="float64")
    h = layers.Dense(6, "relu", dtype="float64")(x)
    normal = layers.BatchNormalization(dtype="float64")(h)
    h = layers.Add(dtype="float64")([h, layers.Dense(6, dtype="float64")(normal)])
    model = keras.Model(x, layers.Dense(4, "softmax", dtype="float64")(h))
    model.compile("sgd", "categorical_crossentropy", device="reference")
    data = filmed(model, WIDE, np.eye(4)[IDS], tmp_path)
    assert data["kind"] == "classes"
    assert data["picture"]["kind"] == "samples"
    assert len(data["arrays"]) == 3
    said = model.predict(WIDE, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(numbers(data["frames"][-1]["said"], "u2"), said)


def test_sparse_rows_sequences_and_models_without_units(tmp_path):
    sparse = scipy.sparse.csr_matrix(WIDE * (WIDE > 0))
    data = filmed(classifier((5,)), sparse, IDS, tmp_path)
    cells = data["picture"]["low"] + numbers(data["picture"]["cells"], "u1") / 254 * (
        data["picture"]["high"] - data["picture"]["low"])  # fmt: skip
    np.testing.assert_allclose(cells.reshape(40, 5), sparse.toarray(), atol=0.01)
    keras.utils.set_random_seed(1)
    model = keras.Sequential([layers.Input((3, 5)), layers.Dense(4, "relu", name="first"),
                              layers.Dense(2, "softmax")])  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy", device="reference")
    x = WIDE[:36].reshape(12, 3, 5)
    data = filmed(model, x, np.arange(36).reshape(12, 3) % 2, tmp_path)
    assert (data["kind"], data["picture"], data["units"]["shown"]) == (None, None, 4)
    assert data["frames"][-1]["dead"].keys() == {"first"}
    model = keras.Sequential([layers.Input((2,)), layers.BatchNormalization()])
    model.compile("sgd", "mse", device="reference")
    data = filmed(model, PLANE, PLANE, tmp_path)
    assert (data["units"], data["arrays"]) == (None, [])


def test_a_training_to_nan_is_shown_as_such(tmp_path):
    model = regressor(1, loss="mse")
    model.optimizer.learning_rate = 1e20
    x = PLANE[:, :1]
    with np.errstate(all="ignore"):
        data = filmed(model, x, x[:, 0], tmp_path, epochs=4)
    last = data["frames"][-1]
    assert last["logs"]["loss"] is None
    assert last["norm"] == [None, None]
    assert np.isnan(numbers(last["curves"], "f4")).all()
    assert (numbers(last["units"], "i1") == -128).all()
    assert own_parts(last)["STOPS"]


def test_which_moments_are_kept():
    assert wanted(1000, 80) == set(range(80))
    few = sorted(wanted(300_000, 80))
    assert len(few) == 10
    assert (few[0], few[-1]) == (0, 79)
    assert max(np.diff(few)) <= 9
    assert thinned({0: 5, 1: 5, 4: 5, 9: 5}, 20) == [0, 1, 4, 9]
    assert thinned({0: 5, 1: 5, 4: 5, 9: 5}, 15) == [0, 4, 9]
    assert thinned({0: 5, 9: 5}, 1) == [0, 9]


def test_what_a_film_refuses():
    with pytest.raises(ValueError, match=r"Film: frames must be an integer >= 8, received 3"):
        Film(PLANE, IDS, frames=3)
    with pytest.raises(ValueError, match=r"Film: frames must be an int <= 400, received 401"):
        Film(PLANE, IDS, frames=401)
    with pytest.raises(ValueError, match=r"Film needs data to look at: Film\(x, y\)"):
        Film(None, None)
    with pytest.raises(RuntimeError, match="compile"):
        keras.microscope.film(keras.Sequential([layers.Dense(1)]), PLANE, IDS)
    a, b = keras.Input((2,)), keras.Input((2,))
    two = keras.Model([a, b], layers.Dense(1)(layers.add([a, b])))
    two.compile("sgd", "mse", device="reference")
    with pytest.raises(ValueError, match="a film is of a model of one input, received 2"):
        keras.microscope.film(two, [PLANE, PLANE], IDS, verbose=0)
