"""From what a user hands over as data to batches.

`fit` sees a source of batches: `Table` (arrays) or `Stream` (generators and the like). Both have
`steps`, `ready()`, `epoch(length)`, `restart()`, `close()`; a batch is rows of a `Dataset`.
"""

from .arrays import MappedRows, as_array, as_rows, check_finite
from .batches import Batches, Table, check_count
from .dataset import Dataset, class_weights, same_length, split_point, unpack
from .pydataset import PyDataset
from .sparse import SparseRows
from .splitting import split_dataset
from .streams import Stream, check_stream_arguments, is_stream

__all__ = [
    "Batches",
    "Dataset",
    "MappedRows",
    "PyDataset",
    "SparseRows",
    "Stream",
    "Table",
    "as_array",
    "as_rows",
    "check_count",
    "check_finite",
    "check_stream_arguments",
    "class_weights",
    "is_stream",
    "same_length",
    "split_dataset",
    "split_point",
    "unpack",
]
