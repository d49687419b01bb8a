"""Made-up files of data sets, and a server that has them."""

import gzip
import http.server
import io
import struct
import threading
import time
import tracemalloc

import numpy as np
import pytest

from tinynet.datasets import fashion_mnist, imdb, mnist


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
    """The image sets with 3 + 2 images, IMDB with 4 + 4 reviews."""
    for module in (mnist, fashion_mnist):
        monkeypatch.setattr(module, "TRAIN", 3)
        monkeypatch.setattr(module, "TEST", 2)
    monkeypatch.setattr(imdb, "COUNT", 4)


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
