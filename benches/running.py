"""A command in a process group of its own, with an end to its time."""

import contextlib
import os
import signal
import subprocess
import time

GRACE = 5  # seconds that a group has to end after each of ORDERS
ORDERS = tuple(  # at the first one pytest writes its file; Windows has no SIGKILL
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGKILL") if hasattr(signal, name)
)


def run(command, seconds, cwd, variables, log=None):
    """Run it, and stop it with all that it has started when its time is over.

    Args:
        command: a list.
        seconds: that it may take.
        cwd: the folder to run it in.
        variables: of the environment, beside those that are there. Without OPENBLAS_CORETYPE: a
            crippled BLAS would falsify what is measured on the cpu.
        log: a file to which all that it prints is added; None: it is seen.

    Returns:
        dict: command, variables, exit (its code), seconds; stopped, a line, where it ran over.
    """
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"} | variables
    print("$", *(f"{k}={v}" for k, v in variables.items()), *command, file=log, flush=True)
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=environment, start_new_session=True,
                               stdout=log, stderr=log and subprocess.STDOUT)  # fmt: skip
    found = {"command": command[1:], "variables": variables}
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        found["stopped"] = f"after {seconds:.0f} seconds"
        print(f"stopped {found['stopped']}", file=log, flush=True)
    finally:  # Ctrl-C does not reach another group by itself
        _end(process)
    return {**found, "exit": process.returncode, "seconds": round(time.monotonic() - begun, 1)}


def _end(process):
    """End whatever is left of the group that `process` leads; on Windows, the process itself."""
    if not hasattr(os, "killpg"):
        process.kill()
        process.wait()
        return
    for order in ORDERS:
        with contextlib.suppress(ProcessLookupError):  # nobody is left
            os.killpg(process.pid, order)
        end = time.monotonic() + GRACE
        while time.monotonic() < end:
            process.poll()
            if not _alive(process.pid):
                process.wait()
                return
            time.sleep(0.02)


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
