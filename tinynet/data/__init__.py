"""From what a user hands over as data to batches.

`source` makes of it a `Table` (arrays) or a `Stream` (generators and the like); a batch is some
rows of a `Dataset`.
"""

from .arrays import MappedRows, as_array, check_finite
from .batches import Table
from .dataset import Dataset, rows_of
from .pydataset import PyDataset
from .several import SeveralRows
from .sources import source, sources, validation_due
from .sparse import SparseRows
from .splitting import split_dataset
from .streams import Stream, is_stream
