# %% [markdown]
# # What is a dead unit, and what kills it?
#
# ReLU is 0 for negative z, and so is its slope. A unit whose z is negative for every row gets no
# gradient: no step will ever bring it back. One step that is too long is enough to push it there.
# LeakyReLU keeps a small slope, so its units can come back. (Maas et al. 2013)
#
# Here the first epoch is a shock, with a learning rate much too high; the others are gentle.
#
# Open beside it: tinynet/callbacks/gradients.py, and `relu` in kernels/reference/activations.py.

# %% exercise: the slope that keeps a unit alive, and who is dead without it
import numpy as np

import tinynet as keras
from tinynet.course.pictures import picture
from tinynet.layers import Dense, LeakyReLU


def backward_and_dead(dy, z, slope):
    """Return dz (N, H) of y = z where z > 0, else slope z; and the share of units dead under ReLU.

    dy and z are (N, H). Dead is a unit with z <= 0 in all rows. At z = 0, the kink, any slope
    between the two is right.
    """
    # blank: dz (N, H), and dead, a number from 0 to 1
    dz = dy * np.where(z > 0, 1.0, slope)
    dead = (z <= 0).all(axis=0).mean()
    # end
    return dz, dead


# %% three trainings
(x, y), _ = keras.datasets.digits.load_data()
x = x.reshape(-1, 64) / 16


def train(activation, shock):
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [
            keras.layers.Input((64,)),
            Dense(64, activation, kernel_initializer="he_normal", name="hidden"),
            Dense(10, "softmax", name="output"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: shock if epoch == 0 else 0.1)
    monitor = keras.callbacks.GradientMonitor(x, y, rows=len(x))
    model.fit(x, y, epochs=15, verbose=0, callbacks=[rate, monitor])
    hidden = model.get_layer("hidden")
    z = x @ hidden.kernel.numpy() + hidden.bias.numpy()
    return monitor.history["dead_units/hidden"], model.history.history["accuracy"], z


CASES = {
    "relu, no shock": ("relu", 0.1),
    "relu, shock 1.7": ("relu", 1.7),
    "leaky, shock 1.7": (LeakyReLU(0.1), 1.7),
}
dead, accuracy, z = {}, {}, {}
for name, case in CASES.items():
    dead[name], accuracy[name], z[name] = train(*case)

print("dead: share of the 64 hidden units without slope; right: training accuracy")
print(f"{'epoch':>5}" + "".join(f"{name:>22}" for name in CASES))
print(" " * 5 + f"{'dead   right':>22}" * len(CASES))
for epoch in (0, 1, 2, 4, 6, 9, 14):
    cells = (f"{dead[n][epoch]:15.0%}{accuracy[n][epoch]:7.2f}" for n in CASES)
    print(f"{epoch + 1:5d}" + "".join(cells))
counted = {n: backward_and_dead(z[n], z[n], 0.0)[1] for n in CASES}
print(
    "units with z <= 0 for all rows at the end:",
    *(f"{n} {share:.0%};" for n, share in counted.items()),
)
print("\nThe dead stay dead, however gentle the steps are now; the leaky ones recover.")


# %% the picture: one column per unit, how many of the rows it answers to
def draw():
    figure = keras.plotting.new_figure(8, 3.6, layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for ax, name in zip(panels, CASES, strict=True):
        share = np.sort((z[name] > 0).mean(axis=0))
        ax.bar(range(64), share, width=1.0, color=keras.plotting.COLOURS[0])
        ax.axvspan(-0.5, (share == 0).sum() - 0.5, color="#d0d0d0")
        ax.set(
            title=f"{name}: {(share == 0).sum()} silent", xlabel="hidden units, sorted", ylim=(0, 1)
        )
    panels[0].set_ylabel("share of rows with z > 0")
    return figure


picture("09_dying_relu.png", draw)
print("\nTry: clipnorm=1 in SGD, with the same shock. Then Adam: which shock does it take to kill?")
