"""Engines in processes of their own, which take turns: one works, the others sleep."""

import contextlib
import math
import multiprocessing
import os
import time
import traceback

import engines
import proof
import reaching

from tinynet.measuring.timing import in_turns, steps_for  # noqa: F401  the sweep's

PAUSE = 0.2  # seconds between turns: OpenBLAS's threads go on spinning for 0.1 s after their work


class EngineError(RuntimeError):
    """An engine raised, or its process ended."""


class Worker:
    """One engine in its process.

    Args:
        name: an engine (see `engines`).
        data: what to train on (see `images`).
    """

    def __init__(self, name, data):
        self.name = name
        # A fresh interpreter: BLAS and OpenMP read the environment when they are loaded.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, name, data), daemon=True)
        with _clean_environment():
            self.process.start()
        theirs.close()
        self.about = self._receive()  # settings, versions, machine line, seconds to start

    def call(self, what, *args):
        """Let the engine do `what`: "prove", "measure" or "reach"."""
        time.sleep(PAUSE)
        try:
            self.pipe.send((what, args))
        except OSError as error:
            raise EngineError(f"{self.name}: its process ended") from error
        return self._receive()

    def _receive(self):
        try:
            ok, value = self.pipe.recv()
        except EOFError as error:
            self.process.join(5)
            code = self.process.exitcode
            raise EngineError(f"{self.name}: its process ended with code {code}") from error
        if not ok:
            raise EngineError(f"{self.name}: {value}")
        return value

    def close(self):
        self.pipe.close()
        self.process.terminate()
        self.process.join(10)


@contextlib.contextmanager
def _clean_environment():
    """Without OPENBLAS_CORETYPE, which can halve the speed of every engine that uses OpenBLAS."""
    forced = os.environ.pop("OPENBLAS_CORETYPE", None)
    try:
        yield
    finally:
        if forced is not None:
            os.environ["OPENBLAS_CORETYPE"] = forced


def _serve(pipe, name, data):
    """The life of a worker: make the engine, then do as told until the pipe closes."""
    try:
        start = time.perf_counter()
        import images

        os.environ.setdefault("TINYNET_DEVICE", "reference")  # the cpu may lack what it needs
        engine = engines.make(name, *images.load(data))
        engine.load(proof.initial_weights())
        about = _about(name, engine)
        about["start_s"] = time.perf_counter() - start
        pipe.send((True, about))
        while True:
            time.sleep(PAUSE * 0.9)  # nobody else works yet, so what we burn now harms no one
            asleep_since, cpu_before = time.perf_counter(), time.process_time()
            what, args = pipe.recv()
            slept = time.perf_counter() - asleep_since
            idle_cores = (time.process_time() - cpu_before) / slept
            if what == "prove":
                value = proof.record(engine, *args)
            elif what == "reach":
                value = reaching.reach(engine, *args, images.validation(data))
            else:
                value = _measure(engine, *args)
            if what == "measure":
                value["idle_cores"] = (
                    idle_cores  # CPU seconds per second while others had their turn
                )
            pipe.send((True, value))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        pass
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}:{last.lineno}"
        pipe.send((False, f"{type(error).__name__}: {error} ({where})"))


def _about(name, engine):
    from tinynet.measuring.machine import machine_line

    return {
        "settings": engine.settings,
        "versions": engines.versions(name),
        "machine": machine_line(),
    }


def _measure(engine, batch, steps):
    """One stretch, from the same initial weights every time: every round does the same work."""
    engine.load(proof.initial_weights())
    start, cpu_start = time.perf_counter(), time.process_time()
    seconds, loss = engine.train(batch, steps)
    call_seconds = time.perf_counter() - start  # with what a call of `fit` adds once
    return {
        "seconds": seconds,
        "call_seconds": call_seconds,
        "cores": (time.process_time() - cpu_start) / call_seconds,
        "loss": loss if math.isfinite(loss) else None,  # JSON has no NaN
    }
