"""What we have written comes back: to the bit, with a user's classes, and in part."""

import io
import json
import os

import numpy as np
import pytest
from saved_nets import KERAS_2, NETS, close, make, train

import tinynet
from tinynet import layers, losses, models, saving

# ------------------------------------------------------------------------------------- ourselves

WEIGHT_FILES = ["w.weights.h5", "w.h5", "w.hdf5", "w.npz", "w.safetensors"]


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_whole_model_comes_back_to_the_bit(tmp_path, net, name):
    model = make(tinynet, net, "amsgrad")
    model.save(tmp_path / name)
    again = models.load_model(tmp_path / name)
    close(again.get_weights(), model.get_weights(), 0)
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for key, value in model.optimizer.state.items():
        np.testing.assert_array_equal(again.optimizer.state[key], value)
    train(model)
    train(again)
    close(again.get_weights(), model.get_weights(), 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WEIGHT_FILES)
def test_weights_come_back_to_the_bit(tmp_path, name, dtype):
    def build():
        return models.Sequential(
            [layers.Dense(3, input_shape=(2,), dtype=dtype), layers.PReLU(dtype=dtype)]
        )

    model, other = build(), build()
    model.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in model.get_weights()])
    model.save_weights(tmp_path / name)
    other.load_weights(tmp_path / name)
    close(other.get_weights(), model.get_weights(), 0)
    with pytest.raises(FileExistsError, match=name):
        model.save_weights(tmp_path / name, overwrite=False)


def test_a_learning_rate_comes_back_exactly(tmp_path):
    model = make(tinynet, "dense", "sgd")
    model.optimizer.learning_rate = 0.1 * 0.3
    model.save_weights(tmp_path / "w.weights.h5")
    other = make(tinynet, "dense", "sgd", steps=0)
    other.load_weights(tmp_path / "w.weights.h5")
    assert other.optimizer.learning_rate == 0.1 * 0.3


@pytest.mark.parametrize("name", WEIGHT_FILES)
def test_by_name_leaves_other_layers_alone(tmp_path, name):
    def build(*names):
        stack = [layers.Dense(2, name=n, bias_initializer="ones") for n in names]
        return models.Sequential([layers.Input((2,)), *stack])

    first, second = build("a", "b"), build("c", "a", "b")
    before = second.get_weights()
    first.save_weights(tmp_path / name)
    second.load_weights(tmp_path / name, by_name=True)
    close(second.get_weights(), [*before[:2], *first.get_weights()], 0)
    with pytest.raises(ValueError, match=name):
        second.load_weights(tmp_path / name)
    close(second.get_weights(), [*before[:2], *first.get_weights()], 0)


@pytest.mark.parametrize("name", WEIGHT_FILES)
def test_skip_mismatch_loads_the_rest(tmp_path, name):
    def build(units):
        return models.Sequential(
            [layers.Dense(2, input_shape=(2,), name="a"), layers.Dense(units, name="b")]
        )

    model, other = build(3), build(4)
    before = other.get_weights()
    model.save_weights(tmp_path / name)
    with pytest.raises(ValueError, match=r"shape \(2, 3\).*shape \(2, 4\)"):
        other.load_weights(tmp_path / name)
    close(other.get_weights(), before, 0)
    with pytest.warns(UserWarning, match="left out"):
        other.load_weights(tmp_path / name, skip_mismatch=True)
    close(other.get_weights(), [*model.get_weights()[:2], *before[2:]], 0)


def test_another_optimizers_state_is_left_out_with_a_warning(tmp_path):
    make(tinynet, "dense", "adamw").save_weights(tmp_path / "w.weights.h5")
    model = make(tinynet, "dense", "sgd", steps=0)
    with pytest.warns(UserWarning, match="optimizer's state"):
        model.load_weights(tmp_path / "w.weights.h5")
    assert model.optimizer.iterations == 0
    with pytest.warns(UserWarning, match="optimizer's state"):
        model.load_weights(tmp_path / "w.weights.h5")


def test_the_safetensors_library_reads_ours_and_we_read_its(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    model = make(tinynet, "norm", "adam")
    model.save_weights(tmp_path / "a.safetensors")
    arrays = library.load_file(tmp_path / "a.safetensors")
    for p in model.parameters:
        np.testing.assert_array_equal(arrays[p.path], p.numpy())
    other = make(tinynet, "norm", "adam", steps=0)
    pairs = zip(other.parameters, model.parameters, strict=True)
    library.save_file({p.path: arrays[q.path] for p, q in pairs}, tmp_path / "b.safetensors")
    other.load_weights(tmp_path / "b.safetensors", by_name=True)
    close(other.get_weights(), model.get_weights(), 0)


# --------------------------------------------------------------------------------- custom objects


class Scale(layers.Layer):
    config_keys = ("by",)

    def __init__(self, by=2.0, **options):
        super().__init__(**options)
        self.by = by

    def forward(self, x, training=False):
        return x * self.by

    def backward(self, dy):
        return dy * self.by


class Shifted(losses.MeanSquaredError):
    pass


def custom():
    model = models.Sequential([layers.Dense(2, input_shape=(2,)), Scale(3.0)])
    model.compile("sgd", Shifted(), metrics=["mae"])
    return model


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_users_classes(tmp_path, name):
    model, path = custom(), tmp_path / name
    model.save(path)
    with pytest.raises(ValueError, match=rf"{name}.*'Scale'.*custom_objects=.*Scale"):
        models.load_model(path)
    with pytest.raises(ValueError, match="'Shifted'"):
        models.load_model(path, custom_objects={"Scale": Scale})
    known = {"Scale": Scale, "Shifted": Shifted}
    with saving.custom_object_scope(known):
        inside = models.load_model(path)
    for again in (inside, models.load_model(path, custom_objects=known)):
        assert type(again.layers[1]) is Scale
        assert again.layers[1].by == 3.0
        assert type(again.loss) is Shifted
    with pytest.raises(ValueError, match="'Scale'"):  # the scope is over
        models.load_model(path)


def test_a_registered_class_needs_nothing(tmp_path):
    @saving.register_keras_serializable("mine")
    class Double(Scale):
        pass

    try:
        assert saving.get_registered_name(Double) == "mine>Double"
        assert saving.get_registered_object("mine>Double") is Double
        for name in ("m.keras", "m.h5"):
            models.Sequential([layers.Input((2,)), Double(2.0)]).save(tmp_path / name)
            assert type(models.load_model(tmp_path / name).layers[0]) is Double
    finally:
        del saving.get_custom_objects()["mine>Double"]


def test_what_keras_has_and_we_have_not():
    entry = {
        "module": "keras.layers",
        "class_name": "ConvLSTM3D",
        "config": {},
        "registered_name": None,
    }
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [entry]}}
    with pytest.raises(ValueError, match=r"ConvLSTM3D.*custom_objects"):
        models.model_from_json(json.dumps(config))


def test_an_option_that_we_have_not_is_named():
    entry = {"class_name": "Dense", "config": {"units": 2, "lora_rank": None, "sharpness": 3}}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [entry]}}
    with pytest.raises(ValueError, match="sharpness"):
        models.model_from_json(json.dumps(config))


def test_a_function_as_metric(tmp_path):
    def gap(y, p):
        return abs(y - p).mean(axis=-1)

    model = models.Sequential([layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse", metrics=[gap])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"'gap'.*custom_objects"):
        models.load_model(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras", custom_objects={"gap": gap})
    assert again.metrics_given == [gap]


# ------------------------------------------------------------------------------------ small print


def test_a_model_that_is_not_built_is_stored_without_weights(tmp_path):
    model = models.Sequential([layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    assert not again.built
    assert again(np.ones((1, 3))).shape == (1, 2)


def test_an_optimizer_that_never_ran(tmp_path):
    model = make(tinynet, "dense", "adamw", steps=0)
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    train(model)
    train(again)
    close(again.get_weights(), model.get_weights(), 0)


def test_adafactor_goes_on_from_h5(tmp_path):
    """Its two numbers of a vector have one name in Keras, which therefore can't write this file."""
    random = np.random.default_rng(5)
    x, y = random.normal(size=(8, 4)), random.normal(size=(8, 2))
    model = tinynet.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(2)])
    model.compile("adafactor", "mse")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.h5")
    other = models.load_model(tmp_path / "model.h5")
    for one in (model, other):
        one.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for p, q in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_optimizer_left_out(tmp_path):
    make(tinynet, "dense", "sgd").save(tmp_path / "m.h5", include_optimizer=False)
    assert models.load_model(tmp_path / "m.h5").optimizer is None


@pytest.mark.parametrize("name", ["m", "m.npz", "m.weights.h5", "m.pkl", "m.keras.zip"])
def test_names_that_no_model_can_have(tmp_path, name):
    model = make(tinynet, "dense", "sgd", steps=0)
    with pytest.raises(ValueError, match=name):
        model.save(tmp_path / name)
    with pytest.raises(ValueError, match=name):
        models.load_model(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_import_tinynet_and_reading_take_no_h5py(tmp_path):
    """h5py is for writing; our own reader reads (see test_damaged_files)."""
    import subprocess
    import sys

    path = KERAS_2 / "model-whole-adam.h5"
    code = f"import sys, tinynet; tinynet.models.load_model({str(path)!r})"
    code += "; assert 'h5py' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_model_in_many_layers_with_long_names(tmp_path):
    """More names than one attribute of HDF5 can hold."""
    stack = [layers.Activation("linear", name=f"{'x' * 900}{i}") for i in range(90)]
    model = models.Sequential([layers.Dense(2, input_shape=(2,)), *stack])
    model.save(tmp_path / "m.h5")
    assert [x.name for x in models.load_model(tmp_path / "m.h5").layers[1:]] == [
        x.name for x in stack
    ]


def test_writing_to_memory_gives_the_same_archive():
    target = io.BytesIO()
    model = make(tinynet, "dense", "sgd")
    saving.weights_h5.write(model, target)
    other = make(tinynet, "dense", "sgd", steps=0)
    saving.weights_h5.read(other, target).apply("memory")
    close(other.get_weights(), model.get_weights(), 0)
