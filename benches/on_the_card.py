"""Launches captured into CUDA graphs: so it is the card that is timed, and not Python."""

from tinynet.kernels.gpu.card import runtime as card_runtime

TOGETHER = 16  # repetitions in one graph, as many as recorded steps have


class Captured:
    """Launches (`machine.call`) as a graph that makes them once, and one that repeats them.

    Args:
        launches: in order; they may write over what they read, and are made once at once.
    """

    def __init__(self, launches):
        self.runtime, self.launches = card_runtime.current(), list(launches)
        self.runtime.synchronize()  # what they read is there
        with self.runtime.stream as stream:
            for launch in self.launches:
                launch.prepare(self.runtime)
                launch.start(self.runtime)
            stream.synchronize()
        self.one, self.many = self._graph(1), self._graph(TOGETHER)

    def _graph(self, times):
        def work():
            for _ in range(times):
                for launch in self.launches:
                    launch.start(self.runtime)

        return self.runtime.capture(work)

    def start(self, times, stream):
        for _ in range(times // TOGETHER):
            self.many.launch(stream)
        for _ in range(times % TOGETHER):
            self.one.launch(stream)

    def run(self, times):
        """Make the launches so many times; they are done when this returns."""
        with self.runtime.stream as stream:
            self.start(times, stream)
            stream.synchronize()

    def seconds(self, times):
        """Of one repetition of `times`, between two events of the card."""
        with self.runtime.stream as stream:
            before = stream.record()
            self.start(times, stream)
            after = stream.record()
            after.synchronize()
        return self.runtime.cupy.cuda.get_elapsed_time(before, after) / 1e3 / times


class Copy:
    """A copy on the card as a launch: the bound of whatever moves as many bytes.

    Args:
        size: bytes that are read, and as many that are written.
    """

    def __init__(self, size):
        self.source, self.target = (card_runtime.empty((size,), "uint8") for _ in range(2))

    def prepare(self, runtime):
        """There is nothing to compile."""

    def start(self, runtime):
        stream = runtime.cupy.cuda.get_current_stream()
        self.target.data.copy_from_device_async(self.source.data, self.source.nbytes, stream)
