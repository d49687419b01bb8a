"""Data set files that are damaged or hostile: the right arrays, or an error, within bounds."""

import gzip
import io
import json
import pickle
import random
import tracemalloc
import zipfile

import numpy as np
import pytest
from damage_bounds import damaged
from dataset_files import (
    TRAIN_REVIEWS,
    cifar_members,
    folders,
    idx,
    ragged,
    tiny,
    tiny_mnist,
    write_imdb,
    write_reuters,
    write_table,
    write_tar,
)

from tinynet.datasets import _arrays, california_housing, cifar100, imdb, mnist, reuters

KINDS = ["mnist", "mnist compressed", "idx", "imdb", "words", "reuters", "cifar", "table"]
PACKED = ["mnist", "idx", "imdb", "reuters", "cifar", "table"]  # their content has no checksum


@pytest.fixture(autouse=True)
def small(folders, tiny, monkeypatch):
    """Small data sets, in a folder of the user's."""
    monkeypatch.setenv("TINYNET_DATA_DIR", str(folders))


def made(kind, folder):
    """A file of this kind, and what reads it."""
    if kind == "idx":
        path = folder / "x.gz"
        path.write_bytes(idx(tiny_mnist()["x_train"]))
        return path, lambda: [_arrays.read_idx(path, (3, 28, 28), 256)]
    if kind == "imdb":
        path = write_imdb(folder / "imdb.npz")
        return path, lambda: flat(imdb.load_data(str(path)))
    if kind == "words":
        path = folder / "imdb_word_index.json"
        path.write_text(json.dumps({f"word{i}": i for i in range(200)}))
        return path, lambda: [np.array(sorted(imdb.get_word_index().items()))]
    if kind == "reuters":
        path = write_reuters(folder / "reuters.npz")
        return path, lambda: flat(reuters.load_data(str(path)))
    if kind == "cifar":
        path = write_tar(folder / "cifar-100-python.tar.gz", cifar_members(100))
        return path, lambda: list(sum(cifar100.load_data(), ()))
    if kind == "table":
        path = write_table(folder / "california_housing.npz", 8)
        return path, lambda: list(sum(california_housing.load_data(), ()))
    path = folder / "mnist.npz"
    save = np.savez_compressed if "compressed" in kind else np.savez
    save(path, **tiny_mnist())
    return path, lambda: list(sum(mnist.load_data(str(path)), ()))


def flat(data):
    (x, y), (x_test, y_test) = data
    return [*map(np.array, [*x, *x_test]), y, y_test]


def same(a, b):
    return len(a) == len(b) and all(
        p.dtype == q.dtype and np.array_equal(p, q) for p, q in zip(a, b, strict=True)
    )


def check_mutants(kind, folder, count, seed):
    path, read = made(kind, folder)
    content, right, rng, refused = path.read_bytes(), read(), random.Random(seed), 0
    tracemalloc.start()
    for _ in range(count):
        path.write_bytes(damaged(content, rng))
        try:
            found = read()
        except (ValueError, OSError) as error:
            refused += 1
            assert path.name in str(error)  # noqa: PT017
            continue
        # a byte that carries nothing; JSON has no checksum when the file is the user's own
        assert kind == "words" or same(found, right)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    assert refused > count / 3


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(tmp_path, kind):
    check_mutants(kind, tmp_path, 300, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_files(tmp_path, kind):
    check_mutants(kind, tmp_path, 2000, seed=2)


def check_contents(kind, folder, count, seed):
    """What is packed is damaged, and packed again with the right checksums."""
    path, read = made(kind, folder)
    right, rng, refused = read(), random.Random(seed), 0
    if kind in ("idx", "cifar"):
        members = {"": gzip.decompress(path.read_bytes())}
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    tracemalloc.start()
    for _ in range(count):
        name = rng.choice(list(members))
        changed = {**members, name: damaged(members[name], rng)}
        if kind in ("idx", "cifar"):
            path.write_bytes(gzip.compress(changed[""]))
        else:
            with zipfile.ZipFile(path, "w") as archive:
                for member, data in changed.items():
                    archive.writestr(member, data)
        try:
            found = read()
        except (ValueError, OSError) as error:
            refused += 1
            assert path.name in str(error)  # noqa: PT017
            continue
        # other numbers, of the right kind and at the right places
        assert [a.ndim for a in found] == [a.ndim for a in right]
        if kind not in ("imdb", "reuters"):
            assert [(a.shape, a.dtype) for a in found] == [(a.shape, a.dtype) for a in right]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    assert refused > count / 10


@pytest.mark.parametrize("kind", PACKED)
def test_mutated_contents(tmp_path, kind):
    check_contents(kind, tmp_path, 300, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PACKED)
def test_many_mutated_contents(tmp_path, kind):
    check_contents(kind, tmp_path, 2000, seed=4)


class Calls:
    """Pickled, it asks for a function to be called."""

    def __reduce__(self):
        return (print, ("this must never be printed",))


HOSTILE = {
    "a call": [Calls(), [1], [2], [3]],
    "a call inside": [[Calls()], [1], [2], [3]],
    "a huge integer": [[10**30], [1], [2], [3]],
    "a float": [[1.5], [1], [2], [3]],
    "a bool": [[True], [1], [2], [3]],
    "a tuple": [(1, 2), [1], [2], [3]],
    "a list within": [[[1]], [1], [2], [3]],
    "more integers than bytes": [[1] * 10**6] * 4,
}


@pytest.mark.parametrize("hostile", [ragged(rows) for rows in HOSTILE.values()], ids=HOSTILE)
def test_reviews_that_are_no_lists_of_integers(tmp_path, capsys, hostile):
    path = tmp_path / "imdb.npz"
    write_imdb(path, x_train=hostile)
    with pytest.raises(ValueError, match=r"imdb\.npz is damaged"):
        imdb.load_data(str(path))
    assert "never be printed" not in capsys.readouterr().out


def test_a_pickle_that_refers_to_itself(tmp_path):
    loop = []
    loop.append(loop)
    write_imdb(tmp_path / "imdb.npz", x_train=ragged([loop, [1], [2], [3]]))
    with pytest.raises(ValueError, match="lists of integers"):
        imdb.load_data(str(tmp_path / "imdb.npz"))


def test_a_header_without_end_and_a_deep_pickle(tmp_path):
    arrays = {"y_train": np.array([0, 1, 1, 0]), "y_test": np.array([1, 0, 0, 1])}
    deep = pickle.dumps(None)[:2] + b"]" * 200_000 + b"a" * 199_999 + b"."
    for content in (
        npy_objects(deep),
        npy_objects(b""),
        npy_objects(b"("),
        b"\x93NUMPY\x01\x00\xff",
    ):
        path = tmp_path / "imdb.npz"
        np.savez(path, **arrays)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("x_train.npy", content)
        with pytest.raises(ValueError, match=r"imdb\.npz is damaged"):
            imdb.load_data(str(path))


def npy_objects(pickled):
    """An array of four objects, whose pickle is this."""
    file = io.BytesIO()
    np.save(file, ragged(TRAIN_REVIEWS), allow_pickle=True)
    file.seek(0)
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return file.getvalue()[: file.tell()] + pickled
