"""Why does a network need a hidden layer?

XOR is 1 where exactly one input is 1. A single unit cuts the plane with one straight line, and no
line has both ones on the same side. Four hidden units bend it. (Minsky and Papert 1969)

Open beside it: tinynet/models/sequential.py, `forward` and `backward`.
"""

import sys

import numpy as np

import tinynet as keras

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

print("\n epoch     loss, one unit    loss, four hidden")
for epoch in (1, 10, 50, 100, 200):
    print(f"{epoch:6d}{line_history['loss'][epoch - 1]:19.4f}"
          f"{bent_history['loss'][epoch - 1]:21.4f}")  # fmt: skip
print(f"\nOne unit ends at {np.log(2):.4f} = log 2: it can do no better than to say 1/2 each time.")

if "--plot" in sys.argv:
    figure = keras.plotting.decision_boundary(bent, x, y, margin=0.4)
    figure.savefig("02_xor.png", dpi=150)
    print("saved 02_xor.png")
print("\nTry: two hidden units with seeds 0 to 9. How often does it get stuck? And with relu?")
