"""What the environment asks of the gpu device. Read at every call; nothing here needs a card."""

import os


def tf32():
    """TINYNET_TF32=1: products by tensor cores, which keep about three digits of float32."""
    return os.environ.get("TINYNET_TF32") == "1"


def tf32x3():
    """TINYNET_TF32X3=1: products of large batches by tensor cores at float32's accuracy, see
    `passes.tiles`."""
    return os.environ.get("TINYNET_TF32X3") == "1"


def cublaslt():
    """TINYNET_CUBLASLT=1: bias and ReLU as part of the products, see `passes.epilogues`."""
    return os.environ.get("TINYNET_CUBLASLT") == "1"


MOST_PERSISTENT = 512  # rows, whatever is asked for: beyond, cuBLAS's larger tiles win


def persistent_rows():
    """TINYNET_PERSISTENT=256: up to 256 rows a step runs in one kernel, see `passes.persistent`."""
    text = os.environ.get("TINYNET_PERSISTENT") or "0"
    if not text.isdecimal():
        raise ValueError("TINYNET_PERSISTENT must be the number of rows up to which a step runs in "
                         f"one persistent kernel, received {text!r}")  # fmt: skip
    return min(int(text), MOST_PERSISTENT)


def debug_level():
    """TINYNET_DEBUG: 0; 1: look for NaN after each kernel; 2: print its time as well."""
    try:
        return int(os.environ.get("TINYNET_DEBUG") or 0)
    except ValueError:
        text = os.environ["TINYNET_DEBUG"]
        raise ValueError(f"TINYNET_DEBUG must be 0, 1 or 2, received {text!r}") from None


def described():
    """For `doctor`: name -> what is on, or what is wrong with the variable."""
    try:
        rows = persistent_rows()
        found = f"on for steps of up to {rows} rows" if rows else "off; not yet timed on a card"
    except ValueError as error:
        found = str(error)
    return {"TF32": "on" if tf32() else "off", "3xTF32": "on" if tf32x3() else "off",
            "persistent kernel": found}  # fmt: skip
