"""Which source of batches fits what the user gave: a Table for arrays, a Stream for the rest.

Both have `steps`, `ready()`, `epoch(length)`, `end_epoch()`, `restart()`, `close()`, and the state
from which another run goes on, `get_state()` and `set_state(state)`.
"""

from ..configs.checks import check_integer
from ..core.ranks import ALONE
from .batches import Table, check_shuffle
from .dataset import same_length, split_point, unpack
from .streams import Stream, check_stream_arguments, is_stream


def sources(dataset, rows_of, order, ranks, x, y, sample_weight, validation_data, epochs, *,
            batch_size, class_weight, initial_epoch, shuffle, steps_per_epoch,
            validation_batch_size, validation_freq, validation_split,
            validation_steps):  # fmt: skip
    """Return where `fit`'s batches come from: (for training, for validation or None).

    Args:
        dataset, order, ranks: see `source`.
        rows_of: function of (x, y, sample_weight) that returns them as rows, see `several`.
        and those of `fit`, which are checked.
    """
    check_integer("epochs", epochs, least=0)
    check_integer("initial_epoch", initial_epoch, least=0)
    for name, value in (
        ("batch_size", batch_size), ("steps_per_epoch", steps_per_epoch),
        ("validation_steps", validation_steps), ("validation_batch_size", validation_batch_size),
    ):  # fmt: skip
        if value is not None:
            check_integer(name, value)
    validations = sum(map(validation_due(validation_freq), range(initial_epoch, epochs)))
    check_shuffle(shuffle)
    if x is None or (y is None and not is_stream(x)):
        raise ValueError("fit needs x and y")
    where = "validation "
    if validation_data is None and validation_split:
        (x, y, sample_weight), validation_data, cut = _hold_out(
            rows_of, x, y, sample_weight, validation_split
        )
        where = f"validation (from row {cut}) "
    elif validation_data is not None and not is_stream(validation_data):
        validation_data = unpack(
            validation_data, "validation_data"
        )  # fails before anything is built
    train = source(dataset, x, y, sample_weight, batch_size=batch_size, steps=steps_per_epoch,
                   class_weight=class_weight, shuffle=shuffle, order=order,
                   ranks=ranks)  # fmt: skip
    if validation_data is None:
        return train, None
    return train, _validation_source(
        dataset, validation_data, validation_batch_size or batch_size, validation_steps,
        where, validations, ranks,
    )  # fmt: skip


def validation_due(frequency):
    """Return the function of an epoch's number, from 0, that says whether to validate after it."""
    if isinstance(frequency, (list, tuple, set)):
        for epoch in frequency:
            check_integer("validation_freq", epoch)
        return lambda epoch: epoch + 1 in frequency
    check_integer("validation_freq", frequency)
    return lambda epoch: (epoch + 1) % frequency == 0


def source(dataset, x, y=None, sample_weight=None, *, batch_size=None, steps=None,
           class_weight=None, shuffle=None, order=None, targets=True, where="",
           ranks=ALONE):  # fmt: skip
    """Return where batches come from, a Table or a Stream.

    Args:
        dataset: function of (x, y, sample_weight, class_weight, where) that checks them and returns
            a Dataset.
        x, y, sample_weight, batch_size, steps, class_weight: as for `fit`.
        shuffle: as for `fit`; None: there is nothing to shuffle.
        order: where something is, function that returns the seed of the permutations and the
            number of the first pass.
        targets: whether y is needed.
        where: how to begin messages.
        ranks: those that share the batches, see `core.ranks`.
    """
    if is_stream(x):
        check_stream_arguments(x, class_weight, batch_size, y=y, sample_weight=sample_weight)
        order = {} if shuffle is None else {"shuffle": shuffle, **order()}
        made = Stream(dataset, x, steps, class_weight, targets=targets, where=where, **order)
    else:
        data = dataset(x, y, sample_weight, class_weight, where)
        order = {} if shuffle is None else {"shuffle": shuffle, **order()}  # built: it draws, too
        made = Table(data, batch_size, steps, **order)
    made.share(ranks)
    return made


def _validation_source(dataset, data, batch_size, steps, where, times, ranks):
    """Return the source of validation batches, which are gone through `times` times."""
    if not is_stream(data):
        x, y, weight = data
        return source(dataset, x, y, weight, batch_size=batch_size, steps=steps, where=where,
                      ranks=ranks)  # fmt: skip
    stream = source(dataset, data, steps=steps, where=where, ranks=ranks)
    if stream.once and steps is None and times > 1:
        raise ValueError(f"validation_data: a {type(data).__name__} can be read only once, for "
                         f"{times} "
                         "validations give validation_steps, or a utils.PyDataset")  # fmt: skip
    return stream


def _hold_out(rows_of, x, y, sample_weight, share):
    """Return (x, y, sample_weight) without their last rows, these, and the number of the first."""
    if is_stream(x):
        check_stream_arguments(x, validation_split=share)
    x, y, weight = rows_of(x, y, sample_weight)
    same_length(x, y, "x", "y")
    if weight is not None:
        same_length(x, weight, "x", "sample_weight")
    cut = split_point(len(x), share)
    arrays = [a for a in (x, y, weight) if a is not None]
    left, right = [a[:cut] for a in arrays], [a[cut:] for a in arrays]
    return (*left, None)[:3], (*right, None)[:3], cut
