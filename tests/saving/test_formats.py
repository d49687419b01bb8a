"""Files both ways: we go on where Keras's files stop, and Keras where ours do."""

import os
import pathlib

import numpy as np
import pytest
from oracle import HAVE_KERAS, keras_case, live_keras
from saved_nets import KERAS_2, NETS, OPTIMIZERS, close, data, make, train

import tinynet
from tinynet import models

os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "2")
needs_keras = pytest.mark.skipif(not HAVE_KERAS, reason="Keras itself reads the file here")


CASES = [
    *(("dense", o) for o in OPTIMIZERS),
    ("norm", "adam"), ("shapes", "centered"), ("rows", "adam"), ("graph", "momentum"),
]  # fmt: skip


def updates(optimizer):
    """Of three steps."""
    return 1 if optimizer == "accumulated" else 3


# ----------------------------------------------------------------------- what Keras has written


def keras_files(keras, net, optimizer, *suffixes):
    """Bytes of a trained model's files, its predictions, and its weights after three more steps."""
    import tempfile

    model, (x, _), result = make(keras, net, optimizer), data(), {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in suffixes:
            path = pathlib.Path(folder) / f"m{suffix}"
            (model.save_weights if "weights" in suffix else model.save)(path)
            result[suffix] = np.frombuffer(path.read_bytes(), np.uint8)
    result["predictions"] = model.predict(x, verbose=0)
    result |= {f"before/{i}": w for i, w in enumerate(model.get_weights())}
    train(model)
    return result | {f"after/{i}": w for i, w in enumerate(model.get_weights())}


@keras_case
def keras_whole(keras, net, optimizer):
    return keras_files(keras, net, optimizer, ".keras")


@keras_case
def keras_all_formats(keras, net, optimizer):
    return keras_files(keras, net, optimizer, ".keras", ".h5", ".weights.h5")


def listed(expected, when):
    return [expected[f"{when}/{i}"] for i in range(sum(k.startswith(when) for k in expected))]


def stored(tmp_path, expected, suffix):
    path = tmp_path / f"theirs{suffix}"
    path.write_bytes(expected[suffix].tobytes())
    return path


def goes_on(model, expected):
    """Predictions to 1e-6, the next three steps to 1e-5."""
    close([model.predict(data()[0], verbose=0)], [expected["predictions"]], 1e-6)
    close(model.get_weights(), listed(expected, "before"), 0)
    train(model)
    close(model.get_weights(), listed(expected, "after"), 1e-5)


@pytest.mark.parametrize(("net", "optimizer"), CASES)
def test_we_go_on_from_keras_files(tmp_path, net, optimizer):
    expected = keras_whole(net, optimizer)
    model = models.load_model(stored(tmp_path, expected, ".keras"))
    assert model.optimizer.iterations == updates(optimizer)
    assert type(model.optimizer) is type(OPTIMIZERS[optimizer](tinynet))
    goes_on(model, expected)
    assert model.metrics_names == ["loss", "accuracy", "top2"]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_keras_models_in_each_format(tmp_path, suffix):
    expected = keras_all_formats("norm", "momentum")
    path = stored(tmp_path, expected, suffix)
    goes_on(models.load_model(path), expected)
    bare = models.load_model(path, compile=False)
    assert bare.optimizer is None
    close(bare.get_weights(), listed(expected, "before"), 0)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_keras_weights_in_each_format(tmp_path, suffix):
    expected = keras_all_formats("norm", "momentum")
    model = make(tinynet, "norm", "momentum", steps=0)
    model.load_weights(stored(tmp_path, expected, suffix))
    if suffix == ".h5":  # weights alone
        assert model.optimizer.iterations == 0
        close(model.get_weights(), listed(expected, "before"), 0)
    else:
        goes_on(model, expected)


@pytest.mark.parametrize("name", ["adam", "legacy_adam", "legacy_sgd", "legacy_rmsprop"])
def test_keras_2_models(name):
    with np.load(KERAS_2 / "expected.npz") as archive:
        expected = dict(archive)
    x, y = expected["x"], expected["y"]
    model = models.load_model(KERAS_2 / f"model-whole-{name}.h5")
    close([model.predict(x, verbose=0)], [expected[f"{name}/predictions"]], 1e-6)
    assert model.optimizer.iterations == 3
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    close(model.get_weights(), listed(expected, f"{name}/after"), 1e-5)
    assert list(model.history.history) == ["loss", "accuracy"]


def test_keras_2_weights():
    with np.load(KERAS_2 / "expected.npz") as archive:
        expected = dict(archive)
    model = models.load_model(KERAS_2 / "model-whole-legacy_sgd.h5", compile=False)
    for by_name in (False, True):
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        model.load_weights(KERAS_2 / "model-weights.h5", by_name=by_name)
        close(model.get_weights(), listed(expected, "adam/before"), 0)


# ---------------------------------------------------------------------- what Keras reads of ours


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("net", "optimizer"), CASES)
def test_keras_goes_on_from_our_files(tmp_path, net, optimizer):
    ours = make(tinynet, net, optimizer)
    ours.save(tmp_path / "ours.keras")
    theirs = live_keras().models.load_model(tmp_path / "ours.keras")
    theirs.run_eagerly = True
    x, y = data()
    close([theirs.predict(x, verbose=0)], [ours.predict(x, verbose=0)], 1e-6)
    assert int(theirs.optimizer.iterations) == updates(optimizer)
    train(ours)
    train(theirs)
    close(ours.get_weights(), theirs.get_weights(), 1e-5)
    measured = theirs.evaluate(x, y, verbose=0, return_dict=True)
    assert ours.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(measured, abs=1e-5)


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net", NETS)
def test_keras_reads_our_h5_files(tmp_path, net):
    """Of a `.h5` Keras 3.15 on JAX can't restore any optimizer, not even its own: predictions."""
    ours, keras, (x, _) = make(tinynet, net, "adam"), live_keras(), data()
    ours.save(tmp_path / "model-whole.h5")
    ours.save_weights(tmp_path / "model-weights.h5")
    ours.save_weights(tmp_path / "model.weights.h5")
    whole = keras.models.load_model(tmp_path / "model-whole.h5")
    close(whole.get_weights(), ours.get_weights(), 0)
    close([whole.predict(x, verbose=0)], [ours.predict(x, verbose=0)], 1e-6)
    for name in ("model-weights.h5", "model.weights.h5", "model-whole.h5"):
        again = make(keras, net, "adam", steps=0)
        again.optimizer.build(again.trainable_variables)
        again.load_weights(tmp_path / name)
        close(again.get_weights(), ours.get_weights(), 0)
        if name == "model.weights.h5":
            assert int(again.optimizer.iterations) == 3
            first = np.ravel(again.optimizer.variables[1])
            close([first], [ours.optimizer.state["m"][: first.size]], 0)


def tree(path):
    """Names, shapes and dtypes of all arrays in an HDF5 file, and the names in its attributes."""
    import h5py

    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, node: found.update({
            name: (getattr(node, "shape", None),
                   [v.decode() if isinstance(v, bytes) else v
                    for key in ("weight_names", "layer_names") for v in node.attrs.get(key, [])])
        }))  # fmt: skip
    return found


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("optimizer", ["centered", "amsgrad", "momentum"])
@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
def test_our_hdf5_files_are_laid_out_as_keras_does(tmp_path, suffix, optimizer):
    for k, name in ((tinynet, "ours"), (live_keras(), "theirs")):
        model = make(k, "norm", optimizer, steps=0)
        model.layers[0].name, model.layers[2].name = "flat", "norm1"
        if k is not tinynet:
            model.optimizer.build(model.trainable_variables)
        (model.save_weights if "weights" in suffix else model.save)(tmp_path / (name + suffix))
    ours, theirs = (tree(tmp_path / (name + suffix)) for name in ("ours", "theirs"))
    assert {p: shape for p, (shape, _) in numbered(ours).items()} == {
        p: shape for p, (shape, _) in numbered(theirs).items()
    }


def numbered(tree):
    """Names with counters that went on counting made the same: dense_23, adam_4 -> dense, adam."""
    import re

    plain = {re.sub(r"_\d+(?=[/_]|$)", "", path): entry for path, entry in tree.items()}
    return {path.replace("rm_sprop", "rmsprop"): entry for path, entry in plain.items()}


@needs_keras
@pytest.mark.filterwarnings("ignore")
def test_json_both_ways():
    keras = live_keras()
    ours, theirs = (make(k, "norm", "adam", steps=0) for k in (tinynet, keras))
    a, b = models.model_from_json(theirs.to_json()), keras.models.model_from_json(ours.to_json())
    assert [layer.name for layer in a.layers] == [layer.name for layer in theirs.layers]
    assert [layer.name for layer in b.layers] == [layer.name for layer in ours.layers]
    assert [w.shape for w in a.get_weights()] == [w.shape for w in b.get_weights()]
    same = {"name": a.optimizer.name}
    assert a.optimizer.get_config() == {**ours.optimizer.get_config(), **same}
    assert b.optimizer.get_config()["clipnorm"] == 1.0
