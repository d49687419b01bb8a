"""Where a formula stands in the source: file, line and the lines themselves."""

import inspect
import pathlib

PACKAGE = pathlib.Path(__file__).resolve().parent.parent  # .../tinynet


def where(function):
    """Return (path, first line, text) of a function or class; (name, 0, "") where there is no text.

    Paths are the project's ("tinynet/layers/dense.py", "kernels/cpu/losses.py"), however it is
    installed; of a file elsewhere only its name is told.
    """
    function = inspect.unwrap(getattr(function, "__func__", function))
    try:
        file = pathlib.Path(inspect.getsourcefile(function)).resolve()
        lines, line = inspect.getsourcelines(function)
    except (TypeError, OSError):  # written at a prompt, or compiled
        return getattr(function, "__qualname__", str(function)), 0, ""
    path = file.name
    for root in ("tinynet", "kernels"):
        if file.is_relative_to(PACKAGE.parent / root):
            path = file.relative_to(PACKAGE.parent).as_posix()
    if path.startswith("tinynet/kernels/"):  # as a wheel lays it out
        path = path.removeprefix("tinynet/")
    return path, line, inspect.cleandoc("\n" + "".join(lines))


def line_of(function, fragment):
    """Return the number of the first line of `function` that has `fragment`, or of its first."""
    _, line, text = where(function)
    return next((line + k for k, row in enumerate(text.splitlines()) if fragment in row), line)
