"""CIFAR-10 and CIFAR-100: as Keras gives them; archives and pickles that are damaged or do harm."""

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from dataset_files import (
    cifar_batch,
    cifar_members,
    files_below,
    folders,
    python_2_pickle,
    refused_cheaply,
    tiny,
    write,
    write_tar,
)
from oracle import keras_case
from test_datasets_housing import arrays
from test_datasets_imdb import Malice

from tinynet.datasets import _cifar, _files, cifar10, cifar100


@keras_case
def keras_cifar(keras, kind, options):
    import importlib
    import tempfile

    theirs = importlib.import_module(f"keras.src.datasets.cifar{kind}")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, content in cifar_members(kind).items():
            write(Path(folder) / name, content)
        patch.setattr(theirs, "get_file", lambda *ignored, **too: folder)
        (x, y), test = theirs.load_data(**dict(options))
        if kind == 10:  # into its room for 10,000 it puts the one image of a file 10,000 times
            x, y = x[::10_000], y[::10_000]
        return arrays(((x, y), test))


@pytest.mark.parametrize(
    ("kind", "options"),
    [(10, ()), (100, ()), (100, (("label_mode", "coarse"),))],
)
def test_cifar_is_keras(folders, tiny, monkeypatch, kind, options):
    module = cifar10 if kind == 10 else cifar100
    write_tar(folders / module.FILE.name, cifar_members(kind))
    monkeypatch.setenv("TINYNET_DATA_DIR", str(folders))
    found = arrays(module.load_data(**dict(options)))
    for name, array in keras_cifar(kind, options).items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].dtype == array.dtype
    assert found["x"].flags.c_contiguous
    assert found["x"].flags.writeable


def test_cifar_by_hand(folders, tiny, monkeypatch):
    data = np.arange(3 * 3072).reshape(3, 3072).astype(np.uint8)
    members = cifar_members(100)
    members["cifar-100-python/train"] = python_2_pickle(cifar_batch(3, 1, data=data))
    write_tar(folders / "cifar-100-python.tar.gz", members)
    monkeypatch.setenv("TINYNET_DATA_DIR", str(folders))
    (x, y), _ = cifar100.load_data()
    # image 1 begins at 3072; its green pixel in row 2, column 5 lies 1024 + 2 * 32 + 5 further
    assert x[1, 2, 5].tolist() == [(3072 + c * 1024 + 69) % 256 for c in range(3)]
    assert (x.shape, y.shape) == ((3, 32, 32, 3), (3, 1))


def test_cifar_in_keras_cache_goes_by_another_name(folders, tiny, monkeypatch):
    path = folders / "keras" / "datasets" / "cifar-100-python-target_archive"
    path.parent.mkdir(parents=True)
    write_tar(path, cifar_members(100))
    digest = _files.hashlib.sha256(path.read_bytes()).hexdigest()
    file = _files.dataclasses.replace(cifar100.FILE, hash=f"sha256:{digest}", urls=())
    monkeypatch.setattr(cifar100, "FILE", file)
    assert cifar100.load_data()[0][0].shape == (3, 32, 32, 3)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_cifar_pickled_by_python_3(folders, tiny, protocol):
    batch = {key.encode(): value for key, value in cifar_batch(3, 1).items()}
    data = pickle.dumps(batch, protocol)
    if protocol == 2:  # there bytes are the result of a call
        with pytest.raises(ValueError, match="it holds a pickled _codecs"):
            read_batch(data)
        return
    x, y = read_batch(data)
    expected = batch[b"data"].reshape(3, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(x, expected)
    assert y.tolist() == [[label] for label in batch[b"fine_labels"]]


def read_batch(data):
    return _cifar._batch(data, "train", 3, "fine_labels", 100, trusted=False)


def read(path, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA_DIR", str(path.parent))
    return cifar100.load_data()


def test_cifar_label_mode():
    with pytest.raises(ValueError, match='label_mode must be "fine" or "coarse", received'):
        cifar100.load_data("all")


NAME = "cifar-100-python.tar.gz"
TRAIN, TEST = "cifar-100-python/train", "cifar-100-python/test"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"data": np.zeros((3, 3071), np.uint8)}, r"expected an array \(3, 3072\)"),
        ({"data": np.zeros((4, 3072), np.uint8)}, r"expected an array \(3, 3072\)"),
        ({"data": [1, 2]}, r"expected an array \(3, 3072\)"),
        ({"fine_labels": [0, 1]}, "expected a list of 3 integers under 'fine_labels'"),
        ({"fine_labels": [0, 1, "a"]}, "expected a list of 3 integers"),
        ({"fine_labels": [0, 1, 100]}, "from 0 to 100, expected 0 to 99"),
        ({"more": [[[] for _ in range(200)]]}, "more than 100 lists"),
    ],
)
def test_cifar_refuses_other_batches(folders, tiny, monkeypatch, content, reason):
    members = cifar_members(100) | {TRAIN: python_2_pickle(cifar_batch(3, 1, **content))}
    path = write_tar(folders / NAME, members)
    with pytest.raises(ValueError, match=rf"tar\.gz is damaged .*{reason}"):
        read(path, monkeypatch)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps([1, 2]), "train: expected a dict, received list"),
        (pickle.dumps({b"data": np.zeros((3, 3072), np.uint16)}, 3), "expected bytes in the array"),
        (b"\x80\x03B" + struct.pack("<I", 2**32 - 1) + b".", "expected 4294967295 bytes"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1) + b"x.", "BYTEARRAY8"),
        (b"\x80\x02}r" + struct.pack("<I", 2**31) + b".", "claims 2147483648 objects"),
        (b"\x80\x02" + b"\x85" * 5000 + b".", "much more than"),
        (b"\x80\x02}", "pickle exhausted before seeing STOP"),
        (b"", "pickle exhausted before seeing STOP"),
    ],
)
def test_cifar_hostile_pickles(folders, tiny, monkeypatch, data, reason):
    path = write_tar(folders / NAME, cifar_members(100) | {TRAIN: data})
    refused_cheaply(reason, lambda path: read(path, monkeypatch), path)


@pytest.mark.parametrize("trusted", [False, True])
def test_cifar_runs_nothing(folders, tiny, monkeypatch, trusted):
    trap = folders / "trap"
    evil = pickle.dumps({b"data": Malice(trap)}, 2)
    path = write_tar(folders / NAME, cifar_members(100) | {TRAIN: evil})
    monkeypatch.setattr(_files, "matches", lambda *ignored: trusted)
    with pytest.raises(ValueError, match=r"tar\.gz is damaged .*only dicts of texts, integers"):
        read(path, monkeypatch)
    assert not trap.exists()
    pickle.loads(evil)  # the trap works
    assert trap.exists()


def link(name):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


def test_cifar_archives_write_nothing_and_links_are_passed_over(folders, tiny, monkeypatch):
    path, members = folders / NAME, cifar_members(100)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(link("../../link"))
        for name, content in {"../../trap": b"x", "/trap": b"y", **members}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert read(path, monkeypatch)[0][0].shape == (3, 32, 32, 3)
    assert files_below(folders) == [NAME]
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(link(TRAIN))
    with pytest.raises(ValueError, match=f"there is no {TRAIN}, no {TEST} in it"):
        read(path, monkeypatch)


def archives():
    """What is wrong -> (bytes of an unpacked archive, the reason)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in cifar_members(100).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    good = buffer.getvalue()
    size = good.index(b"%011o" % len(cifar_members(100)[TRAIN]))

    def sized(digits):
        header = good[: size - 124 + 512][size - 124 :]
        header = header[:124] + digits + header[136:148] + 8 * b" " + header[156:]
        return header[:148] + b"%06o\0 " % sum(header) + header[156:] + good[512:]

    return {
        "no end": (good[:3000], "ends after"),
        "cut in a header": (good[:300], "header of its archive ends after 300 of 512"),
        "damaged header": (b"x" + good[1:], "the sum of its bytes is another"),
        "size of no number": (sized(b"a" * 12), "for an octal number"),
        "negative size": (sized(b"\xff" * 12), "for an octal number"),
        "huge size": (sized(b"77777777777\0"), "train ends after"),
        "twice": (good[: good.index(TEST.encode())] + good, f"holds {TRAIN} twice"),
        "empty": (bytes(10240), f"there is no {TRAIN}"),
        "bomb": (good + bytes(2 << 20), "more bytes than are read"),
    }


@pytest.mark.parametrize("kind", archives())
def test_cifar_hostile_archives(folders, tiny, monkeypatch, kind):
    content, reason = archives()[kind]
    path = write(folders / NAME, gzip.compress(content))
    refused_cheaply(reason, lambda path: read(path, monkeypatch), path)


def test_cifar_damaged_gzip(folders, tiny, monkeypatch):
    good = write_tar(folders / NAME, cifar_members(100)).read_bytes()
    for content, reason in (
        (b"PK" + good, "Not a gzipped file"),
        (good[:-9], "end-of-stream marker"),
        (good[:-8] + bytes(8), "CRC"),
        (good + good, "more follows its one gzip member"),
    ):
        path = write(folders / NAME, content)
        refused_cheaply(reason, lambda path: read(path, monkeypatch), path)
    assert read(write(folders / NAME, good + bytes(100)), monkeypatch)  # padding
