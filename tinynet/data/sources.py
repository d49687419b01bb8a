"""Which source of batches fits what the user gave: a Table for arrays, a Stream for the rest."""

from .arrays import as_array
from .batches import Table, check_shuffle
from .dataset import Dataset, same_length, split_point, unpack
from .several import as_inputs
from .streams import Stream, check_stream_arguments, is_stream


def sources(
    model, x, y, sample_weight, class_weight, batch_size, steps, shuffle, validation_split,
    validation_data, validation_batch_size, validation_steps, validations,
):  # fmt: skip
    """Where `fit`'s batches come from: (for training, for so many validations or None)."""
    check_shuffle(shuffle)
    if x is None or (y is None and not is_stream(x)):
        raise ValueError("fit needs x and y")
    where = "validation "
    if validation_data is None and validation_split:
        (x, y, sample_weight), validation_data, cut = _hold_out(
            model, x, y, sample_weight, validation_split
        )
        where = f"validation (from row {cut}) "
    elif validation_data is not None and not is_stream(validation_data):
        validation_data = unpack(validation_data, "validation_data")  # or fail before we build
    train = source(model, x, y, sample_weight, batch_size=batch_size, steps=steps,
                   class_weight=class_weight, shuffle=shuffle)  # fmt: skip
    if validation_data is None:
        return train, None
    return train, _validation_source(
        model, validation_data, validation_batch_size or batch_size, validation_steps,
        where, validations,
    )  # fmt: skip


def source(model, x, y=None, sample_weight=None, *, batch_size=None, steps=None, class_weight=None,
           shuffle=None, targets=True, where=""):  # fmt: skip
    """Where batches come from.

    Args:
        model: see Dataset; its `order()` has the seed of the permutations.
        x, y, sample_weight, batch_size, steps, class_weight: as for `fit`.
        shuffle: as for `fit`; None: there is nothing to shuffle.
        targets: whether y is needed.
        where: how to begin messages.
    """
    if is_stream(x):
        check_stream_arguments(x, class_weight, batch_size, y=y, sample_weight=sample_weight)
        order = {} if shuffle is None else {"shuffle": shuffle, **model.order()}
        return Stream(model, x, steps, class_weight, targets=targets, where=where, **order)
    data = Dataset(model, x, y, sample_weight, class_weight, where)
    order = {} if shuffle is None else {"shuffle": shuffle, **model.order()}
    return Table(data, batch_size, steps, **order)


def _validation_source(model, data, batch_size, steps, where, times):
    """The source of validation batches, which are gone through `times` times."""
    if not is_stream(data):
        x, y, weight = data
        return source(model, x, y, weight, batch_size=batch_size, steps=steps, where=where)
    stream = source(model, data, steps=steps, where=where)
    if stream.once and steps is None and times > 1:
        raise ValueError(
            f"validation_data: a {type(data).__name__} can be read only once, for {times} "
            "validations give validation_steps, or a utils.PyDataset"
        )
    return stream


def _hold_out(model, x, y, sample_weight, share):
    """(x, y, sample_weight) without their last rows, these rows, and the number of the first."""
    if is_stream(x):
        check_stream_arguments(x, validation_split=share)
    arrays = [as_inputs(model.names_of_inputs, x, "x"), as_array(y, "y")]
    same_length(*arrays, "x", "y")
    if sample_weight is not None:
        arrays.append(as_array(sample_weight, "sample_weight"))
        same_length(arrays[0], arrays[2], "x", "sample_weight")
    cut = split_point(len(arrays[0]), share)
    left, right = [a[:cut] for a in arrays], [a[cut:] for a in arrays]
    return (*left, None)[:3], (*right, None)[:3], cut
