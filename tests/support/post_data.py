"""Small made-up data sets in the files and shapes that the loaders expect."""

import gzip
import io
import json
import struct
import zipfile

import matplotlib.pyplot as plt
import numpy as np
import pytest


def pictures(count, seed):
    """(count, 28, 28) uint8 and labels: a bright square whose place tells the class, and noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count).astype(np.uint8)
    x = random.integers(0, 60, (count, 28, 28), np.uint8)
    rows, columns = labels // 4 * 8 + 2, labels % 4 * 6 + 2
    for i in range(6):
        for j in range(6):
            x[np.arange(count), rows + i, columns + j] += 100
    return x, labels


def reviews(count, seed):
    """Lists of word ranks, the most frequent lowest; a few words lean to one label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    words = (random.pareto(0.8, (count, 24)) * 3 + 4).astype(int).clip(4, 12_000)
    leaning = random.random((count, 3)) < 0.3
    words[:, :3] = np.where(leaning, 30 + labels[:, None], words[:, :3])
    lists = np.empty(count, object)
    lists[:] = [row.tolist() for row in words]
    return lists, labels


def write_data_sets(folder):
    (x, y), (tx, ty) = pictures(60_000, 1), pictures(10_000, 2)
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=tx, y_test=ty)
    (clothes := folder / "fashion-mnist").mkdir()
    for kind, images, labels in (("train", x, y), ("t10k", tx, ty)):
        header = struct.pack(">IIII", 2051, len(images), 28, 28)
        with gzip.open(clothes / f"{kind}-images-idx3-ubyte.gz", "wb", 1) as file:
            file.write(header + images.tobytes())
        with gzip.open(clothes / f"{kind}-labels-idx1-ubyte.gz", "wb", 1) as file:
            file.write(struct.pack(">II", 2049, len(labels)) + labels.tobytes())
    (x, y), (tx, ty) = reviews(25_000, 3), reviews(25_000, 4)
    with zipfile.ZipFile(folder / "imdb.npz", "w") as archive:
        for name, array in (("x_train", x), ("y_train", y), ("x_test", tx), ("y_test", ty)):
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0))
            archive.writestr(f"{name}.npy", member.getvalue())
    words = {"the": 1, "have": 25, **{f"word{i}": i for i in range(2, 12_000) if i != 25}}
    (folder / "imdb_word_index.json").write_text(json.dumps(words))


@pytest.fixture
def data(post_data_folder, monkeypatch, tmp_path):
    """The loaders find the files; scripts write into an empty folder, and figures are not shown."""
    monkeypatch.setenv("TINYNET_DATA_DIR", str(post_data_folder))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))


@pytest.fixture
def table():
    """500 rows of 39 numbers in two classes, one-hot."""
    random = np.random.default_rng(8)
    X = random.normal(size=(500, 39))
    y = (X[:, :5].sum(axis=1) > 0).astype(int)
    return X[:400], np.eye(2)[y[:400]], X[400:], np.eye(2)[y[400:]]
