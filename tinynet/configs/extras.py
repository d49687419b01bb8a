"""Packages that only one feature needs: each belongs to an extra of the installation."""

import contextlib


@contextlib.contextmanager
def needs(extra, what):
    """Within the block, an import that fails says what needs the package and how to install it.

        with needs("onnx", "export writes with the onnx package"):
            import onnx

    Args:
        extra: the extra of setup.cfg that has the package.
        what: begins the message.

    Raises:
        ImportError: the package, or a part of it, is missing.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(f'{what}: pip install "tinynet[{extra}]" ({error})') from error
