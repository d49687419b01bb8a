"""A neural network and its training, in two hundred lines of NumPy.

    python examples/two_hundred_lines.py --epochs 20 --batch-size 128

A network is a chain of layers, x -> layer -> ... -> layer -> z, and at its end stands the loss L,
one number that says how wrong z is. Training needs the gradient dL/dw of every weight w: how much
L grows when w grows a little. Each weight then takes a small step the other way.

One backward pass along the chain finds all gradients. A layer receives dL/dy for its output y. By
the chain rule it computes dL/dw for its weights, and dL/dx for its input x, which is dL/dy for the
layer before it. That is backpropagation, all of it: `forward` and, directly below, `backward`.

Read dv as dL/dv. N rows, D inputs, H units, C classes. A piece's twin is the same in tinynet.
"""

import argparse
import os

import numpy as np


class Dense:
    """Units that each see every input: y = x W + b. Twin: tinynet.layers.Dense."""

    def __init__(self, W):
        self.W, self.b = self.weights = [W, np.zeros(W.shape[1])]  # (D, H), (H,)

    def forward(self, x, training):
        """Return y: y[n, h] = sum_d x[n, d] W[d, h] + b[h]."""
        self.x = x  # backward needs it
        return x @ self.W + self.b  # (N, D) (D, H) + (H,) -> (N, H)

    def backward(self, dy):
        """Return dx; keep dW, db. Chain rule: sum dy times factor over every y an entry is in."""
        # W[d, h] is in y[n, h] of every row n, times x[n, d]:   dW[d, h] = sum_n x[n, d] dy[n, h]
        # b[h] is in the same, times 1:                          db[h]    = sum_n dy[n, h]
        # x[n, d] is in y[n, h] of every unit h, times W[d, h]:  dx[n, d] = sum_h dy[n, h] W[d, h]
        self.gradients = [self.x.T @ dy, dy.sum(axis=0)]  # (D, N) (N, H) -> (D, H), and (H,)
        return dy @ self.W.T  # (N, H) (H, D) -> (N, D)


class ReLU:
    """Let what is positive pass: y = max(x, 0). Twin: tinynet.layers.ReLU.

    With nothing between them, two Dense layers could do no more than one: (x U) V = x (U V).
    """

    def forward(self, x, training):
        self.slope = x > 0  # (N, H): 1 where x passes, 0 where it does not
        return np.maximum(x, 0)

    def backward(self, dy):
        return dy * self.slope


class Dropout:
    """While training, set each entry to 0 with probability `rate`. Twin: tinynet.layers.Dropout.

    No unit can then rely on a particular other one (Srivastava et al. 2014). Entries that are kept
    grow by 1 / (1 - rate), so the mean stays what it was and evaluation needs no correction.
    """

    def __init__(self, rate, random):
        self.rate, self.random = rate, random

    def forward(self, x, training):
        self.mask = 1.0
        if training:
            self.mask = (self.random.random(x.shape) >= self.rate) / (1 - self.rate)  # (N, H)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask  # forward's mask: what was dropped had no part in L


def softmax_cross_entropy(z, labels):
    """Return L and dz for logits z (N, C). Twin: tinynet.losses.SparseCategoricalCrossentropy.

        p[n, c] = e^z[n, c] / sum_k e^z[n, k]          softmax turns logits into probabilities
        L = -1/N sum_n log p[n, labels[n]]             cross-entropy: improbable labels cost much
        log p[n, c] = z[n, c] - log sum_k e^z[n, k]    its derivative by z[n, j]: [j = c] - p[n, j]
    So dz = (p - y) / N, with y 1 at the label and 0 elsewhere: the prediction minus the truth.
    """
    N, C = z.shape
    y = np.eye(C)[labels]  # (N, C)
    z = z - z.max(axis=1, keepdims=True)  # changes no p, and now e^z can't overflow
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -(y * log_p).sum() / N, (np.exp(log_p) - y) / N  # 1/N enters here, and only here


class Network:
    """A chain of layers. Twin: tinynet.Sequential."""

    def __init__(self, layers):
        self.layers, self.trained = layers, [layer for layer in layers if hasattr(layer, "weights")]
        self.weights = [w for layer in self.trained for w in layer.weights]

    def forward(self, x, training=False):
        """Return the logits z (N, C): each layer's output is the next one's input."""
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(self, dz):
        """Return the gradients of all weights. This loop is the chain rule."""
        for layer in reversed(self.layers):
            dz = layer.backward(dz)
        return [g for layer in self.trained for g in layer.gradients]

    def train_step(self, x, labels, optimizer):
        """Learn from one batch, and return its loss: forward, loss, backward, update."""
        loss, dz = softmax_cross_entropy(self.forward(x, training=True), labels)
        optimizer.update(self.backward(dz))
        return loss

    def evaluate(self, x, labels):
        """Return loss and accuracy."""
        z = self.forward(x)
        return softmax_cross_entropy(z, labels)[0], (z.argmax(axis=1) == labels).mean()


def he_uniform(random, D, H):
    """Return a first W for Dense before ReLU. Twin: tinynet.initializers.HeUniform."""
    # Var[W] = 1 / D would make a sum of D terms x W as large as x; but ReLU halves the mean square.
    return random.uniform(-1, 1, (D, H)) * np.sqrt(6 / D)  # Var[U(-a, a)] = a^2 / 3 = 2 / D


def glorot_uniform(random, D, H):
    """Return a first W for Dense without ReLU. Twin: tinynet.initializers.GlorotUniform."""
    # Xavier: forward sums D terms, backward H, and 2 / (D + H) lies between 1 / D and 1 / H.
    return random.uniform(-1, 1, (D, H)) * np.sqrt(6 / (D + H))


class Adam:
    """Update weights w by their gradients g (Kingma and Ba 2015). Twin: tinynet.optimizers.Adam.

    m averages the latest g, and v their squares. m / sqrt(v) is near 1 or -1 while g keeps its sign
    and near 0 while it changes: the step depends on how steady a gradient is, not on its size.
    """

    def __init__(self, weights, rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.rate, self.beta_1, self.beta_2, self.epsilon, self.t = rate, beta_1, beta_2, epsilon, 0
        self.state = [(w, np.zeros_like(w), np.zeros_like(w)) for w in weights]

    def update(self, gradients):
        self.t += 1  # m and v start from 0, so they are too small at first; alpha corrects this
        alpha = self.rate * np.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        for (w, m, v), g in zip(self.state, gradients, strict=True):
            m += (1 - self.beta_1) * (g - m)
            v += (1 - self.beta_2) * (g * g - v)
            w -= alpha * m / (np.sqrt(v) + self.epsilon)  # in place: these are the layers' own


def fit(network, optimizer, train, valid, epochs, batch_size, patience, random):
    """Train; return each epoch's loss, validation loss and accuracy. Twin: tinynet.Sequential.fit.

    Data that nothing is learnt from tell learning from memorizing: when their loss has not fallen
    for `patience` epochs, stop, and restore the best weights (tinynet.callbacks.EarlyStopping).
    """
    (x, labels), history = train, []
    best_loss, best_epoch, best_weights = np.inf, -1, network.weights
    for epoch in range(epochs):
        order, total = random.permutation(len(x)), 0.0
        for rows in np.split(order, range(batch_size, len(x), batch_size)):
            total += network.train_step(x[rows], labels[rows], optimizer) * len(rows)
        loss, (valid_loss, accuracy) = total / len(x), network.evaluate(*valid)
        print(f"epoch {epoch + 1}: loss {loss:.4f}, validation {valid_loss:.4f} {accuracy:.4f}")
        history.append((loss, valid_loss, accuracy))
        if valid_loss < best_loss:
            best_loss, best_epoch = valid_loss, epoch
            best_weights = [w.copy() for w in network.weights]
        elif epoch - best_epoch >= patience:
            break
    for w, best in zip(network.weights, best_weights, strict=True):
        w[...] = best
    return history


def load_images():
    """Return train, valid, test: pairs of x (N, D) in 0..1 and labels. Twin: tinynet.datasets."""
    folders = os.environ.get("TINYNET_DATA_DIR", "."), "~/.keras/datasets", "~/.cache/tinynet"
    paths = [os.path.expanduser(f"{folder}/mnist.npz") for folder in folders]
    if path := next(filter(os.path.isfile, paths), None):
        with np.load(path) as file:
            x, labels = (np.concatenate([file[f"{v}_train"], file[f"{v}_test"]]) for v in "xy")
    else:
        print("No mnist.npz in TINYNET_DATA_DIR: this run needs scikit-learn, for its 8x8 digits.")
        from sklearn.datasets import load_digits

        x, labels = load_digits(return_X_y=True)
    x = x.reshape(len(x), -1) / x.max()
    ends = len(x) * 11 // 14, len(x) * 12 // 14  # 55,000 and 60,000 of MNIST's 70,000
    return zip(np.split(x, ends), np.split(labels, ends), strict=True)


def main():
    """Train D-300-200-100-10, and print the share of test images that it recognizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    random = np.random.default_rng(1)
    train, valid, test = load_images()
    network = Network([
        Dense(he_uniform(random, train[0].shape[1], 300)), ReLU(), Dropout(0.2, random),
        Dense(he_uniform(random, 300, 200)), ReLU(), Dropout(0.2, random),
        Dense(he_uniform(random, 200, 100)), ReLU(), Dropout(0.2, random),
        Dense(glorot_uniform(random, 100, 10)),
    ])  # fmt: skip
    fit(network, Adam(network.weights), train, valid, options.epochs, options.batch_size, 5, random)
    print(f"test accuracy: {network.evaluate(*test)[1]:.4f}")


if __name__ == "__main__":
    main()
