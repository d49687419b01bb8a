"""Carry out a case with Keras or with tinynet: the same dict, the same names, one code path."""

import contextlib
import csv
import pathlib
import warnings

import numpy as np
from oracle import jax_computes_in

from . import outputs

FEATURES_SEED, WEIGHTS_SEED = 1, 2  # streams of a case's seed


def is_ours(lib):
    return lib.__name__ == "tinynet"


def run(lib, case, folder) -> dict:
    """All that can be seen of the case: name -> number, list, array or text.

    Args:
        lib: the module `keras` or `tinynet`.
        case: see `cases.draw`.
        folder: an empty folder for the files that callbacks write.
    """
    with working_in(lib, case["dtype"]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Run(lib, case, pathlib.Path(folder)).everything()


@contextlib.contextmanager
def working_in(lib, dtype):
    """New layers have this dtype; JAX must be told that float64 means float64."""
    with contextlib.ExitStack() as stack:
        if not is_ours(lib):
            stack.enter_context(jax_computes_in(dtype))
            lib.utils.clear_session(free_memory=False)  # its counters of names start anew
            stack.callback(lib.utils.clear_session, free_memory=False)  # and its dtype policy
        before = lib.config.floatx()
        lib.config.set_floatx(dtype)
        stack.callback(lib.config.set_floatx, before)
        yield


def resolve(lib, path):
    """What the library has at a path such as "layers.Dense"."""
    found = lib
    for name in path.split("."):
        found = getattr(found, name)
    return found


class Run:
    """One case, one library."""

    def __init__(self, lib, case, folder):
        self.lib, self.case, self.folder = lib, case, folder
        self.arrays = arrays(case["data"])
        self.events, self.logs, self.answers = [], [], {}
        self.callbacks = {}  # the same callback may serve two calls

    def everything(self):
        try:
            self.model = self.make(new_model(self.case))
            inject(self.model, self.case["seed"])
            for i in self.case.get("frozen", ()):
                self.model.layers[i].trainable = False
            for number, call in enumerate(self.case["calls"]):
                self.call(f"{number} {call['call']}", call)
            self.look_at_model("end")
        except Exception as error:
            self.answers["error"] = f"{type(error).__name__}: {error}"
        self.answers["events"], self.answers["logs"] = self.events, self.logs
        return self.answers

    def call(self, label, call):
        """Call a method of the model and note what it returned."""
        options = {k: v for k, v in call.items() if k != "call"}
        if call["call"] == "reload":
            self.model = self.lib.models.load_model(**self.make(options))
            return self.look_at_model(label)
        if call["call"] == "compile":
            options.update(self.case["tinynet" if is_ours(self.lib) else "keras"])
        elif call["call"] in ("fit", "evaluate", "predict"):
            options["verbose"] = 0
        if "source" in options:
            options = streamed(self.lib, options, self.make)
        if "validation_source" in options:
            options = streamed_validation(self.lib, options, self.make)
        result = getattr(self.model, call["call"])(**self.make(options))
        if call["call"] == "fit":
            for name, values in result.history.items():
                self.answers[f"{label}: history {name}"] = list(map(float, values))
            self.answers[f"{label}: epochs"] = list(map(int, result.epoch))
            self.note_callbacks(label, call)
            self.look_at_model(label)
        elif call["call"] == "load_weights":
            self.look_at_model(label)
        elif isinstance(result, dict):
            for name, value in result.items():
                array = np.asarray(value, float)  # of one of several outputs, or a number
                self.answers[f"{label}: {name}"] = array if array.ndim else float(array)
        elif result is not None:  # of several outputs of one shape: one array
            self.answers[label] = np.asarray(result, float)

    def note_callbacks(self, label, call):
        for given in call.get("callbacks", ()):
            made = self.callbacks[repr(given)]
            kind = given.get("new", "").rpartition(".")[2]
            for attribute in ATTRIBUTES.get(kind, ()):
                value = getattr(made, attribute)
                self.answers[f"{label}: {kind}.{attribute}"] = (
                    None if value is None else float(value)
                )
        for path in sorted(self.folder.iterdir()):
            if path.suffix == ".csv":
                self.answers |= {f"{label}: {path.name} {k}": v for k, v in columns(path).items()}
            elif path.name.startswith("best"):  # a checkpoint: what it brings back
                other = self.make(new_model(self.case))
                other.load_weights(str(path))
                for i, w in enumerate(other.weights):
                    self.answers[f"{label}: saved weight {i}"] = np.array(w, float)
        stems = sorted({p.name.split(".")[0] for p in self.folder.iterdir()})
        self.answers[f"{label}: files"] = stems

    def look_at_model(self, label):
        for i, layer in enumerate(self.model.layers):
            for w in layer.weights:
                self.answers[f"{label}: weight {i} {w.name}"] = np.array(w, float)
        optimizer = getattr(self.model, "optimizer", None)  # Keras has none before compile
        if optimizer is not None:
            self.answers[f"{label}: iterations"] = int(np.asarray(optimizer.iterations))
            self.answers[f"{label}: learning rate"] = float(np.asarray(optimizer.learning_rate))

    # ------------------------------------------------------------------- plain values to objects

    def make(self, value):
        """Objects, arrays and functions from their plain description."""
        if isinstance(value, list):
            return [self.make(v) for v in value]
        if isinstance(value, str):
            return value.replace("$folder", str(self.folder))
        if not isinstance(value, dict):
            return value
        if "array" in value:
            found = self.arrays[value["array"]]
            found = found[slice(*value["rows"])] if "rows" in value else found
            return formed(self.lib, found, value.get("as"))
        if "each" in value:
            return outputs.given(self.make, value)
        if "tuple" in value:
            return tuple(self.make(v) for v in value["tuple"])
        if "code" in value:
            return eval(value["code"], {"np": np})
        if value.get("new") == "graph":
            return graph(self.lib, value, self.make)
        options = {k: self.make(v) for k, v in value.items() if k != "new"}
        if "new" not in value:
            return options
        if value["new"].startswith("callbacks."):
            key = repr(value)
            if key not in self.callbacks:
                self.callbacks[key] = self.callback(value["new"], options)
            return self.callbacks[key]
        return resolve(self.lib, value["new"])(**options)

    def callback(self, path, options):
        if path == "callbacks.Recorder":
            return recorder(self.lib.callbacks.Callback, self.events, self.logs, **options)
        if path == "callbacks.Stopper":
            return stopper(self.lib.callbacks.Callback, **options)
        if path == "callbacks.SetLog":
            return set_log(self.lib.callbacks.Callback, **options)
        if path == "callbacks.LambdaCallback":
            notes = {hook: note(self.events, hook) for hook in options["hooks"]}
            return self.lib.callbacks.LambdaCallback(**notes)
        return resolve(self.lib, path)(**options)


ATTRIBUTES = {
    "EarlyStopping": ("wait", "stopped_epoch", "best_epoch", "best"),
    "ReduceLROnPlateau": ("wait", "cooldown_counter", "best"),
    "ModelCheckpoint": ("best",),
}


def new_model(case):
    """The description of the model itself."""
    several = {name: case[name] for name in ("inputs", "outputs") if name in case}
    if several or any(layer["new"] == "block" for layer in case["layers"]):
        return {"new": "graph", "layers": case["layers"], **several}
    return {"new": "Sequential", "layers": case["layers"]}


def graph(lib, value, make):
    """A functional model; `make`: a layer from its description."""
    first, *layers = value["layers"]
    widths = value["inputs"]["widths"] if "inputs" in value else [None]
    shapes = [first["shape"]] if widths == [None] else [[width] for width in widths]
    inputs = [
        lib.Input(shape=shape, name=name)
        for shape, name in zip(shapes, ("left", "right"), strict=False)
    ]
    h = inputs if len(inputs) > 1 else inputs[0]
    for layer in layers:
        h = applied(make, layer, h)
    if "outputs" in value:
        h = outputs.heads(applied, make, value["outputs"], h)
    return lib.Model(inputs if len(inputs) > 1 else inputs[0], h)


def applied(make, layer, h):
    """What a layer, or a block of them, makes of h (a list: one for each branch)."""
    if layer["new"] != "block":
        return make(layer)(h)
    shared = make(layer["shared"]) if "shared" in layer else None
    ends = []
    starts = h if isinstance(h, list) else [h] * len(layer["branches"])
    for start, branch in zip(starts, layer["branches"], strict=True):
        for one in branch:
            start = applied(make, one, start)
        ends.append(start if shared is None else shared(start))
    return make(layer["merge"])(ends)


def columns(path):
    """A CSV file as header -> values; "NA" is text."""
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]

    def number(text):
        try:
            return float(text)
        except ValueError:
            return text

    return {name: [number(row[i]) for row in rows] for i, name in enumerate(header)}


# ------------------------------------------------------------------------------------ callbacks


def note(events, hook):
    """A function for `hook` that appends e.g. "on_epoch_end 2 loss,val_loss"."""

    def noted(*args, **kwargs):
        numbers = [str(a) for a in args if not isinstance(a, dict) and a is not None]
        logs = next((a for a in (*args, *kwargs.values()) if isinstance(a, dict)), None) or {}
        names = [",".join(sorted(logs))] if logs and hook.endswith("_end") else []
        events.append(" ".join([hook, *numbers, *names]))

    return noted


def recorder(Callback, events, logs, hooks, values=True):
    """A callback that notes which hooks are called with what."""

    def method(hook):
        noted = note(events, hook)

        def hooked(self, *args, **kwargs):
            noted(*args, **kwargs)
            seen = next((a for a in args if isinstance(a, dict)), kwargs.get("logs")) or {}
            if values and hook.endswith("_end"):
                logs.extend(float(seen[k]) for k in sorted(seen) if np.ndim(seen[k]) == 0
                            and seen[k] is not None)  # fmt: skip

        return hooked

    return type("Recorder", (Callback,), {hook: method(hook) for hook in hooks})()


def stopper(Callback, epoch, batch):
    """A callback that stops training after a batch."""

    class Stopper(Callback):
        def on_epoch_begin(self, number, logs=None):
            self.epoch = number

        def on_train_batch_end(self, number, logs=None):
            if self.epoch >= epoch and number >= batch:
                self.model.stop_training = True

    return Stopper()


def set_log(Callback, name, epoch, value):
    """A callback that puts a value into the logs of an epoch, for those that come after it."""

    class SetLog(Callback):
        def on_epoch_end(self, number, logs=None):
            if number == epoch:
                logs[name] = value

    return SetLog()


# ------------------------------------------------------------------------------- data and weights


def formed(lib, array, form):
    """The same numbers in another guise; what Keras has no place for it gets as the array."""
    ours = is_ours(lib)
    if isinstance(form, dict):  # its columns in two parts
        at = form["widths"][0]
        parts = [array[:, :at], array[:, at:]]
        return parts if form["as"] == "list" else dict(zip(("left", "right"), parts, strict=True))
    if form == "list" and ours:
        return array.tolist()
    if form == "csr" and ours:
        import scipy.sparse

        return scipy.sparse.csr_matrix(array)
    if form == "pandas":
        import pandas

        return pandas.DataFrame(array)
    if form == "fortran":
        return np.asfortranarray(array)
    if form == "strided":
        return np.repeat(array, 2, axis=0)[::2]
    return array


def streamed(lib, options, make):
    """The arguments of a call whose x, y and sample_weight come batch by batch.

    Args:
        options: of the call, with "source": {"kind": "pydataset" or "generator", "batch": rows}.
        make: arrays from their description.
    """
    options = dict(options)
    source = options.pop("source")
    given = [options.pop(name) for name in ("x", "y", "sample_weight") if name in options]
    whole = [make(one) for one in given]
    target = whole[1]
    while isinstance(target, (list, dict)):  # of several outputs
        target = next(iter(target.values() if isinstance(target, dict) else target))
    starts = range(0, len(target), source["batch"])

    def batch(i):
        def rows(array):
            if isinstance(array, (list, dict)):
                items = array.items() if isinstance(array, dict) else enumerate(array)
                parts = {key: rows(part) for key, part in items}
                return parts if isinstance(array, dict) else tuple(parts.values())
            return array[starts[i] : starts[i] + source["batch"]]

        return tuple(rows(array) for array in whole)

    class Batches(lib.utils.PyDataset):
        def __len__(self):
            return len(starts)

        def __getitem__(self, i):
            return batch(i)

    def endless():
        while True:
            for i in range(len(starts)):
                yield batch(i)

    return {**options, "x": Batches() if source["kind"] == "pydataset" else endless()}


def streamed_validation(lib, options, make):
    """The same for "validation_data", as "validation_source" says."""
    options = dict(options)
    source = options.pop("validation_source")
    given = options["validation_data"]["tuple"]
    parts = dict(zip(("x", "y", "sample_weight"), given, strict=False))
    return {**options, "validation_data": streamed(lib, {**parts, "source": source}, make)["x"]}


def arrays(data) -> dict:
    """The arrays that the calls of a case refer to, from their description.

    Args:
        data: {"seed", "shape": of one row of x, "task", "outputs": C, "positions": rows of the
            target per row of x, "sets": {"": rows, "v": rows of validation}, "x": dtype,
            "y": dtype, "column": whether ids stand in a column, "soft": targets between}.

    Returns:
        x, y, w (sample weights) of each set, e.g. "x", "y", "w", "vx", "vy", "vw".
    """
    random = np.random.default_rng([data["seed"], FEATURES_SEED])
    result = {}
    width = int(np.prod(data["shape"]))
    teacher = random.normal(size=(width, data["positions"] * data["outputs"]))
    for prefix, rows in data["sets"].items():
        if data["x"] == "ids":
            x = random.integers(0, 6, (rows, width)) + 0.0
            x[:, 0] = np.maximum(x[:, 0], 1)  # the mean of nothing but padding is another's affair
        elif data["x"] in ("uint8", "int64", "int32"):
            low = 0 if data["x"] == "uint8" else -2
            x = random.integers(low, 4, (rows, width)) + 0.0
        else:
            x = random.normal(size=(rows, width))
        scores = (x @ teacher / np.sqrt(width)).reshape(rows, data["positions"], data["outputs"])
        scores = scores + 0.3 * random.normal(size=scores.shape)
        y = targets(data, scores)
        y = y[:, 0] if data["positions"] == 1 else y
        kind = "int64" if data["x"] == "ids" else data["x"]
        result[f"{prefix}x"] = x.reshape(rows, *data["shape"]).astype(kind)
        result[f"{prefix}y"] = y.astype(data["y"])
        w = random.uniform(0.2, 2.0, rows).astype("float32")
        # Keras's weights don't reach over positions by themselves
        result[f"{prefix}w"] = w if data["positions"] == 1 else w[:, None]
    for name, rows, value in data.get("spoil", ()):
        result[name] = result[name].astype(float) if value != value else result[name]
        result[name][rows] = value
    return result


def targets(data, scores):
    """Targets (N, positions, ...) that can be learned, from scores (N, positions, C)."""
    C = data["outputs"]
    if data["task"] == "ids":
        ids = scores.argmax(axis=-1)
        return ids[..., None] if data["column"] else ids
    if data["task"] == "one-hot":
        hot = np.eye(C)[scores.argmax(axis=-1)]
        return 0.8 * hot + 0.2 / C if data["soft"] else hot
    if data["task"] == "binary":
        y = scores > 0
        y = np.where(y, 0.9, 0.2) if data["soft"] else y
    else:
        y = np.tanh(scores) + 0.5
    return y if data["column"] or C > 1 else y[..., 0]


def inject(model, seed):
    """The same weights into either library's model."""
    random = np.random.default_rng([seed, WEIGHTS_SEED])
    for layer in model.layers:
        values = []
        for w in layer.weights:
            shape = tuple(w.shape)
            if w.name in ("gamma", "moving_variance"):
                values.append(random.uniform(0.6, 1.5, shape))
            elif len(shape) > 1:
                values.append(random.normal(size=shape) / np.sqrt(shape[0]))
            else:
                values.append(random.normal(size=shape) * 0.3)
        if values:
            layer.set_weights(values)
