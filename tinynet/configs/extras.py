"""Packages that only one feature needs: each belongs to an extra of the installation."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


@contextlib.contextmanager
def needs(extra: str, what: str) -> Iterator[Any]:
    """Turn an ImportError within the block into one that says what needs it: `pip install` what.

    with needs("onnx", "export writes with the onnx package"):
        import onnx
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(f'{what}: pip install "tinynet[{extra}]" ({error})') from error
