"""What reading a damaged file may take, enforced: 2 s of the processor's time and 500 MB."""

import contextlib
import faulthandler
import io
import json
import signal
import sys
import warnings
import zipfile

SECONDS, BYTES = 2, 500 << 20
HANGS = 120  # seconds by the clock; then something in C never came back


class TooLong(BaseException):
    """No reader may catch it."""


def _too_long(*arguments):
    raise TooLong("it took too long")


@contextlib.contextmanager
def bounds(seconds=SECONDS):
    """Have the block raise TooLong after so long, and MemoryError where it asks for 500 MB more."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    with open("/proc/self/statm") as file:
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    old = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, _too_long)
    faulthandler.dump_traceback_later(HANGS, exit=True)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (in_use + BYTES, old[1]))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, old)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGPROF, before)


# ------------------------------------------------------------------------------------ the damage

HUGE = (2**31, 2**40, 2**62, 2**64 - 2)


def damaged(data, rng):
    """The bytes of a file with one kind of damage, somewhere."""
    data, size = bytearray(data), len(data)
    kind = rng.choice(["flip", "flip", "flips", "cut", "zeros", "ones", "swap", "drop", "header"])
    at, length = rng.randrange(size), rng.choice([1, 4, 8, 40, 512])
    if kind == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "flips":
        for _ in range(rng.choice([2, 8, 64])):
            data[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind in ("zeros", "ones"):
        data[at : at + length] = (b"\0" if kind == "zeros" else b"\xff") * len(data[at:][:length])
    elif kind == "swap":  # two blocks change places
        other = rng.randrange(size)
        a, b = data[at : at + length], data[other : other + length]
        if len(a) == len(b) and abs(at - other) >= length:
            data[at : at + length], data[other : other + length] = b, a
    elif kind == "drop":
        del data[at : at + length]
    else:  # a huge number where an address or a length may be
        place = rng.randrange(min(size, 4096)) // 8 * 8
        data[place : place + 8] = rng.choice(HUGE).to_bytes(8, "little")
    return bytes(data)


def repacked(data, rng):
    """A zip archive with damage in it, and checksums that know of it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
        comment = archive.comment
    kind = rng.choice(["names", "contents", "order", "twice", "without", "inside", "header"])
    a, b = rng.randrange(len(members)), rng.randrange(len(members))
    (one, first), (other, second) = members[a], members[b]
    if kind == "names":
        members[a], members[b] = (other, first), (one, second)
    elif kind == "contents":
        members[a] = (one, second)
    elif kind == "order":
        members[a], members[b] = members[b], members[a]
    elif kind == "twice":
        members.append(members[a])
    elif kind == "without":
        del members[a]
    elif kind == "inside":
        members[a] = (one, damaged(first, rng) if first else b"?")
    else:  # the same number of bytes, but an array of another size or type
        for old, new in ((b"(", b"(9"), (b"<f4", b"<f8"), (b"<f4", b"|O8"), (b", ", b",9")):
            if rng.random() < 0.5:
                first = first.replace(old, new, 1)
        members[a] = (one, first)
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        with zipfile.ZipFile(target, "w") as archive:
            archive.comment = comment
            for name, content in members:
                archive.writestr(name, content)
    return target.getvalue()


HOSTILE = (None, -1, 0, 3, 10**9, 2**70, 1e300, float("nan"), True, "x", "", [], {}, [None], [[3]])


def misconfigured(data, rng):
    """A `.keras` whose config has something else at one place, and the right checksum."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    node = config
    while True:
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        if not (isinstance(node[key], (dict, list)) and node[key]) or rng.random() < 0.15:
            break
        node = node[key]
    if rng.random() < 0.2:
        del node[key]
    else:
        node[key] = rng.choice(HOSTILE)
    members["config.json"] = json.dumps(config).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()
