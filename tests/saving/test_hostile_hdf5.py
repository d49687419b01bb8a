"""Hostile HDF5 and safetensors files: refused with a reason, in bounded memory."""

import json

import numpy as np
import pytest
from damaged import build, good, refuses, state, write

from tinynet.saving.hdf5 import reader as hdf5_reader

h5py = pytest.importorskip("h5py")

# ---------------------------------------------------------------------------------- hostile HDF5


def changed_h5(good, tmp_path, change):
    """A .weights.h5 in which `change(group of the first layer, whole file)` did something."""
    path = tmp_path / "w.weights.h5"
    write(good, path)
    with h5py.File(path, "a") as file:
        change(file["layers/dense/vars"], file)
    return path


def forget_sums(file):
    nodes = [file]
    file.visititems(lambda _, node: nodes.append(node))
    for node in nodes:
        node.attrs.pop("tinynet_crc32", None)


def without(group, name="0"):
    del group[name]
    return group


def soft(group, file):
    without(group)["0"] = h5py.SoftLink("/layers/dense_1/vars/0")


def external(group, file):
    without(group)["0"] = h5py.ExternalLink("/etc/hosts", "/0")


def outside(group, file):
    without(group).create_dataset("0", (3, 4), "f4", external=[("/etc/hosts", 0, 48)])


def virtual(group, file):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[0] = h5py.VirtualSource("/etc/hosts", "a", (4,))
    without(group).create_virtual_dataset("0", layout)


def strings(group, file):
    without(group).create_dataset("0", data=np.full((3, 4), "x", object), dtype=h5py.string_dtype())


def compound(group, file):
    without(group).create_dataset("0", data=np.zeros((3, 4), [("a", "f4"), ("b", "i4")]))


def references(group, file):
    without(group).create_dataset("0", (3, 4), h5py.ref_dtype)


def bomb(group, file):
    without(group).create_dataset("0", (10**6, 10**6), "f4", chunks=(100, 100), compression="gzip")


def hollow(group, file):
    without(group).create_dataset("0", (3, 4), "f4")  # never written


def scalar(group, file):
    without(group)["0"] = np.float32(1)


def complex_numbers(group, file):
    without(group)["0"] = np.zeros((3, 4), "c8")


def a_group(group, file):
    without(group).create_group("0")


def too_many(group, file):
    group["2"] = np.zeros(3, "f4")


def gone(group, file):
    del file["layers/dense"]


def another_layer(group, file):
    file.copy("layers/dense", "layers/dense_7")


def edited(group, file):
    group["0"][0, 0] += 1


def no_sums(group, file):
    del group.attrs["tinynet_crc32"]


def loop(group, file):
    file["layers/dense/again"] = file["layers"]


def ordered(group, file):
    file.create_group("layers/dense_9", track_order=True)["vars/0"] = np.zeros(2)


HOSTILE = [
    *(soft, external, outside, virtual, strings, compound, references, bomb, hollow, scalar),
    *(complex_numbers, a_group, too_many, gone, another_layer, edited, no_sums, ordered),
]


@pytest.mark.parametrize("change", HOSTILE, ids=lambda f: f.__name__)
def test_hdf5_files_that_are_not_weights(good, tmp_path, change):
    refuses(changed_h5(good, tmp_path, change))


def test_a_loop_of_links_is_not_walked(good, tmp_path):
    model = build()
    model.load_weights(changed_h5(good, tmp_path, loop))
    assert state(model) == state(good)


def test_edited_on_purpose(good, tmp_path):
    def change(group, file):
        group["0"][0, 0] = 7.0
        forget_sums(file)

    model = build()
    model.load_weights(changed_h5(good, tmp_path, change))
    assert model.layers[0].kernel.value[0, 0] == 7.0


@pytest.mark.parametrize("value", [np.float32("nan"), np.float32("inf"), np.float32(-1)])
def test_an_optimizers_numbers_must_make_sense(good, tmp_path, value):
    def change(group, file):
        without(file["optimizer/vars"], "1")["1"] = value
        forget_sums(file)

    refuses(changed_h5(good, tmp_path, change), "learning_rate")


def test_our_reader_reads_what_h5py_wrote(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        f"g{i % 7}/deep/{i}": rng.normal(size=rng.integers(0, 5, rng.integers(0, 4))).astype(dtype)
        for i, dtype in enumerate(["f2", "f4", "f8", ">f4", ">f8", "i1", "i4", ">i8", "u2"] * 9)
    }
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
            file[name].attrs["text"] = "è" * 300
            file[name].attrs["list"] = ["a", "bb", ""]
            file[name].attrs["bytes"] = np.array([b"x", b"yy"])
            file[name].attrs["numbers"] = np.arange(3)
            file[name].attrs["number"] = 0.5
    with open(tmp_path / "a.h5", "rb") as stream:
        root = hdf5_reader.Reader(stream).root
        assert sorted(root.names()) == [f"g{i}" for i in range(7)]
        for name, array in arrays.items():
            data = root.get(name, hdf5_reader.Data)
            assert data.shape == array.shape
            np.testing.assert_array_equal(data.read(), array)
            assert data.read().dtype == array.dtype.newbyteorder("=")
            assert data.attribute("text") == "è" * 300
            assert data.attribute("list") == ["a", "bb", ""]
            assert data.attribute("bytes") == ["x", "yy"]
            assert data.attribute("numbers").tolist() == [0, 1, 2]
            assert data.attribute("number") == 0.5
            assert data.attribute("nothing") is None


# ----------------------------------------------------------------------------- hostile safetensors


def tensors(path, header, data=b"\0" * 100):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize("entry", [
    {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 10**15]},
    {"dtype": "F32", "shape": [-3, 4], "data_offsets": [0, 48]},
    {"dtype": "F32", "shape": [float("nan")], "data_offsets": [0, 48]},
    {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 48]},
    {"dtype": "O", "shape": [12], "data_offsets": [0, 48]},
    {"dtype": "F32", "shape": [12], "data_offsets": [52, 100]},
    {"dtype": "F32", "shape": 12, "data_offsets": [0, 48]},
    {"dtype": "F32", "shape": [25], "data_offsets": [0]}, [], None, 3,
])  # fmt: skip
def test_safetensors_headers(tmp_path, entry):
    refuses(tensors(tmp_path / "w.safetensors", {"first/kernel": entry}))


def test_safetensors_headers_that_are_none(tmp_path):
    path = tmp_path / "w.safetensors"
    for header in (b"[" * 100_000, b"[]", b"null", b"{", b"\xff"):
        refuses(tensors(path, header))
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    refuses(path, "header of")
