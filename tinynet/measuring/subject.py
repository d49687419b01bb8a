"""A copy of a model that is trained to be timed; the model itself is not touched."""

import numpy as np

from ..callbacks import Callback
from ..core.graph import is_list_of_shapes
from .timing import timed_fit

MOST_BYTES = 64 << 20  # of made-up inputs, where one batch is not larger
MOST_ROWS = 1 << 16
LOSS_BY_ACTIVATION = {"softmax": "sparse_categorical_crossentropy",
                      "sigmoid": "binary_crossentropy"}  # fmt: skip


class NotMeasurable(Exception):
    """Why no copy of a model can be trained."""


class Subject:
    """A copy of a model on one device, with random data.

    Inputs are drawn from the standard normal distribution, a share `1 - density` of them set to 0;
    a model with an Embedding gets whole numbers below its smallest vocabulary. Targets are class
    ids where the loss wants them, else one-hot rows (one output: 0 or 1). Which numbers these are
    changes no device's speed, apart from the zeros, which the cpu leaves out.

    Args:
        model: built and compiled.
        batch: rows of a step.
        shapes: of one row of input, a list for several inputs; None: the model's.
        density: share of the inputs that are not 0.

    Raises:
        NotMeasurable: no copy can be made, or its inputs' shape is not known.
    """

    def __init__(self, model, device, batch, shapes=None, density=1.0):
        self.device, self.batch = device, batch
        shapes = row_shapes(model) if shapes is None else shapes
        self.model = copy_of(model, device)
        self.start = model.get_weights()
        self.x, self.y = made_up(self.model, rows_for(shapes, batch), shapes, density)

    @property
    def rows(self):
        """How many rows there are."""
        return len(self.y)

    def train(self, steps, shuffle=True):
        """Return (seconds, mean loss) of `steps` steps from the start, the same in every call."""
        self.reset()
        return timed_fit(self.model, Callback, self.x, self.y, self.batch, steps, shuffle)

    def reset(self):
        """Go back to the first weights, zero moments and the first masks."""
        model, optimizer = self.model, self.model.optimizer
        model.set_weights(self.start)
        model.steps_taken = model.passes_taken = 0
        if optimizer.parameters is not None:
            optimizer.build(optimizer.parameters, optimizer.ops).step_number = 0

    def close(self):
        """Free the recorded programs and the moments; it can't train any more."""
        self.model.execution = None
        self.model.step_context.release()
        self.model.optimizer.state.clear()
        self.x = self.y = None

    def loss_of(self, steps):
        """Return the mean loss of the first `steps` steps, the rows in order."""
        return self.train(steps, shuffle=False)[1]


def as_json(model):
    """Return architecture and compile options; raise NotMeasurable where a part can't be stored."""
    from ..saving import model_to_json

    try:
        return model_to_json(model)
    except (TypeError, ValueError, NotImplementedError, AttributeError) as error:
        raise NotMeasurable(f"{model.name} can't be copied to be measured: {error}") from error


def copy_of(model, device):
    """Return a copy of a model with the same weights, compiled alike for another device."""
    from ..saving import model_from_json

    text = as_json(model)
    try:
        twin = model_from_json(text)
        if not twin.built:
            twin.build(model.input_shape)
        twin.set_weights(model.get_weights())
        twin.compile(twin.optimizer, twin.loss, metrics=twin.metrics_given,
                     weighted_metrics=twin.weighted_metrics_given, run_eagerly=model.run_eagerly,
                     device=device)  # fmt: skip
    except (TypeError, ValueError, NotImplementedError, AttributeError) as error:
        raise NotMeasurable(f"{model.name} can't be copied to be measured: {error}") from error
    return twin


def compiled(model):
    """Return the model, compiled with Adam and the loss of its last activation if it is not yet."""
    if model.optimizer is None or model.loss is None:
        last = [getattr(found, "name", None) for found in model.activations]
        losses = [LOSS_BY_ACTIVATION.get(name, "mean_squared_error") for name in last]
        model.compile("adam", model.packed(losses) if len(losses) > 1 else losses[0])
    return model


def row_shapes(model):
    """Return the shape of a row of input, a list for several inputs."""
    several = isinstance(model.input_shape, list)
    shapes = [tuple(s[1:]) for s in (model.input_shape if several else [model.input_shape])]
    for shape in shapes:
        if None in shape:
            raise NotMeasurable(f"{model.name} takes rows of shape {shape}, of which one axis is "
                                "open: "
                                "expected a model that says how long its rows are")  # fmt: skip
    return shapes if several else shapes[0]


def rows_for(shapes, batch):
    """Return how many rows to draw: whole batches, one at least."""
    entries = sum(int(np.prod(s)) for s in (shapes if isinstance(shapes, list) else [shapes]))
    most = min(MOST_ROWS, MOST_BYTES // max(4 * entries, 1))
    return batch * max(most // batch, 1)


def made_up(model, rows, shapes, density=1.0):
    """Return (x, y) that fit the model; the same in every call."""
    random = np.random.default_rng(0)
    vocabularies = [leaf.input_dim for leaf in model.leaves() if hasattr(leaf, "mask_zero")]

    def inputs(shape):
        if vocabularies:
            x = random.integers(0, min(vocabularies), (rows, *shape), dtype=np.int32)
        else:
            x = random.standard_normal((rows, *shape), dtype=np.float32)
        if density < 1:
            x[random.random(x.shape, dtype=np.float32) >= density] = 0
        return x

    def targets(shape, loss):
        *positions, C = shape[1:]
        if loss.integer_targets:
            return random.integers(0, C, (rows, *positions))
        ids = random.integers(0, max(C, 2), (rows, *positions))
        y = np.equal(ids[..., None], np.arange(C)) if C > 1 else ids[..., None]
        return y.astype(model.dtype)

    x = [inputs(s) for s in shapes] if isinstance(shapes, list) else inputs(shapes)
    if not is_list_of_shapes(model.output_shape):
        return x, targets(model.output_shape, model.loss)
    pairs = zip(model.output_shape, model.loss.losses, strict=True)
    return x, [None if loss is None else targets(shape, loss) for shape, loss in pairs]
