"""Counts that the posts state: parameters of their nets, steps per epoch, steps of evaluate."""

import numpy as np
import pytest

import tinynet as keras
from tinynet.layers import Dense, Dropout, Flatten


def digits_net():
    model = keras.models.Sequential()
    model.add(Flatten(input_shape=[28, 28], name="Flatten"))
    model.add(Dense(300, activation="relu", name="Hidden1"))
    model.add(Dense(200, activation="relu", name="Hidden2"))
    model.add(Dense(100, activation="relu", name="Hidden3"))
    model.add(Dense(10, activation="softmax", name="Output"))
    return model


def fashion_net(extra=None):
    model = keras.Sequential()
    model.add(Flatten(input_shape=(28, 28)))
    model.add(Dense(100, activation="relu"))
    if extra:
        model.add(extra)
    model.add(Dense(10, activation="softmax"))
    return model


def reviews_net():
    model = keras.models.Sequential()
    model.add(Dense(16, activation="relu", input_shape=(10000,), name="Hidden1"))
    model.add(Dense(16, activation="relu"))
    model.add(Dense(1, activation="sigmoid"))
    return model


def overview_net():
    model = keras.models.Sequential()
    model.add(Dense(units=5, activation="relu", input_shape=(39,)))
    model.add(Dense(units=5, activation="relu"))
    model.add(Dense(units=2, activation="softmax"))
    return model


@pytest.mark.parametrize(
    ("build", "per_layer"),
    [
        (digits_net, [0, 235_500, 60_200, 20_100, 1_010]),
        (fashion_net, [0, 78_500, 1_010]),
        (reviews_net, [160_016, 272, 17]),
        (overview_net, [200, 30, 12]),
    ],
)
def test_parameters(build, per_layer):
    model = build()
    assert [layer.count_params() for layer in model.layers] == per_layer
    assert model.count_params() == sum(per_layer)


def test_totals():
    nets = digits_net(), fashion_net(Dropout(0.3)), reviews_net(), overview_net()
    assert [net.count_params() for net in nets] == [316_810, 79_510, 160_305, 242]


def test_batch_5000_of_55000_rows_is_11_steps():
    model = digits_net()
    optimizer = keras.optimizers.Adam(learning_rate=0.005)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.zeros((55_000, 28, 28), np.uint8)
    history = model.fit(x, np.arange(55_000) % 10, epochs=1, batch_size=5000, verbose=0)
    assert history.params == {"verbose": 0, "epochs": 1, "steps": 11}
    assert optimizer.iterations == 11
    assert optimizer.learning_rate == 0.005


def test_evaluate_15000_rows_is_469_steps(capsys):
    model = fashion_net()
    model.compile(loss="sparse_categorical_crossentropy", metrics="accuracy")
    x = np.zeros((15_000, 28, 28), np.uint8)
    loss, accuracy = model.evaluate(x, np.zeros(15_000, int))
    assert capsys.readouterr().out.startswith("469/469 ")
    # equal rows have equal outputs: the zero image's logits are the zero biases
    assert loss == pytest.approx(np.log(10), rel=1e-6)
    assert accuracy in (0.0, 1.0)


def test_automatic_names_go_on_counting():
    keras.backend.clear_session()
    for _ in range(3):
        fashion_net()
    model = fashion_net(Dropout(0.3))
    assert model.name == "sequential_3"
    assert [layer.name for layer in model.layers] == ["flatten_3", "dense_6", "dropout", "dense_7"]
