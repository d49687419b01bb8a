"""Damaged and hostile files: refused with a reason, in bounded memory, and nothing has changed.

`pytest -m slow tests/saving/test_damaged_files.py` mutates every format 2,000 times instead of 300.
"""

import io
import json
import random
import tracemalloc
import warnings
import zipfile

import pytest
from damage_bounds import damaged
from damaged import WEIGHTS, WHOLE, build, good, members, pack, refuses, state, write

from tinynet import models, saving
from tinynet.saving import keras_zip

# -------------------------------------------------------------------------------------- mutations


def check_mutants(good, tmp_path, name, count, seed):
    path, rng = tmp_path / name, random.Random(seed)
    data, right = write(good, path), state(good)
    weights_alone = name in ("w.h5", "w.npz", "w.safetensors")
    model, refused = build(), 0
    blank = state(model)
    tracemalloc.start()
    for _ in range(count):
        path.write_bytes(damaged(data, rng))
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
