"""Which launches of a step must wait for which: what one writes and another reads or writes."""

from .call import address_of


def accesses(launch):
    """(what it reads, what it writes): spans of addresses (low, high), and parts of the control.

    What a launch writes it may read as well.
    """
    if not hasattr(launch, "kernel"):  # of a library
        return _spans(launch.inputs), _spans(launch.outputs())
    reads, writes = [], []
    for value, kind in zip(launch.args, launch.kernel.declared.values(), strict=True):
        if kind.endswith("Control*"):
            reads.append("step")
        elif kind.endswith("*") and value is not None:
            (reads if kind.startswith("const ") else writes).extend(_spans([value]))
    return reads, writes + sorted(launch.kernel.counting)


def _spans(arrays):
    return [(address_of(a), address_of(a) + a.nbytes) for a in arrays if a.size]


def conflict(one, other):
    """Whether two launches, given by their accesses, must not change places or run at once."""
    (reads, writes), (their_reads, their_writes) = one, other
    return _meet(writes, their_reads) or _meet(writes, their_writes) or _meet(reads, their_writes)


def _meet(some, others):
    return any(
        a == b if isinstance(a, str) or isinstance(b, str) else a[0] < b[1] and b[0] < a[1]
        for a in some for b in others
    )  # fmt: skip


def levels(launches):
    """The launches in groups: within one none waits for another, and each waits only for groups
    before its own. Every launch is in the first group that it can be in.
    """
    found, groups = [], []
    for launch in launches:
        mine = accesses(launch)
        level = max((k + 1 for theirs, k in found if conflict(theirs, mine)), default=0)
        found.append((mine, level))
        if level == len(groups):
            groups.append([])
        groups[level].append(launch)
    return groups
