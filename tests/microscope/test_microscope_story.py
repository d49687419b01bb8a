"""The story's numbers, which the page's script reads, beside the engine's own."""

import json

import numpy as np
import pytest
from microscope_again import CASES, X, compiled, data_of, dense, page_of, softmax_case

import tinynet
from tinynet import Model, layers
from tinynet.microscope import embed, page


def arrays_of(data):
    return {key: embed.decode(entry) for key, entry in data["arrays"].items()}


@pytest.mark.parametrize("which", CASES)
def test_worst_is_the_sample_with_the_largest_loss(which, tmp_path):
    model, y, _ = CASES[which]()
    data = data_of(page_of(model, X, y, tmp_path))
    one_by_one = [model.trace(X[n : n + 1], y[n : n + 1]).loss.values[0] for n in range(len(X))]
    if which != "softmax":  # batch statistics and masks are of the batch
        assert data["story"]["worst"] == int(np.argmax(one_by_one))
    values = model.trace(X, y).loss.values
    assert data["story"]["worst"] == int(values.argmax())


@pytest.mark.parametrize("which", ["smoothed", "sigmoid", "linear"])
def test_the_answers_after_are_those_of_a_trained_model(which, tmp_path):
    model, y, _ = CASES[which]()
    data = data_of(page_of(model, X, y, tmp_path))
    get, loss = arrays_of(data), data["loss"]
    np.testing.assert_allclose(get[loss["p"]], model.predict(X, verbose=0), rtol=1e-12)
    before = {p.path: p.numpy().astype(float) for p in model.trainable_weights}
    model.train_on_batch(X, y)
    np.testing.assert_allclose(get[loss["p_after"]], model.predict(X, verbose=0), rtol=1e-12)
    again = model.trace(X, y).loss
    np.testing.assert_allclose(get[loss["values_after"]], again.values, rtol=1e-12)
    for step, p in zip(data["story"]["steps"], model.trainable_weights, strict=True):
        assert step["path"] == p.path
        moved = np.linalg.norm(p.numpy() - before[p.path])
        assert step["step"] == pytest.approx(moved, rel=1e-9)
        size = np.linalg.norm(before[p.path])
        assert step["ratio"] == (pytest.approx(moved / size, rel=1e-9) if size else None)


def test_the_answers_after_see_the_same_masks(tmp_path):
    """With dropout and batch statistics the second look is the same one, at the new weights."""
    model, y, _ = softmax_case()
    data = data_of(page_of(model, X, y, tmp_path))
    get, loss = arrays_of(data), data["loss"]
    assert get[loss["values_after"]].sum() == pytest.approx(loss["after"], rel=1e-12)
    assert get[loss["values"]].sum() == pytest.approx(loss["before"], rel=1e-12)
    p = get[loss["p_after"]][np.arange(12), y]
    np.testing.assert_allclose(-np.log(p) / 12, get[loss["values_after"]], rtol=1e-9)


def drawn(model, x, y, tmp_path):
    data = data_of(page_of(model, x, y, tmp_path))
    names = [layer["name"] for layer in data["layers"]]
    return [([names[L] for L in c["layers"]], c["from"], c["units"]) for c in
            data["story"]["columns"]], data  # fmt: skip


def test_layers_that_keep_units_stand_in_one_column(tmp_path):
    model, y, _ = softmax_case()
    columns, data = drawn(model, X, y, tmp_path)
    assert columns == [([], [], 6), (["a", "bn", "drop"], [0], 7), (["b"], [1], 5),
                       (["c"], [2], 4)]  # fmt: skip
    assert data["story"]["columns"][1]["out"] == data["layers"][3]["x"]  # what b reads
    assert data["story"]["first"] == 0


def test_a_graph_has_all_its_lines(tmp_path):
    tinynet.utils.set_random_seed(1)
    i = layers.Input((6,))
    h = layers.Dense(5, "tanh", name="h")(i)
    g = layers.Dense(5, "tanh", name="g")(h)
    model = Model(i, layers.Dense(4, "softmax", name="o")(layers.Add(name="sum")([h, g])))
    model.compile("adam", "sparse_categorical_crossentropy")
    columns, _ = drawn(model, X, np.arange(12) % 4, tmp_path)
    assert columns == [([], [], 6), (["h"], [0], 5), (["g"], [1], 5), (["sum"], [1, 2], 5),
                       (["o"], [3], 4)]  # fmt: skip


def test_sequences_are_drawn_whole(tmp_path):
    stack = [layers.Embedding(9, 3, name="e", dtype="float64"),
             layers.GlobalAveragePooling1D(name="mean", dtype="float64"),
             dense(4, "softmax", "c")]  # fmt: skip
    model = compiled(stack, "adam", "sparse_categorical_crossentropy", shape=(7,))
    x = np.random.default_rng(0).integers(0, 9, (12, 7))
    columns, data = drawn(model, x, np.arange(12) % 4, tmp_path)
    assert columns == [([], [], 7), (["e"], [0], None), (["mean"], [1], 3), (["c"], [2], 4)]
    assert data["story"]["first"] == 2


def test_nothing_to_follow_where_no_dense_layer_learns(tmp_path):
    stack = [layers.BatchNormalization(name="bn", dtype="float64"), dense(4, "softmax", "c")]
    model = compiled(stack, "adam", "sparse_categorical_crossentropy")
    model.layers[-1].trainable = False
    _, data = drawn(model, X, np.arange(12) % 4, tmp_path)
    assert data["story"]["first"] is None


def test_a_large_page_has_the_columns_that_the_samples_blame(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE_BYTES", 420_000)
    rng = np.random.default_rng(1)
    x, y = rng.random((8, 200)).astype("float32"), np.arange(8) % 3
    stack = [layers.Dense(120, "relu", name="a"), layers.Dense(3, "softmax", name="c")]
    model = compiled(stack, "adam", "sparse_categorical_crossentropy", "float32", (200,))
    data = data_of(page_of(model, x, y, tmp_path, entries=1))
    trace, told = model.trace(x, y), data["story"]["columns_after"]
    key = told["after"]
    assert key is not None
    entry = data["arrays"][key]
    np.testing.assert_array_equal(entry["j"], np.unique(np.abs(trace.layers[0].dz).argmax(axis=1)))
    np.testing.assert_array_equal(embed.decode(entry),
                                  trace.parameters["a/kernel"].after[:, entry["j"]])  # fmt: skip
    W = trace.parameters["a/kernel"].before
    if told["w"] is not None:
        np.testing.assert_array_equal(embed.decode(data["arrays"][told["w"]]), W[:, entry["j"]])
    assert told["above"] is None  # W of the layer above is there whole


def test_a_moment_has_what_goes_in_and_out_of_the_units_that_it_follows():
    rng = np.random.default_rng(1)
    x, y = rng.random((6, 50)).astype("float32"), np.arange(6) % 3
    stack = [layers.Dense(60, "tanh", name="a"), layers.Dropout(0.2), layers.Dense(70, name="b"),
             layers.Dense(3, "softmax", name="c")]  # fmt: skip
    model = compiled(stack, "adam", "sparse_categorical_crossentropy", "float32", (50,))
    data = json.loads(page.moment(model, x, y, most=30_000)["DATA"])
    arrays, told, trace = data["arrays"], data["story"]["columns_after"], model.trace(x, y)
    units = np.unique(np.abs(trace.layers[0].dz).argmax(axis=1))
    for name, path, at in (("w", "a/kernel", np.s_[:, units]), ("above", "b/kernel", np.s_[units])):
        np.testing.assert_array_equal(embed.decode(arrays[told[name]]),
                                      trace.parameters[path].before[at])  # fmt: skip
