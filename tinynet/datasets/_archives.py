"""Gzip and tar files that may be damaged or hostile, read piece by piece and with bounds."""

import zlib

PIECE = 1 << 16  # packed bytes that are read at once
BLOCK = 512  # a tar archive is made of blocks


class Gzip:
    """What a gzip file of one member holds.

    Args:
        file: opened, binary.
        most: bytes; of what is there beyond them nothing is unpacked.
    """

    def __init__(self, file, most: int):
        self.file, self.left, self.packed = file, most, most + most // 100 + 4096
        self.stream = zlib.decompressobj(wbits=31)

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer where they end, or after `most`.

        Raises:
            ValueError: it is no gzip file, damaged, cut off, or of several members.
        """
        size = min(size, self.left)
        pieces, missing = [], size
        while missing and not self.stream.eof:
            pieces.append(self._next(missing))
            missing -= len(pieces[-1])
        self.left -= size - missing
        return b"".join(pieces)

    def drain(self):
        """Read on to the end, where the checksum is; a ValueError if that is beyond `most`."""
        while self.read(PIECE):
            pass
        if not self.stream.eof:
            raise ValueError("it holds more bytes than are read")

    def _next(self, most):
        packed = self.stream.unconsumed_tail or self._packed()
        try:
            piece = self.stream.decompress(packed, most)
        except zlib.error as error:
            raise ValueError(f"its packed data, or their CRC, are damaged: {error}") from error
        if self.stream.eof and (self.stream.unused_data + self.file.read(BLOCK)).strip(b"\0"):
            raise ValueError("more follows its one gzip member")
        return piece

    def _packed(self):
        begins = self.file.tell() == 0
        packed = self.file.read(min(PIECE, self.packed))  # packing may add a hundredth, not more
        self.packed -= len(packed)
        if begins and packed[:2] != b"\x1f\x8b":
            raise ValueError(f"Not a gzipped file ({packed[:2]!r})")
        if not packed:
            raise ValueError("it ends before the end-of-stream marker")
        return packed


def tar_files(stream, names):
    """Yield (name, bytes) of the regular files of these names in a tar archive, in its order.

    A header is one block: the name at 0, the size in octal digits at 124, a sum of its bytes at
    148, the kind at 156. The content follows, filled up to whole blocks. Whatever else is in the
    archive is passed over; nothing is written anywhere.

    Args:
        stream: has `read(size)`, which ends after so many bytes that may be kept in memory.

    Raises:
        ValueError: a damaged header, a file that ends early, comes twice or is missing.
    """
    missing = list(names)
    while (header := stream.read(BLOCK)).strip(b"\0"):
        name, size, kind = _header(header)
        if name not in names or kind not in (b"0", b"\0"):
            _pass_over(stream, size + -size % BLOCK)
            continue
        if name not in missing:
            raise ValueError(f"it holds {name} twice")
        content = stream.read(size)
        if len(content) != size:
            raise ValueError(f"{name} ends after {len(content)} of {size} bytes")
        missing.remove(name)
        yield name, content
        _pass_over(stream, -size % BLOCK)
    if missing:
        raise ValueError(f"there is no {', no '.join(missing)} in it")


def _header(block):
    """Return name, size and kind of a file."""
    if len(block) != BLOCK:
        raise ValueError(f"a header of its archive ends after {len(block)} of {BLOCK} bytes")
    expected = sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
    if _octal(block[148:156]) != expected:
        raise ValueError("a header of its archive is damaged: the sum of its bytes is another")
    name = block[:100].partition(b"\0")[0].decode("utf-8", "replace")
    return name, _octal(block[124:136]), block[156:157]


def _octal(digits):
    digits = digits.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise ValueError(f"a header of its archive has {digits!r} for an octal number")
    return int(digits, 8)


def _pass_over(stream, size):
    while size > 0 and (piece := stream.read(min(size, 1 << 20))):
        size -= len(piece)
