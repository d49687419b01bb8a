"""A class of one's own that a file could not make again is refused when it is saved."""

import keras
import numpy as np
import pytest

import tinynet
from tinynet import Model, Sequential, layers, losses, models, saving
from tinynet.layers import Dense, Input, Layer


class Pass(Layer):
    def forward(self, x, training=False):
        return x

    def backward(self, dy):
        return dy


class Required(Pass):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units


class WithDefault(Pass):
    def __init__(self, units=3, **options):
        super().__init__(**options)
        self.units = units


class OfDense(Dense):
    def __init__(self, width, **options):
        super().__init__(width, **options)


class Forgets(Required):
    def get_config(self):
        return super().get_config()


class TooMuch(Pass):
    def __init__(self):
        super().__init__()

    def get_config(self):
        return {"name": self.name}


class Plain(Pass):
    def __init__(self):
        super().__init__()


class Net(Model):
    def __init__(self, width):
        super().__init__()
        self.d = Dense(width)

    def call(self, x):
        return self.d(x)


class Loss(losses.Loss):
    def __init__(self, factor=2.0, **options):
        super().__init__(**options)

    def call(self, y, p):
        return ((y - p) ** 2).sum(axis=-1)

    def derivative(self, y, p):
        return 2 * (p - y)


def stacked(layer):
    return Sequential([Input((4,)), layer, Dense(2)])


def compiled(loss):
    model = stacked(Plain())
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (stacked(Required(3, name="r")), r"'r' \(Required\) .* takes units, .*get_config\(self\)"),
        (stacked(WithDefault(5)), r"takes units.*\"units\": self.units"),
        (stacked(OfDense(5)), "takes width"),
        (stacked(Forgets(5)), "takes units"),
        (stacked(TooMuch()), r"returns name, which.*super\(\).__init__\(\*\*options\)"),
        (Sequential([Input((4,)), Sequential([Required(5)])]), "takes units"),
        (Net(3), r"\(Net\) could not be loaded again: its constructor takes width"),
        (compiled(Loss(3.0)), "takes factor"),
    ],
)
def test_said_at_saving_time(model, message, tmp_path):
    for suffix in (".keras", ".h5"):
        with pytest.raises(TypeError, match=message):
            model.save(tmp_path / f"m{suffix}")
        assert not (tmp_path / f"m{suffix}").exists()
    with pytest.raises(TypeError, match=message):
        model.to_json()
    if model.built:
        model.save_weights(tmp_path / "w.npz")  # needs no constructor


def test_a_constructor_without_options_is_enough(tmp_path):
    model = stacked(Plain())
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras", custom_objects={"Plain": Plain})
    np.testing.assert_array_equal(again(np.ones((3, 4))), model(np.ones((3, 4))))
    layer = layers.deserialize(layers.serialize(Dense(3)))
    assert layer.units == 3


def test_a_from_config_of_ones_own_may_do_what_it_wants(tmp_path):
    class Fixed(Required):
        @classmethod
        def from_config(cls, config):
            return cls(7)

    saving.register_keras_serializable("own")(Fixed)
    model = stacked(Fixed(7))
    model.save(tmp_path / "m.keras")
    assert models.load_model(tmp_path / "m.keras").layers[0].units == 7


def both_ways(library, path):
    """A model whose from_config takes the config alone, and one that adds to its config."""

    class Made(library.Model):
        def __init__(self, **options):
            x = library.Input((4,))
            super().__init__(inputs=x, outputs=library.layers.Dense(1)(x), **options)

        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    class Added(library.Model):
        def __init__(self, *args, power=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.power = power

        def get_config(self):
            return super().get_config() | {"power": self.power}

    for cls in (Made, Added):
        library.saving.register_keras_serializable("both_ways")(cls)
    x = library.Input((4,))
    model, added = Made(), Added(x, library.layers.Dense(1)(x), power=3)
    model.save(path)
    loaded = library.saving.load_model(path)
    np.testing.assert_array_equal(loaded(np.ones((2, 4))), model(np.ones((2, 4))))
    added.save(path)
    return Added.from_config(added.get_config()).power, library.saving.load_model(path).power


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own
def test_models_that_make_themselves_as_in_keras(tmp_path):
    assert both_ways(tinynet, tmp_path / "m.keras") == (3, 3)
    assert both_ways(keras, tmp_path / "k.keras") == (3, 3)
