"""Every constructor refuses what its arguments can't mean: a table made from the signatures."""

import inspect

import numpy as np
import pytest

import tinynet as keras

NAN = float("nan")
NO_FLAGS = ["False", "x", NAN, 0.5, -1, 2, 1j, [], {}, [True]]
NO_AXES = [NAN, 0.5, True, "x", 1j, {}, 10**400, [0.5], ["x"], float("inf")]
NO_NUMBERS = [NAN, float("inf"), True, "x", 1j, {}, 10**400, [NAN]]
NO_IDS = [NAN, 0.5, True, "x", 1j, [], {}]
BY_NAME = {
    "axis": NO_AXES, "shared_axes": NO_AXES, "alpha": NO_NUMBERS, "scale": NO_NUMBERS,
    "offset": NO_NUMBERS, "label_weights": NO_NUMBERS, "class_id": NO_IDS, "bins": [*NO_IDS, -1],
    "start_from_epoch": [*NO_IDS, -1], "num_regressors": [*NO_IDS, -1],
    "num_classes": [*NO_IDS, -1, 0], "rows": [*NO_IDS, 0],
}  # fmt: skip
NEEDED = {
    "units": 3, "rate": 0.2, "input_dim": 4, "output_dim": 3, "stddev": 0.1, "n": 2, "scale": 2.0,
    "target_shape": (2,), "dims": (1,), "activation": "relu", "filepath": "a.keras",
    "filename": "a.csv", "backup_dir": "b", "folder": "f", "num_classes": 3, "precision": 0.5,
    "target_class_ids": [0], "recall": 0.5, "sensitivity": 0.5, "specificity": 0.5,
    "initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5, "boundaries": [1],
    "values": [0.1, 0.2], "schedule": lambda epoch: 0.1, "shape": (3,), "fn": lambda y, p: y,
    "first_decay_steps": 5, "x": np.ones((8, 3)), "y": np.ones((8, 1)), "learning_rate": 0.1,
}  # fmt: skip
MODULES = (
    keras.layers,
    keras.losses,
    keras.metrics,
    keras.optimizers,
    keras.initializers,
    keras.optimizers.schedules,
    keras.regularizers,
    keras.constraints,
    keras.callbacks,
)
APART = {"CallbackList", "Registry"}  # not for users


def constructors():
    """Yield (class, needed arguments, its other arguments), the bases' included."""
    for module in MODULES:
        for name, cls in sorted(vars(module).items()):
            own = inspect.isclass(cls) and cls.__module__.startswith("tinynet.")
            if not own or name.startswith("_") or name in APART or name != cls.__name__:
                continue
            found = {}
            for base in cls.__mro__[:-1]:
                if "__init__" in vars(base):
                    parameters = inspect.signature(vars(base)["__init__"]).parameters
                    found = {**parameters, **found}
                    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                        break
            found.pop("self", None)
            needed = {
                p.name: NEEDED.get(p.name) for p in found.values()
                if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            }  # fmt: skip
            yield cls, needed, found


CASES = []
for cls_, needed_, found_ in constructors():
    for parameter in found_.values():
        if isinstance(parameter.default, bool):
            CASES.append((cls_, needed_, parameter.name, NO_FLAGS))
        elif parameter.name in BY_NAME:
            CASES.append((cls_, needed_, parameter.name, BY_NAME[parameter.name]))


def test_the_table_has_what_there_is():
    assert len(CASES) > 140
    named = {(cls.__name__, name) for cls, _, name, _ in CASES}
    assert {("Dense", "use_bias"), ("BinaryCrossentropy", "from_logits"), ("SGD", "use_ema"),
            ("Softmax", "axis"), ("Recall", "class_id"), ("ELU", "alpha"), ("IoU", "axis"),
            ("EarlyStopping", "restore_best_weights")} <= named  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "needed", "name", "values"), CASES, ids=[f"{c.__name__}-{n}" for c, _, n, _ in CASES]
)
def test_refused(cls, needed, name, values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in values:
        with pytest.raises((ValueError, TypeError)) as caught:
            cls(**{**needed, name: value})
        assert name in str(caught.value)
        assert type(value).__name__ != "str" or value in str(caught.value)
    positional = list(inspect.signature(cls).parameters)
    if name in positional:  # the same by position
        given = [needed.get(n, inspect.signature(cls).parameters[n].default)
                 for n in positional[: positional.index(name)]]  # fmt: skip
        if all(one is not inspect.Parameter.empty for one in given) and not any(
            inspect.signature(cls).parameters[n].kind is inspect.Parameter.KEYWORD_ONLY
            for n in positional[: positional.index(name) + 1]
        ):
            with pytest.raises((ValueError, TypeError)):
                cls(*given, values[0])


@pytest.mark.parametrize("value", [True, False, np.True_, 1, 0])
def test_flags_that_are_meant(value):
    assert bool(keras.layers.Dense(3, use_bias=value).use_bias) == bool(value)
    assert keras.losses.BinaryCrossentropy(value).from_logits == bool(value)


@pytest.mark.parametrize("shape", [NAN, "x", (3, 0.5), (-1,), (3, "4"), 1j, [True]])
def test_input_shapes(shape):
    for make in (lambda: keras.Input(shape), lambda: keras.layers.Dense(3, input_shape=shape)):
        with pytest.raises((ValueError, TypeError), match="shape"):
            make()


@pytest.mark.parametrize("value", NO_FLAGS)
def test_flags_of_compile_and_of_attributes(value):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    for name in ("run_eagerly", "auto_scale_loss", "jit_compile", "steps_per_execution"):
        if (name, value) != ("steps_per_execution", 2):
            with pytest.raises(ValueError, match=f"{name} must be"):
                model.compile("sgd", "mse", **{name: value})
    for part in (model, model.layers[0], model.layers[0].kernel):
        with pytest.raises(ValueError, match="trainable must be True or False"):
            part.trainable = value
        assert part.trainable is True
    assert model.optimizer is None


@pytest.mark.parametrize("patience", ["x", NAN, -1, True, 1j, []])
def test_patience(patience):
    with pytest.raises(ValueError, match="patience must be"):
        keras.callbacks.EarlyStopping(patience=patience)
    assert keras.callbacks.EarlyStopping(patience=float("inf")).patience == float("inf")
