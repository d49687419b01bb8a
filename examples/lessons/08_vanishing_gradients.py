# %% [markdown]
# # Why do deep networks stand still when the first weights are too small?
#
# Each layer multiplies by its weights: the signal on its way up, the gradient on its way down.
# Weights that are too small, twelve times over, leave nothing of either. Xavier (Glorot and Bengio
# 2010) keeps the size where the activation is like tanh; ReLU throws half away, so He (He et al.
# 2015) makes the variance twice as large. dW = x^T dz has both factors: it is tiny in every layer.
#
# Open beside it: tinynet/initializers.py (`VarianceScaling`).

# %% exercise: both rules
import numpy as np

import tinynet as keras
from tinynet.course.pictures import picture
from tinynet.layers import Dense


def first_weights(random, D, H):
    """Return two matrices (D, H) of centred random numbers: He's, with variance 2 / D, and
    Xavier's, with variance 2 / (D + H). random is a NumPy Generator; its numbers are used."""
    # blank: he (D, H) and xavier (D, H), from random.standard_normal((D, H)) or random.uniform
    he = random.standard_normal((D, H)) * np.sqrt(2 / D)
    xavier = random.standard_normal((D, H)) * np.sqrt(2 / (D + H))
    # end
    return he, xavier


x = np.random.default_rng(0).standard_normal((500, 64))  # sizes near 1
signals = {"too small": x, "Xavier": x, "He": x}
print("the signal on its way up through 12 layers of relu: its root mean square")
for i in range(12):
    he, xavier = first_weights(np.random.default_rng(i), 64, 64)
    for name, W in {"too small": 0.2 * he, "Xavier": xavier, "He": he}.items():
        signals[name] = np.maximum(signals[name] @ W, 0)
print(*(f"  {name} {np.sqrt((h**2).mean()):.1e}" for name, h in signals.items()), "\n")

# %% and the gradient on its way down, in a model
(x, y), (x_test, y_test) = keras.datasets.digits.load_data()
x, x_test = x.reshape(-1, 64) / 16, x_test.reshape(-1, 64) / 16
DEPTH = 12
SCALES = {
    "too small": keras.initializers.RandomNormal(stddev=0.03, seed=1),
    "Xavier": keras.initializers.GlorotNormal(seed=1),
    "He": keras.initializers.HeNormal(seed=1),
}


def build(initializer):
    keras.utils.set_random_seed(1)
    config = initializer.get_config()
    model = keras.Sequential([keras.layers.Input((64,))])
    for i in range(DEPTH):  # a seed of its own for each layer: else all would be alike
        scale = type(initializer).from_config({**config, "seed": i})
        model.add(Dense(64, "relu", kernel_initializer=scale, name=f"layer{i + 1}"))
    model.add(Dense(10, "softmax", name="output"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


arriving, dW, accuracy, histories = {}, {}, {}, {}
names = [*(f"layer{i + 1}" for i in range(DEPTH)), "output"]
for name, initializer in SCALES.items():
    model = build(initializer)
    gradients = model.gradients(x, y)
    arriving[name] = [np.linalg.norm(gradients[f"{n}/bias"]) for n in names]  # db: the sum of dz
    dW[name] = [np.linalg.norm(gradients[f"{n}/kernel"]) for n in names]
    histories[name] = model.fit(x, y, epochs=5, verbose=0).history
    _, accuracy[name] = model.evaluate(x_test, y_test, verbose=0)


def row(title, values, form):
    print(f"{title:>14}" + "".join(format(value, form) for value in values))


print("before the first step: what arrives of the gradient, |db|, from the loss down to the input")
row("", SCALES, ">12")
for i in (12, 11, 9, 7, 5, 3, 1, 0):
    row(names[i], [values[i] for values in arriving.values()], "12.1e")
row("|dW| of layer1", [values[0] for values in dW.values()], "12.1e")
print("after five epochs")
row("test accuracy", accuracy.values(), "12.3f")
print("\nThe output layer hears the loss in all three; only with He does layer1 hear it as loudly.")


# %% the picture: one line per initializer, from the loss on the right down to the input
def draw():
    figure = keras.plotting.new_figure(8, 4.2, layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, values), colour in zip(arriving.items(), keras.plotting.COLOURS, strict=False):
        left.semilogy(range(1, 14), values, "o-", color=colour, markersize=3, label=name)
        losses = histories[name]["loss"]
        right.plot(range(1, 6), losses, "o-", color=colour, markersize=3, label=name)
    left.set(xlabel="layer; 13 is the output", ylabel="|db| before the first step")
    right.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    right.axhline(np.log(10), color="#a0a0a0", linewidth=0.8)
    right.annotate("ln 10", (1, np.log(10)), (1, 2.33), fontsize=8)
    left.legend(frameon=False)
    return figure


picture("08_vanishing_gradients.png", draw)
print(
    "\nTry: tanh for relu: which initializer keeps the size now? And BatchNormalization() between?"
)
