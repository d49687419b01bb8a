"""What `python -m tinynet COMMAND` runs."""

import argparse
import pathlib


class Mistake(SystemExit):
    """An argument of a command can't be meant: one sentence on the error output, exit status 2."""

    def __init__(self, message):
        super().__init__(message)
        self.code = 2


def integer(least, most=2**32 - 1):
    """Return an option's type: an integer from `least` to `most`."""

    def number(text):
        if not text.isdecimal() or not least <= int(text) <= most:
            limit = f" and <= {most}" if text.isdecimal() and int(text) > most else ""
            raise argparse.ArgumentTypeError(f"expected an integer >= {least}{limit}, received "
                                             f"{text!r}")  # fmt: skip
        return int(text)

    return number


def output_file(text):
    """Return the path of a file that can be written: the work is not done in vain."""
    folder = pathlib.Path(text).absolute().parent
    if not folder.is_dir() or pathlib.Path(text).is_dir():
        raise argparse.ArgumentTypeError("expected a file in a folder that exists, received "
                                         f"{text!r}")  # fmt: skip
    return text
