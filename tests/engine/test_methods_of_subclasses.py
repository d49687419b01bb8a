"""A method of a subclass of a model that Keras would call runs, or is an error."""

import keras
import numpy as np
import pytest

import tinynet

X, Y = np.ones((4, 3)), np.ones((4, 1))


def compiled(library, **methods):
    class Net(library.Model):
        def __init__(self):
            super().__init__()
            self.last = library.layers.Dense(1)

        def call(self, x):
            return self.last(x)

    for name, method in methods.items():
        setattr(Net, name, method)
    model = Net()
    model.compile("sgd", "mse")
    return model


def use(model):
    model.fit(X, Y, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)


def called(self, *args, **options):
    raise RuntimeError("called")


STEPS = ["train_step", "test_step", "predict_step"]
OTHERS = ["compute_loss", "compute_metrics", "make_train_function", "make_test_function",
          "make_predict_function"]  # fmt: skip


@pytest.mark.parametrize("name", STEPS + OTHERS)
def test_what_keras_calls_is_called_or_refused(name):
    with pytest.raises(RuntimeError, match="called"):
        use(compiled(keras, **{name: called}))
    if name in STEPS:
        with pytest.raises(RuntimeError, match="called"):
            use(compiled(tinynet, **{name: called}))
    else:
        with pytest.raises(NotImplementedError, match=f"Net has a {name}, which is not called"):
            compiled(tinynet, **{name: called})


@pytest.mark.parametrize("name", STEPS[:2])
def test_a_step_with_keras_arguments_says_what_it_gets(name):
    with pytest.raises(TypeError, match=rf"Net.{name}\(self, data\) is called with \(x, y, w\)"):
        compiled(tinynet, **{name: lambda self, data: {}})
    compiled(tinynet, **{name: lambda self, x, y, w, further=None: None})
