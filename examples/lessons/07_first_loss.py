# %% [markdown]
# # Which loss should stand in the first line, and what if it does not?
#
# Before it has learnt anything a classifier of C classes can do no better than 1/C for each: its
# loss is -log(1/C) = ln C, 2.30 for ten classes. A first loss far above says that the network
# begins sure of itself, and wrong: first weights or inputs too large. It then spends its first
# steps on forgetting.
#
# With classes of unequal frequency there is a better beginning. With kernels near 0 the bias of the
# last layer alone decides p, and the best p then is each class's frequency. The loss is then their
# entropy, and the gradient of the bias is 0: nothing is left to learn that looks at no input.
#
# Open beside it: tinynet/losses/crossentropy.py, and `VarianceScaling` in tinynet/initializers.py.

# %% ln C, from a network that has seen nothing
import numpy as np

import tinynet as keras
from tinynet.layers import Dense, Input

(x, y), _ = keras.datasets.digits.load_data()
x = x.reshape(-1, 64) / 16


def build(scale=1.0, classes=10):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([Input((64,)), Dense(32, "relu"), Dense(classes, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", device="reference")
    for layer in model.layers:
        layer.kernel.assign(scale * layer.kernel.value)
    return model


print(f"ln 10 = {np.log(10):.4f}")
print("first weights times      0     0.1       1      10;   inputs of 0 to 255")
losses = [build(scale).evaluate(x, y, verbose=0) for scale in (0, 0.1, 1, 10)]
raw = build().evaluate(x * 255, y, verbose=0)
print("first loss        " + "".join(f"{value:8.3f}" for value in losses) + f"    {raw:8.3f}")


# %% exercise: where to begin if classes are unequal
def begin(labels, C):
    """Return the bias (C,) with which softmax gives each class its frequency, and the loss then.

    labels (N,) are class ids; each class occurs. The kernel is 0, so that z = bias in every row.
    """
    # blank: each class's count and frequency, then the bias (C,), and the loss (the entropy)
    counts = np.bincount(labels, minlength=C)
    frequency = counts / len(labels)
    bias = np.log(frequency)
    loss = -(frequency * np.log(frequency)).sum()
    # end
    return bias, loss


# %% six zeros for each one
rows = np.concatenate([np.flatnonzero(y == 1)[:20], np.flatnonzero(y == 0)[:120]])
few_x, few_y = x[rows], y[rows]
bias, entropy = begin(few_y, 2)
print(f"\n120 zeros and 20 ones: bias {bias.round(3)}, entropy {entropy:.4f}")
first, slopes = {}, {}
for name, start in {"bias 0": np.zeros(2), "frequencies": bias}.items():
    model = build(scale=0, classes=2)
    model.layers[-1].bias.assign(start)
    first[name] = model.evaluate(few_x, few_y, verbose=0)
    slopes[name] = list(model.gradients(few_x, few_y).values())[-1]
    print(f"  {name:12} first loss {first[name]:.4f}   gradient of the bias", slopes[name].round(4))
print("\nTry: train both for three epochs. How many does the bias of 0 take to catch up?")
