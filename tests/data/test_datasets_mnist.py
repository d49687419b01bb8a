"""MNIST and Fashion-MNIST: exact values out of made-up files; damaged and hostile ones."""

import gzip
import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dataset_files import (
    files_below,
    folders,
    idx,
    npy_header,
    raw_idx,
    refused_cheaply,
    server,
    tiny,
    tiny_mnist,
    write,
)

from tinynet.datasets import _arrays, fashion_mnist, mnist, mnist_small

MNIST_FILE = Path(os.environ.get("TINYNET_DATA_DIR") or "", "mnist.npz").absolute()
HAVE_MNIST = bool(os.environ.get("TINYNET_DATA_DIR")) and MNIST_FILE.is_file()


def test_mnist_values(folders, tiny):
    arrays = tiny_mnist()
    np.savez_compressed(folders / "tiny.npz", **arrays)
    (x_train, y_train), (x_test, y_test) = mnist.load_data(str(folders / "tiny.npz"))
    assert x_train.dtype == y_test.dtype == np.uint8
    np.testing.assert_array_equal(x_train, arrays["x_train"])
    np.testing.assert_array_equal(x_test, arrays["x_test"])
    assert (y_train.tolist(), y_test.tolist()) == ([3, 1, 4], [1, 9])
    assert x_train[1, 0, 0] == 784 % 256
    x_train[0] = 0  # writable
    np.savez(folders / "tiny.npz", **arrays | {"x_train": np.asfortranarray(arrays["x_train"])})
    (x_train, _), _ = mnist.load_data(str(folders / "tiny.npz"))
    np.testing.assert_array_equal(x_train, arrays["x_train"])
    assert x_train.flags.c_contiguous


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"y_test": None}, "no item named 'y_test.npy'"),
        ({"x_train": np.zeros((3, 28, 27), np.uint8)}, r"shape \(3, 28, 27\)"),
        ({"x_train": np.zeros((3, 28, 28), np.float32)}, "dtype float32"),
        ({"x_train": np.array([1, "a", None], object)}, "dtype object"),
        ({"y_train": np.array([3, 1, 10], np.uint8)}, "from 1 to 10, expected 0 to 9"),
    ],
)
def test_mnist_refuses_other_arrays(folders, tiny, change, reason):
    arrays = {k: v for k, v in (tiny_mnist() | change).items() if v is not None}
    np.savez(folders / "odd.npz", **arrays)
    with pytest.raises(ValueError, match=f"odd.npz is damaged .*{reason}"):
        mnist.load_data(folders / "odd.npz")


def test_damaged_npz_at_every_place(folders, tiny):
    path = folders / "tiny.npz"
    np.savez_compressed(path, **tiny_mnist())
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"tiny\.npz is damaged"):
            mnist.load_data(path)
    expected = mnist.load_data(write(path, whole))
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found = mnist.load_data(path)
        except ValueError as error:
            assert "tiny.npz is damaged" in str(error)  # noqa: PT017
        else:  # a byte that carries nothing, e.g. of the time: but never other numbers
            for a, b in zip(sum(expected, ()), sum(found, ()), strict=True):
                np.testing.assert_array_equal(a, b)


def test_npz_with_a_huge_header(folders):
    path = folders / "huge.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", npy_header((10**12, 28, 28)))
    refused_cheaply("expected .60000, 28, 28", mnist.load_data, path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", npy_header((60_000, 28, 28)) + b"12345")
    refused_cheaply("declares 5 bytes of data", mnist.load_data, path)


def test_npz_bomb(folders):
    path = folders / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x_train.npy", "w") as file,
    ):
        file.write(npy_header((60_000, 28, 28)))
        for _ in range(100):
            file.write(bytes(1_000_000))
    refused_cheaply("declares 100000000 bytes", mnist.load_data, path)


def fashion_files(folder):
    arrays = tiny_mnist()
    for theirs, ours in (("train", "train"), ("t10k", "test")):
        write(folder / f"{theirs}-images-idx3-ubyte.gz", idx(arrays[f"x_{ours}"]))
        write(folder / f"{theirs}-labels-idx1-ubyte.gz", idx(arrays[f"y_{ours}"]))


def test_fashion_mnist_from_own_folder_and_from_a_mirror(folders, tiny, monkeypatch, server):
    fashion_files(folders / "mine" / "fashion-mnist")
    monkeypatch.setenv("TINYNET_DATA_DIR", str(folders / "mine"))
    own = fashion_mnist.load_data()
    monkeypatch.delenv("TINYNET_DATA_DIR")
    for path in (folders / "mine").rglob("*.gz"):
        server.files[f"/f/{path.name}"] = path.read_bytes()
        key, digest = path.name.removesuffix("-ubyte.gz"), hashlib.sha256(path.read_bytes())
        monkeypatch.setitem(fashion_mnist.HASHES, key, digest.hexdigest())
    monkeypatch.setattr(fashion_mnist, "MIRRORS", (server.url + "/gone/", server.url + "/f/"))
    for (x_train, y_train), (x_test, y_test) in (own, fashion_mnist.load_data()):
        np.testing.assert_array_equal(x_train, tiny_mnist()["x_train"])
        np.testing.assert_array_equal(x_test, tiny_mnist()["x_test"])
        assert (y_train.tolist(), y_test.tolist()) == ([3, 1, 4], [1, 9])
        assert x_train.dtype == y_train.dtype == np.uint8
    assert len(files_below(folders / "cache" / "fashion-mnist")) == 4


IMAGES = tiny_mnist()["x_train"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Not a gzipped file"),
        (b"plain text", "Not a gzipped file"),
        (idx(IMAGES)[:-5], "end-of-stream"),
        (idx(IMAGES)[:40], "end-of-stream"),
        (idx(IMAGES)[:-8] + bytes(8), "CRC"),
        (idx(IMAGES, magic=0x803 + 0x500), "IDX header is .3331, 3"),
        (idx(IMAGES, shape=(2**32 - 1,) * 3), "IDX header is .2051, 4294967295"),
        (idx(IMAGES[:2], shape=(3, 28, 28)), "expected 2352 bytes after the header, found 1568"),
        (idx(np.zeros(10**7, np.uint8), 0x803, (3, 28, 28)), "found more"),
        (gzip.compress(b"123", mtime=0), "buffer size"),
    ],
)
def test_idx_refused(folders, content, reason):
    path = write(folders / "odd.gz", content)
    refused_cheaply(reason, lambda path: _arrays.read_idx(path, (3, 28, 28), 256), path)


def test_idx_labels_out_of_range(folders):
    path = write(folders / "odd.gz", idx(np.array([3, 10], np.uint8)))
    with pytest.raises(ValueError, match=r"odd.gz .*from 3 to 10, expected 0 to 9"):
        _arrays.read_idx(path, (2,), 10)


@pytest.mark.skipif(not HAVE_MNIST, reason="TINYNET_DATA_DIR is not set or has no mnist.npz")
def test_real_mnist(monkeypatch):
    monkeypatch.setenv("TINYNET_DATA_DIR", str(MNIST_FILE.parent))
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    # SHA-256 of the uncompressed IDX files, as published in many places: header, then the bytes.
    for array, digest in (
        (x_train, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        (y_train, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        (x_test, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        (y_test, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ):
        assert array.dtype == np.uint8
        assert hashlib.sha256(raw_idx(array)).hexdigest() == digest
    assert (x_train.shape, x_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))


# --- the digits that come with tinynet ----------------------------------------------------------


def test_mnist_small_is_there_without_a_network(folders):
    train, test = mnist_small.load_data()
    for (x, y), count, digest in (
        (train, 200, "ea0e322c69f69ea731626064067ff1fb5cc20376802aa7148c7615704ba95dfc"),
        (test, 50, "cf0164dcc95dc54b8197436b41b3449418f6890ee29ad192a1e0a05816d0364d"),
    ):
        assert (x.shape, y.shape) == ((10 * count, 28, 28), (10 * count,))
        assert x.dtype == y.dtype == np.uint8
        assert np.bincount(y).tolist() == [count] * 10
        assert hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest() == digest
    assert train[1][:10].tolist() == [5, 0, 4, 1, 9, 2, 3, 6, 7, 8]  # as MNIST begins, each once
    assert mnist_small.FILE.stat().st_size < 400_000
    assert "Yann LeCun" in mnist_small.FILE.with_suffix(".txt").read_text()
    assert files_below(folders) == []


@pytest.mark.skipif(not HAVE_MNIST, reason="TINYNET_DATA_DIR is not set or has no mnist.npz")
def test_mnist_small_has_the_first_images_of_mnist(monkeypatch):
    monkeypatch.setenv("TINYNET_DATA_DIR", str(MNIST_FILE.parent))
    for (x, y), (x_all, y_all) in zip(mnist_small.load_data(), mnist.load_data(), strict=True):
        for digit in range(10):
            first = np.flatnonzero(y_all == digit)[: len(y) // 10]
            np.testing.assert_array_equal(x[y == digit], x_all[first])


def test_mnist_small_is_made_the_same_again(folders, monkeypatch):
    random = np.random.default_rng(0)
    arrays = {}
    for name, count in (("train", 40), ("test", 20)):
        arrays[f"x_{name}"] = random.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"y_{name}"] = random.permutation(np.arange(count) % 10).astype(np.uint8)
    np.savez(folders / "mnist.npz", **arrays)
    monkeypatch.setenv("TINYNET_DATA_DIR", str(folders))
    for module, train, test in ((mnist, 40, 20), (mnist_small, 3, 1)):
        monkeypatch.setattr(module, "TRAIN", train)
        monkeypatch.setattr(module, "TEST", test)
    mnist_small.make(folders / "once.npz")
    mnist_small.make(folders / "twice.npz")
    assert (folders / "once.npz").read_bytes() == (folders / "twice.npz").read_bytes()
    monkeypatch.setattr(mnist_small, "FILE", folders / "once.npz")
    (x, y), (_, y_test) = mnist_small.load_data()
    assert (len(y), len(y_test)) == (30, 10)
    rows = [int(np.flatnonzero((arrays["x_train"] == image).all(axis=(1, 2)))[0]) for image in x]
    for k in range(0, 30, 10):
        assert sorted(y[k : k + 10].tolist()) == list(range(10))
        assert rows[k : k + 10] == sorted(rows[k : k + 10])
    for digit in range(10):
        assert [r for r in rows if arrays["y_train"][r] == digit] == np.flatnonzero(
            arrays["y_train"] == digit
        ).tolist()[:3]
