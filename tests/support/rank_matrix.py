"""What a training may have, each as a run that is made on one process and on several.

A run is a function of compile's arguments; it returns numbers, the same ones from one process and
from each of several ranks, to rounding.
"""

import itertools
import os
import tempfile
import zlib

import numpy as np
import scipy.sparse

import tinynet
from tinynet import callbacks as cb
from tinynet import layers as L
from tinynet import losses, metrics
from tinynet import optimizers as opt

N = 47
random = np.random.default_rng(4)
X = random.normal(size=(N, 5))
IDS = (X[:, 0] > 0) + (X[:, 1] > 0.3).astype(int)
REAL = X @ random.normal(size=(5, 2))
WEIGHTS = random.random(N)
VX, VIDS = X[::-1] * 0.9, IDS[::-1]
TALL = random.normal(size=(700, 5))
TALL_IDS = (TALL[:, 0] > 0).astype(int)
RUNS = {}


def run(function):
    RUNS[function.__name__] = function
    return function


def net(*inside, classes=3, last="softmax", regularizer=None):
    return tinynet.Sequential([
        L.Input((5,)), L.Dense(8, "relu", kernel_regularizer=regularizer), *inside,
        L.Dense(classes, last),
    ])  # fmt: skip


def classify(where, *inside, x=X, y=IDS, optimizer="adam", regularizer=None, metrics=("accuracy",),
             loss="sparse_categorical_crossentropy", weighted_metrics=None, **fit):  # fmt: skip
    model = net(*inside, regularizer=regularizer)
    model.compile(optimizer, loss, metrics=list(metrics), weighted_metrics=weighted_metrics,
                  **where)  # fmt: skip
    fit = {"batch_size": 10, "epochs": 3, "verbose": 0, **fit}
    return seen(model, model.fit(x, y, **fit))


def seen(model, history):
    """All that a fit leaves behind, as numbers."""
    values = [np.ravel(w) for w in model.get_weights()]
    values += [np.ravel(v.numpy()) for v in model.optimizer.variables]
    values += [np.ravel(list(map(np.ravel, v))) for v in history.history.values()]
    return np.concatenate(values)


OPTIMIZERS = {
    "sgd": lambda: opt.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: opt.RMSprop(0.01, centered=True, momentum=0.5, epsilon=1e-3),
    "adam": lambda: opt.Adam(0.02, amsgrad=True),
    "adamw_clipped_together": lambda: opt.AdamW(0.02, weight_decay=0.1, global_clipnorm=0.05),
    "nadam": lambda: opt.Nadam(0.02),
    "adamax_clipped_by_value": lambda: opt.Adamax(0.02, clipvalue=0.01),
    "adagrad": lambda: opt.Adagrad(0.05),
    "adadelta": lambda: opt.Adadelta(0.5),
    "lion": lambda: opt.Lion(1e-3),
    "ftrl": lambda: opt.Ftrl(0.1),
    "lamb": lambda: opt.Lamb(0.02),
    "adafactor": lambda: opt.Adafactor(0.02),
    "clipped_one_by_one": lambda: opt.SGD(0.5, clipnorm=0.02),
    "accumulating": lambda: opt.Adam(0.02, gradient_accumulation_steps=3),
    "averaging": lambda: opt.Adam(0.02, use_ema=True, ema_overwrite_frequency=4),
    "scaled_loss": lambda: opt.SGD(0.1, loss_scale_factor=64.0),
    "scheduled": lambda: opt.SGD(opt.schedules.ExponentialDecay(0.2, 3, 0.8)),
}
for _name, _make in OPTIMIZERS.items():
    RUNS[_name] = lambda where, make=_make: classify(where, optimizer=make(), regularizer="l2")


@run
def batches_of_fewer_rows_than_ranks(where):
    return classify(where, L.BatchNormalization(), L.Dropout(0.2), batch_size=1, epochs=1,
                    metrics=["accuracy", metrics.SparseTopKCategoricalAccuracy(2)],
                    regularizer="l1", optimizer="sgd")  # fmt: skip


@run
def a_last_batch_of_one_row(where):
    return classify(where, L.BatchNormalization(), batch_size=23, validation_data=(VX, VIDS))


@run
def dropout_and_noise(where):
    inside = (L.Dropout(0.3), L.GaussianNoise(0.2), L.GaussianDropout(0.2), L.AlphaDropout(0.1))
    return classify(where, *inside, batch_size=13)


@run
def batch_normalization_of_positions(where):
    model = net(L.Reshape((4, 2)), L.BatchNormalization(scale=False), L.Flatten(),
                L.BatchNormalization(center=False))  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy", **where)
    return seen(model, model.fit(X, IDS, batch_size=9, epochs=2, verbose=0))


@run
def activity_penalties(where):
    inside = (L.ActivityRegularization(0.02, 0.03), L.LayerNormalization())
    return classify(where, *inside, batch_size=7, validation_split=0.3)


@run
def sample_weights(where):
    return classify(where, sample_weight=WEIGHTS, weighted_metrics=["accuracy"],
                    validation_data=(VX, VIDS, WEIGHTS[::-1]))  # fmt: skip


@run
def class_weights(where):
    return classify(where, class_weight={0: 0.5, 2: 3.0}, shuffle="batch")


@run
def ignored_classes(where):
    loss = losses.SparseCategoricalCrossentropy(ignore_class=1)
    return classify(where, loss=loss, metrics=[], batch_size=8)


@run
def a_sum_in_small_batches(where):
    return classify(where, loss=losses.SparseCategoricalCrossentropy(reduction="sum"),
                    optimizer=opt.SGD(0.01), batch_size=2)  # fmt: skip


@run
def a_weighted_mean(where):
    loss = losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    return classify(where, loss=loss, sample_weight=WEIGHTS)


class Largest(metrics.Metric):
    """A metric of a user that is no sum."""

    def __init__(self):
        super().__init__(name="largest")
        self.value = self.add_weight(name="value", initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value.assign(max(float(self.value), float(y_pred.max())))

    def result(self):
        return float(self.value)


@run
def metrics_of_all_kinds(where):
    model = net(classes=1, last="sigmoid")
    measured = ["accuracy", metrics.AUC(50), metrics.AUC(curve="PR", name="pr"), Largest(),
                metrics.Precision(), metrics.F1Score(threshold=0.5), metrics.R2Score(),
                metrics.MeanIoU(2, name="iou"), metrics.RootMeanSquaredError(),
                lambda y, p: np.median(p)]  # fmt: skip
    measured[-1].__name__ = "median"
    model.compile("adam", "binary_crossentropy", metrics=measured, weighted_metrics=["mse"],
                  **where)  # fmt: skip
    history = model.fit(X, (IDS > 0).astype(float), sample_weight=WEIGHTS, batch_size=11, epochs=2,
                        verbose=0, validation_data=(VX, (VIDS > 0).astype(float)))  # fmt: skip
    return seen(model, history)


@run
def sparse_rows(where):
    return classify(where, x=scipy.sparse.csr_matrix(np.where(np.abs(X) > 1, X, 0)))


@run
def a_mapped_file(where):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/x.npy", X)
        return classify(where, x=np.load(f"{folder}/x.npy", mmap_mode="r"), batch_size=9)


@run
def several_inputs(where):
    a, b = L.Input((2,)), L.Input((3,))
    y = L.Dense(2)(L.Concatenate()([L.Dense(4, "tanh")(a), L.Dense(4, "tanh")(b)]))
    model = tinynet.Model([a, b], y)
    model.compile("adam", "mse", metrics=["mae"], **where)
    x = [X[:, :2], X[:, 2:]]
    return seen(model, model.fit(x, REAL, batch_size=10, epochs=2, verbose=0))


def two_outputs(where, y=None, inside=(), x=X, fit=None, **options):
    """One output of numbers and one of classes, which share their first layers."""
    i = L.Input((5,))
    h = L.Dense(8, "tanh", kernel_regularizer="l2")(i)
    for layer in inside:
        h = layer(h)
    outputs = [L.Dense(2, name="real")(h), L.Dense(3, "softmax", name="id")(h)]
    model = tinynet.Model(i, outputs)
    model.compile(
        "adam", **{"loss": ["mse", "sparse_categorical_crossentropy"], **options}, **where
    )
    fit = {"batch_size": 10, "epochs": 2, "verbose": 0, **(fit or {})}
    history = model.fit(x, [REAL, IDS] if y is None else y, **fit)
    return np.concatenate(
        [
            seen(model, history),
            np.ravel(
                model.evaluate(
                    X, [REAL, IDS], batch_size=9, verbose=0, sample_weight=[WEIGHTS, WEIGHTS[::-1]]
                )
            ),
        ]
    )


@run
def outputs_with_losses_metrics_and_weights_of_their_own(where):
    return two_outputs(
        where, inside=[L.BatchNormalization(), L.Dropout(0.2)], loss_weights=[0.3, 2.0],
        metrics=[["mae", metrics.R2Score()], ["accuracy", Largest()]],
        weighted_metrics=[["mse"], ["accuracy"]],
        fit={"sample_weight": [WEIGHTS, WEIGHTS[::-1]],
             "validation_data": (VX, [REAL[::-1], VIDS], [WEIGHTS, WEIGHTS])},
    )  # fmt: skip


@run
def outputs_by_name(where):
    return two_outputs(
        where, {"id": IDS, "real": REAL}, loss_weights={"real": 0.5, "id": 1.0},
        loss={"id": "sparse_categorical_crossentropy", "real": losses.Huber(reduction="sum")},
        metrics={"id": ["accuracy"]},
        fit={"class_weight": {"id": {0: 0.5, 2: 3.0}}, "batch_size": 2},
    )  # fmt: skip


@run
def one_of_two_outputs_trained(where):
    return two_outputs(
        where, loss=["mse", None], metrics=[None, ["accuracy"]],
        fit={"sample_weight": [WEIGHTS, WEIGHTS], "batch_size": 1, "epochs": 1},
    )  # fmt: skip


@run
def two_outputs_with_several_inputs_step_by_step(where):
    a, b = L.Input((2,)), L.Input((3,))
    h = L.BatchNormalization()(L.Concatenate()([L.Dense(4)(a), L.Dense(4)(b)]))
    model = tinynet.Model([a, b], {"real": L.Dense(2)(h), "id": L.Dense(3, "softmax")(h)})
    weighted = losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    model.compile("adam", {"real": "mae", "id": weighted}, loss_weights={"real": 2.0, "id": 0.5},
                  weighted_metrics={"id": ["accuracy"]}, device="reference", **where)  # fmt: skip
    y = {"real": REAL, "id": IDS}
    return seen(model, model.fit([X[:, :2], X[:, 2:]], y, verbose=0, batch_size=9,
                                 sample_weight={"real": WEIGHTS, "id": WEIGHTS[::-1]}))  # fmt: skip


@run
def callbacks_that_decide(where):
    stop = cb.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    slow = cb.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.05)
    return classify(where, optimizer=opt.SGD(3.0), callbacks=[stop, slow], epochs=9,
                    validation_data=(VX, VIDS))  # fmt: skip


@run
def a_callback_after_each_batch(where):
    heard = []
    each = cb.LambdaCallback(on_train_batch_end=lambda batch, logs: heard.append(logs["loss"]))
    return np.concatenate([classify(where, callbacks=[each]), heard])


@run
def epochs_of_some_steps(where):
    return classify(where, steps_per_epoch=3, epochs=4, validation_data=(VX, VIDS),
                    validation_steps=2, validation_freq=2)  # fmt: skip


@run
def single_batches(where):
    model = net(L.BatchNormalization())
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **where)
    seen = [model.train_on_batch(X[i : i + 6], IDS[i : i + 6]) for i in range(0, N, 6)]
    seen += [model.test_on_batch(X, IDS), model.evaluate(X, IDS, batch_size=8, verbose=0)]
    return np.concatenate([*seen, model.predict(X, verbose=0).ravel()])


@run
def many_rows(where):
    """From 129 rows of a rank on, its threads sum gradients by themselves."""
    return classify(where, x=TALL, y=TALL_IDS, batch_size=390, optimizer=opt.Adam(clipnorm=0.1))


@run
def step_by_step(where):
    model = net(L.BatchNormalization(), L.Dropout(0.2), regularizer="l2")
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True, **where)
    return seen(model, model.fit(X, IDS, batch_size=10, epochs=2, verbose=0))


@run
def the_reference_device(where):
    model = net(L.BatchNormalization(), L.Dropout(0.2), regularizer="l2")
    model.compile("adam", "sparse_categorical_crossentropy", device="reference", **where)
    return seen(model, model.fit(X, IDS, batch_size=10, epochs=2, verbose=0))


def seeded(function):
    """The function with the same layers, weights and masks in every call."""

    def run(*args, **options):
        tinynet.utils.set_random_seed(7)
        return function(*args, **options)

    return run


def compare(distribute, comm):
    """For each run: the largest difference to one process, and whether all ranks have its bits."""
    found, before = {}, os.environ.get("TINYNET_NUM_THREADS")
    for name, function in RUNS.items():
        with tinynet_in_float64():
            os.environ["TINYNET_NUM_THREADS"] = "2" if name == "many_rows" else before
            try:
                alone, together = map(seeded(function), ({}, {"distribute": distribute}))
            except Exception as error:
                raise RuntimeError(f"in {name}") from error
        assert alone.shape == together.shape, name
        error = float((np.abs(together - alone) / np.maximum(np.abs(alone), 1)).max())
        bits = comm.allgather(zlib.crc32(together.tobytes()))
        found[name] = [error if np.isfinite(alone).all() else None, len(set(bits)) == 1]
    return found


class tinynet_in_float64:
    def __enter__(self):
        tinynet.config.set_floatx("float64")

    def __exit__(self, *exception):
        tinynet.config.set_floatx("float32")


class Batches(tinynet.utils.PyDataset):
    """Batches of 4 rows; or one process's, those of a step of so many ranks together."""

    def __init__(self, together=1):
        super().__init__()
        whole = len(self.starts) // together * together
        groups = [self.starts[i : i + together] for i in range(0, whole, together)]
        self.groups = groups + [[start] for start in self.starts[whole:]]

    starts = range(0, 44, 4)

    def __len__(self):
        return len(self.groups)

    def __getitem__(self, i):
        rows = np.concatenate([np.arange(s, s + 4) for s in self.groups[i]])
        return X[rows], IDS[rows]


def streams(distribute, comm):
    """A PyDataset's batches dealt out to the ranks, and generators of their own."""
    size, rank = comm.size, comm.rank

    @seeded
    def fit(where, x, **options):
        model = net(L.BatchNormalization(), L.Dropout(0.2))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **where)
        return seen(model, model.fit(x, shuffle=False, verbose=0, **options))

    def rows(parts):
        for i in itertools.count():
            block = np.arange(8 * i, 8 * i + 8) % N
            cuts = [8 * part // size for part in range(size + 1)]
            yield tuple(a[np.concatenate([block[cuts[p] : cuts[p + 1]] for p in parts])]
                        for a in (X, IDS))  # fmt: skip

    where, found = {"distribute": distribute}, {}
    with tinynet_in_float64():
        for name, alone, own, options in (
            ("PyDataset", Batches(size), Batches(), {"epochs": 2, "validation_data": (VX, VIDS)}),
            ("generator", rows(range(size)), rows([rank]), {"epochs": 2, "steps_per_epoch": 5}),
        ):
            a, b = fit({}, alone, **options), fit(where, own, **options)
            found[name] = float((np.abs(a - b) / np.maximum(np.abs(a), 1)).max())
    return found
