"""The network of two hundred lines computes what tinynet computes, step by step and in `fit`."""

import ast
import functools
import importlib.util
import itertools
import math
import pathlib
import re
import sys

import numpy as np
import pytest

import tinynet
from tinynet import kernels
from tinynet.layers import Dense, Dropout, Input

PATH = pathlib.Path(__file__).parents[2] / "examples/two_hundred_lines.py"
D, SIZES, C = 12, (16, 8), 4
RATE, SEEDS = 0.3, (7, 8)  # of the two Dropouts

spec = importlib.util.spec_from_file_location("two_hundred_lines", PATH)
small = importlib.util.module_from_spec(spec)
spec.loader.exec_module(small)

both_devices = pytest.mark.parametrize("device", ["reference", "cpu"])
with_and_without_dropout = pytest.mark.parametrize("dropout", [False, True], ids=["plain", "drop"])


class DrawsLike:
    """In a generator's place: numbers that make Dropout drop what tinynet drops in that step."""

    def __init__(self, seed):
        self.seed, self.step = seed, 0

    def random(self, shape):
        mask = np.empty(shape)
        reference = kernels.load("reference")
        reference.dropout_mask(RATE, (self.seed, 0), self.step, 0, mask=mask)
        self.step += 1
        return np.where(mask == 0, 0.0, RATE)  # u < RATE drops, u >= RATE keeps


def network(dropout=False):
    random = np.random.default_rng(2)
    layers = []
    for inputs, units, seed in zip((D, SIZES[0]), SIZES, SEEDS, strict=True):
        layers += [small.Dense(small.he_uniform(random, inputs, units)), small.ReLU()]
        layers += [small.Dropout(RATE, DrawsLike(seed))] if dropout else []
    layers.append(small.Dense(small.glorot_uniform(random, SIZES[1], C)))
    return small.Network(layers)


def twin(network, device, dropout=False, rate=0.001):
    """tinynet's model with the same weights."""
    layers = [Input((D,))]
    for units, seed in zip(SIZES, SEEDS, strict=True):
        layers.append(Dense(units, activation="relu", dtype="float64"))
        layers += [Dropout(RATE, seed=seed, dtype="float64")] if dropout else []
    layers.append(Dense(C, activation="softmax", dtype="float64"))
    model = tinynet.Sequential(layers)
    model.compile(
        tinynet.optimizers.Adam(rate), "sparse_categorical_crossentropy",
        metrics=["accuracy"], device=device,
    )  # fmt: skip
    model.set_weights([w.copy() for w in network.weights])
    return model


def data(rows, wrong=0.0, seed=0):
    """Rows whose class can be learnt, but for a share of wrong labels."""
    x = np.random.default_rng(seed).normal(size=(rows, D))
    labels = (x[:, :C] + x[:, C : 2 * C] * x[:, -C:]).argmax(axis=1)
    random = np.random.default_rng(seed + 1)
    drawn = random.random(rows) < wrong
    labels[drawn] = random.integers(0, C, drawn.sum())
    return x, labels


def close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


# ------------------------------------------------------------------------- equal to tinynet


@both_devices
@with_and_without_dropout
def test_fifty_steps_are_tinynets(device, dropout):
    ours = network(dropout)
    model, optimizer = twin(ours, device, dropout), small.Adam(ours.weights)
    first = [w.copy() for w in ours.weights]
    x, labels = data(320)
    losses = []
    for i in range(50):
        rows = np.random.default_rng(i).permutation(len(x))[: 32 if i % 5 else 7]
        loss = ours.train_step(x[rows], labels[rows], optimizer)
        losses.append((loss, model.train_on_batch(x[rows], labels[rows])[0]))
    close(*zip(*losses, strict=True))
    close(ours.weights, model.get_weights())
    assert all(np.abs(w - start).max() > 0.01 for w, start in zip(ours.weights, first, strict=True))
    close(ours.evaluate(x, labels), model.evaluate(x, labels, verbose=0))
    how = {"reference": "eagerly, kernel by kernel", "cpu": "recorded once and replayed"}
    assert model.explain_execution().startswith(how[device])


def batches_of(x, labels, size, random):
    """Batches without end, in the order of `fit`."""
    while True:
        order = random.permutation(len(x))
        for start in range(0, len(x), size):
            rows = order[start : start + size]
            yield x[rows], labels[rows]


@both_devices
@pytest.mark.parametrize(("epochs", "stops"), [(60, True), (9, False)], ids=["stops", "ends"])
@with_and_without_dropout
def test_fit_is_tinynets_with_early_stopping(device, epochs, stops, dropout, capsys):
    train, valid, size, patience = data(200, wrong=0.3), data(60, wrong=0.3, seed=5), 32, 3
    ours = network(dropout)
    model, optimizer = twin(ours, device, dropout, 0.01), small.Adam(ours.weights, 0.01)
    random = np.random.default_rng(3)
    history = small.fit(ours, optimizer, train, valid, epochs, size, patience, random)
    stopping = tinynet.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    theirs = model.fit(
        batches_of(*train, size, np.random.default_rng(3)), steps_per_epoch=7, epochs=epochs,
        validation_data=valid, callbacks=[stopping], verbose=0,
    ).history  # fmt: skip
    close(zip(*history, strict=True), [theirs[k] for k in ("loss", "val_loss", "val_accuracy")])
    close(ours.weights, model.get_weights())

    losses = [valid_loss for _, valid_loss, _ in history]
    best = int(np.argmin(losses))
    assert best == stopping.best_epoch
    assert len(history) == (best + 1 + patience if stops else epochs)
    assert 0 < best < len(history) - 1
    assert ours.evaluate(*valid) == (losses[best], history[best][2])  # the best weights are back
    lines = capsys.readouterr().out.splitlines()
    assert lines[best] == (
        f"epoch {best + 1}: loss {history[best][0]:.4f}, "
        f"validation {losses[best]:.4f} {history[best][2]:.4f}"
    )
    assert len(lines) == len(history)


def test_fit_shows_every_row_once_an_epoch_in_a_new_order():
    seen = []

    class Watched(small.Network):
        def train_step(self, x, labels, optimizer):
            seen.append((x[:, 0], labels))
            return super().train_step(x, labels, optimizer)

    ours = Watched(network().layers)
    x, labels = np.zeros((23, D)), np.arange(23) % C
    x[:, 0] = np.arange(23)
    random = np.random.default_rng(0)
    small.fit(ours, small.Adam(ours.weights), (x, labels), (x, labels), 2, 5, 9, random)
    assert [len(rows) for rows, _ in seen] == [5, 5, 5, 5, 3] * 2
    for rows, labels in seen:
        np.testing.assert_array_equal(labels, rows % C)
    first, second = (np.concatenate([rows for rows, _ in e]) for e in (seen[:5], seen[5:]))
    assert sorted(first) == sorted(second) == list(range(23))
    assert (first != second).any()
    assert (np.diff(first) < 0).any()


def test_fit_without_an_epoch_or_without_an_improvement_keeps_the_weights():
    for rows, epochs in ((data(20), 0), ((np.full((4, D), np.nan), np.zeros(4, int)), 2)):
        ours = network()
        start = ours.weights[0].copy()
        random = np.random.default_rng(0)
        history = small.fit(ours, small.Adam(ours.weights), rows, rows, epochs, 8, 5, random)
        assert len(history) == epochs
        assert epochs or np.array_equal(ours.weights[0], start)


# ----------------------------------------------------------------- gradients and first weights


@with_and_without_dropout
def test_gradients_are_finite_differences(dropout):
    ours = network(dropout)
    x, labels = data(9)
    masked = [layer for layer in ours.layers if isinstance(layer, small.Dropout)]

    def forward():
        for layer in masked:
            layer.random.step = 0  # the same masks again
        return small.softmax_cross_entropy(ours.forward(x, training=True), labels)

    _, dz = forward()
    gradients = ours.backward(dz)
    for layer in reversed(ours.layers):
        dz = layer.backward(dz)
    assert len(masked) == 2 * dropout
    assert all((layer.mask == 0).any() for layer in masked)
    for array, gradient in zip([*ours.weights, x], [*gradients, dz], strict=True):
        moved, h = np.zeros_like(array), 1e-6
        for i in np.ndindex(array.shape):
            value = array[i]
            array[i] = value + h
            up, _ = forward()
            array[i] = value - h
            down, _ = forward()
            array[i] = value
            moved[i] = (up - down) / (2 * h)
        assert gradient.shape == array.shape
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose(gradient, moved, rtol=1e-6, atol=1e-9)


def test_cross_entropy_by_hand_and_of_huge_logits():
    # e^2, e^1, e^-1 = 7.389056, 2.718282, 0.367879, their sum 10.475217; both rows the same
    loss, dz = small.softmax_cross_entropy(np.array([[2.0, 1.0, -1.0]] * 2), np.array([0, 0]))
    assert loss == pytest.approx(math.log(10.475217) - 2, rel=1e-6)
    expected = np.array([7.389056 / 10.475217 - 1, 2.718282 / 10.475217, 0.367879 / 10.475217]) / 2
    np.testing.assert_allclose(dz, [expected] * 2, rtol=1e-5)
    loss, dz = small.softmax_cross_entropy(np.array([[0.0, 1e4]]), np.array([0], np.uint8))
    assert loss == 1e4
    np.testing.assert_array_equal(dz, [[-1, 1]])


def test_a_layer_of_zeros_has_no_slope_at_the_bend():
    relu = small.ReLU()
    np.testing.assert_array_equal(relu.forward(np.array([[-1.0, 0.0, 2.0]]), True), [[0, 0, 2]])
    np.testing.assert_array_equal(relu.backward(np.full((1, 3), 5.0)), [[0, 0, 5]])


def test_dropout_of_its_own_draws():
    layer, x = small.Dropout(0.3, np.random.default_rng(0)), np.full((400, 250), 2.0)
    y = layer.forward(x, training=True)
    dropped = (y == 0).mean()
    assert abs(dropped - 0.3) < 5 * math.sqrt(0.3 * 0.7 / x.size)
    np.testing.assert_allclose(y[y != 0], 2 / 0.7)
    np.testing.assert_array_equal(layer.backward(x), y)
    assert (layer.forward(x, training=True) != y).any()
    np.testing.assert_array_equal(layer.forward(x, training=False), x)
    np.testing.assert_array_equal(layer.backward(x), x)


@pytest.mark.parametrize(
    ("ours", "theirs", "variance"),
    [
        (small.he_uniform, tinynet.initializers.HeUniform, 2 / 300),
        (small.glorot_uniform, tinynet.initializers.GlorotUniform, 2 / (300 + 200)),
    ],
    ids=["he", "glorot"],
)
def test_first_weights_have_the_variance_of_the_formula(ours, theirs, variance):
    W = ours(np.random.default_rng(0), 300, 200)
    assert W.shape == (300, 200)
    assert W.dtype == np.float64
    # of n uniform numbers: the mean's deviation is root(v / n), the variance's v root(0.8 / n)
    assert abs(W.mean()) < 5 * math.sqrt(variance / W.size)
    assert abs(W.var() - variance) < 5 * variance * math.sqrt(0.8 / W.size)
    assert np.abs(W).max() <= math.sqrt(3 * variance)
    # the twin's numbers, drawn from the stream that its seed names
    stream = np.random.Generator(np.random.Philox(key=[11, 0]))
    expected = theirs(seed=11)((300, 200), "float64")
    np.testing.assert_allclose(ours(stream, 300, 200), expected, rtol=1e-12, atol=1e-15)


# -------------------------------------------------------------------------- the file, and main

TEXT = PATH.read_text()
TREE = ast.parse(TEXT)


def test_two_hundred_lines_and_nothing_but_numpy():
    assert len(TEXT.splitlines()) <= 215
    top = [node for node in TREE.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in top for alias in node.names}
    assert "numpy" in names
    assert names - {"numpy"} <= sys.stdlib_module_names
    inner = [node for node in ast.walk(TREE) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in inner if node not in top] == ["sklearn.datasets"]


def test_every_piece_names_its_twin():
    pieces = [n for n in TREE.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    assert len(pieces) == 11
    for piece in pieces:
        names = re.findall(r"tinynet\.\w[\w.]*\w", ast.get_docstring(piece))
        assert names or piece.name == "main"
        for name in names:
            functools.reduce(getattr, name.split(".")[1:], tinynet)


def test_backward_stands_directly_below_forward():
    for piece in TREE.body:
        methods = [n.name for n in getattr(piece, "body", []) if isinstance(n, ast.FunctionDef)]
        if "forward" in methods:
            assert ("forward", "backward") in itertools.pairwise(methods), piece.name


@pytest.fixture
def main(tmp_path, monkeypatch, capsys):
    """Function: what main prints with these options, with no data but in tmp_path."""
    monkeypatch.setenv("TINYNET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*options):
        monkeypatch.setattr("sys.argv", ["two_hundred_lines.py", *options])
        small.main()
        return capsys.readouterr().out.splitlines()

    return run


def accuracy(lines):
    return float(re.fullmatch(r"test accuracy: (\d\.\d{4})", lines[-1])[1])


def write_images(path):
    """A file like MNIST's with 1,120 images: ten blots, each moved a little and dirty."""
    random = np.random.default_rng(0)
    blots = random.random((10, 24, 24)) < 0.2
    labels = random.integers(0, 10, 1120).astype("uint8")
    x = random.integers(0, 61, (1120, 28, 28), dtype="uint8")
    for image, label, (i, j) in zip(x, labels, random.integers(0, 2, (1120, 2)), strict=True):
        image[i : i + 24, j : j + 24] += np.uint8(195) * blots[label]
    np.savez(path, x_train=x[:960], y_train=labels[:960], x_test=x[960:], y_test=labels[960:])


def test_images_are_where_tinynet_keeps_them(main, tmp_path):
    write_images(tmp_path / "mnist.npz")
    for folder in (".keras/datasets", ".cache/tinynet"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "mnist.npz").rename(tmp_path / folder / "mnist.npz")
        (x, labels), (valid, _), (test, test_labels) = small.load_images()
        assert [part.shape for part in (x, valid, test)] == [(880, 784), (80, 784), (160, 784)]
        assert (x.dtype, x.min(), x.max()) == (np.float64, 0, 1)
        (tmp_path / folder / "mnist.npz").rename(tmp_path / "mnist.npz")
    with np.load(tmp_path / "mnist.npz") as file:
        np.testing.assert_array_equal(x[0], file["x_train"][0].ravel() / 255)
        np.testing.assert_array_equal(labels, file["y_train"][:880])
        np.testing.assert_array_equal(test_labels, file["y_test"])


def test_main_on_images_like_mnists(main, tmp_path):
    write_images(tmp_path / "mnist.npz")
    lines = main("--epochs", "1", "--batch-size", "16")
    assert [line[: line.index(":")] for line in lines] == ["epoch 1", "test accuracy"]
    assert accuracy(lines) > 0.9


def test_main_on_the_digits(main):
    lines = main("--epochs", "5", "--batch-size", "32")
    assert "scikit-learn" in lines[0]
    assert [line[:7] for line in lines[1:-1]] == [f"epoch {i}" for i in range(1, 6)]
    assert accuracy(lines) > 0.85


def test_main_without_data_says_what_it_needs(main, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError):
        main()
    out = capsys.readouterr().out
    assert "mnist.npz" in out
    assert "TINYNET_DATA_DIR" in out
    assert "needs scikit-learn" in out
