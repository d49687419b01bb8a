"""The rules with their options, and parameters for them."""

import numpy as np

from tinynet.core.parameters import Parameter

STEPS = 30
NAMES = ("kernel", "bias", "scale")
SHAPES = ((4, 3), (3,), (2, 1, 2))


# (class, options as a tuple of pairs: their repr is the key of a recording)
RULES = [
    ("SGD", ()),
    ("SGD", (("learning_rate", 0.1), ("momentum", 0.9))),
    ("SGD", (("learning_rate", 0.1), ("momentum", 0.8), ("nesterov", True))),
    ("RMSprop", ()),
    ("RMSprop", (("learning_rate", 0.02), ("rho", 0.6), ("epsilon", 1e-2))),
    ("RMSprop", (("learning_rate", 0.01), ("momentum", 0.7))),
    ("RMSprop", (("learning_rate", 0.01), ("centered", True))),
    ("RMSprop", (("learning_rate", 0.01), ("momentum", 0.7), ("centered", True))),
    ("Adam", ()),
    ("Adam", (("learning_rate", 0.02), ("amsgrad", True))),
    ("Adam", (("learning_rate", 0.02), ("beta_1", 0.5), ("beta_2", 0.8), ("epsilon", 1e-2))),
    ("AdamW", (("learning_rate", 0.05),)),
    ("AdamW", (("learning_rate", 0.05), ("weight_decay", 0.3), ("amsgrad", True))),
]
SHARED = [
    ("SGD", (("learning_rate", 0.1), ("clipnorm", 0.7))),
    ("SGD", (("learning_rate", 0.1), ("clipvalue", 0.25))),
    ("SGD", (("learning_rate", 0.1), ("global_clipnorm", 1.5))),
    ("Adam", (("learning_rate", 0.02), ("clipnorm", 0.7))),
    ("RMSprop", (("learning_rate", 0.02), ("global_clipnorm", 1.5), ("weight_decay", 0.1))),
    ("SGD", (("learning_rate", 0.1), ("momentum", 0.5), ("weight_decay", 0.2))),
    ("Adam", (("learning_rate", 0.02), ("clipvalue", 0.1), ("weight_decay", 0.2))),
]


def numbers():
    """Three arrays and 30 gradients for each, some of them large enough to be clipped."""
    random = np.random.default_rng(7)
    start = [random.normal(size=s) for s in SHAPES]
    size = random.uniform(0.05, 2, STEPS)
    grads = [[random.normal(size=s) * size[t] for s in SHAPES] for t in range(STEPS)]
    return start, grads


def build(module, name, options):
    return getattr(module, name)(**dict(options))


def parameters(dtype="float32"):
    start, _ = numbers()
    return [Parameter(w.astype(dtype), name=n) for w, n in zip(start, NAMES, strict=True)]
