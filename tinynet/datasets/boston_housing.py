"""Boston housing: 506 suburbs of 1970 with the median price of their houses (Harrison, Rubinfeld
1978).

One of its 13 columns, "B", was made on the assumption that who lives in a suburb, by the colour of
their skin, sets the prices. It is a subject for what can be wrong with data; for a regression take
`california_housing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _files, _splits

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Path

SHA256 = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"
FILE = _files.of_keras("boston_housing.npz", f"sha256:{SHA256}", "keras-datasets")
SHAPE = (506, 13)


def load_data(path: Path = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> Any:
    """Return 13 numbers about each suburb, and the median price in thousands of dollars.

    Args:
        path: name of the file in the data folders, or an absolute path.
        test_split: share of the rows that is kept for the test, in [0, 1).
        seed: of the order of the rows, which are then cut in two.

    Returns:
        ((x_train, y_train), (x_test, y_test)), floating-point: x (404, 13) and (102, 13), y (404,)
        and (102,).

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not what it should be, or a test_split out of range.
    """
    _splits.check(test_split)
    return _splits.shuffled_table(*_splits.read_table(FILE, path, SHAPE), test_split, seed)
