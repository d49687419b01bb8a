"""Text for consoles that know fewer characters than UTF-8 has: cp1252, cp949, ASCII."""

import sys
import unicodedata

SPELLED_OUT = {
    "·": ".", "×": "x", "⊙": "*", "→": "->", "−": "-", "±": "+-", "²": "^2", "√": "sqrt", "′": "'",
    "ᵀ": "^T", "ₙ": "_n", "\u0302": "^", "…": "...", "└": "+-", "‖": "|", "Σ": "sum", "∂": "d",
    "β": "beta", "γ": "gamma", "ε": "epsilon", "μ": "mu", "σ": "sigma",
}  # fmt: skip


def printable(text, file=None) -> str:
    """Return `text` in the characters of a stream's encoding; the others are spelled out.

    Args:
        file: the stream; None: sys.stdout as it is now.
    """
    encoding = getattr(sys.stdout if file is None else file, "encoding", None) or "utf-8"
    if text.isascii() or encoding.lower().startswith("utf"):
        return text
    return "".join(c if _fits(c, encoding) else _spelled(c, encoding) for c in text)


def _fits(text, encoding):
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _spelled(character, encoding):
    """Return what stands for a character: our own words, its parts, or a question mark."""
    if character in SPELLED_OUT:
        return SPELLED_OUT[character]
    parts = unicodedata.normalize("NFKD", character).encode(encoding, "ignore").decode(encoding)
    return parts or "?"
