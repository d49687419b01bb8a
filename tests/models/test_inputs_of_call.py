"""A `call` of one's own gets its inputs as they were given: a list, a tuple or a dict of arrays."""

import itertools

import keras
import numpy as np
import pytest
from layer_checks import close
from replay_runs import RECORDED

import tinynet

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(8, 3)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")
Y = RNG.normal(size=(8, 5)).astype("float32")
FORMS = {
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "dict": lambda a, b: {"b": b, "a": a},
}


def net(library, form):
    class Net(library.Model):
        def __init__(self, **options):
            super().__init__(**options)
            ones = library.initializers.Constant(0.1)
            self.first = library.layers.Dense(4, "tanh", kernel_initializer=ones)
            self.last = library.layers.Dense(5, kernel_initializer=ones)

        def call(self, inputs, training=False):
            a, b = (inputs["a"], inputs["b"]) if form == "dict" else inputs
            return self.last(library.layers.concatenate([self.first(a), b]))

    return library.saving.register_keras_serializable("inputs_of_call")(Net)


def trained(library, form, path):
    model, x = net(library, form)(), FORMS[form](A, B)
    model.compile("sgd", "mse")
    history = model.fit(x, Y, batch_size=4, epochs=2, shuffle=False, verbose=0,
                        validation_data=(x, Y)).history  # fmt: skip
    model.save(path)
    loaded = library.saving.load_model(path)
    i, j = library.Input((3,)), library.Input((2,))
    within = library.Model([i, j], model(FORMS[form](i, j)))
    answers = {"y": model(x), "predict": model.predict(x, verbose=0), "loaded": loaded(x),
               "within": within([A, B])}  # fmt: skip
    return model, history | {key: np.asarray(value) for key, value in answers.items()}


@pytest.mark.parametrize("form", FORMS)
def test_models_train_as_in_keras(form, tmp_path):
    _, expected = trained(keras, form, tmp_path / "theirs.keras")
    model, answers = trained(tinynet, form, tmp_path / "ours.keras")
    assert model.explain_execution() == RECORDED
    assert answers.keys() == expected.keys()
    for key, value in expected.items():
        close(answers[key], value, 1e-5)
    theirs = tinynet.saving.load_model(tmp_path / "theirs.keras")
    close(theirs.predict(FORMS[form](A, B), verbose=0), expected["predict"], 1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_generator_builds_the_model(form):
    def batches():
        for rows in itertools.cycle((slice(0, 4), slice(4, 8))):
            yield FORMS[form](A[rows], B[rows]), Y[rows]

    losses = []
    for library in (keras, tinynet):
        model = net(library, form)()
        model.compile("sgd", "mse")
        fitted = model.fit(batches(), shuffle=False, verbose=0, steps_per_epoch=2)
        losses.append(fitted.history["loss"])
    close(*losses, 1e-5)


@pytest.mark.parametrize(("form", "wrapped"), [("list", lambda a: [a]), ("dict", lambda a: {0: a})])
def test_a_list_or_a_dict_of_one_array(form, wrapped):
    for library in (keras, tinynet):

        class Net(library.Model):
            def __init__(self):
                super().__init__()
                self.last = library.layers.Dense(5)  # noqa: B023

            def call(self, inputs):
                return self.last(inputs[0])

        model = Net()
        model.compile("sgd", "mse")
        model.fit(wrapped(A), Y, verbose=0)
        assert model.predict(wrapped(A), verbose=0).shape == (8, 5)


def test_layers_take_lists_as_in_keras():
    answers = []
    for library in (keras, tinynet):

        class Joined(library.layers.Layer):
            def __init__(self, library):
                super().__init__()
                self.join = library.layers.Concatenate()
                self.first = library.layers.Dense(3, kernel_initializer="ones")

            def call(self, inputs):
                a, b = inputs
                return self.join([self.first(a), b])

        i, j, layer = library.Input((3,)), library.Input((2,)), Joined(library)
        model = library.Model([i, j], layer([i, j]))
        model.compile("sgd", "mse")
        loss = model.fit([A, B], Y, verbose=0).history["loss"]
        answers.append((loss, np.asarray(layer((A, B))), np.asarray(Joined(library)([A, B]))))
    for ours, theirs in zip(*answers, strict=True):
        close(ours, theirs, 1e-5)


def test_inputs_that_do_not_fit():
    model = net(tinynet, "dict")()
    model.predict({"a": A, "b": B}, verbose=0)
    with pytest.raises(ValueError, match=r"expected the inputs \['a', 'b'\], received \['a'\]"):
        model.predict({"a": A}, verbose=0)
    with pytest.raises(ValueError, match=r"differ in their number of rows \(a: 8, b: 7\)"):
        net(tinynet, "dict")().predict({"a": A, "b": B[1:]}, verbose=0)


@pytest.mark.parametrize("shapes", [{}, {"a": 3}, [[None, 3], 2], [[None, 3]] * 1001])
def test_shapes_in_a_file_that_are_none(shapes):
    config = {"class_name": "Net", "registered_name": "inputs_of_call>Net", "config": {},
              "module": "x", "build_config": {"input_shape": shapes}}  # fmt: skip
    net(tinynet, "list")
    with pytest.raises(ValueError, match="build_config"):
        tinynet.saving.config.build_model(config)


def test_rows_in_a_list_are_one_input_of_a_stack():
    class Twice(tinynet.Layer):
        def call(self, x):
            return 2 * x

    model = tinynet.Sequential([Twice()])
    assert model([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).tolist() == [[2, 4], [6, 8]]
