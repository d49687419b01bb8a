"""Locks: taken again by their thread, joined, fair, free in copies and after a fork."""

import copy
import os
import pickle
import random
import threading
import time

import pytest

from tinynet.core.locks import Lock, exclusive, join, lock_of, locked


class Part:
    """Anything that has attributes."""

    inside = None

    def use(self):
        """Fail if another thread is at it."""
        with locked(self):
            root = lock_of(self).root()
            me = threading.get_ident()
            assert USERS.setdefault(root, me) == me
            time.sleep(random.choice([0, 0, 1e-5]))
            with locked(self):
                assert USERS.pop(root) == me


USERS = {}


def finish(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_one_thread_at_a_time_while_locks_are_joined():
    parts, failed = [Part() for _ in range(12)], []

    def work(seed):
        choose = random.Random(seed)
        try:
            for _ in range(300):
                if choose.random() < 0.02:
                    join(*choose.sample(parts, 2))
                choose.choice(parts).use()
        except AssertionError as error:
            failed.append(error)

    finish([threading.Thread(target=work, args=(i,)) for i in range(8)])
    assert not failed
    join(*parts)
    assert len({lock_of(part).root() for part in parts}) == 1


def test_who_waits_comes_next():
    """A thread that takes the lock again and again lets the other one have every second turn."""
    part, turns, stop = Part(), [], time.monotonic() + 0.3

    def work(name):
        while time.monotonic() < stop:
            with locked(part):
                turns.append(name)
                time.sleep(1e-3)

    finish([threading.Thread(target=work, args=(name,)) for name in "ab"])
    assert abs(turns.count("a") - turns.count("b")) <= 0.2 * len(turns)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_are_free_and_share_one_lock_as_before(copied):
    one, other = Part(), Part()
    join(one, other)
    with locked(one):
        a, b = copied([one, other])
        finish([threading.Thread(target=a.use)])
    assert lock_of(a).root() is lock_of(b).root()
    assert lock_of(a).root() is not lock_of(one).root()


def test_what_is_held_stays_held_when_it_is_joined():
    a, b, order = Part(), Part(), []
    with locked(a):
        join(b, a)

        def other():
            with locked(b):
                order.append("other")

        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.05)
        order.append("this")
    thread.join(60)
    assert order == ["this", "other"]


def test_a_lock_knows_whether_another_thread_has_it():
    lock, seen = Lock(), []
    taken = lock.take()
    assert not lock.is_taken()
    finish([threading.Thread(target=lambda: seen.append(lock.is_taken()))])
    taken.give()
    assert seen == [True]


def test_exclusive_gives_the_lock_back_after_an_error():
    class Breaks(Part):
        @exclusive
        def method(self):
            raise ArithmeticError

    part = Breaks()
    with pytest.raises(ArithmeticError):
        part.method()
    finish([threading.Thread(target=part.use)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:os.fork")  # with threads of JAX
def test_a_child_finds_every_lock_free():
    part, held, done = Part(), threading.Event(), threading.Event()

    def hold():
        with locked(part):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    child = os.fork()
    if not child:
        with locked(part):  # waits for ever if the lock is the parent's
            os._exit(7)
    for _ in range(300):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.1)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
    done.set()
    thread.join(60)
    assert pid
    assert os.waitstatus_to_exitcode(status) == 7
