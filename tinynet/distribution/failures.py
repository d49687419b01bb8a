"""How a run ends where one rank fails: all end within seconds, and the cause is told.

A rank that waits for another one would wait for ever, so a rank that fails ends the others.
"""

import atexit
import sys
import time
import traceback

GRACE = 3.0  # seconds in which all ranks fail alike, or one ends all
ENDED = 7  # tag of the message that a rank's script has come to its end


class Failures:
    """Ends all ranks with the traceback of the one that failed.

    Args:
        ranks: the MpiRanks.
    """

    def __init__(self, ranks):
        self.ranks, self.comm = ranks, ranks.mpi.COMM_WORLD.Dup()
        self.seen = 0.0  # when a rank was found to have ended
        self.before = sys.excepthook
        sys.excepthook = self._uncaught
        atexit.register(self._say_the_end)  # before mpi4py's, which waits for the others

    def everywhere(self):
        """Return whether all ranks come here within seconds."""
        request, end = self.comm.Ibarrier(), time.monotonic() + GRACE
        while time.monotonic() < end:
            if request.Test():
                return True
            time.sleep(1e-3)
        return False

    def end(self, error):
        """Print the error with this rank's number, and end all ranks."""
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(f"\nrank {self.ranks.rank} of {self.ranks.size} ends the run:\n{text}")
        sys.stderr.flush()
        self.comm.Abort(1)

    def look(self):
        """End the run if a rank that is waited for ended its script some seconds ago."""
        status = self.ranks.mpi.Status()
        if not self.comm.Iprobe(tag=ENDED, status=status):
            return
        self.seen = self.seen or time.monotonic()
        if time.monotonic() > self.seen + GRACE:
            self.end(RuntimeError(f"rank {status.source} has come to the end of its script, which "
                                  f"rank {self.ranks.rank} waits for; all ranks have to call fit, "
                                  "evaluate and save alike"))  # fmt: skip

    def _uncaught(self, kind, error, trace):
        if not self.everywhere():
            self.end(error)
        if self.ranks.rank == 0:
            self.before(kind, error, trace)

    def _say_the_end(self):
        if self.ranks.mpi.Is_finalized():
            return
        for other in range(self.ranks.size):
            if other != self.ranks.rank:
                self.comm.Isend([b"", self.ranks.mpi.BYTE], dest=other, tag=ENDED)
