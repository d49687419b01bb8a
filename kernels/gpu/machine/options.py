"""What the environment asks of the gpu device. Read at every call; nothing here needs a card."""

import os


def tf32():
    """TINYNET_TF32=1: products by tensor cores, which keep about three digits of float32."""
    return os.environ.get("TINYNET_TF32") == "1"


def cublaslt():
    """TINYNET_CUBLASLT=1: bias and ReLU as part of the products, see `passes.epilogues`."""
    return os.environ.get("TINYNET_CUBLASLT") == "1"


def persistent_rows():
    """TINYNET_PERSISTENT=256: up to 256 rows a step runs in one kernel, see `passes.persistent`."""
    what = "the number of rows up to which a step runs in one persistent kernel"
    return _whole_number("TINYNET_PERSISTENT", 0, what)


def branches():
    """TINYNET_BRANCHES=4: a graph has up to 4 branches, see `machine.branches`; 1 unless set."""
    return _whole_number("TINYNET_BRANCHES", 1, "how many branches a graph may have, 1 or more")


def _whole_number(name, least, what):
    text = os.environ.get(name) or str(least)
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{name} must be {what}, received {text!r}")
    return int(text)


def debug_level():
    """TINYNET_DEBUG: 0; 1: look for NaN after each kernel; 2: print its time as well."""
    try:
        return int(os.environ.get("TINYNET_DEBUG") or 0)
    except ValueError:
        raise ValueError(
            f"TINYNET_DEBUG must be 0, 1 or 2, received {os.environ['TINYNET_DEBUG']!r}"
        ) from None


def described():
    """For `doctor`: name -> what is on, or what is wrong with the variable."""
    return {
        "TF32": "on" if tf32() else "off",
        "persistent kernel": _text(persistent_rows, _persistent),
        "branches of a graph": _text(branches, str),
    }


def _persistent(rows):
    return f"on for steps of up to {rows} rows" if rows else "off; not yet timed on a card"


def _text(option, words):
    try:
        return words(option())
    except ValueError as error:
        return str(error)
