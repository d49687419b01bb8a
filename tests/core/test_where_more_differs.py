"""README's list of where tinynet differs from Keras: what models, layers and options refuse.

The other entries, and which tests belong to which, are in `test_where_it_differs.py`.
"""

import keras
import numpy as np
import pytest
from test_where_it_differs import in_both, one_layer

import tinynet

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own


def test_structures_of_inputs_and_outputs():
    def outputs(k):
        x = k.Input((2,), name="x")
        return k.Model(x, (k.layers.Dense(1)(x), k.layers.Dense(1)(x)))(np.ones((3, 2)))

    assert [type(found) for found in in_both(outputs)] == [tuple, list]

    def differences(k):
        a, b = k.Input((2,), name="b"), k.Input((2,), name="a")
        return k.Model({"b": a, "a": b}, k.layers.subtract([a, b]))

    theirs, ours = in_both(differences)
    with pytest.raises(ValueError, match="structure of `inputs` doesn't match"):
        theirs([np.ones((1, 2)), np.zeros((1, 2))])
    assert ours([np.ones((1, 2)), np.zeros((1, 2))]).tolist() == [[-1.0, -1.0]]

    k = keras
    a, b = k.Input((2,)), k.Input((2,))
    assert k.Model([[a], b], k.layers.Dense(1)(a)).output_shape == (None, 1)
    k = tinynet
    a, b = k.Input((2,)), k.Input((2,))
    with pytest.raises(TypeError, match="inputs must be symbolic tensors"):
        k.Model([[a], b], k.layers.Dense(1)(a))
    with pytest.raises(ValueError, match="no output depends on the input"):
        k.Model([a, b], k.layers.Dense(1)(a))


def test_masks_of_layers_called_on_arrays():
    a, b = (np.array(rows, "float32") for rows in ([[[0, 0], [-1, -2]]], [[[-1, -1], [-3, -4]]]))

    def larger(k):
        return np.asarray(k.layers.Maximum()([k.layers.Masking()(a), k.layers.Masking()(b)]))

    theirs, ours = in_both(larger)
    assert theirs.tolist() == [[[-1, -1], [-1, -2]]]
    assert ours.tolist() == [[[0, 0], [-1, -2]]]


def test_plain_arguments_are_not_remembered(tmp_path):
    def stacked(k):
        class Scaled(k.layers.Layer):
            def __init__(self, factor, **options):
                super().__init__(**options)
                self.inner = k.layers.Rescaling(factor)

            def call(self, x):
                return self.inner(x)

        return k.Sequential([k.layers.Input((2,)), Scaled(2.0)])

    theirs, ours = in_both(stacked)
    theirs.save(tmp_path / "k.keras")
    with pytest.raises(TypeError, match="constructor takes factor, which get_config"):
        ours.save(tmp_path / "m.keras")


def test_options_that_can_not_be_meant():
    assert keras.optimizers.SGD(momentum=1.0).momentum == 1
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\)"):
        tinynet.optimizers.SGD(momentum=1.0)
    with pytest.warns(UserWarning, match="fallback to auto mode"):
        keras.callbacks.ModelCheckpoint("m.keras", mode="least")
    with pytest.raises(ValueError, match="mode must be"):
        tinynet.callbacks.ModelCheckpoint("m.keras", mode="least")
    keras.callbacks.LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="there is no hook 'on_epoch_ends'"):
        tinynet.callbacks.LambdaCallback(on_epoch_ends=print)


def test_the_last_line_of_a_progbar(capsys):
    def last(k):
        bar = k.utils.Progbar(2, verbose=2)
        bar.update(1, [("a", 1.0)])
        bar.update(2, [("a", 2.0)])
        return capsys.readouterr().out.split()[-1]

    assert in_both(last) == ("2.0000", "1.5000")


def test_no_optimizer():
    model = one_layer(keras)
    model.compile(None, "mse")
    assert model.evaluate(np.zeros((2, 2)), np.ones((2, 1)), verbose=0) == 1
    with pytest.raises(TypeError, match="expected a name or an Optimizer, received None"):
        one_layer(tinynet).compile(None, "mse")


def test_a_holder_of_another_dtype():
    class Holder(tinynet.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner = tinynet.layers.Dense(2, dtype="float64")

        def call(self, x):
            return self.inner(x)

    with pytest.raises(ValueError, match="float64"):
        Holder(dtype="float32")(np.ones((1, 3), "float32"))
    assert Holder(dtype="float64")(np.ones((1, 3))).dtype == "float64"


def test_weights_of_a_model():
    assert keras.Sequential().add_weight(shape=(2,), name="w").shape == (2,)
    with pytest.raises(NotImplementedError, match="has no weights of its own"):
        tinynet.Sequential().add_weight(shape=(2,), name="w")
