"""PyDataset: a data set that makes its batches itself, by number; with Keras's names."""

from __future__ import annotations

import collections
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class PyDataset:
    """Base of data sets that give whole batches: `self[i]` is (x, y) or (x, y, sample_weight).

        class Files(tinynet.utils.PyDataset):
            def __len__(self):                  # batches
                return 100

            def __getitem__(self, i):
                return np.load(f"x{i}.npy"), np.load(f"y{i}.npy")

    Args:
        workers: with more than one, so many threads prepare the next batches while the model
            trains; `__getitem__` must then bear being called from several threads.
        use_multiprocessing: accepted as in Keras; the workers are threads all the same.
        max_queue_size: how many batches may be prepared ahead.
    """

    use_multiprocessing: bool
    workers: int

    workers, use_multiprocessing, max_queue_size = 1, False, 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False,
                 max_queue_size: int = 10) -> None:  # fmt: skip
        self.workers, self.use_multiprocessing = workers, use_multiprocessing
        self.max_queue_size: int = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Return batch number `index`, from 0."""
        raise NotImplementedError(f"{type(self).__name__} needs __getitem__(index)")

    @property
    def num_batches(self) -> int:
        """Batches of an epoch; None: there is no end."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(f"{type(self).__name__} needs __len__, or num_batches")

    def on_epoch_begin(self) -> None:
        """Called before the first batch of every epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of every epoch."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over all batches in order."""
        count = self.num_batches
        return (self[i] for i in (itertools.count() if count is None else range(count)))


def is_pydataset(data):
    """Return whether `data` is a PyDataset, tinynet's or Keras's."""
    return isinstance(data, PyDataset) or (
        hasattr(data, "num_batches") and hasattr(data, "__getitem__")
    )


def batches_in_order(dataset, indices):
    """Yield dataset[i] for all indices, prepared ahead by the data set's workers.

    An error in `__getitem__` comes out where its batch would have come. Closing the generator ends
    the threads.
    """
    workers = getattr(dataset, "workers", 1)
    if workers <= 1:
        for i in indices:
            yield dataset[i]
        return
    ahead = max(getattr(dataset, "max_queue_size", 10), 1)
    pool, waiting = ThreadPoolExecutor(workers, "tinynet-data"), collections.deque()
    try:
        for i in indices:
            waiting.append(pool.submit(dataset.__getitem__, i))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
