# %% [markdown]
# # What do momentum, RMSprop and Adam do that plain descent does not?
#
# A ravine: L = (w1^2 + 25 w2^2) / 2 is 25 times steeper across than along. Plain descent has one
# rate for both: what is safe across is slow along. Momentum adds the steps up along the ravine,
# while across they cancel. RMSprop and Adam divide each direction by its own recent size.
#
# Open beside it: tinynet/optimizers/sgd.py, rmsprop.py, adam.py: each rule is a few lines.

# %% exercise: one step of Adam
import numpy as np

import tinynet as keras
from tinynet.course.pictures import picture
from tinynet.optimizers import SGD, Adam, RMSprop


def adam_step(w, g, m, v, t, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Return w, m and v after step number t (the first is 1), from the gradient g, as new arrays.

    m averages g and v averages g^2, each keeping beta of what it was. They start from 0 and are
    too small at first: m / (1 - beta_1^t) and v / (1 - beta_2^t) are not. w moves by rate times the
    first by the root of the second. (Kingma and Ba 2015; epsilon as Keras has it:
    alpha m / (sqrt(v) + epsilon) with alpha = rate sqrt(1 - beta_2^t) / (1 - beta_1^t))
    """
    # blank: m, v, alpha, and w, all of the shape of w but alpha
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g * g
    alpha = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    w = w - alpha * m / (np.sqrt(v) + epsilon)
    # end
    return w, m, v


# %% five rules in one ravine

CURVATURE, START, STEPS = np.array([1.0, 25.0]), np.array([-4.0, 1.0]), 60
RULES = {
    "plain": SGD(0.03),
    "too fast": SGD(0.081),  # 2 / 25 = 0.08 is the limit
    "momentum": SGD(0.03, momentum=0.8),
    "RMSprop": RMSprop(0.15),
    "Adam": Adam(0.3),
}


def loss(w):
    return (CURVATURE * w**2).sum(axis=-1) / 2


def path(optimizer):
    w = keras.Parameter(START.copy(), name="w")
    points = [w.numpy()]
    for _ in range(STEPS):
        optimizer.apply([CURVATURE * w.value], [w])  # the gradient of the ravine
        points.append(w.numpy())
    return np.array(points)  # (STEPS + 1, 2)


paths = {name: path(optimizer) for name, optimizer in RULES.items()}
print("loss after so many steps from (-4, 1)")
print(f"{'steps':>6}" + "".join(f"{name:>11}" for name in paths))
for step in (0, 1, 2, 5, 10, 20, 40, 60):
    print(f"{step:6d}" + "".join(f"{loss(points[step]):11.4f}" for points in paths.values()))

# %% by hand
w, m, v = START, np.zeros(2), np.zeros(2)
for t in range(1, 11):
    w, m, v = adam_step(w, CURVATURE * w, m, v, t, rate=0.3)
print(f"\nAdam by hand: after 10 steps {w[0]:.6f}, {w[1]:.6f};"
      f" the optimizer: {paths['Adam'][10][0]:.6f}, {paths['Adam'][10][1]:.6f}")  # fmt: skip
print("plain descent by hand: each step multiplies w1 by 1 - 0.03 and w2 by 1 - 0.03 * 25")
by_hand = START * (1 - 0.03 * CURVATURE) ** 10
print(f"  after 10 steps {by_hand[0]:.6f}, {by_hand[1]:.6f};"
      f" the optimizer: {paths['plain'][10][0]:.6f}, {paths['plain'][10][1]:.6f}")  # fmt: skip
first = paths["Adam"][1] - paths["Adam"][0]
print(f"Adam's first step: {first[0]:+.4f}, {first[1]:+.4f}: its rate 0.3 in each direction,"
      " however steep")  # fmt: skip


# %% the picture
def draw():
    figure = keras.plotting.new_figure(8, 4.2, layout="constrained")
    ax = figure.subplots()
    a, b = np.meshgrid(np.linspace(-4.5, 2.5, 200), np.linspace(-1.6, 1.6, 200))
    ax.contour(a, b, loss(np.stack([a, b], axis=-1)), np.geomspace(0.05, 40, 12), colors="#c8c8c8")
    for (name, points), colour in zip(paths.items(), keras.plotting.COLOURS, strict=False):
        points = points[:12] if name == "too fast" else points
        ax.plot(*points.T, "o-", color=colour, markersize=3, linewidth=1.4, label=name)
    ax.set(xlim=(-4.5, 2.5), ylim=(-1.6, 1.6), xlabel="w1, along", ylabel="w2, across")
    ax.legend(frameon=False, ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.12))
    return figure


picture("12_optimizers.png", draw)
print("\nTry: a ravine 1000 times steeper across. Who needs a new rate? And nesterov=True?")
