"""A command in a process group of its own, with an end to its time."""

import contextlib
import os
import signal
import subprocess
import time

GRACE = 10  # seconds between asking a group to end and ending it


def run(command, minutes, cwd, variables):
    """Run it in sight, and stop it with all that it has started when its time is over.

    Args:
        command: a list.
        minutes: that it may take.
        cwd: the folder to run it in.
        variables: of the environment, beside those that are there. Without OPENBLAS_CORETYPE: a
            crippled BLAS would falsify what is measured on the cpu.

    Returns:
        dict: command, variables, exit (its code), seconds; stopped, a line, where it ran over.
    """
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"} | variables
    print("$", *(f"{k}={v}" for k, v in variables.items()), *command, flush=True)
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=environment, start_new_session=True)
    found = {"command": command[1:], "variables": variables}
    try:
        process.wait(60 * minutes)
    except subprocess.TimeoutExpired:
        found["stopped"] = f"after {minutes:g} minutes"
        print(f"stopped {found['stopped']}", flush=True)
    finally:  # Ctrl-C does not reach another group by itself
        _end(process)
    return {**found, "exit": process.returncode, "seconds": round(time.monotonic() - begun, 1)}


def _end(process):
    """End whatever is left of the group that `process` leads."""
    for order in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):  # nobody is left
            os.killpg(process.pid, order)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            if not _alive(process.pid):
                return


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
