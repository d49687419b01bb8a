"""When the machine's code is compiled: all of a program at once, by two processes, kept on disk.

Numba compiles on one core at a time. So a helper, a process of its own, compiles what stands last
in the list while this one begins with the first; what it has put on disk is read from there.
"""

import contextlib
import functools
import gc
import importlib
import inspect
import os
import subprocess
import sys
import threading
from collections import deque

import numpy as np
from numba import config, types

from . import loop
from .plain import address_of_function
from .threads import threads

_making = threading.Lock()


class Compiled:
    """Code of the machine, compiled for a dtype when that is first wanted.

    Args:
        name: as `instruction` registers it.
        make: returns Numba's dispatcher.
        importable: whether another process can find it by its name.
        function: what is compiled, and calls routines.

    Attributes:
        addresses: dtype -> where the code is.
    """

    def __init__(self, name, make, importable, function):
        self.name, self.make, self.importable, self.addresses = name, make, importable, {}
        self.function, self.dispatcher = function, None

    @functools.cached_property
    def routines(self):
        """The routines that it calls; each after those that it calls itself."""
        return list(_routines_of(self.function, set()))

    def signature(self, like):
        return types.void(*[types.int64] * 6, like)

    def address(self, dtype):
        if dtype not in self.addresses:
            prepare([self], dtype)
        return self.addresses[dtype]

    def compile(self, dtype):
        """Compile it, or read what was kept on disk; return whether there was nothing."""
        for one in self.routines:  # their symbols must be known
            if dtype not in one.addresses:
                one.compile(dtype)
        self._make()
        if config.DISABLE_JIT:
            self.found(dtype, address_of_function(self.dispatcher))
            return False
        signature = self.signature(types.float32 if dtype == np.float32 else types.float64)
        before = self.dispatcher.stats.cache_misses.total()
        self.dispatcher.compile(signature)
        compiled = self.dispatcher.overloads[signature.args]
        name = compiled.fndesc.llvm_cfunc_wrapper_name
        self.found(dtype, compiled.library.get_pointer_to_function(name))
        return self.dispatcher.stats.cache_misses.total() > before

    def _make(self):
        with _making:  # code whose dispatcher is gone would be freed
            self.dispatcher = self.dispatcher or self.make()

    def is_kept(self):
        """Return whether something is on disk for it, perhaps of an older text or another dtype."""
        self._make()
        cache = loop.cache_of(self.dispatcher)
        return cache is None or os.path.exists(cache._cache_file._index_path)

    def found(self, dtype, address):
        """Have others use what is at this address from now on; other threads may be about to."""
        self.addresses[dtype] = address


def _routines_of(function, seen):
    """The routines that a function calls, found by the names in its text: of Numba's functions, and
    of modules' attributes. One that something else is named like is compiled in vain.
    """
    seen.add(function)
    named = inspect.getclosurevars(function)
    values = [*named.nonlocals.values(), *named.globals.values()]
    modules = [vars(one) for one in values if inspect.ismodule(one)]
    names = function.__code__.co_names
    values += [module[name] for name in names for module in modules if name in module]
    for one in values:
        made = getattr(one, "routine", None)
        inside = made.function if made else getattr(one, "py_func", None)
        if inside is not None and inside not in seen:
            yield from _routines_of(inside, seen)
            if made:
                yield made


class _Replay(Compiled):
    """The loop itself, which Python calls."""

    def __init__(self):
        function = getattr(loop.replay, "py_func", loop.replay)
        super().__init__("replay", lambda: loop.replay, True, function)

    def signature(self, like):
        return types.void(*[types.int64] * 17, like)


REPLAY = _Replay()
INSTRUCTIONS, ROUTINES = {}, {}  # name -> Compiled
SENTENCE = "tinynet compiles its CPU kernels (some seconds, once)"
_said = []  # that something is compiled; once per process, where there is no terminal


def prepare(wanted, dtype):
    """Compile what is not compiled yet; a line on stderr says so, on a terminal also how far it is,
    and goes when all is done.
    """
    routines = [routine for one in wanted for routine in one.routines]
    # the helper begins with the last: with the loop, which takes longest, and then with those that
    # it can find and that call no routine
    last = sorted(wanted, key=lambda one: (one.importable, not one.routines, one is REPLAY))
    wanted = dict.fromkeys([*routines, *last])
    missing = [one for one in wanted if dtype not in one.addresses]
    terminal, fresh = sys.stderr.isatty(), False
    try:
        with _Shared(missing, dtype) as shared:
            for number, one in enumerate(shared, 1):
                if fresh or not one.is_kept():
                    shared.with_helper()
                fresh = one.compile(dtype) or fresh
                if fresh and terminal:
                    _say(f"\r{SENTENCE}: {number + shared.ahead} of {len(missing)}")
                elif fresh and not _said:
                    _said.append(SENTENCE)
                    _say(SENTENCE + "\n")
    finally:
        if fresh and terminal:
            _say("\r\x1b[K")  # back to its beginning, and erase it


def _say(text):
    print(text, end="", file=sys.stderr, flush=True)


WORTH = 4  # with fewer kernels to go all are done before a helper has begun
PATIENCE = 60  # seconds for a kernel, before a helper is given up


class _Shared:
    """The kernels to compile, one after the other; the last of them a helper's, if there is one.

    Attributes:
        ahead: how many the helper has compiled that were not returned yet.
    """

    def __init__(self, missing, dtype):
        self.left = deque(missing)
        self.taken, self.ahead, self.busy = deque(), 0, False
        self.dtype, self.lock, self.helper = dtype, threading.Lock(), None
        self.thread = threading.Thread(target=self._feed, daemon=True)

    def __enter__(self):
        self.collects = gc.isenabled()
        gc.disable()  # Numba makes so many objects that a twelfth of the time would go there
        return self

    def __exit__(self, *exception):
        if self.collects:
            gc.enable()
        if self.helper:
            self.helper.kill()
            if self.thread.ident is not None:
                self.thread.join()
            with contextlib.suppress(OSError):  # what it was to read and did not
                self.helper.__exit__(*exception)  # closes the pipes

    def __iter__(self):
        while one := self._first():
            yield one
        if self.helper:
            if not self.busy:
                self.helper.kill()  # it has not even begun
            self.thread.join(PATIENCE)
        for one in self.taken:  # from disk now
            self.ahead = max(self.ahead - 1, 0)
            yield one

    def _first(self):
        with self.lock:
            return self.left.popleft() if self.left else None

    def with_helper(self):
        """Start the helper, where that is of use."""
        if self.helper is None and len(self.left) >= WORTH and _can_help():
            code = (
                f"import sys; sys.path[:] = {[str(p) for p in sys.path]}; "
                f"from {__name__} import assist; assist({np.dtype(self.dtype).name!r})"
            )
            with contextlib.suppress(OSError):  # no more processes: then without
                self.helper = subprocess.Popen(
                    [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, text=True,
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )  # fmt: skip
                self.thread.start()

    def _feed(self):
        """Give the helper the last kernel, whenever it says that it is ready for one."""
        while self.helper.stdout.readline():  # nothing, when it has gone
            with self.lock:
                self.ahead += self.busy
                self.busy = bool(self.left) and self.left[-1].importable
                if not self.busy:
                    return
                one = self.left.pop()
                self.taken.append(one)
            with contextlib.suppress(OSError):
                print(one.name, file=self.helper.stdin, flush=True)


def _can_help():
    """Whether this is a Python that can start another one, with a core and a folder to share."""
    python = os.path.basename(sys.executable or "").lower().startswith("python")
    return python and not hasattr(sys, "frozen") and threads() > 1 and loop.cache_of(loop.replay)


def assist(dtype):
    """What the helper does: compile the kernels whose names are read, and say when it is ready."""
    importlib.import_module(__name__.rpartition(".machine")[0])  # all that are known by name
    gc.disable()
    print(flush=True)
    for name in sys.stdin:
        (INSTRUCTIONS | ROUTINES | {REPLAY.name: REPLAY})[name.strip()].compile(np.dtype(dtype))
        print(flush=True)
