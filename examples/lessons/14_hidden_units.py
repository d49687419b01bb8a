# %% [markdown]
# # What have the hidden units learnt?
#
# A hidden unit answers to x W[:, j] + b[j]. Of all pictures of one length the one that excites it
# most points along its weights: column j of W, drawn as a picture, is what the unit looks for.
# Which class a unit speaks for stands in its row of the next layer.
#
# And for one picture: which pixels, if they were brighter, would raise the score of a class? That
# is the gradient of that class's logit by x: one backward pass that starts with a 1 at the class,
# and that goes on to the input where training would have stopped. (Simonyan et al. 2014)
#
# Open beside it: `linear_dx` in kernels/reference/products.py.

# %% a network for 8x8 digits
import numpy as np

import tinynet as keras
from tinynet.course.pictures import picture
from tinynet.layers import Dense, Input

(x, y), (x_test, y_test) = keras.datasets.digits.load_data()
x, x_test = x.reshape(-1, 64) / 16, x_test.reshape(-1, 64) / 16
keras.utils.set_random_seed(1)
model = keras.Sequential([Input((64,)), Dense(12, "relu"), Dense(10, "softmax")])
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"],
              device="reference")  # fmt: skip
model.fit(x, y, epochs=12, verbose=0)
W, b, V, c = (weights.astype("float64") for weights in model.get_weights())
accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
print(f"test accuracy {accuracy:.3f} with 12 hidden units")


# %% exercise: what a unit likes, and what a class likes about a picture
def likes(x, W, b, V, k):
    """Return best (D, H), each unit's best input of length 1; and dx (N, D) of class k's logit.

    z = h V + c (N, C), h = relu(x W + b) (N, H), x (N, D).
    """
    # blank: best (D, H), then dh (N, H) of z[:, k], and dx (N, D)
    best = W / np.linalg.norm(W, axis=0)
    dh = V[:, k] * (x @ W + b > 0)
    dx = dh @ W.T
    # end
    return best, dx


best, _ = likes(x, W, b, V, 0)
print("\nunit   on for   speaks for   against    excited by its best, by others")
random = np.random.default_rng(0).standard_normal((1000, 64))
random /= np.linalg.norm(random, axis=1, keepdims=True)
for j in range(12):
    on = (x @ W[:, j] + b[j] > 0).mean()
    others = (random @ W[:, j]).max()
    print(f"{j:4d}{on:9.0%}{V[j].argmax():11d}{V[j].argmin():11d}"
          f"{best[:, j] @ W[:, j]:23.2f}{others:11.2f}")  # fmt: skip

print("A unit that is on for no row is dead: lesson 9.")

# %% a picture, made into another class by following dx
image, wrong = x_test[y_test == 3][:1].astype("float64"), 8


def p_of(image):
    return model.predict(image, verbose=0)[0]


changed = image.copy()
for _ in range(40):
    changed = np.clip(changed + 0.02 * np.sign(likes(changed, W, b, V, wrong)[1]), 0, 1)
    if p_of(changed).argmax() == wrong:
        break
before, after = p_of(image), p_of(changed)
print(f"\na 3, along dx of the logit of {wrong}: p(3) {before[3]:.2f} -> {after[3]:.2f},"
      f" p({wrong}) {before[wrong]:.2f} -> {after[wrong]:.2f};"
      f"\nno pixel moved by more than {np.abs(changed - image).max():.2f}")  # fmt: skip


# %% the picture: red excites, blue calms
def draw():
    figure = keras.plotting.new_figure(8, 4.6, layout="constrained")
    panels = figure.subplots(3, 6).ravel()
    shown = [(best[:, j], f"unit {j}: {V[j].argmax()}") for j in range(12)]
    shown += [(image[0], "a 3"), (likes(image, W, b, V, 3)[1][0], "for a 3"),
              (likes(image, W, b, V, wrong)[1][0], f"for an {wrong}"),
              ((changed - image)[0], "the change"), (changed[0], f"now an {wrong}")]  # fmt: skip
    for ax, (values, title) in zip(panels, shown, strict=False):
        end = np.abs(values).max()
        ax.imshow(values.reshape(8, 8), cmap="RdBu_r", vmin=-end, vmax=end)
        ax.set_title(title, fontsize=9)
    for ax in panels:
        ax.set_axis_off()
    return figure


picture("14_hidden_units.png", draw)
print("\nTry: 4 hidden units, then 64. Which pictures can one read, and what do units then share?")
