"""Which launches of a step must wait for which: what one writes and another reads or writes."""

from ..card import sources
from .call import Product, address_of


def accesses(launch):
    """(what it reads, what it writes): spans of addresses (low, high), and parts of the control.

    What a launch writes it may read as well. A launch with `parts` does what they do.
    """
    if hasattr(launch, "parts"):
        found = [accesses(part) for part in launch.parts]
        return tuple([span for one in found for span in one[k]] for k in (0, 1))
    if isinstance(launch, Product):
        return _spans([launch.A, launch.B]), _spans([launch.C])
    reads, writes = [], []
    for value, parameter in zip(launch.args, sources.kernels()[launch.name], strict=True):
        if "Control*" in parameter:
            reads.append("step")
        elif "*" in parameter and value is not None:
            (reads if parameter.startswith("const ") else writes).extend(_spans([value]))
    return reads, writes + sorted(sources.counting()[launch.name])


def _spans(arrays):
    return [(address_of(a), address_of(a) + a.nbytes) for a in arrays if a.size]


def conflict(one, other):
    """Whether two launches, given by their accesses, must not change places or run at once."""
    (reads, writes), (their_reads, their_writes) = one, other
    return _meet(writes, their_reads) or _meet(writes, their_writes) or _meet(reads, their_writes)


def _meet(some, others):
    for a in some:
        for b in others:
            if a == b if isinstance(a, str) or isinstance(b, str) else a[0] < b[1] and b[0] < a[1]:
                return True
    return False


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


def waits(launches):
    """For each launch the numbers of those before it that it must wait for, none of which another
    of them waits for already."""
    found, before = [], []  # before: all that must have been done, directly or not
    for j, launch in enumerate(launches):
        mine = accesses(launch)
        found.append(mine)
        direct, covered = [], set()
        for i in range(j - 1, -1, -1):
            if i not in covered and conflict(found[i], mine):
                direct.append(i)
                covered |= before[i] | {i}
        before.append(covered)
        yield sorted(direct)


def branches(launches, most):
    """The launches on up to `most` branches that run at the same time.

    A branch is a sequence. Those that nothing orders get branches of their own as long as there are
    some; then one waits for more than it must.

    Returns:
        for each launch (branch, the numbers of launches of other branches that it waits for).
    """
    ends, before, result = {}, [], []  # ends: branch -> its last launch
    for j, direct in enumerate(waits(launches)):
        done = set(direct).union(*(before[i] for i in direct))
        free = [b for b in range(most) if b not in ends]
        # go on where the latest of those ends that it waits for; else where nothing goes on
        branch = max((b for b, end in ends.items() if end in direct), key=ends.get, default=None)
        if branch is None:
            over = [b for b, end in ends.items() if end in done]
            branch = (over or free or sorted(ends, key=ends.get))[0]
        if branch in ends:
            done |= before[ends[branch]] | {ends[branch]}
        others = [i for i in direct if result[i][0] != branch]
        result.append((branch, others))
        before.append(done)
        ends[branch] = j
    return result
