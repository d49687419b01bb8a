"""Ctrl-C and SIGTERM wait until the present step is done.

An exception in the middle of a step would leave weights that are updated and counters that are not.
Signals for which the user has a handler of his own are left to it.
"""

import contextlib
import os
import signal
import threading


class Terminated(BaseException):
    """SIGTERM has come: training unwinds, then the process ends as it would have."""


class Interrupts:
    """Holds signals back except where they are `allowed`; a second one comes through at once.

    Args:
        terminate: hold SIGTERM back, too.
    """

    def __init__(self, terminate=False):
        self.signals = [(signal.SIGINT, signal.default_int_handler)]
        if terminate:
            self.signals.append((signal.SIGTERM, signal.SIG_DFL))
        self.handled, self.held, self.waiting = [], True, None
        self.process = os.getpid()

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number, usual in self.signals:
                if signal.getsignal(number) == usual:
                    signal.signal(number, self._arrived)
                    self.handled.append((number, usual))
        return self

    def __exit__(self, kind, error, trace):
        self.held = False
        for number, usual in self.handled:
            signal.signal(number, usual)
        if kind is Terminated:
            signal.raise_signal(signal.SIGTERM)
        elif self.waiting is not None and kind is None:
            signal.raise_signal(self.waiting)

    def _arrived(self, number, frame):
        if os.getpid() != self.process:  # a child that a callback has forked: it does not train
            signal.signal(number, dict(self.handled)[number])
            signal.raise_signal(number)
            return
        if not self.held or self.waiting is not None:
            self.waiting = None
            _raise(number)
        self.waiting = number
        if number == signal.SIGINT:
            os.write(2, b"\nending after this step; Ctrl-C once more ends at once\n")

    @contextlib.contextmanager
    def allowed(self):
        """Within the block signals come through; one that has been waiting does so at once."""
        self.held = False
        try:
            if self.waiting is not None:
                number, self.waiting = self.waiting, None
                _raise(number)
            yield
        finally:
            self.held = True


def _raise(number):
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
