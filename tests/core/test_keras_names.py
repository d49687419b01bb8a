"""Keras's names: objects as configs, Progbar, get_file, plot_model, settings."""

import functools
import http.server
import json
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tinynet as keras

NAMES = """
Layer Loss Metric Optimizer Initializer Regularizer Variable InputSpec KerasTensor version
layers.concatenate layers.add layers.dot layers.InputSpec utils.clear_session utils.plot_model
utils.register_keras_serializable utils.custom_object_scope utils.get_file utils.Progbar
utils.disable_interactive_logging utils.serialize_keras_object saving.serialize_keras_object
saving.deserialize_keras_object preprocessing.sequence.pad_sequences config.epsilon
config.image_data_format backend.backend backend.get_value optimizers.Muon
optimizers.ScheduleFreeAdamW regularizers.OrthogonalRegularizer ops.mean
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_there(name):
    assert callable(functools.reduce(getattr, name.split("."), keras))


def test_what_the_classes_are():
    assert issubclass(keras.layers.Dense, keras.Layer)
    assert isinstance(keras.losses.Huber(), keras.Loss)
    assert isinstance(keras.metrics.AUC(), keras.Metric)
    assert isinstance(keras.optimizers.Adam(), keras.Optimizer)
    assert isinstance(keras.initializers.HeNormal(), keras.Initializer)
    assert isinstance(keras.regularizers.L2(), keras.Regularizer)
    layer = keras.layers.Dense(2, input_shape=(3,))
    layer.build((None, 3))
    assert isinstance(layer.kernel, keras.Variable)
    assert keras.version() == keras.__version__
    assert keras.config.epsilon() == keras.backend.epsilon() == 1e-7


def test_set_value():
    optimizer = keras.optimizers.SGD(0.5)
    keras.backend.set_value(optimizer.learning_rate, 0.25)
    assert keras.backend.get_value(optimizer.learning_rate) == 0.25


@keras.utils.register_keras_serializable(package="names")
class Box:
    def __init__(self, inside):
        self.inside = inside

    def get_config(self):
        return {"inside": self.inside}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.utils.register_keras_serializable(package="names")
def doubled(x):
    return 2 * x


OBJECTS = [
    keras.layers.Dense(3, "relu", name="d", kernel_regularizer="l2"), keras.losses.Huber(0.3),
    keras.losses.Dice(axis=-1), keras.metrics.AUC(),
    keras.optimizers.Muon(0.1, exclude_layers=["out"]),
    keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), keras.initializers.HeNormal(seed=1),
    keras.regularizers.OrthogonalRegularizer(0.1, "columns"), keras.constraints.NonNeg(), Box(7),
]  # fmt: skip


@pytest.mark.parametrize("obj", OBJECTS, ids=lambda o: type(o).__name__)
def test_objects_as_configs_and_back(obj):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object({"a": [obj, 1, "x", None]})))
    again, *rest = keras.saving.deserialize_keras_object(config)["a"]
    assert type(again) is type(obj)
    assert again.get_config() == obj.get_config()
    assert rest == [1, "x", None]


def test_functions_arrays_and_models_as_configs():
    config = keras.saving.serialize_keras_object([doubled, keras.activations.relu, np.arange(3)])
    f, relu, array = keras.saving.deserialize_keras_object(config)
    assert (f, relu) == (doubled, keras.activations.relu)
    np.testing.assert_array_equal(array, [0, 1, 2])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert again.output_shape == (None, 3)
    with pytest.raises(TypeError, match="expected an object with get_config"):
        keras.saving.serialize_keras_object(lambda x: x)
    with pytest.raises(ValueError, match="Absent"):
        keras.saving.deserialize_keras_object(
            {"module": "mine", "class_name": "Absent", "config": {}}
        )


def test_progbar_shows_means_and_last_values(capsys):
    bar = keras.utils.Progbar(4, verbose=2, stateful_metrics=["acc"])
    for step in range(4):
        bar.add(1, [("loss", step), ("acc", step / 8)])
    line = capsys.readouterr().out
    assert "4/4" in line
    assert "loss: 1.5000 - acc: 0.3750" in line
    bar = keras.utils.Progbar(None, verbose=2)
    bar.update(3, [("loss", 1.0)])  # three steps
    bar.update(4, [("loss", 5.0)], finalize=True)
    assert "loss: 2.0000" in capsys.readouterr().out


def test_interactive_logging(capsys):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    try:
        keras.utils.disable_interactive_logging()
        assert not keras.config.is_interactive_logging_enabled()
        model.fit(np.ones((2, 1)), np.ones((2, 1)))
        assert "\r" not in capsys.readouterr().out
    finally:
        keras.utils.enable_interactive_logging()
    assert keras.config.is_interactive_logging_enabled()


@pytest.fixture
def served(tmp_path):
    """A folder with files, and its address on a server of this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("in/c.txt", "inside")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_get_file(served, tmp_path):
    folder, address = served
    get = functools.partial(keras.utils.get_file, cache_dir=tmp_path / "cache")
    path = get(origin=f"{address}/a.txt", md5_hash="5d41402abc4b2a76b9719d911017c592")
    assert Path(path).read_text() == "hello"
    (folder / "a.txt").write_text("another")
    assert Path(get("a.txt", f"{address}/a.txt")).read_text() == "hello"
    with pytest.raises(ValueError, match="hash"):
        get("d.txt", f"{address}/a.txt", file_hash="0" * 64)
    unpacked = get(origin=f"{address}/b.zip", extract=True)
    assert Path(f"{unpacked}/in/c.txt").read_text() == "inside"
    with pytest.raises(ValueError, match="neither a tar nor a zip"):
        get(origin=f"{address}/a.txt", untar=True)
    with pytest.raises(ValueError, match="needs origin"):
        get("a.txt")


def test_plot_model(tmp_path):
    a = keras.Input((4,), name="in")
    h = keras.layers.Dense(3, "relu", name="h")(a)
    model = keras.Model(a, keras.layers.add([h, keras.layers.Dense(3, name="k")(a)], name="sum"))
    text = keras.utils.plot_model(model, tmp_path / "m.dot", show_shapes=True).read_text()
    number = {name: text.split(f' [label="{name} ')[0].rsplit(None, 1)[-1] for name in
              ("in", "h", "k", "sum")}  # fmt: skip
    edges = {tuple(line.strip(" ;").split(" -> ")) for line in text.splitlines()
             if line.strip()[0].isdigit() and "label" not in line}  # fmt: skip
    expected = {("in", "h"), ("in", "k"), ("h", "sum"), ("k", "sum")}
    assert edges == {(number[a], number[b]) for a, b in expected}
    assert "(None, 4) -> (None, 3)" in text
    path = keras.utils.plot_model(model, tmp_path / "m.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="plot_model"):
        keras.utils.plot_model(keras.Sequential([keras.layers.Dense(2)]), tmp_path / "n.png")


@pytest.mark.parametrize(
    ("options", "expected"),  # of means over three steps: (1.5 + 2 * 3) / 3, (4 + 2 * 1) / 3
    [
        ({}, "a: 2.5000 - b: 2.0000"),
        ({"stateful_metrics": ["a"]}, "a: 3.0000 - b: 2.0000"),
        ({"stateless_metrics": ["a"]}, "a: 2.5000 - b: 1.0000"),
    ],
)
def test_progbar_of_lists(options, expected, capsys):
    bar = keras.utils.Progbar(3, verbose=2, **options)
    bar.update(1, values=[("a", [1.0, 2.0]), ("b", 4.0)])
    bar.update(3, values=[("a", [3.0]), ("b", np.float32(1))], finalize=True)
    assert capsys.readouterr().out.strip().endswith(expected)


def test_progbar_of_both_kinds_of_metrics():
    with pytest.raises(ValueError, match="stateful_metrics or stateless_metrics, not both"):
        keras.utils.Progbar(3, stateful_metrics=[], stateless_metrics=[])


def test_a_file_of_this_machine(tmp_path):
    (tmp_path / "there.txt").write_text("words")
    origin = (tmp_path / "there.txt").as_uri()
    path = keras.utils.get_file("here.txt", origin, cache_dir=tmp_path)
    assert Path(path) == tmp_path / "datasets" / "here.txt"
    assert Path(path).read_text() == "words"
    with pytest.raises(OSError, match="nowhere"):
        keras.utils.get_file("more.txt", f"{origin}-nowhere", cache_dir=tmp_path)
