"""Data sets: exact values out of made-up files, mirrors on a local server, hostile files."""

import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from oracle import keras_case

from tinynet.datasets import _arrays, _files, digits, fashion_mnist, imdb, mnist

MNIST_FILE = Path(os.environ.get("TINYNET_DATA_DIR") or "", "mnist.npz").absolute()
HAVE_MNIST = bool(os.environ.get("TINYNET_DATA_DIR")) and MNIST_FILE.is_file()


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


def data_file(server, *paths, content=CONTENT, **options):
    urls = tuple(server.url + path for path in paths)
    return _files.DataFile(
        "a.bin", f"sha256:{hashlib.sha256(content).hexdigest()}", urls, **options
    )


def write(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# --- where a file comes from --------------------------------------------------------------------


def test_download_once(server, folders):
    server.files["/1/a.bin"] = CONTENT
    file = data_file(server, "/1/a.bin", folder="sub")
    path = _files.find(file)
    assert path == folders / "cache" / "sub" / "a.bin"
    assert path.read_bytes() == CONTENT
    assert _files.find(file) == path
    assert server.asked == ["/1/a.bin"]


def test_mirrors_are_tried_in_turn_until_the_hash_matches(server, folders):
    server.files.update({"/cut": CONTENT, "/wrong": CONTENT[:-1], "/right": CONTENT})
    server.cut.add("/cut")  # promises all bytes, sends half of them
    path = _files.find(data_file(server, "/absent", "/cut", "/wrong", "/right", "/unused"))
    assert path.read_bytes() == CONTENT
    assert server.asked == ["/absent", "/cut", "/wrong", "/right"]
    assert files_below(folders) == ["cache/a.bin"]  # no leftovers


def test_interrupted_download_leaves_nothing_and_the_next_run_succeeds(server, folders):
    server.files["/a"] = CONTENT
    server.cut.add("/a")
    with pytest.raises(OSError, match="could not be downloaded"):
        _files.find(data_file(server, "/a"))
    assert files_below(folders) == []
    server.cut.clear()
    assert _files.find(data_file(server, "/a")).read_bytes() == CONTENT


def test_damaged_cache_is_fetched_again(server, folders):
    server.files["/a"] = CONTENT
    write(folders / "cache" / "a.bin", CONTENT[:100])
    assert _files.find(data_file(server, "/a")).read_bytes() == CONTENT


def test_search_order(server, folders, monkeypatch):
    cached = write(folders / "cache" / "sub" / "a.bin")
    file = data_file(server, folder="sub")
    assert _files.find(file) == cached
    in_keras = write(folders / "keras" / "datasets" / "sub" / "a.bin")
    assert _files.find(file) == in_keras
    in_keras.write_bytes(b"other")  # a wrong hash there: the next place is taken
    assert _files.find(file) == cached
    monkeypatch.setenv("TINYNET_DATA_DIR", str(folders / "mine"))
    assert _files.find(file) == cached
    mine = write(folders / "mine" / "sub" / "a.bin", b"the user's own, any hash")
    assert _files.find(file) == mine
    assert server.asked == []


def test_default_folders(server, folders, monkeypatch):
    monkeypatch.setenv("HOME", str(folders / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folders / "xdg"))
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.delenv("TINYNET_CACHE_DIR")
    assert _files.cache_folder().name == "tinynet"
    path = write(folders / "home" / ".keras" / "datasets" / "a.bin")
    assert _files.find(data_file(server)) == path


def test_absolute_path_is_that_file(server, folders):
    path = write(folders / "elsewhere.npz", b"anything")
    assert _files.find(_files.DataFile(str(path), "sha256:0", ())) == path


def test_no_network_says_what_to_put_where(folders, monkeypatch):
    closed = "http://127.0.0.1:9/mnist.npz"
    monkeypatch.setattr(
        mnist, "FILE", _files.DataFile("mnist.npz", mnist.FILE.hash, (closed, closed + "2"))
    )
    monkeypatch.setenv("TINYNET_DATA_DIR", str(folders / "mine"))
    with pytest.raises(OSError, match=r"mnist\.npz is not on this machine") as caught:
        mnist.load_data()
    for part in (
        closed + "\n",
        closed + "2\n",
        mnist.FILE.hash,
        f"  {folders}/mine/mnist.npz\n",
        f"  {folders}/keras/datasets/mnist.npz\n",
        f"  {folders}/cache/mnist.npz\n",
        "tinynet.datasets.digits needs no network",
    ):
        assert part in str(caught.value)


def test_import_pulls_in_nothing_heavy():
    code = (
        "import sys, tinynet.datasets; "
        "print(*{'pooch', 'requests', 'rich', 'sklearn'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_progress_bar_ends_at_the_total():
    from rich.console import Console
    from rich.progress import Progress

    shown = io.StringIO()
    bar = _files._Bar(Progress(console=Console(file=shown, width=60)))
    bar.total = 300
    bar.update(200)
    assert bar.progress.tasks[0].completed == 200
    bar.reset()
    bar.update(bar.total)
    bar.close()
    assert bar.progress.tasks[0].completed == 300
    assert "100%" in shown.getvalue()


# --- MNIST and Fashion-MNIST --------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"y_test": None}, "no item named 'y_test.npy'"),
        ({"x_train": np.zeros((3, 28, 27), np.uint8)}, r"shape \(3, 28, 27\)"),
        ({"x_train": np.zeros((3, 28, 28), np.float32)}, "dtype float32"),
        ({"x_train": np.zeros((28, 28, 3), np.uint8).T}, "Fortran"),
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


def raw_idx(array, magic=None, shape=None):
    magic = 0x800 + array.ndim if magic is None else magic
    shape = array.shape if shape is None else shape
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + array.tobytes()


def idx(array, magic=None, shape=None):
    return gzip.compress(raw_idx(array, magic, shape))


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
        (b"", "IDX header is"),
        (b"plain text", "Not a gzipped file"),
        (idx(IMAGES)[:-5], "end-of-stream"),
        (idx(IMAGES)[:40], "end-of-stream"),
        (idx(IMAGES)[:-8] + bytes(8), "CRC"),
        (idx(IMAGES, magic=0x803 + 0x500), "IDX header is .3331, 3"),
        (idx(IMAGES, shape=(2**32 - 1,) * 3), "IDX header is .2051, 4294967295"),
        (idx(IMAGES[:2], shape=(3, 28, 28)), "expected 2352 bytes after the header, found 1568"),
        (idx(np.zeros(10**7, np.uint8), 0x803, (3, 28, 28)), "found more"),
        (gzip.compress(b"123"), "buffer size"),
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


# --- IMDB ---------------------------------------------------------------------------------------

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


def flat(data):
    """What `load_data` returned, as arrays without objects."""
    out = {}
    for part, (x, y) in zip(("train", "test"), data, strict=True):
        rows = [list(row) for row in x]
        out[f"words_{part}"] = np.array([word for row in rows for word in row])
        out[f"lengths_{part}"] = np.array([len(row) for row in rows])
        out[f"y_{part}"] = np.asarray(y)
    return out


@keras_case
def keras_imdb(keras, options):
    import tempfile

    from keras.src.datasets import imdb as theirs

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = write_imdb(Path(folder) / "imdb.npz")
        patch.setattr(theirs, "get_file", lambda **ignored: str(path))
        return flat(theirs.load_data(**dict(options)))


@pytest.mark.parametrize(
    "options",
    [
        (),
        (("num_words", 9),),
        (("num_words", 9), ("skip_top", 5)),
        (("num_words", 9), ("oov_char", None)),
        (("maxlen", 5),),
        (("seed", 7), ("start_char", None)),
        (("start_char", None), ("index_from", 0)),
        (("start_char", 11), ("oov_char", 12), ("index_from", 20), ("num_words", 27)),
    ],
    ids=str,
)
def test_imdb_is_keras(folders, tiny, options):
    expected = keras_imdb(options)
    found = flat(imdb.load_data(write_imdb(folders / "imdb.npz"), **dict(options)))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_imdb_by_hand(folders, tiny):
    (x_train, y_train), _ = imdb.load_data(write_imdb(folders / "imdb.npz"), num_words=9)
    assert (x_train.dtype, x_train.shape, y_train.dtype) == (object, (4,), np.int64)
    # word + 3 after the 1 that begins a review; 9 and more become 2.
    by_hand = {(1, 4, 8, 5): 0, (1, 7, 7, 7, 2): 1, (1, 2): 1, (1, 6, 2, 4, 5, 2): 0}
    assert {tuple(x): y for x, y in zip(x_train, y_train.tolist(), strict=True)} == by_hand
    assert type(x_train[0]) is list
    assert {type(word) for word in x_train[0]} == {int}


def test_imdb_reviews_of_one_length_stay_lists(folders, tiny):
    path = write_imdb(folders / "imdb.npz", ragged([[1, 2]] * 3 + [[3, 4]]))
    (x_train, _), _ = imdb.load_data(path)
    assert x_train.shape == (4,)


def test_imdb_maxlen_too_small(folders, tiny):
    with pytest.raises(ValueError, match="no review is shorter than maxlen=2"):
        imdb.load_data(write_imdb(folders / "imdb.npz"), maxlen=2)


@pytest.mark.parametrize("protocol", [3, 4])
def test_imdb_names_of_either_numpy(folders, tiny, protocol):
    reviews = pickle.dumps(ragged(TRAIN_REVIEWS), protocol)
    old = reviews.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    if protocol == 4:  # there the name's length stands before it, and the frame's before all
        old = old.replace(bytes([22]) + b"numpy.core", bytes([21]) + b"numpy.core")
        old = old[:3] + (int.from_bytes(old[3:11], "little") - 1).to_bytes(8, "little") + old[11:]
    for data in (reviews, old):
        assert [row.tolist() for row in rows_of(data)] == TRAIN_REVIEWS


def rows_of(data):
    imdb._scan(data)
    return imdb._rows(imdb._ListUnpickler(io.BytesIO(data)).load(), len(data))


class Malice:
    """Unpickled by pickle itself, this would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def test_malicious_pickle_is_refused(folders, tiny, monkeypatch):
    trap = folders / "trap"
    path = write_imdb(folders / "evil.npz", ragged([*TRAIN_REVIEWS[:3], [Malice(trap)]]))
    with pytest.raises(ValueError, match=r"evil\.npz .*only lists of integers are read"):
        imdb.load_data(path)
    # Even the hash of the published file would not get it past the names.
    monkeypatch.setattr(_files, "matches", lambda *ignored: True)
    with pytest.raises(ValueError, match=r"evil\.npz .*a pickled pathlib"):
        imdb.load_data(path)
    assert not trap.exists()
    np.load(path, allow_pickle=True)["x_train"]  # the trap works
    assert trap.exists()


SAME = [1] * 1000
SELF = [1]
SELF.append(SELF)


@pytest.mark.parametrize(
    ("reviews", "reason"),
    [
        ([[1], [2], [3], ["a"]], "lists of integers"),
        ([[1], [2], [3], [1.5]], "BINFLOAT"),
        ([[1], [2], [3], [True]], "lists of integers"),
        ([[1], [2], [3], [2**70]], "too large"),
        ([[1], [2], [3], 4], "array of 4 lists"),
        ([[1], [2], [3], SELF], "lists of integers"),
        ([SAME, SAME, SAME, SAME], "lists of integers"),
    ],
    ids=["text", "float", "bool", "large", "int", "recursive", "shared"],
)
def test_imdb_refuses_other_reviews(folders, tiny, reviews, reason):
    refused_cheaply(reason, imdb.load_data, write_imdb(folders / "odd.npz", ragged(reviews)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", "expected 1099511627776 bytes"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1) + b"x.", "BYTEARRAY8"),
        (b"\x80\x03]r" + struct.pack("<I", 2**31) + b".", "claims 2147483648 objects"),
        (b"\x80\x03]", "pickle exhausted before seeing STOP"),
        (b"\x80\x03].", "array of 4 lists"),
        (b"", "pickle exhausted before seeing STOP"),
    ],
)
def test_imdb_hostile_pickles(folders, tiny, data, reason):
    path = write_imdb(folders / "fine.npz")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(folders / "odd.npz", "w") as target:
        for name in source.namelist():
            content = npy_header((4,), "|O") + data if name == "x_train.npy" else source.read(name)
            target.writestr(name, content)
    refused_cheaply(reason, imdb.load_data, folders / "odd.npz")


def test_imdb_labels(folders, tiny):
    with pytest.raises(ValueError, match="from 0 to 2, expected 0 to 1"):
        imdb.load_data(write_imdb(folders / "imdb.npz", y_train=(0, 1, 2, 0)))


def test_imdb_object_bomb(folders, tiny, monkeypatch):
    monkeypatch.setattr(_arrays, "LARGEST", 50)
    refused_cheaply("bytes of objects", imdb.load_data, write_imdb(folders / "bomb.npz"))


def test_word_index(folders, monkeypatch):
    path = write(folders / "mine" / "imdb_word_index.json", b'{"the": 1, "caf\\u00e9": 2}')
    monkeypatch.setenv("TINYNET_DATA_DIR", str(path.parent))
    assert imdb.get_word_index() == {"the": 1, "café": 2}
    for content in (b"", b"[1]", b"{}", b'{"the": 1.5}', b'{"the": 1', b"[" * 100_000, b"\xff"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"imdb_word_index\.json is damaged"):
            imdb.get_word_index()


def test_word_index_is_checked_by_md5(folders, monkeypatch, server):
    content = json.dumps({"the": 1}).encode()
    server.files["/w"] = content
    file = _files.DataFile(
        "imdb_word_index.json", f"md5:{hashlib.md5(content).hexdigest()}", (server.url + "/w",)
    )
    monkeypatch.setattr(imdb, "WORD_INDEX", file)
    assert imdb.get_word_index() == {"the": 1}
    write(folders / "cache" / "imdb_word_index.json", b'{"the": 2}')
    assert imdb.get_word_index() == {"the": 1}
    assert len(server.asked) == 2


# --- digits -------------------------------------------------------------------------------------


def test_digits():
    bunch = pytest.importorskip("sklearn.datasets").load_digits()
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape) == ((1437, 8, 8), (1437,))
    assert (x_test.shape, y_test.shape) == ((360, 8, 8), (360,))
    assert x_train.dtype == y_train.dtype == np.uint8
    assert (x_train.min(), x_train.max()) == (0, 16)
    order = np.random.RandomState(113).permutation(1797)
    x, y = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    np.testing.assert_array_equal(x, bunch.images[order])
    np.testing.assert_array_equal(y, bunch.target[order])
    assert np.bincount(y_test).min() >= 25  # every class is there to be tested


@pytest.mark.parametrize("split", [0, 1, -0.1, 1.5, 0.9999, float("nan")])
def test_digits_split_that_leaves_nothing(split):
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match="test_split must be in"):
        digits.load_data(test_split=split)


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "tinynet\[examples\]"'):
        digits.load_data()
