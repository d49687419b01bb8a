"""Damaged and hostile files: refused with a reason, in bounded memory, and nothing has changed.

`pytest -m slow tests/test_damaged_files.py` mutates every format 2,000 times instead of 300.
"""

import io
import json
import random
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from tinynet import layers, models, saving
from tinynet.saving import hdf5_reader, keras_zip

h5py = pytest.importorskip("h5py")


def build(units=4):
    model = models.Sequential(
        [
            layers.Dense(units, input_shape=(3,), name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(1, name="last"),
        ],
        name="net",
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def trained():
    model = build()
    x = np.random.default_rng(0).normal(size=(8, 3))
    model.fit(x, x[:, :1], verbose=0)
    return model


def state(model):
    """Everything that a file of weights could change."""
    moments = {k: v.tobytes() for k, v in model.optimizer.state.items() if v is not None}
    return ([w.tobytes() for w in model.get_weights()], moments, model.optimizer.iterations,
            model.optimizer.learning_rate)  # fmt: skip


@pytest.fixture(scope="module")
def good():
    return trained()


WHOLE = ["m.keras", "m.h5"]
WEIGHTS = ["w.weights.h5", "w.h5", "w.npz", "w.safetensors"]


def write(model, path):
    (model.save if path.name in WHOLE else model.save_weights)(path)
    return path.read_bytes()


# -------------------------------------------------------------------------------------- mutations


def mutated(data, rng):
    """The bytes with one kind of damage."""
    data, size = bytearray(data), len(data)
    kind = rng.choice(["flip", "flip", "flips", "cut", "zeros", "ones", "swap", "drop", "header"])
    at = rng.randrange(size)
    if kind == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "flips":
        for _ in range(rng.choice([2, 8, 64])):
            data[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind in ("zeros", "ones"):
        length = rng.choice([1, 4, 8, 64, 512])
        data[at : at + length] = (b"\0" if kind == "zeros" else b"\xff") * len(
            data[at : at + length]
        )
    elif kind == "swap":  # two blocks change places
        length, other = rng.choice([4, 8, 40, 512]), rng.randrange(size)
        a, b = data[at : at + length], data[other : other + length]
        if len(a) == len(b) and abs(at - other) >= length:
            data[at : at + length], data[other : other + length] = b, a
    elif kind == "drop":
        del data[at : at + rng.choice([1, 8, 100])]
    else:  # a huge number where an address or a length may be
        place = rng.randrange(min(size, 4096)) // 8 * 8
        data[place : place + 8] = rng.choice([2**31, 2**40, 2**62, 2**64 - 2]).to_bytes(8, "little")
    return bytes(data)


def check_mutants(good, tmp_path, name, count, seed):
    path, rng = tmp_path / name, random.Random(seed)
    data, right = write(good, path), state(good)
    weights_alone = name in ("w.h5", "w.npz", "w.safetensors")
    model, refused = build(), 0
    blank = state(model)
    tracemalloc.start()
    for _ in range(count):
        path.write_bytes(mutated(data, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                if name in WHOLE:
                    found = state(models.load_model(path))
                else:
                    model.load_weights(path)
                    found = state(model)
        except (ValueError, OSError) as error:
            message = str(error)
        else:
            message = None
        if message is not None:
            refused += 1
            assert str(path) in message
            assert state(model) == blank
            continue
        assert found[0] == right[0]
        assert weights_alone or found == right
        model = build()
        blank = state(model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6
    assert refused > count / 4


@pytest.mark.parametrize("name", [*WHOLE, *WEIGHTS])
def test_mutated_files(good, tmp_path, name):
    check_mutants(good, tmp_path, name, 300, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WHOLE, *WEIGHTS])
def test_many_mutated_files(good, tmp_path, name):
    check_mutants(good, tmp_path, name, 2000, seed=2)


# ---------------------------------------------------------------------------------- hostile zips


def refuses(path, *reasons, into=None):
    """Loading raises ValueError that names the file and the reasons."""
    model = into or build()
    before = state(model)
    load = models.load_model if path.name in WHOLE else model.load_weights
    with pytest.raises(ValueError, match=path.name) as caught:
        load(path)
    assert str(path) in str(caught.value)
    for reason in reasons:
        assert reason in str(caught.value)
    assert state(model) == before


def members(good, tmp_path):
    """name -> bytes of a good .keras."""
    with zipfile.ZipFile(io.BytesIO(write(good, tmp_path / "m.keras"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, contents, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        for name, data in contents:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "..\\evil", "C:/x"])
def test_members_that_lead_out_of_the_archive(good, tmp_path, name):
    contents = members(good, tmp_path)
    refuses(pack(tmp_path / "m.keras", [*contents.items(), (name, b"x")]), "leads out")


def test_members_missing_or_there_twice(good, tmp_path):
    contents = members(good, tmp_path)
    for name in (keras_zip.CONFIG, keras_zip.WEIGHTS):
        rest = {k: v for k, v in contents.items() if k != name}
        refuses(pack(tmp_path / "m.keras", rest.items()), f"0 members {name}")
        twice = [*contents.items(), (name, contents[name])]
        refuses(pack(tmp_path / "m.keras", twice), f"2 members {name}")


def test_swapped_members(good, tmp_path):
    contents = members(good, tmp_path)
    config, weights = contents[keras_zip.CONFIG], contents[keras_zip.WEIGHTS]
    swapped = [(keras_zip.CONFIG, weights), (keras_zip.WEIGHTS, config)]
    refuses(pack(tmp_path / "m.keras", swapped))
    refuses(pack(tmp_path / "m.keras", [(keras_zip.CONFIG, config), (keras_zip.WEIGHTS, b"")]))


def test_the_weights_of_another_model(good, tmp_path):
    contents, other = members(good, tmp_path), build(5)
    target = io.BytesIO()
    saving.weights_h5.write(other, target)
    contents[keras_zip.WEIGHTS] = target.getvalue()
    refuses(pack(tmp_path / "m.keras", contents.items()), "(3, 5)", "(3, 4)")


def test_a_repacked_archive_loads_and_a_bomb_does_not(good, tmp_path, monkeypatch):
    contents = members(good, tmp_path)
    path = pack(tmp_path / "m.keras", contents.items(), zipfile.ZIP_DEFLATED)
    assert state(models.load_model(path)) == state(good)
    monkeypatch.setattr(keras_zip, "FREE", 1000)
    contents[keras_zip.CONFIG] += b" " * 10**6
    path = pack(tmp_path / "m.keras", contents.items(), zipfile.ZIP_DEFLATED)
    refuses(path, keras_zip.CONFIG, "unpacks from")


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"\x80\x04]q\x00.", b"hello" * 100])
@pytest.mark.parametrize("name", [*WHOLE, *WEIGHTS])
def test_files_that_are_something_else(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    refuses(path)


# -------------------------------------------------------------------------------- hostile configs


def with_config(good, tmp_path, change):
    """A .keras whose config was changed."""
    contents = members(good, tmp_path)
    config = json.loads(contents[keras_zip.CONFIG])
    text = change(config)
    contents[keras_zip.CONFIG] = text if isinstance(text, str) else json.dumps(config)
    return pack(tmp_path / "m.keras", contents.items())


def first_layer(config):
    return next(c for c in config["config"]["layers"] if c["class_name"] == "Dense")["config"]


@pytest.mark.parametrize("units", [10**9, 10**15, 2**70, -1, 0, 1.5, float("nan"), None, "4", [4]])
def test_a_layer_of_absurd_size(good, tmp_path, units):
    refuses(with_config(good, tmp_path, lambda c: first_layer(c).update(units=units)))


@pytest.mark.parametrize("shape", [
    [None, float("nan")], [None, 1e9], [None, -3], [None, 2**62], [None, True], "abc", {"a": 1},
    [None] * 99, [None, [3]],
])  # fmt: skip
def test_an_absurd_input_shape(good, tmp_path, shape):
    def change(config):
        config["config"]["build_input_shape"] = shape
        config["config"]["layers"] = [
            {**c, "config": {k: v for k, v in c["config"].items() if "shape" not in k}}
            for c in config["config"]["layers"]
            if c["class_name"] != "InputLayer"
        ]

    refuses(with_config(good, tmp_path, change))


def test_many_layers_that_share_few_numbers(good, tmp_path):
    """Each is small enough for the file, all of them are not."""

    def change(config):
        entry = next(c for c in config["config"]["layers"] if c["class_name"] == "Dense")
        config["config"]["layers"] = [
            {**entry, "config": {**entry["config"], "name": f"d{i}", "units": 100}}
            for i in range(1000)
        ]
        config["config"]["build_input_shape"] = [None, 100]

    refuses(with_config(good, tmp_path, change), "so many numbers")


def test_code_is_never_run(good, tmp_path):
    def change(config):
        first_layer(config)["activation"] = {
            "class_name": "__lambda__", "config": {"value": ["cHJpbnQoMSk=", None, None]},
        }  # fmt: skip

    refuses(with_config(good, tmp_path, change), "lambda")


@pytest.mark.parametrize(("module", "name"), [
    ("os", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("tinynet.saving", "export"),
])  # fmt: skip
def test_nothing_is_imported_by_name(good, tmp_path, module, name):
    def change(config):
        entry = config["config"]["layers"][-1]
        entry.update(module=module, class_name=name, registered_name=name, config={"command": "ls"})

    refuses(with_config(good, tmp_path, change), name, "custom_objects")


def test_deep_nesting_and_other_json(good, tmp_path):
    for text in ("[" * 100_000, '{"a":' * 100_000, "[1]", "null", '"Sequential"', "{", "\xff"):
        refuses(with_config(good, tmp_path, lambda c, text=text: text))


@pytest.mark.parametrize("key", ["class_name", "config"])
@pytest.mark.parametrize("value", [None, 3, [], "x", {}])
def test_a_config_of_other_types(good, tmp_path, key, value):
    refuses(with_config(good, tmp_path, lambda c: c.update({key: value})))
    refuses(with_config(good, tmp_path, lambda c: c["config"].update(layers=value)))


@pytest.mark.parametrize("value", [
    {"class_name": "Adam", "config": {"learning_rate": "x"}}, {"class_name": "Nope", "config": {}},
    {"class_name": "Adam"}, 3,
])  # fmt: skip
def test_an_optimizer_that_is_none(good, tmp_path, value):
    path = with_config(good, tmp_path, lambda c: c["compile_config"].update(optimizer=value))
    if value == {"class_name": "Adam"}:
        assert state(models.load_model(path)) == state(good)
    else:
        refuses(path)
        assert models.load_model(path, compile=False).optimizer is None


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
