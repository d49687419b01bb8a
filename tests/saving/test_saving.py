"""Weights in .npz files: whole or not at all, and nothing that does not fit."""

import io
import os
import pickle
import stat
import zipfile

import numpy as np
import pytest

from tinynet import saving
from tinynet.layers import BatchNormalization, Dense
from tinynet.models import Sequential


def build(units=3, features=2, norm=True, dtype="float32"):
    layers = [Dense(units, dtype=dtype, input_shape=(features,))]
    layers += [BatchNormalization(dtype=dtype)] if norm else []
    return Sequential([*layers, Dense(1, dtype=dtype)])


def filled(start=0.0, **options):
    """A model whose weights are start, start + 1, ..."""
    model = build(**options)
    for k, p in enumerate(model.parameters):
        p.assign(start + 100 * k + np.arange(p.size, dtype=p.dtype).reshape(p.shape))
    return model


def snapshot(model):
    return [w.tobytes() for w in model.get_weights()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.npz"


@pytest.fixture
def saved(path):
    """The bytes of a good file at `path`."""
    filled(0.5).save_weights(path)
    return path.read_bytes()


def refused(path, *reasons):
    """load_weights raises ValueError naming the file and the reasons; the model stays."""
    model = filled(7.0)
    before = snapshot(model)
    with pytest.raises(ValueError, match=r"w\.npz") as caught:
        model.load_weights(path)
    assert str(path) in str(caught.value)
    for reason in reasons:
        assert reason in str(caught.value)
    assert snapshot(model) == before


# ----------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trip_restores_every_bit(path, dtype):
    rng = np.random.default_rng(0)
    model, other = build(dtype=dtype), build(dtype=dtype)
    model.set_weights([rng.uniform(0.1, 2, w.shape) for w in model.get_weights()])
    assert snapshot(model) != snapshot(other)
    model.save_weights(path)
    other.load_weights(path)
    assert snapshot(model) == snapshot(other)
    x = rng.normal(size=(4, 2))
    np.testing.assert_array_equal(model(x), other(x))


def test_numpy_reads_the_file(path):
    model = filled(0.25)
    model.save_weights(str(path))
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == [p.path for p in model.parameters]
        assert len(archive.files) == 8  # kernel, bias, gamma, beta, mean, variance, kernel, bias
        for p in model.parameters:
            np.testing.assert_array_equal(archive[p.path], p.numpy())
            assert archive[p.path].dtype == np.float32


def test_loading_writes_into_the_flat_vector_in_use(path):
    model = filled(1.0)
    model.save_weights(path)
    trained = build()
    trained.compile("sgd", "mse")
    trained.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    trained.load_weights(path)
    np.testing.assert_array_equal(
        trained.flat.ops.to_host(trained.flat.trainable[:6]).reshape(2, 3),
        model.layers[0].kernel.numpy(),
    )


def test_the_last_save_counts(path):
    filled(1.0).save_weights(path)
    filled(2.0).save_weights(path)
    model = build()
    model.load_weights(path)
    assert snapshot(model) == snapshot(filled(2.0))


def test_a_model_without_weights_round_trips(path):
    from tinynet.layers import Flatten

    Sequential([Flatten(input_shape=(2, 2))]).save_weights(path)
    Sequential([Flatten(input_shape=(2, 2))]).load_weights(path)
    refused(path, "0 arrays", "8")


def test_a_big_endian_archive_of_doubles_loads(path):
    model = filled(3.0)
    np.savez(path, **{p.path: p.numpy().astype(">f8") for p in model.parameters})
    other = build()
    other.load_weights(path)
    assert snapshot(other) == snapshot(model)


def test_a_compressed_archive_loads(path):
    model = filled(3.0)
    np.savez_compressed(path, **{p.path: p.numpy() for p in model.parameters})
    other = build()
    other.load_weights(path)
    assert snapshot(other) == snapshot(model)


# --------------------------------------------------------------------------------- damaged files


def test_truncated_anywhere(saved, path):
    model = filled(7.0)
    before = snapshot(model)
    for length in range(len(saved)):
        path.write_bytes(saved[:length])
        assert refusal(model, path), f"{length} of {len(saved)} bytes were taken for all"
    assert snapshot(model) == before
    path.write_bytes(saved[: len(saved) // 2])
    refused(path)


def test_what_follows_the_end_of_an_archive_is_refused(saved, path):
    path.write_bytes(saved + b"more")
    refused(path, "it does not end where it should")


def refusal(model, path):
    """What load_weights says against the file; nothing else than a ValueError may come."""
    try:
        model.load_weights(path)
    except ValueError as error:
        return str(error)
    return None


def test_a_flipped_bit_is_refused_or_harmless(path):
    """Times and attributes carry no weights; every other flip must be noticed."""
    filled(0.5, norm=False).save_weights(path)
    saved, good = path.read_bytes(), snapshot(filled(0.5, norm=False))
    model = build(norm=False)
    start, harmless = snapshot(model), 0
    for place in range(len(saved)):
        damaged = bytearray(saved)
        damaged[place] ^= 1 << (place * 5 % 8)
        path.write_bytes(damaged)
        if message := refusal(model, path):
            assert str(path) in message
            assert snapshot(model) == start
        else:
            harmless += 1
            assert snapshot(model) == good
            model.set_weights([np.zeros_like(w) for w in model.get_weights()])
            start = snapshot(model)
    assert 0 < harmless < len(saved) / 3


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"PK\x03\x04", b"PK\x05\x06", b"hello, world\n" * 50]
)
def test_no_archive(path, content):
    path.write_bytes(content)
    refused(path, "no .npz archive")


def test_a_lone_npy_array(path):
    with open(path, "wb") as file:
        np.save(file, np.ones(3))
    refused(path, "no .npz archive")


def test_a_pickle_is_never_opened(path, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "load", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    path.write_bytes(pickle.dumps([1, 2, 3]))
    refused(path, "no .npz archive")
    arrays = {p.path: np.full(p.shape, None, object) for p in filled().parameters}
    np.savez(path, **arrays)
    refused(path, "floating-point")


@pytest.mark.parametrize("dtype", ["int32", "complex64", "U3", "bool", "M8[s]", [("a", "f4")]])
def test_arrays_that_hold_no_floats(path, dtype):
    np.savez(path, **{p.path: np.zeros(p.shape, dtype) for p in filled().parameters})
    refused(path, "floating-point")


def header(shape, descr="<f4"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def archive(path, shapes, compression=zipfile.ZIP_STORED, data=b"\0" * 8):
    """An archive of headers that promise `shapes`, and next to no data."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for p, shape in zip(filled().parameters, shapes, strict=True):
            file.writestr(f"{p.path}.npy", header(shape) + data)


def test_a_huge_declared_shape_allocates_nothing(path):
    shapes = [p.shape for p in filled().parameters]
    archive(path, [(10**7, 10**7), *shapes[1:]])  # 400 TB
    refused(path, f"{(10**7, 10**7)}", "(2, 3)")
    archive(path, [*shapes[:-1], (2**62,)])
    refused(path, f"({2**62},)")


def test_less_data_than_declared(path):
    archive(path, [p.shape for p in filled().parameters], data=b"\0" * 3)
    refused(path)


def test_an_endless_header(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for p in filled().parameters:
            prefix = b"\x93NUMPY\x02\x00" + (10**8).to_bytes(4, "little")
            file.writestr(f"{p.path}.npy", prefix + b" " * 10**5)
    refused(path)


# --------------------------------------------------------------------------- another architecture


def test_another_number_of_layers(path):
    filled(norm=False).save_weights(path)
    refused(path, "4 arrays", "8")


def test_another_width(path):
    filled(units=4).save_weights(path)
    refused(path, "(2, 4)", "(2, 3)", "kernel")


def test_a_mismatch_at_the_end_changes_nothing_at_the_beginning(path):
    good = filled(1.0)
    arrays = {p.path: p.numpy() for p in good.parameters}
    arrays[good.parameters[-1].path] = np.zeros(2, np.float32)
    np.savez(path, **arrays)
    refused(path, "(2,)", "(1,)", "bias")


def test_same_shapes_under_other_names(path):
    good = filled(1.0)
    np.savez(path, **{p.path.replace("gamma", "delta"): p.numpy() for p in good.parameters})
    refused(path, "delta", "gamma")


# ----------------------------------------------------------------------------------- the disk


def half_written(file, **arrays):
    file.write(b"half of it")
    raise OSError(28, "No space left on device")


def interrupted(file, **arrays):
    file.write(b"half of it")
    raise KeyboardInterrupt


@pytest.mark.parametrize("failure", [half_written, interrupted])
def test_a_failed_write_leaves_the_old_file(saved, path, monkeypatch, failure):
    monkeypatch.setattr(np, "savez", failure)
    with pytest.raises((OSError, KeyboardInterrupt)):
        filled(9.0).save_weights(path)
    assert path.read_bytes() == saved
    assert os.listdir(path.parent) == ["w.npz"]


def test_a_failed_first_write_leaves_nothing(path, monkeypatch):
    monkeypatch.setattr(np, "savez", half_written)
    with pytest.raises(OSError, match="No space"):
        filled().save_weights(path)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_failed_flush_or_rename_leaves_the_old_file(saved, path, monkeypatch, call):
    def fail(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input/output"):
        filled(9.0).save_weights(path)
    assert path.read_bytes() == saved
    assert os.listdir(path.parent) == ["w.npz"]


def test_the_file_is_on_disk_before_it_is_renamed(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    filled().save_weights(path)
    assert calls[:2] == ["fsync", "replace"]


def test_overwrite_can_be_refused(saved, path):
    with pytest.raises(FileExistsError, match=r"w\.npz.*overwrite"):
        filled(9.0).save_weights(path, overwrite=False)
    assert path.read_bytes() == saved
    path.unlink()
    filled(0.5).save_weights(path, overwrite=False)
    assert snapshot_of(path) == snapshot(filled(0.5))


def snapshot_of(path):
    model = build()
    model.load_weights(path)
    return snapshot(model)


def test_a_missing_folder_or_file(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        filled().save_weights(tmp_path / "nowhere" / "w.npz")
    with pytest.raises(FileNotFoundError, match=r"w\.npz"):
        filled().load_weights(tmp_path / "w.npz")
    assert os.listdir(tmp_path) == []


def test_a_folder_of_that_name(path):
    path.mkdir()
    with pytest.raises(OSError, match=r"w\.npz"):
        filled().save_weights(path)
    with pytest.raises(OSError, match=r"w\.npz"):
        filled().load_weights(path)
    assert os.listdir(path.parent) == ["w.npz"]
    assert os.listdir(path) == []


@pytest.mark.parametrize("name", ["w", "w.npy", "w.h5.bak", "w.npz.txt", "w.pkl"])
def test_other_suffixes(tmp_path, name):
    model = filled()
    for call in (model.save_weights, model.load_weights):
        with pytest.raises(ValueError, match=r"\.npz") as caught:
            call(tmp_path / name)
        assert name in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
@pytest.mark.skipif(os.name == "nt", reason="no umask on Windows")
def test_permissions_follow_the_umask(path, mask, mode):
    old = os.umask(mask)
    try:
        filled().save_weights(path)
        assert os.umask(mask) == mask  # looking at it did not change it
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_weights_before_the_first_build(path):
    model = Sequential([Dense(2)])
    for call in (model.save_weights, model.load_weights):
        with pytest.raises(ValueError, match="no weights yet"):
            call(path)
    assert not path.exists()


def test_two_parameters_of_one_path(path):
    p, q = (build(norm=False).parameters[0] for _ in range(2))
    q.path = p.path
    with pytest.raises(ValueError, match="share a path"):
        saving.npz.write([p, q], path)
    assert not path.exists()
