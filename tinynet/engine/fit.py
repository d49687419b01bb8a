"""The training loop: `fit`, `evaluate`, `predict`; `fit` reads as the algorithm."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..core.graph import flat
from ..core.locks import exclusive
from ..data import is_stream, source, sources
from ..random import draw_seed
from .batch import BatchLoading
from .compile import Compiled
from .course import Course, Training
from .eager import joined
from .gradients import Gradients
from .logs import Logs
from .state import Stateful
from .step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..callbacks.base import Callback
    from ..callbacks.history import History
    from ..configs.types import ArrayLike, Path


class Trainer(Stateful, Step, Gradients, BatchLoading, Compiled, Logs):
    """What a model can do with data; `Sequential` adds the layers."""

    shuffle_seed: Any

    def fit(self, x: ArrayLike = None, y: ArrayLike = None, batch_size: int | None = None,
            epochs: int = 1, verbose: int | str = "auto",
            callbacks: Callback | Sequence[Callback] | None = None, validation_split: float = 0.0,
            validation_data: Any = None, shuffle: bool = True,
            class_weight: dict[Any, Any] | None = None, sample_weight: ArrayLike = None,
            initial_epoch: int = 0, steps_per_epoch: int | None = None,
            validation_steps: int | None = None, validation_batch_size: int | None = None,
            validation_freq: int = 1, resume: Path | None = None,
            coach: bool = True) -> History:  # fmt: skip
        """Train for some epochs; everything is checked before the first step.

        Args:
            x: inputs (N, ...), any real dtype, cast batch by batch: an array of NumPy, PyTorch,
                JAX or pandas, a mapped file, a sparse matrix of SciPy; or a source of batches
                (x, y) or (x, y, sample_weight): a generator, a `utils.PyDataset`, a DataLoader.
            y: targets: class ids (N,), or (N, C); None if x brings them. For several outputs a list
                of them or a dict by name, as for losses in `compile`.
            batch_size: rows per step, 32 by default; a last partial batch is kept.
            epochs: number of the last epoch, so that epochs - initial_epoch are run.
            verbose: 0 silent, 1 (or "auto") a live line, 2 one line per epoch.
            callbacks: list of Callback.
            validation_split: share of the last rows to hold out, taken before shuffling.
            validation_data: (x, y), (x, y, sample_weight) or a source of batches; wins over
                validation_split.
            shuffle: True, False, or "batch" (only within batches); of sources of batches, only a
                PyDataset is shuffled: whole batches.
            class_weight: dict of class id -> weight; for several outputs by the output's name.
            sample_weight: weight per row (N,); for several outputs also a list or a dict of them.
            initial_epoch: number of the first epoch, from 0.
            steps_per_epoch, validation_steps: batches per epoch; None: all.
            validation_batch_size: None: batch_size as it was given.
            validation_freq: validate every so many epochs, or a list of epochs counted from 1.
            resume: a folder for snapshots; the same command, started again after whatever ended it,
                goes on to the same bits. See `callbacks.Snapshot`.
            coach: with verbose=1, say in a line what is probably wrong with outputs, data, learning
                rate or layers; the environment's TINYNET_COACH=0 says nothing.

        Returns:
            History: `.history` has one list per name: loss, metrics, val_loss, val_metrics.

        Raises:
            ValueError, TypeError: input that does not fit; says what was expected and received.
            RuntimeError: the model is not compiled.
        """
        self._require_compiled("fit")
        arguments = {
            "batch_size": batch_size, "validation_split": validation_split, "shuffle": shuffle,
            "class_weight": class_weight, "initial_epoch": initial_epoch,
            "steps_per_epoch": steps_per_epoch, "validation_steps": validation_steps,
            "validation_batch_size": validation_batch_size, "validation_freq": validation_freq,
        }  # fmt: skip
        with self.first_use():
            train, validation = sources(
                self.dataset, self.rows_of, self.order, self.ranks,
                x, y, sample_weight, validation_data, epochs, **arguments,
            )  # fmt: skip
            self._prepare_to_fit(train, verbose)
            course = Training(self, train, validation, callbacks, verbose, epochs, resume,
                              arguments, coach)  # fmt: skip
        with course:
            for epoch in course.epochs():
                for batches in course.batches("train", train):
                    course.run(self.execution.train, *batches)
                logs = course.run(self.logs)
                if course.validates(epoch):
                    measured = self._evaluate(validation, course)
                    logs |= {f"val_{name}": value for name, value in measured.items()}
                course.end_epoch(logs)
        return self.history

    @property
    def resumed(self) -> Any:
        """Whether `fit`, while it lasts, goes on from a snapshot."""
        return self.course is not None and self.course.resumed

    @exclusive
    def order(self) -> dict[str, Any]:
        """Return what the permutations of the next pass over the data are drawn with."""
        seed = draw_seed() if self.shuffle_seed is None else self.shuffle_seed
        self.shuffle_seed = self.ranks.first(lambda: seed)
        return {"seed": self.shuffle_seed, "first_pass": self.passes_taken}

    # ---------------------------------------------------------------------- evaluate and predict

    def evaluate(self, x: ArrayLike = None, y: ArrayLike = None, batch_size: int | None = None,
                 verbose: int | str = "auto", sample_weight: ArrayLike = None,
                 steps: int | None = None, callbacks: Callback | Sequence[Callback] | None = None,
                 return_dict: bool = False) -> Any:  # fmt: skip
        """Return loss and metrics on data, without dropout, with moving statistics.

        Args:
            x, y, batch_size, verbose, callbacks, sample_weight: as for `fit`.
            steps: batches to look at; None: all.
            return_dict: name -> value instead of a list.

        Returns:
            [loss, *metrics] in the order of `compile`, or the loss alone if there are no metrics.
        """
        self._require_compiled("evaluate")
        if x is None or (y is None and not is_stream(x)):
            raise ValueError("evaluate needs x and y")
        with self.first_use():
            data = source(self.dataset, x, y, sample_weight, batch_size=batch_size, steps=steps,
                          ranks=self.ranks)  # fmt: skip
            self._prepare(data.target_shape)
        with Course(self, [data], callbacks, verbose, (), self.ranks, steps=data.steps) as course:
            logs = self._evaluate(data, course)
        return logs if return_dict else _flat(logs)

    def _evaluate(self, data, course):
        """Return loss and metrics on all batches of a source, name -> value."""
        data.restart()
        if not data.ready():
            warnings.warn("the validation data have ended: this epoch has no validation",
                          stacklevel=3)  # fmt: skip
            return {}
        self.stop_evaluating = False
        course.call("on_test_begin", {})
        course.run(self.reset_metrics)
        for batches in course.batches("test", data):
            course.run(self.execution.test, *batches)
        logs = course.run(self.logs)
        course.call("on_test_end", logs)
        return logs

    def predict(self, x: ArrayLike, batch_size: int | None = None, verbose: int | str = "auto",
                steps: int | None = None,
                callbacks: Callback | Sequence[Callback] | None = None) -> Any:  # fmt: skip
        """Return the outputs for all rows of x, a NumPy array (N, ...); needs no `compile`.

        Args:
            x: as for `fit`; of batches (x, y) only x is used.
            batch_size, verbose, steps, callbacks: as for `evaluate`.
        """
        with self.first_use(measures=False):
            data = source(self.dataset, x, batch_size=batch_size, steps=steps, targets=False)
            if not data.ready():
                raise ValueError(f"predict: {type(x).__name__} gave no batch")
            self._prepare_execution()
        outputs = []
        with Course(self, [data], callbacks, verbose, steps=data.steps) as course:
            self.stop_predicting = False
            course.call("on_predict_begin", {})
            for batches in course.batches("predict", data, lambda: {"outputs": outputs[-1]}):
                outputs.append(course.run(self.execution.predict, *batches))
            course.call("on_predict_end", {})
        return self._as_given(joined(outputs))

    # ------------------------------------------------------------------------------ one batch

    def train_on_batch(self, x: ArrayLike, y: ArrayLike = None, sample_weight: ArrayLike = None,
                       class_weight: dict[Any, float] | None = None,
                       return_dict: bool = False) -> Any:  # fmt: skip
        """Take one training step on exactly these rows; returns like `evaluate`."""
        return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x: ArrayLike, y: ArrayLike = None, sample_weight: ArrayLike = None,
                      return_dict: bool = False) -> Any:  # fmt: skip
        """Return loss and metrics of exactly these rows; nothing is trained."""
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    @exclusive
    def _on_batch(self, kind, x, y, sample_weight, class_weight, return_dict):
        self._require_compiled(f"{kind}_on_batch")
        if y is None:
            raise ValueError(f"{kind}_on_batch needs y")
        with self.first_use(measures=False):
            data = self.dataset(x, y, sample_weight, class_weight)
            self._prepare(data.target_shape)
        self.measure_for(None)
        self.reset_metrics()
        run = self.execution.train if kind == "train" else self.execution.test
        run(data, [slice(0, len(data))])
        logs = self.logs()
        return logs if return_dict else _flat(logs)

    @exclusive
    def predict_on_batch(self, x: ArrayLike) -> Any:
        """Return the outputs for these rows."""
        outputs = None if self.execution is None else self.execution.predict_again(x)
        if outputs is not None:
            return self._as_given(outputs)
        with self.first_use(measures=False):
            data = self.dataset(x)
            self._prepare_execution()
        return self._as_given(self.execution.predict(data, [slice(0, len(data))]))

    def _as_given(self, outputs):
        """Return outputs, an array or a list of them, in the form of the model's."""
        return self.packed(flat(outputs))


def _flat(logs):
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
