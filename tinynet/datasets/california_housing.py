"""California housing: 20,640 districts of 1990 with the median price of their houses (Pace, Barry
1997)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _files, _splits

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Path

SHA256 = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
FILE = _files.of_keras("california_housing.npz", f"sha256:{SHA256}")
SHAPE = (20_640, 8)
SMALL = 600  # rows of the small version


def load_data(version: str = "large", path: Path = "california_housing.npz",
              test_split: float = 0.2, seed: int = 113) -> Any:  # fmt: skip
    """Return 8 numbers about each district, and the median price in dollars.

    The columns: median income, age of the houses, rooms and bedrooms of a household, people, people
    of a household, latitude, longitude.

    Args:
        version: "large", or "small": the first 600 rows.
        path: name of the file in the data folders, or an absolute path.
        test_split: share of the rows that is kept for the test, in [0, 1).
        seed: of the order of the rows, which are then cut in two.

    Returns:
        ((x_train, y_train), (x_test, y_test)), floating-point: x (16512, 8) and (4128, 8), y
        (16512,) and (4128,); of the small version 480 and 120 rows.

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not what it should be, another version, or a test_split out of
            range.
    """
    _splits.check(test_split)
    if version not in ("large", "small"):
        raise ValueError(f'version must be "large" or "small", received {version!r}')
    x, y = _splits.read_table(FILE, path, SHAPE)
    rows = SMALL if version == "small" else len(x)
    return _splits.shuffled_table(x[:rows], y[:rows], test_split, seed)
