"""Every layer and every optimizer through every format, from Keras to us and from us to Keras.

Predictions agree to 1e-6, and the three training steps that follow to 1e-5. Other questions about
files are in test_formats; mistakes and damage in test_damaged_files.
"""

import pathlib
import tempfile

import format_models as given
import numpy as np
import pytest
from format_models import FORMATS, NETS, OPTIMIZERS, make, slow, train
from oracle import HAVE_KERAS, keras_case, live_keras

import tinynet
from tinynet import layers, models, optimizers

needs_keras = pytest.mark.skipif(not HAVE_KERAS, reason="Keras itself reads the file here")
CASES = [*((net, "adam") for net in NETS), *(("plain", o) for o in OPTIMIZERS if o != "adam")]
# Keras's own .h5 of these can't be written: it gives two of Adafactor's arrays one name
UNWRITABLE = {("plain", "adafactor", ".h5")}
THEIRS = [(*case, suffix) for case in CASES for suffix in FORMATS
          if (*case, suffix) not in UNWRITABLE]  # fmt: skip


def close(weights, expected, tolerance):
    for w, e in zip(weights, expected, strict=True):
        np.testing.assert_allclose(w, e, rtol=0, atol=tolerance)


def test_the_matrix_has_every_layer_and_every_optimizer():
    """A layer or optimizer that is added to the library must be added to format_models."""
    found = {type(a) for net in NETS for a in given.all_layers(NETS[net](tinynet))}
    apart = {
        layers.InputLayer,
        layers.IntegerLookup,
        layers.StringLookup,
    }  # Keras's need TensorFlow
    missing = given.public_classes(layers, layers.Layer) - found - apart
    assert not missing, f"no net of format_models has {sorted(c.__name__ for c in missing)}"
    used = {type(make(tinynet, "plain", o, 0).optimizer) for o in OPTIMIZERS}
    missing = given.public_classes(optimizers, optimizers.Optimizer) - used
    assert not missing, f"format_models has no {sorted(c.__name__ for c in missing)}"
    assert {net for net, _ in CASES} == set(NETS)
    assert {o for _, o in CASES} == set(OPTIMIZERS)


# ---------------------------------------------------------------------------- from Keras to us


@keras_case
def keras_matrix_files(keras, net, optimizer):
    """A trained model's files, its predictions, and its weights before and after three steps."""
    model, (x, _), result = make(keras, net, optimizer), given.data(net), {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in FORMATS:
            if (net, optimizer, suffix) in UNWRITABLE:
                continue
            path = pathlib.Path(folder) / f"m{suffix}"
            (model.save_weights if "weights" in suffix else model.save)(path)
            result[suffix] = np.frombuffer(path.read_bytes(), np.uint8)
    result["predictions"] = model.predict(x, verbose=0)
    result |= {f"before/{i}": w for i, w in enumerate(model.get_weights())}
    train(model, net)
    return result | {f"after/{i}": w for i, w in enumerate(model.get_weights())}


def listed(expected, when):
    return [expected[f"{when}/{i}"] for i in range(sum(k.startswith(when) for k in expected))]


@pytest.mark.parametrize(("net", "optimizer", "suffix"), THEIRS)
def test_we_go_on_from_keras(tmp_path, net, optimizer, suffix):
    expected = keras_matrix_files(net, optimizer)
    path = tmp_path / f"theirs{suffix}"
    path.write_bytes(expected[suffix].tobytes())
    if suffix == ".weights.h5":
        model = make(tinynet, net, optimizer, 0)
        model.load_weights(path)
    else:
        model = models.load_model(path)
        assert type(model.optimizer) is type(OPTIMIZERS[optimizer](tinynet))
    assert model.optimizer.iterations == (1 if optimizer == "accumulated" else 3)
    close(model.get_weights(), listed(expected, "before"), 0)
    close([model.predict(given.data(net)[0], verbose=0)], [expected["predictions"]], 1e-6)
    train(model, net)
    close(model.get_weights(), listed(expected, "after"), 1e-5)


@pytest.mark.parametrize("suffix", FORMATS)
def test_keras_weights_by_name(tmp_path, suffix):
    """The layer of the same name is read, the others stay."""
    expected = keras_matrix_files("plain", "sgd")
    path = tmp_path / f"theirs{suffix}"
    path.write_bytes(expected[suffix].tobytes())
    model = tinynet.Sequential([
        layers.Input((4,)), layers.Dense(4, name="mine"), layers.Dense(3, name="out")
    ])  # fmt: skip
    before, found = model.get_weights(), listed(expected, "before")
    model.load_weights(path, by_name=True)
    close(model.get_weights(), [*before[:2], *found[-2:]], 0)


# ---------------------------------------------------------------------------- from us to Keras


def keras_model(path, ours):
    """What Keras makes of our file, ready to go on."""
    keras = live_keras()
    if path.name.endswith(".weights.h5"):
        theirs = keras.models.model_from_json(ours.to_json())
        theirs.optimizer.build(theirs.trainable_variables)
        theirs.load_weights(path)
        return theirs
    if path.suffix == ".keras":
        return keras.models.load_model(path)
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    # What Keras's loader of .h5 gets wrong (see below) is done for it, with its own functions.
    theirs = keras.models.load_model(path, custom_objects={"lamb": keras.optimizers.Lamb})
    optimizer = type(theirs.optimizer).from_config(theirs.optimizer.get_config())
    theirs.compile(optimizer, theirs.loss, metrics=["accuracy"])
    optimizer.build(theirs.trainable_variables)
    with h5py.File(path) as file:
        optimizer.set_weights(legacy_h5_format.load_optimizer_weights_from_hdf5_group(file))
    return theirs


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("net", "optimizer"), CASES)
def test_keras_goes_on_from_us(tmp_path, net, optimizer, suffix):
    ours, path, (x, _) = make(tinynet, net, optimizer), tmp_path / f"m{suffix}", given.data(net)
    (ours.save_weights if "weights" in suffix else ours.save)(path)
    theirs = slow(keras_model(path, ours))
    assert int(theirs.optimizer.iterations) == (1 if optimizer == "accumulated" else 3)
    close(theirs.get_weights(), ours.get_weights(), 0)
    close([theirs.predict(x, verbose=0)], [ours.predict(x, verbose=0)], 1e-6)
    train(ours, net)
    train(theirs, net)
    close(theirs.get_weights(), ours.get_weights(), 1e-5)


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("whose", ["keras", "tinynet"])
def test_what_keras_gets_wrong_about_h5(tmp_path, whose):
    """Why the test above helps it: it can't go on from its own `.h5` either.

    Keras 3.15 (on any backend) builds the optimizer from a list that holds none of the layers'
    weights, and does not know its own Lamb by the name it gives it. When this test fails, Keras has
    mended it, and `keras_model` can do without the help.
    """
    keras = live_keras()
    k = keras if whose == "keras" else tinynet
    make(k, "plain", "momentum").save(tmp_path / "m.h5")
    theirs = slow(keras.models.load_model(tmp_path / "m.h5"))
    assert len(theirs.optimizer.variables) == 2  # iteration and learning rate, no momentum
    with pytest.raises((ValueError, KeyError)):
        train(theirs, "plain")
    make(k, "plain", "lamb").save(tmp_path / "lamb.h5")
    with pytest.raises(ValueError, match="optimizer identifier: lamb"):
        keras.models.load_model(tmp_path / "lamb.h5")
    make(keras, "plain", "adafactor").save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="name already exists"):
        make(keras, "plain", "adafactor").save(tmp_path / "adafactor.h5")


# ---------------------------------------------------------------------------------- ourselves


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("net", NETS)
def test_weights_alone(tmp_path, net, suffix):
    """Formats that Keras has not: between ourselves."""
    ours, other = make(tinynet, net, "adam"), make(tinynet, net, "adam", 0)
    ours.save_weights(tmp_path / f"w{suffix}")
    other.load_weights(tmp_path / f"w{suffix}")
    close(other.get_weights(), ours.get_weights(), 0)


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net", NETS)
def test_json_there_and_back(net):
    """Keras understands our configs, says the same again, and we understand that."""
    ours = make(tinynet, net, "adam", 0)
    theirs = live_keras().models.model_from_json(ours.to_json())
    assert [w.shape for w in theirs.get_weights()] == [w.shape for w in ours.get_weights()]
    again = models.model_from_json(theirs.to_json())
    assert plain(again.get_config()) == plain(ours.get_config())
    assert again.optimizer.get_config() == ours.optimizer.get_config()


def plain(value):
    """Spelled alike: axis=-1 and [-1], 0.01 and its neighbour in float32."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return plain(value[0]) if len(value) == 1 else [plain(v) for v in value]
    return np.float32(value) if isinstance(value, float) else value
