"""Streams, events and captured graphs of the stand-in for CuPy (fake_cupy).

Work that is launched on a stream waits as long as it may: where an event is missing, it shows.
"""

import types

state = types.SimpleNamespace(
    capturing=None,  # the stream that is being captured, and what was launched on it
    streams=[],  # those entered, the current one last
)


def not_while_capturing():
    if state.capturing is not None:
        raise RuntimeError("operation not permitted when stream is capturing")


def current():
    """The current stream."""
    return state.streams[-1] if state.streams else Stream(null=True)


def do(work):
    """Run a launch, leave it to the stream, or keep it for the graph that is being captured."""
    if state.capturing is not None:
        origin, captured = state.capturing
        assert state.streams[-1] is origin, "not captured: the work would run at once"
        captured.append(work)
    elif state.streams:
        state.streams[-1].put(work)
    else:
        work()


class Graph:
    """What was captured, in order."""

    def __init__(self, captured):
        self.captured = captured

    def launch(self, stream=None):
        for work in self.captured:
            stream.put(work) if stream is not None else work()


class Event:
    """A place in a stream."""

    def __init__(self, stream):
        self.stream, self.place = stream, stream.begun + len(stream.waiting)

    def synchronize(self):
        self.stream.run_to(self.place)


class Stream:
    """Work waits as long as it may: until somebody waits for it. So a missing event shows."""

    def __init__(self, null=False, non_blocking=False):
        self.ptr, self.non_blocking = 0 if null else id(self), non_blocking
        self.waiting, self.begun = [], 0

    def __enter__(self):
        state.streams.append(self)
        return self

    def __exit__(self, *_):
        state.streams.pop()

    def begin_capture(self):
        assert self.non_blocking, "what others launch on the default stream would spoil it"
        assert state.capturing is None
        state.capturing = self, []

    def end_capture(self):
        (origin, captured), state.capturing = state.capturing, None
        assert origin is self
        return Graph(captured)

    def put(self, work):
        not_while_capturing()
        self.waiting.append(work)

    def record(self):
        not_while_capturing()
        return Event(self)

    def wait_event(self, event):
        self.put(event.synchronize)

    def run_to(self, place):
        while self.begun < place:
            self.begun += 1
            self.waiting.pop(0)()

    def synchronize(self):
        not_while_capturing()
        self.run_to(self.begun + len(self.waiting))
