"""Lesson 7: the bias that gives each class its frequency."""

import numpy as np

from ...layers import Dense
from ...losses import SparseCategoricalCrossentropy

HINTS = (
    "np.bincount(labels) counts each class; its frequency is the count by the number of rows.",
    "softmax undoes a logarithm: e^z is proportional to p. So z = log p, or that plus a constant.",
    "The loss is the mean of -log p of each row's class: a class with frequency f has N f rows.",
)


def check(student):
    """Compare p, the loss and the gradient of the bias with those of a layer without a kernel."""
    labels, C = np.repeat([0, 1, 2, 3], [8, 4, 1, 3]), 4
    function = student.function("begin")
    got = student.run("begin(labels, C)", lambda: function(labels.copy(), C))
    got = student.parts("begin", got, ["bias", "loss"])
    f = np.bincount(labels) / len(labels)
    layer, crossentropy = Dense(C, dtype="float64"), SparseCategoricalCrossentropy(from_logits=True)
    layer.build_once((None, 1))
    layer.set_weights([np.zeros((1, C)), np.log(f)])
    loss = float(crossentropy(labels, layer(np.ones((len(labels), 1)))))
    bias = np.asarray(got["bias"], float) if np.shape(got["bias"]) == (C,) else got["bias"]
    if np.shape(bias) == (C,) and np.isfinite(bias).all():
        bias = bias - np.logaddexp.reduce(bias)  # a constant in all entries changes no p
    of_bias = {
        "it is the frequency itself; softmax needs its logarithm": _log_softmax(f),
        "it is the count itself; softmax needs a logarithm": _log_softmax(f * len(labels)),
        "the sign is wrong: frequent classes get the small entries": _log_softmax(-np.log(f)),
        "the logarithm has another base (2); it is np.log": _log_softmax(np.log2(f)),
        "the logarithm has another base (10); it is np.log": _log_softmax(np.log10(f)),
        "log(f / (1 - f)) is for a sigmoid; softmax needs log f": _log_softmax(np.log(f / (1 - f))),
        "it is the same for all classes: p is 1/C, not the frequency": np.full(C, -np.log(C)),
        "log1p(f) is log(1 + f); it is np.log": _log_softmax(np.log1p(f)),
        "log(1 + count) is not log(count)": _log_softmax(np.log1p(f * len(labels))),
        "the classes are in the order of their frequency, not of their ids": np.log(np.sort(f)),
        "the classes are in the order of their frequency, largest first": np.log(np.sort(f)[::-1]),
        "the root of the frequency stands where its logarithm belongs": _log_softmax(np.sqrt(f)),
    }
    student.compare("begin", "bias", bias, np.log(f), of_bias)
    of_loss = {
        "it is ln C, that of equal frequencies": np.log(C),
        "the classes count alike; each has its share f of the rows": -np.log(f).mean(),
        "it is a sum over classes of -log f, without each class's share f": -np.log(f).sum(),
        "the sign is wrong: a loss of probabilities is positive": -loss,
        "the sum over the rows stands where their mean belongs": loss * len(labels),
        "the mean over classes stands where the sum of f (-log f) belongs": loss / C,
        "the logarithm has another base (2); it is np.log": loss / np.log(2),
        "it is the loss of the most frequent class alone": -np.log(f.max()),
    }
    student.compare("begin", "loss", got["loss"], loss, of_loss)


def _log_softmax(z):
    return z - np.logaddexp.reduce(z)
