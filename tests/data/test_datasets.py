"""Where a data set's file comes from: folders, mirrors on a local server, hashes. The digits."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
from dataset_files import CONTENT, files_below, folders, server, write

from tinynet.datasets import _files, digits, mnist


def data_file(server, *paths, content=CONTENT, **options):
    urls = tuple(server.url + path for path in paths)
    return _files.DataFile(
        "a.bin", f"sha256:{hashlib.sha256(content).hexdigest()}", urls, **options
    )


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


def test_no_network_says_what_to_put_where(folders, monkeypatch, capfd):
    closed = "http://127.0.0.1:9/mnist.npz"
    monkeypatch.setattr(
        mnist, "FILE", _files.DataFile("mnist.npz", mnist.FILE.hash, (closed, closed + "2"))
    )
    monkeypatch.setenv("TINYNET_DATA_DIR", str(folders / "mine"))
    with pytest.raises(OSError, match=r"mnist\.npz is not on this machine") as caught:
        mnist.load_data()
    for part in (
        f"  {closed}: can't be reached (ConnectionError)\n",
        f"  {closed}2: can't be reached (ConnectionError)\n",
        mnist.FILE.hash,
        f"  {folders}/mine/mnist.npz\n",
        f"  {folders}/keras/datasets/mnist.npz\n",
        f"  {folders}/cache/mnist.npz\n",
        "tinynet.datasets.mnist_small and digits need no network",
    ):
        assert part in str(caught.value)
    assert capfd.readouterr() == ("", "")  # nothing of pooch's


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
