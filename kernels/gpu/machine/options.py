"""What the environment asks of the gpu device. Read at every call; nothing here needs a card."""

import os


def tf32():
    """TINYNET_TF32=1: products by tensor cores, which keep about three digits of float32."""
    return os.environ.get("TINYNET_TF32") == "1"


def cublaslt():
    """TINYNET_CUBLASLT=1: bias and ReLU as part of the products, see `passes.epilogues`."""
    return os.environ.get("TINYNET_CUBLASLT") == "1"


MOST_PERSISTENT = 512  # rows, whatever is asked for: beyond, cuBLAS's larger tiles win


def persistent_rows():
    """TINYNET_PERSISTENT=256: up to 256 rows a step runs in one kernel, see `passes.persistent`."""
    return min(_rows("TINYNET_PERSISTENT", "up to which a step runs in one persistent kernel"),
               MOST_PERSISTENT)  # fmt: skip


def tf32x3_rows():
    """TINYNET_TF32X3=2048: from 2048 rows on products are made by tensor cores at float32's
    accuracy, see `passes.tiles`. 0: never."""
    return _rows("TINYNET_TF32X3", "from which on products are made by tensor cores")


def _rows(name, what):
    text = os.environ.get(name) or "0"
    if not text.isdecimal():
        raise ValueError(f"{name} must be the number of rows {what}, received {text!r}")
    return int(text)


def debug_level():
    """TINYNET_DEBUG: 0; 1: look for NaN after each kernel; 2: print its time as well."""
    try:
        return int(os.environ.get("TINYNET_DEBUG") or 0)
    except ValueError:
        text = os.environ["TINYNET_DEBUG"]
        raise ValueError(f"TINYNET_DEBUG must be 0, 1 or 2, received {text!r}") from None


def described():
    """For `doctor`: name -> what is on, or what is wrong with the variable."""
    persistent, x3 = (
        _described(rows, words)
        for rows, words in ((persistent_rows, "up to"), (tf32x3_rows, "from"))
    )
    return {"TF32": "on" if tf32() else "off", "3xTF32": x3, "persistent kernel": persistent}


def _described(rows, words):
    try:
        return f"on for steps {words} {rows()} rows" if rows() else "off; not yet timed on a card"
    except ValueError as error:
        return str(error)
