"""Locks: they keep two threads from computing with the same layers at the same time.

Parts that compute together (a model, its layers, its loss and optimizer; another model that shares
a layer) have one lock. Models that share nothing run side by side.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..configs.types import T

_all = weakref.WeakSet()


class Lock:
    """A lock that its thread may take again, and that can be joined to another one.

    A thread that gives it back and takes it again comes after those that wait: between two batches
    of `fit` other threads have their turn. A copy of a lock is free.
    """

    __slots__ = ("__weakref__", "depth", "free", "joined", "owner", "turn")

    def __init__(self, joined=None):
        self.joined = joined  # the lock that is taken in place of this one
        self.reset()
        _all.add(self)

    def reset(self):
        """Be free."""
        self.turn, self.free = threading.Lock(), threading.Lock()
        self.owner, self.depth = None, 0

    def __reduce__(self):
        root = self.root()
        return Lock, (None if root is self else root,)

    def root(self):
        """Return the lock that is taken for this one."""
        root = self
        while root.joined is not None:
            root = root.joined
        if root is not self:
            self.joined = root
        return root

    def take(self):
        """Wait until the lock is this thread's; return the one to give back."""
        me = threading.get_ident()
        while True:
            lock = self.root()
            if lock.owner != me:
                with lock.turn:  # held by the thread that is next
                    lock.free.acquire()
                lock.owner = me
            lock.depth += 1
            if lock.joined is None:
                return lock
            lock.give()  # it was joined to another one in the meantime

    def is_taken(self):
        """Return whether another thread has it."""
        return self.root().owner not in (None, threading.get_ident())

    def give(self):
        """Give back what `take` returned."""
        if self.owner != threading.get_ident():
            return  # taken before a fork, by the parent
        self.depth -= 1
        if self.depth == 0:
            self.owner = None
            self.free.release()


def _after_fork():
    """The threads that held a lock do not exist in a child process."""
    for lock in _all:
        lock.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def lock_of(part):
    """Return the lock of a model, a layer, a loss, ...; it is made when it is first needed."""
    own = vars(part)
    return own.get("_lock") or own.setdefault("_lock", Lock())


def _take(parts):
    """Take the locks of all parts, in an order that is the same for all threads."""
    if len(parts) == 1:
        return [lock_of(parts[0]).take()]
    return [lock.take() for lock in sorted({lock_of(part).root() for part in parts}, key=id)]


class locked:  # a generator would take three times as long
    """Within the block no other thread computes with these parts."""

    __slots__ = ("parts", "taken")

    def __init__(self, *parts):
        self.parts = parts

    def __enter__(self):
        self.taken = _take(self.parts)

    def __exit__(self, *exception):
        for lock in self.taken:
            lock.give()


def exclusive(function: T) -> T:
    """A method or function during which no other thread computes with its first argument."""

    @functools.wraps(function)
    def alone(*args, **options):
        lock = lock_of(args[0] if args else next(iter(options.values())))
        if lock.owner == threading.get_ident() and lock.joined is None:  # until the caller is done
            return function(*args, **options)
        lock = lock.take()
        try:
            return function(*args, **options)
        finally:
            lock.give()

    return alone


def join(*parts):
    """Have these parts share one lock from now on."""
    taken = _take(parts)
    root = max(taken, key=lambda lock: lock.depth)  # that which this thread has already, if any
    for lock in taken:
        if lock is not root:
            lock.joined = root
    for lock in taken:
        lock.give()
