"""clone_model, compile configs, and models in open files, beside Keras."""

import io

import keras
import numpy as np
import pytest

import tinynet
from tinynet import layers, models

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(12, 2)).astype("float32")


def sequential(k):
    return k.Sequential([
        k.layers.Input((4,), name="in"), k.layers.Dense(3, "relu", name="a"),
        k.layers.Dropout(0.2, name="d"), k.layers.Dense(2, name="b", kernel_initializer="ones"),
    ], name="stack")  # fmt: skip


def functional(k):
    x, z = k.layers.Input((4,), name="x"), k.layers.Input((3,), name="z")
    twice = k.layers.Dense(4, name="twice")
    inner = k.Sequential([k.layers.Input((4,)), k.layers.Dense(3, name="in_inner")], name="inner")
    h = k.layers.Concatenate(name="both")([inner(twice(twice(x))), z])
    return k.Model([x, z], k.layers.Dense(2, name="out")(h), name="graph")


BUILDS = {"sequential": sequential, "functional": functional}


def outline(model):
    """What a clone has to share with the model: names, kinds, shapes, how it was compiled."""
    walk = [(type(one).__name__, one.name) for one in model.layers]
    shapes = [tuple(w.shape) for w in model.get_weights()]
    config = model.get_compile_config()
    optimizer = config.get("optimizer") or {"class_name": None, "config": {}}
    rate = optimizer["config"].get("learning_rate")
    return model.name, walk, shapes, optimizer["class_name"], rate, config.get("metrics")


@pytest.mark.parametrize("kind", BUILDS)
@pytest.mark.parametrize("compiled", [False, True])
def test_clone_is_like_the_model_with_new_weights(kind, compiled):
    outlines = []
    for k in (keras, tinynet):
        model = BUILDS[kind](k)
        if compiled:
            model.compile(k.optimizers.SGD(0.125), "mse", metrics=["mae"])
        clone = k.models.clone_model(model)
        assert outline(clone) == outline(model)
        assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
        assert not {id(one) for one in clone.layers} & {id(one) for one in model.layers}
        outlines.append(outline(clone))
    ours, theirs = outlines[1], outlines[0]
    assert ours[:5] == theirs[:5]


@pytest.mark.parametrize("kind", BUILDS)
def test_clone_computes_the_same_from_the_same_weights(kind):
    model = BUILDS[kind](tinynet)
    clone = models.clone_model(model)
    clone.set_weights(model.get_weights())
    x = X if kind == "sequential" else [X, X[:, :3]]
    assert np.array_equal(clone.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("k", [keras, tinynet], ids=["keras", "tinynet"])
def test_functions_of_the_clone(k):
    """`clone_function` sees each layer once, and not inputs; `recursive` reaches inside models."""
    seen = []

    def wider(layer):
        seen.append(layer.name)
        config = layer.get_config()
        if layer.name in ("a", "in_inner"):
            config["units"] = 5
        return type(layer).from_config(config)

    clone = k.models.clone_model(sequential(k), clone_function=wider)
    assert [tuple(w.shape) for w in clone.get_weights()] == [(4, 5), (5,), (5, 2), (2,)]
    assert seen == ["a", "d", "b"]
    seen.clear()
    k.models.clone_model(functional(k), clone_function=lambda layer: wider(layer))
    assert sorted(seen) == ["both", "inner", "out", "twice"]
    seen.clear()
    clone = k.models.clone_model(functional(k), clone_function=wider, recursive=True)
    assert sorted(seen) == ["both", "in_inner", "out", "twice"]
    assert clone.get_layer("inner").output_shape[-1] == 5 if k is tinynet else True

    def doubled(layer, x, **options):
        y = layer(x, **options)
        return k.layers.Rescaling(2.0, name=f"{layer.name}_twice")(y) if layer.name == "out" else y

    model = functional(k)
    clone = k.models.clone_model(model, clone_function=lambda layer: layer, call_function=doubled)
    x = [X, X[:, :3]]
    found, expected = clone.predict(x, verbose=0), 2 * model.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("k", [keras, tinynet], ids=["keras", "tinynet"])
def test_inputs_of_the_clone(k):
    new = [k.layers.Input((4,), name="new"), k.layers.Input((3,), name="newer")]
    clone = k.models.clone_model(functional(k), input_tensors=new)
    assert [t.name for t in clone.inputs] == ["new", "newer"]
    clone = k.models.clone_model(sequential(k), input_tensors=[new[0]])
    assert tuple(clone.predict(X, verbose=0).shape) == (12, 2)
    for model, inputs in ((functional(k), new[0]), (functional(k), new[:1]),
                          (sequential(k), new), (sequential(k), X)):  # fmt: skip
        with pytest.raises(ValueError, match=r"input_tensors|input|symbolic"):
            k.models.clone_model(model, input_tensors=inputs)
    with pytest.raises(ValueError, match="call_function"):
        k.models.clone_model(sequential(k), call_function=lambda layer, x: layer(x))
    with pytest.raises(ValueError, match="expected a model"):
        models.clone_model(layers.Dense(2))


def test_compile_config_compiles_another_model_alike():
    model = sequential(tinynet)
    assert model.get_compile_config() == {} == sequential(keras).get_compile_config()
    schedule = tinynet.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)
    model.compile(tinynet.optimizers.Adam(schedule), tinynet.losses.Huber(0.5),
                  metrics=["mae", tinynet.metrics.RootMeanSquaredError()])  # fmt: skip
    model.fit(X, Y, epochs=3, verbose=0)
    other = sequential(tinynet)
    other.compile_from_config(model.get_compile_config())
    assert other.get_compile_config() == model.get_compile_config()
    assert other.optimizer.iterations == 0
    fresh = sequential(tinynet)
    fresh.compile(tinynet.optimizers.Adam(schedule), tinynet.losses.Huber(0.5))
    for one in (other, fresh):
        one.set_weights(model.get_weights())
    assert other.evaluate(X, Y, verbose=0)[0] == fresh.evaluate(X, Y, verbose=0)
    theirs = sequential(keras)
    theirs.compile_from_config(model.get_compile_config())
    assert theirs.loss.delta == 0.5 if hasattr(theirs.loss, "delta") else theirs.loss is not None


class OwnConfig(tinynet.Sequential):
    """Says itself how it is compiled."""

    def get_compile_config(self):
        return {**super().get_compile_config(), "note": "mine"}

    def compile_from_config(self, config):
        self.note = config.pop("note")
        super().compile_from_config(config)


def test_files_ask_the_model_how_it_is_compiled(tmp_path):
    model = OwnConfig([layers.Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.save(tmp_path / "m.keras")
    loaded = models.load_model(tmp_path / "m.keras", {"OwnConfig": OwnConfig})
    assert loaded.note == "mine"


def trained(k):
    model = sequential(k)
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=1, verbose=0)
    return model


def test_model_in_memory_is_the_file_that_keras_reads():
    from keras.src.saving import saving_lib

    model, out = trained(tinynet), io.BytesIO()
    model.save(out)
    for where in ("end", "start"):  # as in Keras, it does not matter where the file stands
        out.seek(0, 2 if where == "end" else 0)
        loaded = models.load_model(out)
        assert loaded.optimizer.iterations == 1
        assert all(map(np.array_equal, loaded.get_weights(), model.get_weights()))
    theirs = saving_lib.load_model(out)
    np.testing.assert_allclose(theirs.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)
    theirs, out = trained(keras), io.BytesIO()
    saving_lib.save_model(theirs, out)
    np.testing.assert_allclose(models.load_model(out).predict(X), theirs.predict(X, verbose=0),
                               rtol=1e-5)  # fmt: skip


def test_weights_in_memory(tmp_path):
    model, out, whole = trained(tinynet), io.BytesIO(), io.BytesIO()
    model.save_weights(out)
    model.save(whole)
    (tmp_path / "w.weights.h5").write_bytes(out.getvalue())
    for source in (out, whole, tmp_path / "w.weights.h5"):
        other = sequential(tinynet)
        other.compile("adam", "mse")
        other.load_weights(source)
        assert other.optimizer.iterations == 1
        assert all(map(np.array_equal, other.get_weights(), model.get_weights()))


def test_what_is_no_model_is_refused_by_its_kind():
    for damaged in (b"", b"PK\3\4 not one", b"\x89HDF\r\n\x1a\n" + bytes(90)):
        with pytest.raises(ValueError, match=r"<BytesIO>: this model can't be loaded"):
            models.load_model(io.BytesIO(damaged))
        with pytest.raises(ValueError, match=r"<BytesIO>: these weights can't be loaded"):
            sequential(tinynet).load_weights(io.BytesIO(damaged))

    class NoConfig(layers.Dense):
        def get_config(self):
            raise NotImplementedError("no config")

    out = io.BytesIO()
    with pytest.raises(NotImplementedError):
        tinynet.Sequential([NoConfig(2)]).save(out)
    assert out.getvalue() == b""
