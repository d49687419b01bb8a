"""Made-up files of data sets, and a server that has them."""

import gzip
import http.server
import io
import struct
import tarfile
import threading
import time
import tracemalloc

import numpy as np
import pytest

from tinynet.datasets import (
    _cifar,
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Every place where a file could lie, empty, and no user's own folder."""
    monkeypatch.delenv("TINYNET_DATA_DIR", raising=False)
    monkeypatch.setenv("TINYNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path


class Server:
    """Serves `files` (path -> bytes) on 127.0.0.1 and remembers in `asked` what was asked for."""

    def __init__(self):
        self.files, self.asked, self.cut = {}, [], set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                body = outer.files.get(self.path)
                if body is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if self.path in outer.cut else body)

            def log_message(self, *arguments):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


CONTENT = bytes(range(256)) * 1000


def write(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def tiny_mnist():
    x = np.arange(5 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(5, 28, 28)
    y = np.array([3, 1, 4, 1, 9], np.uint8)
    return {"x_train": x[:3], "y_train": y[:3], "x_test": x[3:], "y_test": y[3:]}


@pytest.fixture
def tiny(monkeypatch):
    """The image sets with 3 + 2 images, IMDB with 4 + 4 reviews, tables of some rows."""
    for module in (mnist, fashion_mnist, cifar100):
        monkeypatch.setattr(module, "TRAIN", 3)
        monkeypatch.setattr(module, "TEST", 2)
    for module, count in ((imdb, 4), (reuters, 8), (cifar10, 1)):
        monkeypatch.setattr(module, "COUNT", count)
    monkeypatch.setattr(boston_housing, "SHAPE", (11, 13))
    monkeypatch.setattr(california_housing, "SHAPE", (11, 8))
    monkeypatch.setattr(california_housing, "SMALL", 7)
    monkeypatch.setattr(_cifar, "MOST", 1 << 20)


def npy_header(shape, descr="|u1"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"shape": shape, "fortran_order": False, "descr": descr}
    )
    return file.getvalue()


def refused_cheaply(reason, load, path):
    """`load(path)` raises ValueError naming the file, in a moment and a few megabytes."""
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(ValueError, match=f"{path.name} is damaged .*{reason}"):
        load(path)
    assert time.perf_counter() - begin < 2
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def raw_idx(array, magic=None, shape=None):
    magic = 0x800 + array.ndim if magic is None else magic
    shape = array.shape if shape is None else shape
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + array.tobytes()


def idx(array, magic=None, shape=None):
    return gzip.compress(raw_idx(array, magic, shape), mtime=0)


TRAIN_REVIEWS = [[1, 5, 2], [4, 4, 4, 9], [7], [3, 8, 1, 2, 6]]
TEST_REVIEWS = [[2, 2], [9, 1, 3], [5, 6, 7, 8], [1]]


def ragged(rows):
    x = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        x[i] = row
    return x


def write_imdb(path, x_train=None, y_train=(0, 1, 1, 0)):
    x_train = ragged(TRAIN_REVIEWS) if x_train is None else x_train
    labels = {"y_train": np.array(y_train), "y_test": np.array([1, 0, 0, 1])}
    np.savez(path, x_train=x_train, x_test=ragged(TEST_REVIEWS), **labels)
    return path


def write_reuters(path, x=None, y=(0, 45, 3, 1, 3, 20, 1, 0)):
    x = ragged(TRAIN_REVIEWS + TEST_REVIEWS) if x is None else x
    np.savez(path, x=x, y=np.array(y))
    return path


def write_table(path, columns, rows=11, **change):
    random = np.random.default_rng(0)
    arrays = {"x": random.normal(size=(rows, columns)), "y": random.normal(size=rows)}
    np.savez(path, **(arrays | change))
    return path


def python_2_pickle(dictionary):
    """A dict of texts, lists and arrays of bytes (N, M), as Python 2 pickled it in 2009."""

    def pickled(value):
        if isinstance(value, str):
            return b"U" + bytes([len(value)]) + value.encode() + b"q\x01"
        if isinstance(value, int):
            return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
        if isinstance(value, list):
            return b"]q\x02(" + b"".join(map(pickled, value)) + b"e"
        raw, (n, m) = value.tobytes(), map(pickled, value.shape)
        return (b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
                b"\x87Rq\x05(K\x01" + n + m + b"\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07"
                b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
                + struct.pack("<I", len(raw)) + raw + b"tb")  # fmt: skip

    entries = b"".join(pickled(key) + pickled(value) for key, value in dictionary.items())
    return b"\x80\x02}q\x00(" + entries + b"u."


def cifar_batch(count, seed, **change):
    """The dict of a file of `count` images, of CIFAR-10 and CIFAR-100 alike."""
    random = np.random.default_rng(seed)
    batch = {
        "batch_label": f"batch {seed}",
        "labels": random.integers(0, 10, count).tolist(),
        "fine_labels": random.integers(0, 100, count).tolist(),
        "coarse_labels": random.integers(0, 20, count).tolist(),
        "data": random.integers(0, 256, (count, 3072), np.uint8),
        "filenames": [f"image_{i}.png" for i in range(count)],
    }
    return {**batch, **change}


def cifar_members(kind):
    """name -> content of the files of an archive of CIFAR-10 or CIFAR-100, as `tiny` makes them."""
    counts = {"train": 3, "test": 2, "meta": 1}
    if kind == 10:
        names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"]
        counts = dict.fromkeys(names, 1)
    folder = cifar10.FOLDER if kind == 10 else cifar100.FOLDER
    return {f"{folder}/{name}": python_2_pickle(cifar_batch(count, seed))
            for seed, (name, count) in enumerate(counts.items())}  # fmt: skip


def write_tar(path, members, **options):
    """A .tar.gz of name -> bytes, or of pairs, in this order."""
    pairs = members.items() if isinstance(members, dict) else members
    with tarfile.open(path, "w:gz", **options) as archive:
        for name, content in pairs:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1e9 + 0.5
            archive.addfile(info, io.BytesIO(content))
    return path
