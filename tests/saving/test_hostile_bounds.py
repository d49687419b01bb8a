"""Small files that ask for much: refused within 2 s of the processor's time and 500 MB."""

import gzip
import io
import json
import struct
import zipfile

import h5py
import numpy as np
import pytest
from damage_bounds import bounds

import tinynet
from tinynet import layers, models
from tinynet.datasets import _arrays, imdb


def refused(read, *arguments):
    """What the ValueError says that `read` raises within the bounds; not for want of memory."""
    with pytest.raises(ValueError) as caught, bounds():  # noqa: PT011
        read(*arguments)
    cause = caught.value
    while cause is not None:
        assert not isinstance(cause, MemoryError)
        cause = cause.__cause__
    return str(caught.value)


def self_linked(links, size):
    """An HDF5 file whose root has some links, all of them to the root itself."""
    file, root, tree, heap, table = bytearray(size), 96, 256, 512, 1024
    struct.pack_into("<8s8B2HI4Q", file, 0, b"\x89HDF\r\n\x1a\n", *[0] * 5, 8, 8, 0, 4, 16, 0,
                     0, 2**64 - 1, size, 2**64 - 1)  # fmt: skip
    struct.pack_into("<2Q", file, 56, 0, root)
    struct.pack_into("<2B H 2I 4x 2H4x 2Q", file, root, 1, 0, 1, 1, 24, 0x11, 16, tree, heap)
    struct.pack_into("<4s2BH", file, tree, b"TREE", 0, 0, 1)
    struct.pack_into("<Q", file, tree + 32, table)
    names, text = [], bytearray(8)
    for name in ("layers", "vars", *(f"g{i}" for i in range(links))):
        names.append(len(text))
        text += name.encode() + b"\0"
    struct.pack_into("<4s2BH", file, table, b"SNOD", 1, 0, len(names))
    for i, place in enumerate(names):
        struct.pack_into("<2QI", file, table + 8 + 40 * i, place, root, 0)
    data = table + 8 + 40 * len(names)
    struct.pack_into("<4s4x3Q", file, heap, b"HEAP", len(text), 0, data)
    file[data : data + len(text)] = text
    return bytes(file)


@pytest.mark.parametrize(("links", "size"), [(3, 1 << 16), (1000, 1 << 17), (0, 24 << 20)])
def test_links_to_themselves(tmp_path, links, size):
    model = tinynet.Sequential([layers.Input((3,)), layers.Dense(2)])
    (tmp_path / "w.weights.h5").write_bytes(self_linked(links, size))
    assert "nothing for layer" in refused(model.load_weights, tmp_path / "w.weights.h5")


def test_many_ways_to_the_same_groups(tmp_path):
    """8 to the power of 12, without a loop."""
    model = tinynet.Sequential([layers.Input((3,)), layers.Dense(2)])
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        group = file.create_group("layers")
        for _ in range(12):
            inner = group.create_group("0")
            for i in range(1, 8):
                group[str(i)] = inner
            group = inner
    assert "again and again" in refused(model.load_weights, tmp_path / "w.weights.h5")


def archive(layer, size=0, compiled=None):
    """A .keras of one layer, and so many zeros in the place of its weights."""
    entry = {"module": "keras.layers", "registered_name": None, **layer}
    first = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
             "config": {"batch_shape": [None, 2000], "name": "x"}}  # fmt: skip
    config = {"module": "keras", "class_name": "Sequential", "registered_name": None,
              "config": {"name": "net", "layers": [first, entry]},
              "build_config": {"input_shape": [None, 2000]}}  # fmt: skip
    if compiled:
        config["compile_config"] = {"optimizer": "sgd", "loss": "mse", **compiled}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", bytes(size))
    return out


@pytest.mark.parametrize(("name", "dtype"), [("Orthogonal", "float32"), ("Identity", "float64")])
def test_no_initial_weights_while_loading(name, dtype):
    kernel = {"module": "keras.initializers", "class_name": name, "config": {}}
    units = 16000 if dtype == "float32" else 8000
    dense = {"class_name": "Dense", "config": {
        "units": units - 1, "kernel_initializer": kernel, "dtype": dtype}}  # fmt: skip
    text = refused(models.load_model, archive(dense, 64 << 20))  # packed, they take 64 KB
    assert "no HDF5 file" in text
    assert "not in its" in refused(models.load_model, archive(dense, 32 << 20))


METRICS = [
    ("AUC", {"num_thresholds": 10**7}), ("AUC", {"num_thresholds": 10**12}),
    ("AUC", {"multi_label": True, "num_labels": 10**8}),
    ("SensitivityAtSpecificity", {"specificity": 0.5, "num_thresholds": 10**7}),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 10**9}),
    ("MeanIoU", {"num_classes": 10**5}), ("OneHotMeanIoU", {"num_classes": 10**9}),
    ("IoU", {"num_classes": 10**6, "target_class_ids": [0]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), METRICS, ids=lambda value: str(value)[:40])
def test_metrics_of_absurd_size(name, options):
    entry = {"module": "keras.metrics", "class_name": name, "config": options}
    dense = {"class_name": "Dense", "config": {"units": 1}}
    text = refused(models.load_model, archive(dense, 20_000, {"metrics": [entry]}))
    assert "metrics of that size" in text


def test_metrics_of_a_usual_size_load(tmp_path):
    model = tinynet.Sequential([layers.Input((3,)), layers.Dense(1, "sigmoid")])
    model.compile("sgd", "mse", metrics=[tinynet.metrics.AUC(), tinynet.metrics.MeanIoU(1000),
                                         tinynet.metrics.AUC(num_thresholds=10_000)])  # fmt: skip
    model.save(tmp_path / "m.keras")
    loaded = models.load_model(tmp_path / "m.keras")
    assert [m["config"].get("num_thresholds") for m in loaded.get_compile_config()["metrics"]] == [
        200, None, 10_000]  # fmt: skip


def test_gz_of_many_members(tmp_path):
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"") * 1_000_000)
    text = refused(_arrays.read_idx, tmp_path / "x.gz", (60000, 28, 28), 256)
    assert "more follows its one gzip member" in text


def test_reviews_of_millions_of_ids(tmp_path, monkeypatch):
    """Nine million ids in one list, and as many of what is no id."""
    monkeypatch.setattr(imdb, "COUNT", 2)
    for content, reason in ((b"K\1" * 9_000_000, "expected an array of 2 lists"),
                            (b")" * 9_000_000, "much more than lists of integers")):  # fmt: skip
        data = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            data, {"descr": "|O", "fortran_order": False, "shape": (2,)})  # fmt: skip
        with zipfile.ZipFile(tmp_path / "imdb.npz", "w") as file:
            file.writestr("x_train.npy", data.getvalue() + b"\x80\3](" + content + b"e.")
            y = io.BytesIO()
            np.save(y, np.zeros(2, "int64"))
            file.writestr("y_train.npy", y.getvalue())
        assert reason in refused(imdb.load_data, str(tmp_path / "imdb.npz"))
