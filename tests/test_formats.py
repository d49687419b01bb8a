"""Files both ways: we go on where Keras's files stop, and Keras where ours do."""

import io
import json
import os
import pathlib

import numpy as np
import pytest
from oracle import HAVE_KERAS, keras_case, live_keras

import tinynet
from tinynet import layers, losses, models, saving

os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "2")
KERAS_2 = pathlib.Path(__file__).parent / "fixtures" / "keras-2.15"
needs_keras = pytest.mark.skipif(not HAVE_KERAS, reason="Keras itself reads the file here")

# name -> layers before the last Dense; k is keras or tinynet
NETS = {
    "dense": lambda k: [
        k.layers.Dense(4, activation="tanh", kernel_regularizer="l2"),
        k.layers.Dropout(0.0, name="left_out"),
    ],
    "norm": lambda k: [
        k.layers.Dense(4, use_bias=False, kernel_initializer=k.initializers.HeNormal(seed=3)),
        k.layers.BatchNormalization(momentum=0.8, center=False),
        k.layers.PReLU(),
        k.layers.Dense(4, activation="relu", name="second"),
        k.layers.BatchNormalization(scale=False),
    ],
    "shapes": lambda k: [
        k.layers.Flatten(),
        k.layers.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.1),
        k.layers.LeakyReLU(0.2),
        k.layers.Dense(4, bias_regularizer=k.regularizers.L1(0.01)),
        k.layers.ELU(0.7),
        k.layers.Activation("sigmoid"),
        k.layers.Dense(4),
        k.layers.Softmax(),
    ],
    "rows": lambda k: [
        k.layers.Rescaling(2.0, offset=-1.0),
        k.layers.LayerNormalization(epsilon=1e-2),
        k.layers.Reshape((3, 2)),
        k.layers.Dense(
            4,
            activation="swish",
            kernel_constraint=k.constraints.MaxNorm(0.8),
            activity_regularizer=k.regularizers.L2(0.01),
        ),
        k.layers.UnitNormalization(),
        k.layers.Permute((2, 1)),
        k.layers.GaussianNoise(0.0),
        k.layers.GlobalAveragePooling1D(),
        k.layers.RepeatVector(2),
        k.layers.GlobalMaxPooling1D(),
        k.layers.ActivityRegularization(l1=0.01),
        k.layers.AlphaDropout(0.0),
    ],
}


def graph(k):
    """A functional model: a layer used twice, merge layers, a model inside."""
    L = k.layers
    x = k.Input((2, 3), name="x")
    flat = L.Flatten(name="flat")(x)
    shared = L.Dense(6, activation="tanh", name="shared")
    h = shared(shared(flat))
    inner = k.Sequential([k.Input((6,)), L.Dense(4, name="i"), L.BatchNormalization(name="b")],
                         name="inner")  # fmt: skip
    joined = L.Concatenate(name="join")([L.Add(name="add")([flat, h]), inner(h)])
    most = L.Maximum(name="most")([flat, h])
    out = L.Dense(3, activation="softmax", name="out")(L.Concatenate(name="all")([joined, most]))
    return k.Model(x, out, name="net")


OPTIMIZERS = {
    "sgd": lambda k: k.optimizers.SGD(0.1),
    "momentum": lambda k: k.optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipvalue=0.5),
    "rmsprop": lambda k: k.optimizers.RMSprop(0.01),
    "centered": lambda k: k.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda k: k.optimizers.Adam(
        k.optimizers.schedules.ExponentialDecay(0.01, 2, 0.9), clipnorm=1.0
    ),
    "amsgrad": lambda k: k.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda k: k.optimizers.AdamW(0.01, weight_decay=0.02),
    "nadam": lambda k: k.optimizers.Nadam(0.01),
    "adamax": lambda k: k.optimizers.Adamax(0.01),
    "adagrad": lambda k: k.optimizers.Adagrad(0.05),
    "adadelta": lambda k: k.optimizers.Adadelta(0.5),
    "lion": lambda k: k.optimizers.Lion(0.01),
    "ftrl": lambda k: k.optimizers.Ftrl(0.05),
    "adafactor": lambda k: k.optimizers.Adafactor(0.01),
    "averaged": lambda k: k.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.8),
    "accumulated": lambda k: k.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2),
}
CASES = [
    *(("dense", o) for o in OPTIMIZERS),
    ("norm", "adam"), ("shapes", "centered"), ("rows", "adam"), ("graph", "momentum"),
]  # fmt: skip


def data():
    random = np.random.RandomState(0)
    return random.rand(24, 2, 3).astype("f4"), random.randint(0, 3, 24)


def make(k, net, optimizer, steps=3):
    """A model of either library with given weights, trained for a few steps."""
    first = [] if net == "shapes" else [k.layers.Flatten(input_shape=(2, 3))]
    start = [k.Input((2, 3))] if net == "shapes" else []
    if k is not tinynet and first:
        first, start = [k.layers.Flatten()], [k.Input((2, 3))]
    last = k.layers.Dense(3, activation="softmax", name="out")
    if net == "graph":
        model = graph(k)
    else:
        model = k.Sequential([*start, *first, *NETS[net](k), last], name="net")
    random = np.random.RandomState(1)
    model.set_weights([random.uniform(0.1, 0.9, w.shape) for w in model.get_weights()])
    model.compile(
        OPTIMIZERS[optimizer](k),
        k.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy", k.metrics.SparseTopKCategoricalAccuracy(2, name="top2")],
    )
    if k is not tinynet:
        model.run_eagerly = True  # no compilation for a handful of steps
    if steps:
        train(model)
    return model


def updates(optimizer):
    """Of three steps."""
    return 1 if optimizer == "accumulated" else 3


def train(model):
    """Three steps."""
    x, y = data()
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)


def close(weights, expected, tolerance):
    for w, e in zip(weights, expected, strict=True):
        np.testing.assert_allclose(w, e, rtol=0, atol=tolerance)


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
