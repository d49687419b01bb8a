"""Our own promises about `fit`: a second one, seeds, the order of the rows."""

import numpy as np
import pytest
from fit_models import IDS, SPARSE, Rows, X, classifier, inject, same

import tinynet
from tinynet import Sequential, layers

# ------------------------------------------------------------------------- fit after fit


def test_a_second_fit_goes_on_and_a_new_optimizer_starts_anew():
    def compiled(optimizer):
        model = inject(classifier(tinynet))
        model.compile(optimizer, **SPARSE)
        return model

    whole, halves, anew = (compiled("adam") for _ in range(3))
    options = {"verbose": 0, "shuffle": False}
    whole.fit(X, IDS, epochs=4, **options)
    for _ in range(2):
        halves.fit(X, IDS, epochs=2, **options)
    assert halves.optimizer.iterations == whole.optimizer.iterations == 8
    same(whole, halves)
    anew.fit(X, IDS, epochs=2, **options)
    anew.compile("adam", **SPARSE)
    anew.fit(X, IDS, epochs=2, **options)
    assert anew.optimizer.iterations == 4
    assert not np.array_equal(anew.get_weights()[0], whole.get_weights()[0])


def test_the_same_optimizer_object_keeps_its_state_as_in_keras():
    whole, halves = inject(classifier(tinynet)), inject(classifier(tinynet))
    optimizer = tinynet.optimizers.Adam(0.01)
    whole.compile("adam", **SPARSE)
    whole.optimizer.learning_rate = 0.01
    whole.fit(X, IDS, epochs=4, verbose=0, shuffle=False)
    for _ in range(2):
        halves.compile(optimizer, **SPARSE)
        halves.fit(X, IDS, epochs=2, verbose=0, shuffle=False)
    same(whole, halves)
    other = inject(classifier(tinynet))
    other.compile(optimizer, **SPARSE)
    with pytest.raises(ValueError, match="8 steps with the weights of another model"):
        other.fit(X, IDS, verbose=0)
    assert optimizer.iterations == 8


# ---------------------------------------------------------------------------- random order


def small_model(seed):
    tinynet.utils.set_random_seed(seed)
    model = Sequential([
        layers.Dense(8, activation="relu"), layers.Dropout(0.4), layers.BatchNormalization(),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", **SPARSE)
    history = model.fit(X, IDS, batch_size=16, epochs=3, validation_split=0.2, verbose=0)
    return model, history.history


def test_the_same_seed_gives_the_same_bits():
    (a, first), (b, second), (c, third) = small_model(3), small_model(3), small_model(4)
    assert first == second
    same(a, b)
    assert first != third
    assert not np.array_equal(a.get_weights()[0], c.get_weights()[0])


def rows_seen(epochs=1, **options):
    """Row numbers of the batches of each epoch."""
    rows = Rows()
    model = Sequential([layers.Input((1,)), rows, layers.Dense(1)])
    model.compile(tinynet.optimizers.SGD(0.0), "mse")
    x = np.arange(23.0)[:, None]
    model.fit(x, x, batch_size=5, epochs=epochs, verbose=0, **options)
    per_epoch = len(rows.batches) // epochs
    return [rows.batches[i * per_epoch : (i + 1) * per_epoch] for i in range(epochs)]


def flat(batches):
    return [int(v) for batch in batches for v in batch]


def test_shuffling_uses_every_row_once_an_epoch():
    first, second, third = rows_seen(3)
    assert [len(b) for b in first] == [5, 5, 5, 5, 3]
    orders = [flat(epoch) for epoch in (first, second, third)]
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert all(order != sorted(order) for order in orders)
    # across batches, not only within
    assert any(set(b) != set(range(5 * i, min(5 * i + 5, 23))) for i, b in enumerate(first))


def test_shuffling_within_batches_and_not_at_all():
    for epoch in rows_seen(2, shuffle="batch"):
        assert flat(epoch) != list(range(23))
        for i, batch in enumerate(epoch):
            assert sorted(batch) == list(range(5 * i, min(5 * i + 5, 23)))
    assert flat(rows_seen(1, shuffle=False)[0]) == list(range(23))


def test_a_second_fit_has_another_order():
    rows = Rows()
    model = Sequential([layers.Input((1,)), rows, layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.arange(23.0)[:, None] / 23
    for _ in range(2):
        model.fit(x, x, verbose=0)
    assert rows.trained[:23] != rows.trained[23:]
    assert sorted(rows.trained[:23]) == sorted(rows.trained[23:])


def test_steps_per_epoch_goes_through_all_rows():
    epochs = rows_seen(2, steps_per_epoch=2)
    assert [sum(len(b) for b in e) for e in epochs] == [10, 10]
    assert len(set(flat(epochs[0]) + flat(epochs[1]))) == 20  # the second goes on


def test_dropout_masks_follow_the_seed_and_differ_by_step():
    def masks(seed):
        tinynet.utils.set_random_seed(9)
        seen = Rows()
        drop = layers.Dropout(0.5, seed=seed)
        model = Sequential([layers.Input((1,)), drop, seen, layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones((64, 1)), np.ones((64, 1)), batch_size=32, epochs=2, verbose=0)
        return seen.batches

    assert masks(1) == masks(1)
    assert masks(1) != masks(2)
    steps = masks(1)
    assert len(steps) == 4
    assert len({tuple(step) for step in steps}) == 4
