"""From what a user hands over as data to batches.

`source` makes of it a `Table` (arrays) or a `Stream` (generators and the like); both have `steps`,
`ready()`, `epoch(length)`, `restart()`, `close()`; a batch is some rows of a `Dataset`.
"""

from .arrays import MappedRows, as_array, check_finite
from .batches import Batches, Table
from .dataset import Dataset
from .pydataset import PyDataset
from .several import SeveralRows
from .sources import source, sources
from .sparse import SparseRows
from .splitting import split_dataset
from .streams import Stream, is_stream
