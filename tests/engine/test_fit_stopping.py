"""Callbacks that stop a `fit`, fail in it, or use the model meanwhile."""

import pytest
from fit_models import IDS, SPARSE, VIDS, VX, X, classifier, inject, same

import tinynet
from tinynet.callbacks import Callback


class At(Callback):
    """Does something after batch number `batch` of epoch number `epoch`."""

    def __init__(self, epoch, batch, action):
        super().__init__()
        self.at, self.action, self.epoch = (epoch, batch), action, None
        self.batches = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append((self.epoch, batch))
        if (self.epoch, batch) == self.at:
            self.action(self.model)


def stop(model):
    model.stop_training = True


def test_stop_training_ends_the_epoch_but_it_validates():
    model = inject(classifier(tinynet))
    model.compile("sgd", **SPARSE)
    stopper = At(1, 2, stop)
    history = model.fit(X, IDS, batch_size=10, epochs=9, validation_data=(VX, VIDS), verbose=0,
                        callbacks=[stopper])  # fmt: skip
    assert stopper.batches == [(0, b) for b in range(5)] + [(1, b) for b in range(3)]
    assert history.epoch == [0, 1]
    assert all(len(values) == 2 for values in history.history.values())
    assert len(model.fit(X, IDS, epochs=3, verbose=0).epoch) == 3  # the flag was for that fit


def test_a_callback_that_raises_leaves_a_usable_model(capsys):
    model, other = inject(classifier(tinynet)), inject(classifier(tinynet))
    for m in (model, other):
        m.compile("adam", **SPARSE)

    def fail(model):
        raise ZeroDivisionError("in a callback")

    with pytest.raises(ZeroDivisionError, match="in a callback"):
        model.fit(X, IDS, batch_size=10, epochs=2, shuffle=False, callbacks=[At(0, 2, fail)])
    other.fit(X[:30], IDS[:30], batch_size=10, shuffle=False, verbose=0)
    same(model, other)
    assert all(layer.saved is None for layer in model.layers)
    model.fit(X, IDS, shuffle=False, verbose=0)
    other.fit(X, IDS, shuffle=False, verbose=0)
    same(model, other)
    assert capsys.readouterr().out.endswith("\n")


def test_a_callback_may_predict_and_train_goes_on():
    model, other = inject(classifier(tinynet)), inject(classifier(tinynet))

    class Watch(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.predict(VX[:3], verbose=0)
            self.model(VX[:2])

    for m, callbacks in ((model, [Watch()]), (other, [])):
        m.compile("adam", **SPARSE)
        m.fit(X, IDS, batch_size=10, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
    same(model, other)
