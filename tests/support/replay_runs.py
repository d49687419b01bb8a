"""Three runs of a case, on `reference`, and on `cpu` eagerly and replayed: they must end with the
same weights, histories, measurements and predictions.
"""

import numpy as np

import tinynet
from tinynet import Sequential
from tinynet.callbacks import Callback
from tinynet.layers import Dense, Input

D, C, N = 5, 3, 20
PRECISION = {
    "float32": {"rtol": 1e-4, "atol": 2e-6}, "float64": {"rtol": 1e-10, "atol": 1e-12}
}  # fmt: skip
RECORDED = "recorded once and replayed"
WAYS = (True, False)  # eagerly, and replayed


def data(rows=N, shape=(D,), dtype="float64"):
    rng = np.random.Generator(np.random.PCG64(3))
    x = 3 * rng.normal(size=(rows, *shape))
    return (x > 0 if dtype == "bool" else abs(x) if dtype == "uint8" else x).astype(dtype)


def labels(rows=N, classes=C):
    return np.arange(rows) * 7 % 5 % classes


def run(make, x, y, *, device="cpu", eagerly=False, epochs=2, batch_size=8, weight=None,
        recorded=True):  # fmt: skip
    """Everything that a run leaves behind, as a dict of arrays; `make()` gives a compiled model."""
    tinynet.utils.set_random_seed(1)
    model = make(device=device, run_eagerly=eagerly)
    fit = {"batch_size": batch_size, "epochs": epochs, "verbose": 0, "sample_weight": weight}
    history = model.fit(x, y, validation_data=(x[:7], y[:7]), **fit)
    step = model.train_on_batch(x[:5], y[:5])
    measured = model.evaluate(x, y, batch_size=6, verbose=0, sample_weight=weight)
    outputs = model.predict(x, batch_size=7, verbose=0)
    if device == "cpu" and not eagerly and recorded:
        assert model.explain_execution() == RECORDED
        assert all(program is not None for _, program in model.execution.programs.values())
    result = {f"history of {k}": v for k, v in history.history.items()}
    result |= {f"{i}: {p.name}": p.numpy() for i, p in enumerate(model.weights)}
    return result | {"step": step, "measured": measured, "outputs": outputs}


def agree(make, x, y, dtype="float64", **options):
    """The runs give the same numbers."""
    expected = run(make, x, y, device="reference", **options)
    assert np.isfinite(expected["outputs"]).all()
    for eagerly in WAYS:
        got = run(make, x, y, eagerly=eagerly, **options)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(
                got[name], value, **PRECISION[dtype], err_msg=f"{name}, eagerly={eagerly}"
            )
    return expected


def maker(layers, loss="sparse_categorical_crossentropy", optimizer="adam", shape=(D,),
          dtype="float64", metrics=("accuracy",)):  # fmt: skip
    """A function that builds and compiles; `layers`, and the others at will, are functions."""

    def make(**options):
        model = Sequential([Input(shape), *layers()])
        rule = optimizer() if callable(optimizer) else optimizer
        made = loss() if callable(loss) else loss
        model.compile(rule, made, metrics=list(metrics), **options)
        return model

    def in_dtype(**options):
        before = tinynet.config.floatx()
        tinynet.config.set_floatx(dtype)
        try:
            return make(**options)
        finally:
            tinynet.config.set_floatx(before)

    return in_dtype


def small(activation="relu", last="softmax"):
    return [Dense(4, activation=activation), Dense(C, activation=last)]


def on(hook, action):
    """A callback with one hook."""
    callback = Callback()
    setattr(callback, hook, lambda *args: action(callback.model, *args))
    return callback


def machine_of(model, kind, rows):
    """The machine that replays a step of this kind for batches of `rows` rows."""
    for (of_kind, of_rows, *_), (_, program) in model.execution.programs.items():
        if (of_kind, of_rows) == (kind, rows):
            return program.machine
    raise LookupError(f"nothing is recorded for {kind!r} with {rows} rows")
