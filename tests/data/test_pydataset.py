"""PyDataset: order, hooks, workers."""

import threading
import time

import pytest
from stream_sources import X, Y, build, make_dataset

import tinynet
from tinynet.callbacks import Callback
from tinynet.utils import PyDataset


def test_batches_of_a_pydataset_are_shuffled_per_epoch():
    orders = []
    for _ in range(2):
        tinynet.utils.set_random_seed(5)
        data = make_dataset()()
        build().fit(data, epochs=3, verbose=0)
        orders.append(data.seen)
    assert orders[0] == orders[1]  # the seed says which
    passes = [tuple(orders[0][i : i + 7]) for i in (0, 7, 14)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert len(set(passes)) == 3
    data = make_dataset()()
    build().fit(data, epochs=2, shuffle=False, verbose=0)
    assert data.seen == list(range(7)) * 2


def test_the_hooks_of_a_pydataset():
    calls = []

    class Told(make_dataset()):
        def on_epoch_begin(self):
            calls.append("begin")

        def on_epoch_end(self):
            calls.append("end")

        def __getitem__(self, i):
            calls.append(i)
            return super().__getitem__(i)

    build().fit(Told(), epochs=2, shuffle=False, verbose=0)
    assert calls == ["begin", *range(7), "end"] * 2
    calls.clear()
    build().fit(Told(), epochs=2, steps_per_epoch=2, shuffle=False, verbose=0)
    assert calls == ["begin", 0, 1, "end", "begin", 2, 3, "end"]
    calls.clear()
    build().evaluate(Told(), verbose=0)
    build().predict(Told(), verbose=0)
    assert calls == ["begin", *range(7), "end"] * 2


def test_a_pydataset_whose_constructor_was_not_called():
    class Bare(make_dataset()):
        def __init__(self):
            self.seen = []

    build().fit(Bare(), verbose=0)
    assert tinynet.utils.Sequence is PyDataset
    with pytest.raises(NotImplementedError, match="PyDataset needs __getitem__"):
        PyDataset()[0]
    with pytest.raises(NotImplementedError, match="PyDataset needs __len__"):
        build().fit(PyDataset(), verbose=0)
    assert [len(x) for x, _ in make_dataset()()] == [8] * 6 + [2]


def data_threads():
    return [t for t in threading.enumerate() if t.name.startswith("tinynet-data")]


def test_workers_prepare_batches_ahead_but_not_too_many():
    begun, highest = [], []

    class Slow(make_dataset()):
        def __getitem__(self, i):
            begun.append(i)
            assert threading.current_thread().name.startswith("tinynet-data")
            return super().__getitem__(i)

    class Watch(Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.01)  # long enough for the workers to prepare all that they may
            highest.append(len(begun) - batch - 1)

    build().fit(Slow(workers=2, max_queue_size=3), verbose=0, callbacks=[Watch()])
    assert 1 <= max(highest) <= 4
    assert sorted(begun) == list(range(7))
    assert not data_threads()


def test_the_workers_end_whatever_happens():
    class Broken(make_dataset()):
        def __getitem__(self, i):
            if i == 4:
                raise OSError("disk gone")
            return super().__getitem__(i)

    model = build()
    with pytest.raises(OSError, match="disk gone"):
        model.fit(Broken(workers=3), shuffle=False, verbose=0)
    assert model.optimizer.iterations == 4
    assert not data_threads()

    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    data = make_dataset()(workers=3)
    history = model.fit(data, epochs=5, verbose=0, callbacks=[Stop()], validation_data=data)
    assert history.epoch == [0]
    assert not data_threads()
    model.fit(X, Y, validation_data=make_dataset()(workers=2), validation_steps=2, verbose=0)
    assert not data_threads()
