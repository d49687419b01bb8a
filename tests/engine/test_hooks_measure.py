"""What callbacks measure on the model that trains leaves the logs of `fit` as they are."""

import numpy as np
import pytest
from fit_models import IDS, VIDS, VX, X, classifier
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet.callbacks import Callback, EarlyStopping

ACTIONS = {
    "evaluate": lambda model: model.evaluate(VX, VIDS, verbose=0, batch_size=7),
    "test_on_batch": lambda model: model.test_on_batch(VX[:3], VIDS[:3]),
    "predict": lambda model: model.predict(VX, verbose=0),
    "gradients": lambda model: model.gradients(VX, VIDS),
    "reset": lambda model: model.evaluate(VX[:1], VIDS[:1], verbose=0),
    "loss_surface": lambda model: tinynet.probes.loss_surface(model, VX, VIDS, points=3),
}
HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_test_batch_begin", "on_test_batch_end",
         "on_epoch_begin", "on_epoch_end", "on_test_begin", "on_test_end")  # fmt: skip


class Works(Callback):
    """Carries out an action in a hook."""

    def __init__(self, hook, action):
        super().__init__()
        setattr(self, hook, lambda *_: ACTIONS[action](self.model))


class Listens(Callback):
    """Sees every batch, as the run with a hook does: batches are then carried out one by one."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def run(callbacks, device="reference", **options):
    """The logs, the number of epochs and the weights that a fit ends with."""
    tinynet.utils.set_random_seed(4)
    model = classifier(tinynet)
    model.compile("adam", "sparse_categorical_crossentropy", device=device,
                  metrics=["accuracy", tinynet.metrics.SparseTopKCategoricalAccuracy(2)],
                  **options)  # fmt: skip
    stops = EarlyStopping("val_loss", patience=1, min_delta=0.02)
    fitted = model.fit(X, IDS, validation_data=(VX, VIDS), epochs=6, batch_size=8, verbose=0,
                       callbacks=[*callbacks, stops])  # fmt: skip
    return fitted.history, stops.stopped_epoch, model.get_weights()


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("action", ACTIONS)
def test_logs_and_weights_are_those_of_a_run_without(action, device):
    history, stopped, weights = run([Listens()], device)
    for hook in HOOKS[:4] + HOOKS[7:]:
        with_hook = run([Works(hook, action), Listens()], device)
        assert with_hook[0] == history, hook
        assert with_hook[1] == stopped
        for one, other in zip(with_hook[2], weights, strict=True):
            np.testing.assert_array_equal(one, other)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(HOOKS), st.sampled_from(list(ACTIONS))), max_size=5))
def test_any_mixture_of_hooks(works):
    assert run([Works(*work) for work in works])[:2] == run([])[:2]


def test_a_hook_measures_the_right_numbers():
    seen = []

    class Evaluates(Callback):
        def on_train_batch_end(self, batch, logs=None):
            first = self.model.evaluate(VX, VIDS, verbose=0)
            p = self.model.predict(VX, verbose=0)
            seen.append((first[0], -np.log(p[np.arange(len(VIDS)), VIDS]).mean()))
            seen.append((first[1], (p.argmax(axis=1) == VIDS).mean()))

    run([Evaluates()])
    np.testing.assert_allclose(*zip(*seen, strict=True), rtol=1e-5)
