"""Streams, events and captured graphs of the stand-in for CuPy (fake_cupy).

Work that is launched on a stream waits as long as it may, and a graph runs its launches in the
latest order that it allows: what nobody waits for comes too late, and shows.
"""

import types

state = types.SimpleNamespace(
    capturing=None,  # the Capture under way
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
        state.capturing.add(work, state.streams[-1])
    elif state.streams:
        state.streams[-1].put(work)
    else:
        work()


class Capture:
    """What is launched on a stream, and on those that wait for it.

    Attributes:
        nodes: (work, the nodes that it waits for).
        fronts: stream -> the nodes that what comes next on it waits for.
    """

    def __init__(self, origin):
        self.nodes, self.origin, self.fronts = [], origin, {origin.ptr: set()}

    def add(self, work, stream):
        assert stream.ptr in self.fronts, "this stream is not captured: the work would run at once"
        self.nodes.append((work, self.fronts[stream.ptr]))
        self.fronts[stream.ptr] = {len(self.nodes) - 1}

    def mark(self, stream):
        assert stream.ptr in self.fronts, "this stream is not captured"
        return Mark(set(self.fronts[stream.ptr]))

    def join(self, stream, mark):
        self.fronts[stream.ptr] = self.fronts.get(stream.ptr, set()) | mark.nodes

    def finished(self):
        """The nodes; all have to lead to the end of the first stream."""
        done, waiting = set(), set(self.fronts[self.origin.ptr])
        while waiting:
            node = waiting.pop()
            done.add(node)
            waiting |= self.nodes[node][1] - done
        assert done == set(range(len(self.nodes))), "a stream was not joined again"
        return self.nodes


class Mark:
    """An event of a stream that is being captured."""

    def __init__(self, nodes):
        self.nodes = nodes


class Graph:
    """Its launches run in the latest order that their waiting allows: one that is missing shows."""

    def __init__(self, nodes):
        self.nodes = nodes

    def launch(self, stream=None):
        done = set()
        while len(done) < len(self.nodes):
            ready = (i for i, (_, needed) in enumerate(self.nodes)
                     if i not in done and needed <= done)  # fmt: skip
            latest = max(ready)
            done.add(latest)
            work = self.nodes[latest][0]
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
        state.capturing = Capture(self)

    def end_capture(self):
        captured, state.capturing = state.capturing, None
        assert captured.origin is self
        return Graph(captured.finished())

    def put(self, work):
        not_while_capturing()
        self.waiting.append(work)

    def record(self):
        return Event(self) if state.capturing is None else state.capturing.mark(self)

    def wait_event(self, event):
        if isinstance(event, Mark):
            state.capturing.join(self, event)
        else:
            self.put(event.synchronize)

    def run_to(self, place):
        while self.begun < place:
            self.begun += 1
            self.waiting.pop(0)()

    def synchronize(self):
        not_while_capturing()
        self.run_to(self.begun + len(self.waiting))
