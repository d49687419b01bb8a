"""One training step of a 2-2-2 net worked out in numbers, with nothing but Python's arithmetic.

x (2,) -> z1 = x W1 + b1 -> h = sigmoid(z1) -> z2 = h W2 + b2 -> p = softmax(z2)
"""

import math

import numpy as np
import pytest

import tinynet
from tinynet import layers, losses, optimizers

x = [0.05, 0.10]
W1, b1 = [[0.15, 0.25], [0.20, 0.30]], [0.35, 0.35]  # W1[input][unit]
W2, b2 = [[0.40, 0.50], [0.45, 0.55]], [0.60, 0.60]
label, rate = 1, 0.5

# ---- forward; L = -log p[1]
# z1_0 = 0.05*0.15 + 0.10*0.20 + 0.35 = 0.0075 + 0.02 + 0.35 = 0.3775
# z1_1 = 0.05*0.25 + 0.10*0.30 + 0.35 = 0.0125 + 0.03 + 0.35 = 0.3925
z1 = [0.3775, 0.3925]
# h = 1 / (1 + e^-z1)
h = [1 / (1 + math.exp(-0.3775)), 1 / (1 + math.exp(-0.3925))]  # 0.593269992, 0.596884378
# z2_0 = h_0*0.40 + h_1*0.45 + 0.60,  z2_1 = h_0*0.50 + h_1*0.55 + 0.60
z2 = [h[0] * 0.40 + h[1] * 0.45 + 0.60, h[0] * 0.50 + h[1] * 0.55 + 0.60]  # 1.105906, 1.224921
# p = e^z2 / sum
e = [math.exp(z2[0]), math.exp(z2[1])]  # 3.02196, 3.40390
p = [e[0] / (e[0] + e[1]), e[1] / (e[0] + e[1])]  # 0.470281, 0.529719
loss = -math.log(p[1])  # 0.635409

# ---- backward
# softmax with cross-entropy: dz2 = p - onehot(label)
dz2 = [p[0], p[1] - 1]  # 0.470281, -0.470281
# z2 = h W2 + b2:  dW2[i][j] = h_i dz2_j,  db2 = dz2,  dh_i = sum_j W2[i][j] dz2_j
dW2 = [[h[0] * dz2[0], h[0] * dz2[1]], [h[1] * dz2[0], h[1] * dz2[1]]]
db2 = dz2
dh = [0.40 * dz2[0] + 0.50 * dz2[1], 0.45 * dz2[0] + 0.55 * dz2[1]]  # both -0.0470281
# h = sigmoid(z1):  dz1 = dh h (1 - h)
dz1 = [dh[0] * h[0] * (1 - h[0]), dh[1] * h[1] * (1 - h[1])]  # -0.0113479, -0.0113156
# z1 = x W1 + b1
dW1 = [[0.05 * dz1[0], 0.05 * dz1[1]], [0.10 * dz1[0], 0.10 * dz1[1]]]
db1 = dz1
dx = [0.15 * dz1[0] + 0.25 * dz1[1], 0.20 * dz1[0] + 0.30 * dz1[1]]

# ---- one step of gradient descent: w - 0.5 dw
new_W1 = [[0.15 - 0.5 * dW1[0][0], 0.25 - 0.5 * dW1[0][1]],
          [0.20 - 0.5 * dW1[1][0], 0.30 - 0.5 * dW1[1][1]]]  # fmt: skip
new_b1 = [0.35 - 0.5 * db1[0], 0.35 - 0.5 * db1[1]]
new_W2 = [[0.40 - 0.5 * dW2[0][0], 0.50 - 0.5 * dW2[0][1]],
          [0.45 - 0.5 * dW2[1][0], 0.55 - 0.5 * dW2[1][1]]]  # fmt: skip
new_b2 = [0.60 - 0.5 * db2[0], 0.60 - 0.5 * db2[1]]

WEIGHTS, NEW_WEIGHTS = [W1, b1, W2, b2], [new_W1, new_b1, new_W2, new_b2]
GRADIENTS = [dW1, db1, dW2, db2]


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_the_numbers_in_the_comments():
    assert h == pytest.approx([0.593269992, 0.596884378], abs=5e-10)
    assert z2 == pytest.approx([1.105906, 1.224921], abs=5e-7)
    assert p == pytest.approx([0.470281, 0.529719], abs=5e-7)
    assert loss == pytest.approx(0.635409, abs=5e-7)
    assert dh == pytest.approx([-0.0470281] * 2, abs=5e-8)
    assert dz1 == pytest.approx([-0.0113479, -0.0113156], abs=5e-8)


def build(dtype="float64"):
    model = tinynet.Sequential(
        [
            layers.Input((2,), dtype=dtype),
            layers.Dense(2, "sigmoid", dtype=dtype),
            layers.Dense(2, "softmax", dtype=dtype),
        ]
    )
    model.set_weights(WEIGHTS)
    return model


def test_layer_by_layer():
    hidden, output = build().layers
    close(hidden([x]), [h])
    close(output.logits(np.array([h])), [z2])
    close(output(np.array([h])), [p])
    cross_entropy = losses.SparseCategoricalCrossentropy()
    assert cross_entropy([label], np.array([p])) == pytest.approx(loss, rel=1e-12)
    dp = cross_entropy.gradient([label], np.array([p]))
    close(dp, [[1, 1 - 1 / p[1]]])  # of -log(p_1 / (p_0 + p_1)): rows are divided by their sum
    close(hidden.backward(output.backward(dp)), [dx])  # the softmax's own backward
    for layer, (dW, db) in zip((hidden, output), (GRADIENTS[:2], GRADIENTS[2:]), strict=True):
        close(layer.kernel.grad, dW)
        close(layer.bias.grad, db)


def test_the_model():
    model = build()
    model.compile(optimizers.SGD(rate), "sparse_categorical_crossentropy")
    close(model.predict(np.array([x]), verbose=0), [p])
    value, gradients = model.loss_and_gradients(np.array([x]), np.array([label]))
    assert value == pytest.approx(loss, rel=1e-12)
    for parameter, expected in zip(model.parameters, GRADIENTS, strict=True):
        close(gradients[parameter.path], expected)
    assert model.train_on_batch(np.array([x]), np.array([label])) == pytest.approx(loss, rel=1e-12)
    for now, expected in zip(model.get_weights(), NEW_WEIGHTS, strict=True):
        close(now, expected)


def test_twice_the_same_row_is_the_same_step():
    model = build()
    model.compile(optimizers.SGD(rate), "categorical_crossentropy")
    history = model.fit([x, x], [[0.0, 1.0], [0.0, 1.0]], batch_size=2, verbose=0)
    assert history.history["loss"] == pytest.approx([loss], rel=1e-12)
    for now, expected in zip(model.get_weights(), NEW_WEIGHTS, strict=True):
        close(now, expected)


def test_in_float32():
    model = build("float32")
    model.compile(optimizers.SGD(rate), "sparse_categorical_crossentropy")
    model.train_on_batch(np.array([x]), np.array([label]))
    for now, expected in zip(model.get_weights(), NEW_WEIGHTS, strict=True):
        assert now.dtype == np.float32
        np.testing.assert_allclose(now, expected, rtol=1e-6)
