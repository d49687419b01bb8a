"""Models of every kind, the same in Keras (k) and in tinynet, to be written and read."""

import pathlib

import numpy as np

import tinynet

KERAS_2 = pathlib.Path(__file__).parent.parent / "fixtures" / "keras-2.15"

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


def train(model):
    """Three steps."""
    x, y = data()
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)


def close(weights, expected, tolerance):
    for w, e in zip(weights, expected, strict=True):
        np.testing.assert_allclose(w, e, rtol=0, atol=tolerance)
