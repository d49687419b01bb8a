"""Timed training steps: how the time is taken, how many steps, and the order of the engines."""

import time


def timed_fit(model, callback_class, x, y, batch, steps, shuffle):
    """Return (seconds, mean loss) of one epoch of `steps` steps of a model with Keras's `fit`.

    The time runs from on_train_begin to on_train_end: the epoch, without what a call of `fit` does
    once however many epochs follow (Keras's symbolic build, tinynet's look for NaN in the data).
    """

    class Clock(callback_class):
        def on_train_begin(self, logs=None):
            self.began = time.perf_counter()

        def on_train_end(self, logs=None):
            self.seconds = time.perf_counter() - self.began

    clock, before = Clock(), int(model.optimizer.iterations)
    history = model.fit(
        x, y, batch_size=batch, steps_per_epoch=steps, shuffle=shuffle, verbose=0, callbacks=[clock]
    )
    taken = int(model.optimizer.iterations) - before
    if taken != steps:  # an engine that leaves steps out would look fast
        raise RuntimeError(f"fit made {taken} steps instead of {steps}")
    return clock.seconds, float(history.history["loss"][-1])


def steps_for(batch, rows, rate, seconds):
    """Return how many steps to time: about `seconds` at `rate` images/s, at most one epoch.

    More than 256 are cut to a multiple of 16, so that Keras can group its steps.
    """
    steps = max(1, min(rows // batch, round(rate * seconds / batch)))
    return steps - steps % 16 if steps >= 256 else steps


def in_turns(names, batches, rounds):
    """Yield (round, batch, name): a round has all sizes, and each engine begins equally often."""
    for r in range(rounds):
        for b, batch in enumerate(batches):
            first = (r + b) % len(names)
            for name in names[first:] + names[:first]:
                yield r, batch, name
