"""Models that go through files between Keras and us: every layer, every optimizer.

k is keras or tinynet everywhere.
"""

import functools

import numpy as np
import saved_nets

FORMATS = (".keras", ".h5", ".weights.h5")


def stack(*shape):
    """Decorator: f(L) returns the layers of a Sequential for inputs of this shape."""

    def decorate(function):
        def build(k):
            last = k.layers.Dense(3, activation="softmax", name="out")
            return k.Sequential([k.layers.Input(shape), *function(k), last], name="net")

        return build

    return decorate


@stack(2, 3)
def plain(k):
    L = k.layers
    return [L.Flatten(), L.Dense(4, activation="tanh", kernel_regularizer="l2")]


@stack(2, 3)
def activations(k):
    L = k.layers
    return [
        L.PReLU(shared_axes=[1]),
        L.Dense(4, kernel_constraint=k.constraints.MaxNorm(0.8)),
        L.PReLU(alpha_initializer="ones"),
        L.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.1),
        L.LeakyReLU(negative_slope=0.2),
        L.ELU(alpha=0.7),
        L.Activation("sigmoid"),
        L.Softmax(axis=1),
        L.ActivityRegularization(l1=0.01, l2=0.02),
        L.Flatten(),
    ]


@stack(2, 3)
def normalizations(k):
    L, adapted = k.layers, k.layers.Normalization(axis=-1)
    adapted.adapt(data("normalizations")[0])
    return [
        adapted,
        L.Rescaling(2.0, offset=-1.0),
        L.LayerNormalization(epsilon=1e-2),
        L.Dense(4, use_bias=False, activity_regularizer=k.regularizers.L2(0.01)),
        L.BatchNormalization(momentum=0.8),
        L.RMSNormalization(),
        L.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 0.5, 1.0]),
        L.UnitNormalization(),
        L.BatchNormalization(axis=1, center=False),
        L.Flatten(),
    ]


@stack(6)
def shapes(k):
    L = k.layers
    return [
        L.Reshape((3, 2)),
        L.Dense(4, activation="relu", bias_regularizer=k.regularizers.L1(0.01)),
        L.Permute((2, 1)),
        L.Dropout(0.0),
        L.GaussianNoise(0.0),
        L.GaussianDropout(0.0),
        L.AlphaDropout(0.0),
        L.Identity(),
        L.GlobalAveragePooling1D(),
        L.Dense(4),
        L.RepeatVector(2),
        L.GlobalMaxPooling1D(keepdims=True),
        L.Flatten(),
    ]


@stack(5)
def words(k):
    L = k.layers
    return [
        L.Embedding(7, 4, mask_zero=True),
        L.Dense(4, activation="tanh"),
        L.GlobalAveragePooling1D(),
    ]


@stack(2, 3)
def categories(k):
    L = k.layers
    return [
        L.Discretization(bin_boundaries=[0.2, 0.6, 0.8]),
        L.CategoryEncoding(4, output_mode="one_hot"),
        L.Flatten(),
    ]


@stack(2, 3)
def masked(k):
    L = k.layers
    return [L.SpatialDropout1D(0.0), L.Masking(mask_value=9.0), L.GlobalAveragePooling1D()]


def products(k):
    L = k.layers
    x = k.Input((2, 3), name="x")
    a = L.GlobalAveragePooling1D(name="pool")(x)
    b = L.Dense(3, activation="tanh", name="h")(a)
    joined = L.Concatenate(name="join")([b, L.Dot(axes=1, normalize=True, name="dot")([a, b])])
    return k.Model(x, L.Dense(3, activation="softmax", name="out")(joined), name="net")


def graph(k):
    """Every merge, a layer used twice, a model inside."""
    L = k.layers
    x = k.Input((2, 3), name="x")
    flat = L.Flatten(name="flat")(x)
    shared = L.Dense(6, activation="tanh", name="shared")
    h = shared(shared(flat))
    inner = k.Sequential([k.Input((6,)), L.Dense(4, use_bias=False, name="i"),
                          L.BatchNormalization(name="b")], name="inner")  # fmt: skip
    merged = [
        merge(name=merge.__name__.lower())([flat, h])
        for merge in (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum)
    ]
    joined = L.Concatenate(name="join")([*merged, inner(h)])
    return k.Model(x, L.Dense(3, activation="softmax", name="out")(joined), name="net")


NETS = {
    "plain": plain,
    "activations": activations,
    "normalizations": normalizations,
    "shapes": shapes,
    "words": words,
    "categories": categories,
    "masked": masked,
    "products": products,
    "graph": graph,
}
OPTIMIZERS = {
    **saved_nets.OPTIMIZERS,
    "lamb": lambda k: k.optimizers.Lamb(0.01),
    "muon": lambda k: k.optimizers.Muon(0.01),
    "schedule_free": lambda k: k.optimizers.ScheduleFreeAdamW(0.01),
}


@functools.cache
def data(net):
    """x, y for three steps of 8 rows."""
    random = np.random.RandomState(0)
    shape = {"shapes": (6,), "words": (5,)}.get(net, (2, 3))
    x = random.rand(24, *shape).astype("f4")
    if net == "words":
        x = np.floor(x * 7).astype("f4")
        x[:, 0] = np.maximum(x[:, 0], 1)  # no row of nothing but padding
    return x, random.randint(0, 3, 24)


def make(k, net, optimizer, steps=3):
    """A compiled model of either library with given weights, trained for a few steps."""
    model = NETS[net](k)
    random = np.random.RandomState(1)
    for w, old in zip(model.weights, model.get_weights(), strict=True):
        if w.name == "moving_variance":
            w.assign(random.uniform(0.5, 1.5, old.shape))
        elif w.name not in ("mean", "variance", "count"):  # what Normalization has measured
            w.assign(random.uniform(-0.6, 0.6, old.shape))
    model.compile(OPTIMIZERS[optimizer](k), "sparse_categorical_crossentropy", metrics=["accuracy"])
    slow(model)
    for _ in range(steps // 3):
        train(model, net)
    return model


def slow(model):
    """Keras compiles nothing for a handful of steps."""
    if not type(model).__module__.startswith("tinynet"):
        model.run_eagerly = True
    return model


def train(model, net):
    """Three steps."""
    x, y = data(net)
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)


def all_layers(model):
    """The layers of a model, and of the models in it."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from all_layers(layer)


def public_classes(module, base):
    """The classes of a module's public names that a user can make objects of."""
    found = {getattr(module, name) for name in module.__all__}
    return {f for f in found if isinstance(f, type) and issubclass(f, base) and f is not base}
