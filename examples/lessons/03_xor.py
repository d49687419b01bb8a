# %% [markdown]
# # Why does a network need a hidden layer?
#
# XOR is 1 where exactly one input is 1. A single unit cuts the plane with one straight line, and
# no line has both ones on the same side (Minsky and Papert 1969). Each hidden unit draws a line of
# its own. What the last unit sees are not the four points but the hidden units' four answers to
# each; and among those one flat cut is enough. Seen from the plane of the inputs, that cut is
# bent.
#
# Open beside it: tinynet/models/sequential.py, `forward` and `backward`.

# %% one unit, and four hidden ones
import numpy as np

import tinynet as keras
from tinynet.course.pictures import picture

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
y = np.array([0, 1, 1, 0])


def train(*hidden):
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(units, "tanh") for units in hidden]
    model = keras.Sequential([keras.layers.Input((2,)), *layers, keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=4, epochs=200, verbose=0)
    return model, history.history


line, line_history = train()
bent, bent_history = train(4)
p_line, p_bent = line.predict(x, verbose=0)[:, 0], bent.predict(x, verbose=0)[:, 0]

print("  x1  x2   y    one unit    four hidden units")
for row, target, a, b in zip(x, y, p_line, p_bent, strict=True):
    print(f"{row[0]:4.0f}{row[1]:4.0f}{target:4d}{a:12.3f}{b:21.3f}")
print(f"One unit ends at a loss of {line_history['loss'][-1]:.4f}, which is log 2 ="
      f" {np.log(2):.4f}:\nit can do no better than to say 1/2 each time.")  # fmt: skip

# %% what the four do: a line each, and what they tell the last unit
W, b, V, c = bent.get_weights()
h = np.tanh(x @ W + b)  # (4 rows, 4 units)
print("\nunit    its line                                answer to 00     01     10     11")
for j in range(4):
    answers = "".join(f"{v:7.2f}" for v in h[:, j])
    print(f"{j:4d}    {W[0, j]:+.2f} x1 {W[1, j]:+.2f} x2 {b[j]:+.2f} = 0{'':20}{answers}")
z = h @ V[:, 0] + c[0]
print("their sum by the last unit's weights", *(f"{v:+.2f}" for v in V[:, 0]), f"plus {c[0]:+.2f}:")
print(f"{'':52}" + "".join(f"{v:7.2f}" for v in z))


# %% exercise: two hidden units are enough. Find the weights with a pencil
def weights():
    """Return W (2, 2), b (2,), V (2,), c with relu(x W + b) V + c = XOR for all four rows."""
    # blank: W, b, V and c. Let one unit count the ones, and another notice that there are two
    W = np.array([[1.0, 1.0], [1.0, 1.0]])
    b = np.array([0.0, -1.0])
    V = np.array([1.0, -2.0])
    c = 0.0
    # end
    return W, b, V, c


W2, b2, V2, c2 = weights()
by_hand = np.maximum(x @ W2 + b2, 0) @ V2 + c2
print("\nby hand, with two units and no training:", *by_hand)


# %% the picture: where the answer is 1/2, and the four units' lines
def draw():
    figure = keras.plotting.decision_boundary(bent, x, y, margin=0.4)
    ax = figure.axes[0]
    t = np.linspace(-0.4, 1.4, 2)
    for j in range(4):
        ax.plot(t, -(W[0, j] * t + b[j]) / W[1, j], "--", color="black", linewidth=0.8)
    ax.set(xlim=(-0.4, 1.4), ylim=(-0.4, 1.4))
    return figure


picture("03_xor.png", draw)
print("\nTry: two hidden units with seeds 0 to 9. How often does it get stuck? And with relu?")
