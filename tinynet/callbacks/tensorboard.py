"""TensorBoard: the logs of a training as event files, written by the tensorboard package."""

from __future__ import annotations

import json
import os
import time
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import is_integer
from ..configs.extras import needs
from .base import Callback
from .gradients import GradientMonitor

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Logs, Path, State
    from ..models import Model


class TensorBoard(Callback):
    """Loss, metrics, learning rate, weights, gradients and update ratios for TensorBoard.

        model.fit(x, y, callbacks=[TensorBoard("logs", sample=(x, y))])

    and in a terminal `tensorboard --logdir logs`. As in Keras, `log_dir/train` and
    `log_dir/validation` get epoch_loss, epoch_METRIC and epoch_learning_rate, and batch_loss,
    batch_METRIC with `update_freq`. With `sample` come gradient_norm/PATH, update_ratio/PATH and
    dead_units/LAYER, as `GradientMonitor` defines them, which Keras does not have.

    Args:
        log_dir: folder for the event files.
        histogram_freq: every so many epochs histograms of the weights, and with `sample` of
            gradients and layer outputs; 0: none.
        write_graph: the layers and how they are connected, for the page "Graphs".
        write_steps_per_second: also epoch_steps_per_second.
        update_freq: "epoch", "batch", or a number of batches.
        write_images, profile_batch, embeddings_freq, embeddings_metadata: not supported; leave
            them out.
        sample: (x, y) or (x, y, sample_weight) to compute gradients on at the end of each epoch.
        rows, seed: how many rows of it, and which.

    Raises:
        ImportError: the tensorboard package is missing; says how to install it.
        ValueError: an argument that is not one of these.
    """

    first_step: int
    histogram_freq: int
    log_dir: str
    started: float
    steps: int
    update_freq: str
    write_steps_per_second: bool
    writers: dict[Any, Any]

    writes = True

    def __init__(self, log_dir: Path = "logs", histogram_freq: int = 0, write_graph: bool = True,
                 write_images: bool = False, write_steps_per_second: bool = False,
                 update_freq: str = "epoch", profile_batch: int = 0, embeddings_freq: int = 0,
                 embeddings_metadata: Any = None, *,
                 sample: tuple[ArrayLike, ArrayLike] | None = None, rows: int = 256,
                 seed: int = 0) -> None:  # fmt: skip
        super().__init__()
        for name, value in (("write_images", write_images), ("profile_batch", profile_batch),
                            ("embeddings_freq", embeddings_freq),
                            ("embeddings_metadata", embeddings_metadata)):  # fmt: skip
            if value:
                raise ValueError(f"TensorBoard: {name} is not supported, received {value!r}")
        if update_freq == "batch":
            update_freq = 1
        if update_freq != "epoch" and not is_integer(update_freq, 1):
            raise ValueError(
                f'update_freq must be "epoch", "batch" or an int >= 1, received {update_freq!r}'
            )
        if not is_integer(histogram_freq, 0):
            raise ValueError(f"histogram_freq must be an int >= 0, received {histogram_freq!r}")
        _tensorboard()
        self.log_dir, self.histogram_freq = os.fspath(log_dir), histogram_freq
        self.update_freq, self.write_steps_per_second = update_freq, write_steps_per_second
        self.write_graph = write_graph
        self.monitor: Any = None
        if sample is not None:
            if not isinstance(sample, (tuple, list)) or len(sample) not in (2, 3):
                raise ValueError("sample: expected (x, y) or (x, y, sample_weight), received "
                                 f"{type(sample).__name__}")  # fmt: skip
            self.monitor = GradientMonitor(*sample, rows=rows, seed=seed,
                                           bins=30 if histogram_freq else 0)  # fmt: skip
        self.writers, self.steps, self.started = {}, 0, 0.0
        if update_freq != "epoch":  # "epoch" needs no hook for batches
            self.on_train_batch_end = self._write_batch

    def get_state(self) -> State:
        watched = None if self.monitor is None else self.monitor.get_state()
        return {"steps": self.steps, "monitor": watched}

    def set_state(self, state: State) -> None:
        self.steps, self.first_step = state["steps"], self.model.steps_taken
        if self.monitor is not None:
            self.monitor.set_state(state["monitor"])

    def set_model(self, model: Model) -> None:
        super().set_model(model)
        if self.monitor is not None:
            self.monitor.set_model(model)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.monitor is not None:
            self.monitor.on_train_begin(logs)
        self.steps = self.model.steps_taken
        self._writer("train")  # fails now if it can't write, not after the first epoch
        if self.write_graph:
            self._graph()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.started, self.first_step = time.perf_counter(), self.model.steps_taken

    def _write_batch(self, batch, logs=None):
        self.steps += 1
        if self.steps % self.update_freq == 0:
            self._scalars("train", {f"batch_{k}": v for k, v in (logs or {}).items()}, self.steps)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = dict(logs or {})
        logs.setdefault("learning_rate", float(self.model.optimizer.learning_rate))
        if self.write_steps_per_second:
            steps = self.model.steps_taken - self.first_step
            logs["steps_per_second"] = steps / (time.perf_counter() - self.started)
        train = {f"epoch_{k}": v for k, v in logs.items() if not k.startswith("val_")}
        validation = {f"epoch_{k[4:]}": v for k, v in logs.items() if k.startswith("val_")}
        self._scalars("train", train, epoch)
        if validation:
            self._scalars("validation", validation, epoch)
        due = self.histogram_freq and epoch % self.histogram_freq == 0
        if due:
            for p in self.model.weights:
                self._histogram(f"{p.path}/histogram", *np.histogram(p.numpy(), 30), epoch)
        if self.monitor is not None:
            self.monitor.look(epoch)
            watched = {name: values[-1] for name, values in self.monitor.history.items()}
            self._scalars("train", watched, epoch)
            for kind, known in self.monitor.histograms.items() if due else ():
                for name, kept in known.items():
                    counts, edges = _with_zeros(kept[-1])
                    self._histogram(f"{kind}/{name}", counts, edges, epoch)
        for writer in self.writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        for writer in self.writers.values():
            writer.close()
        self.writers = {}

    # --------------------------------------------------------------------------------- writing

    def _writer(self, part):
        if part not in self.writers:
            folder = os.path.join(self.log_dir, part)
            self.writers[part] = _tensorboard().EventFileWriter(folder)
        return self.writers[part]

    def _add(self, part, values, step):
        tb = _tensorboard()
        event = tb.Event(wall_time=time.time(), step=step, summary=tb.Summary(value=values))
        self._writer(part).add_event(event)

    def _graph(self):
        """Write the model's config, which TensorBoard's graph page understands."""
        tb = _tensorboard()
        try:
            config = self.model.get_config()
            kind = "Functional" if "input_layers" in config else "Sequential"
            text = json.dumps({"class_name": kind, "config": config}, default=str)
        except (NotImplementedError, TypeError, ValueError) as error:
            warnings.warn(f"TensorBoard: the model's graph is not written: {error}", stacklevel=2)
            return
        plugin = tb.Metadata.PluginData(plugin_name="graph_keras_model", content=b"1")
        about = tb.Metadata(plugin_data=plugin)
        tensor = tb.make_tensor_proto(text.encode(), dtype=None, shape=())
        self._add("train", [tb.Summary.Value(tag="keras", tensor=tensor, metadata=about)], 0)

    def _scalars(self, part, scalars, step):
        tb = _tensorboard()
        about = tb.scalar.create_summary_metadata(display_name="", description="")
        values = [
            tb.Summary.Value(tag=tag, tensor=tb.make_tensor_proto(np.float32(v)), metadata=about)
            for tag, v in scalars.items()
            if np.ndim(v) == 0
        ]
        self._add(part, values, step)

    def _histogram(self, tag, counts, edges, step):
        """Write a histogram: for TensorBoard a row (left, right, count) for each bin."""
        tb = _tensorboard()
        rows = np.stack([edges[:-1], edges[1:], counts], axis=1).astype(np.float64)
        about = tb.histogram.create_summary_metadata(display_name="", description="")
        value = tb.Summary.Value(tag=tag, tensor=tb.make_tensor_proto(rows), metadata=about)
        self._add("train", [value], step)


def _with_zeros(kept):
    """Return counts and edges of a Histogram, with its zeros in the (perhaps new) bin of 0."""
    counts, edges = np.array(kept.counts), np.array(kept.edges)
    if kept.zeros:
        if edges[0] > 0 or edges[-1] < 0:
            front = edges[0] > 0
            edges = np.insert(edges, 0 if front else len(edges), 0.0)
            counts = np.insert(counts, 0 if front else len(counts), 0)
        place = int(np.clip(np.searchsorted(edges, 0.0, side="right") - 1, 0, len(counts) - 1))
        counts[place] += kept.zeros
    return counts, edges


def _tensorboard():
    """Return the parts of the tensorboard package that are used here."""
    from types import SimpleNamespace

    with needs("tensorboard", "callbacks.TensorBoard writes with the tensorboard package"):
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.plugins.histogram import metadata as histogram
        from tensorboard.plugins.scalar import metadata as scalar
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
        from tensorboard.util.tensor_util import make_tensor_proto
    return SimpleNamespace(
        Event=Event, Summary=Summary, Metadata=SummaryMetadata, histogram=histogram, scalar=scalar,
        EventFileWriter=EventFileWriter, make_tensor_proto=make_tensor_proto,
    )  # fmt: skip
