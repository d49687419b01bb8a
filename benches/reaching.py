"""How long training takes until the model is as good as asked: time to a validation accuracy.

A larger batch makes more images a second and takes more epochs; this is what is left of it. All
engines see the same rows in the same order, epoch by epoch, from the same initial weights; the time
is that of the training alone, without shuffling and measuring, which are done here. Compilation is
done before.
"""

import math

import numpy as np
import proof


def reach(engine, batch, target, most_epochs, validation):
    """Train epochs of whole batches until `target` is reached, at most so many.

    Returns:
        dict: reached; seconds and epochs of the training so far; accuracies after each epoch.
    """
    steps, rows = len(engine.x) // batch, len(engine.x)
    if not steps:
        raise ValueError(f"batch {batch} is larger than the {rows} rows")

    def epoch(number):
        order = np.random.default_rng(number).permutation(rows)[: steps * batch]
        return engine.train(batch, steps, order)

    engine.load(proof.initial_weights())
    epoch(0)  # compiles
    engine.load(proof.initial_weights())
    seconds, accuracies = 0.0, []
    while len(accuracies) < most_epochs:
        took, loss = epoch(len(accuracies))
        seconds += took
        accuracies.append(accuracy(engine.weights(), *validation))
        if accuracies[-1] >= target or not math.isfinite(loss):
            break
    return {"reached": accuracies[-1] >= target, "seconds": seconds, "epochs": len(accuracies),
            "accuracies": accuracies}  # fmt: skip


def accuracy(weights, x, y):
    """Share of rows that the net [W, b, W, b, ...] of relu layers puts into the right class."""
    a = x
    for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        a = np.maximum(a @ W + b, 0)
    return float(np.mean((a @ weights[-2] + weights[-1]).argmax(axis=1) == y))
