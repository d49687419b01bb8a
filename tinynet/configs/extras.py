"""Packages that only one feature needs: each belongs to an extra of the installation."""

import contextlib


@contextlib.contextmanager
def needs(extra, what):
    """Turn an ImportError within the block into one that says what needs it: `pip install` what.

    with needs("onnx", "export writes with the onnx package"):
        import onnx
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(f'{what}: pip install "tinynet[{extra}]" ({error})') from error
