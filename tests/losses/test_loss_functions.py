"""The losses' functions, names, configs and options against Keras's own."""

import inspect
import json

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet import losses

CLASSES = {  # with every option that Keras's config keeps away from its default
    "BinaryCrossentropy": {"from_logits": True, "label_smoothing": 0.1},
    "BinaryFocalCrossentropy": {
        "apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5, "from_logits": True,
        "label_smoothing": 0.1,
    },
    "CategoricalCrossentropy": {"from_logits": True, "label_smoothing": 0.1},
    "CategoricalFocalCrossentropy": {
        "alpha": [0.3, 0.7], "gamma": 1.5, "from_logits": True, "label_smoothing": 0.1
    },
    "CategoricalHinge": {},
    "CosineSimilarity": {},
    "Hinge": {},
    "Huber": {"delta": 0.3},
    "KLDivergence": {},
    "LogCosh": {},
    "MeanAbsoluteError": {},
    "MeanAbsolutePercentageError": {},
    "MeanSquaredError": {},
    "MeanSquaredLogarithmicError": {},
    "Poisson": {},
    "SparseCategoricalCrossentropy": {"from_logits": True, "ignore_class": 3},
    "SquaredHinge": {},
}  # fmt: skip
FUNCTIONS = {
    "binary_crossentropy": {"from_logits": True, "label_smoothing": 0.1},
    "binary_focal_crossentropy": {"apply_class_balancing": True, "gamma": 1.5},
    "categorical_crossentropy": {"label_smoothing": 0.1},
    "categorical_focal_crossentropy": {"alpha": 0.7, "gamma": 1.5},
    "categorical_hinge": {}, "cosine_similarity": {}, "hinge": {}, "huber": {"delta": 0.3},
    "kl_divergence": {}, "log_cosh": {}, "mean_absolute_error": {},
    "mean_absolute_percentage_error": {}, "mean_squared_error": {},
    "mean_squared_logarithmic_error": {}, "poisson": {},
    "sparse_categorical_crossentropy": {"ignore_class": 1}, "squared_hinge": {},
}  # fmt: skip


def matrix(text):
    """JSON as an array of characters: what a recording can hold."""
    return np.array(json.dumps(text))


# -------------------------------------------------------------------------------- signatures


@keras_case
def keras_signatures(keras):
    found = {}
    for name in (*CLASSES, "Loss", *FUNCTIONS):
        given = inspect.signature(getattr(keras.losses, name)).parameters.values()
        found[name] = [(p.name, None if p.default is p.empty else repr(p.default)) for p in given]
    return {"all": matrix(found)}


@pytest.mark.parametrize("name", [*CLASSES, "Loss", *FUNCTIONS])
def test_arguments_are_those_of_keras(name):
    expected = json.loads(str(keras_signatures()["all"]))[name]
    given = inspect.signature(getattr(losses, name)).parameters.values()
    found = [[p.name, None if p.default is p.empty else repr(p.default)] for p in given]
    if name[0].isupper() and name != "Loss":  # Keras names them in the signature, we in __init__
        names = {e[0]: e for e in expected}
        assert eval(names["name"][1]) == getattr(losses, name)().name
        names["name"][1] = "None"
    assert found == expected


def test_functions_have_names_and_texts():
    for name in FUNCTIONS:
        f = getattr(losses, name)
        assert f.__name__ == name
        assert f.loss_class.__name__ in f.__doc__
    assert losses.mse is losses.MSE is losses.mean_squared_error
    assert losses.kld is losses.kullback_leibler_divergence is losses.kl_divergence


NAMES = (*CLASSES, *FUNCTIONS, "bce", "BCE", "kld", "KLD", "mae", "MAE", "mape", "MAPE", "mse",
         "MSE", "msle", "MSLE")  # fmt: skip


@keras_case
def keras_loss_names(keras):
    """The class that a name stands for; a function stands for the class of the same name."""
    found = [keras.losses.get(name) for name in NAMES]
    return {"found": [getattr(f, "__name__", type(f).__name__) for f in found]}


def test_names_lead_where_keras_leads():
    for name, expected in zip(NAMES, keras_loss_names()["found"], strict=True):
        found = type(losses.get(name)).__name__
        assert found.lower() == str(expected).replace("_", "").lower(), name
    assert type(losses.get("logcosh")) is losses.LogCosh
    assert type(losses.get("kullback_leibler_divergence")) is losses.KLDivergence


# ----------------------------------------------------------------------------------- values


def arrays(name):
    rng = np.random.default_rng(len(name))
    y, p = rng.uniform(0.05, 0.95, (2, 4, 3))
    if "hinge" in name or "focal" in name or "categorical_" in name:
        y = np.eye(3)[[0, 2, 1, 1]]
    y = np.array([0, 2, 1, 1]) if name.startswith("sparse") else y
    return y.astype("float32"), p.astype("float32")


@keras_case
def keras_functions(keras, name):
    y, p = arrays(name)
    f = getattr(keras.losses, name)
    sparse, options = name.startswith("sparse"), FUNCTIONS[name]
    return {
        "rows": f(y, p, **options),
        "cube": f(np.stack([y, y]), np.stack([p, p[::-1]]), **options),
        "one row": f(y[:1], p[:1]),
        "vector": f(np.int64(y[0]) if sparse else y[0], p[0]),
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_give_what_those_of_keras_give(name):
    y, p = arrays(name)
    expected, f = keras_functions(name), getattr(losses, name)
    sparse, options = name.startswith("sparse"), FUNCTIONS[name]
    got = {
        "rows": f(y, p, **options),
        "cube": f(np.stack([y, y]), np.stack([p, p[::-1]]), *options.values())
        if name in ("huber", "binary_crossentropy") else
        f(np.stack([y, y]), np.stack([p, p[::-1]]), **options),
        "one row": f(y_true=y[:1], y_pred=p[:1]),
        "vector": f(np.int64(y[0]) if sparse else y[0].tolist(), p[0].tolist()),
    }  # fmt: skip
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=2e-5, atol=1e-6, err_msg=key)
        assert np.shape(got[key]) == value.shape


def test_functions_take_columns_for_rows():
    y, p = np.array([1.0, 2.0]), np.array([[1.0], [4.0]])
    assert losses.mean_squared_error(y, p).tolist() == [0, 4]
    assert losses.mean_squared_error(y[:, None], p[:, 0]).tolist() == [0, 4]
    with pytest.raises(TypeError, match="missing a required argument: 'y_pred'"):
        losses.mean_squared_error(y)
    with pytest.raises(TypeError, match="delta"):
        losses.mean_squared_error(y, p, delta=1)


# ------------------------------------------------------------------------------- vectors


@keras_case
def keras_vectors(keras):
    y, p = np.array([0.0, 1, 0], "float32"), np.array([0.2, 0.5, 0.3], "float32")
    return {n: getattr(keras.losses, n)()(y, p) for n in CLASSES if "Sparse" not in n}


def test_a_vector_of_predictions_has_the_loss_that_keras_gives_it():
    y, p = np.array([0.0, 1, 0]), np.array([0.2, 0.5, 0.3], "float32")
    for name, value in keras_vectors().items():
        loss = getattr(losses, name)()
        assert loss(y, p) == pytest.approx(float(value), rel=1e-5), name
        assert loss.gradient(y, p).shape == (3,)


# ------------------------------------------------------------------------------- ignore_class


def ignoring(shape, all_of_them=False):
    rng = np.random.default_rng(7)
    y = np.where(rng.random(shape) < 0.4, -1, rng.integers(0, 3, shape))
    return np.full(shape, -1) if all_of_them else y, rng.uniform(0.1, 0.9, (*shape, 3))


REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none")


@keras_case
def keras_ignoring(keras, shape, all_of_them):
    import jax

    y, p = ignoring(shape, all_of_them)
    w = np.random.default_rng(1).uniform(0.5, 2, shape).astype("float32")
    result = {}
    for z in (False, True):
        for reduction in REDUCTIONS:
            loss = keras.losses.SparseCategoricalCrossentropy(z, -1, reduction)
            for i, weight in enumerate((None, w)):
                key = f"{z} {reduction} {i}"
                p = p.astype("float32")
                result[f"{key} value"] = loss(y, p, weight)
                if z:  # from probabilities Keras's gradient is NaN: it divides 0 by 0
                    result[f"{key} gradient"] = jax.grad(
                        lambda p, loss=loss, weight=weight: loss(y, p, weight).sum()
                    )(p)
    return result


@pytest.mark.parametrize("all_of_them", [False, True])
@pytest.mark.parametrize("shape", [(7,), (3, 4)])
def test_ignored_rows_weigh_what_they_weigh_in_keras(shape, all_of_them):
    y, p = ignoring(shape, all_of_them)
    w = np.random.default_rng(1).uniform(0.5, 2, shape).astype("float32")
    for key, value in keras_ignoring(shape, all_of_them).items():
        z, reduction, i, what = key.split()
        loss = losses.SparseCategoricalCrossentropy(z == "True", -1, reduction)
        compute = loss if what == "value" else loss.gradient
        got = compute(y, p.astype("float32"), [None, w][int(i)])
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-7, err_msg=key)
    assert all_of_them or 0 < np.count_nonzero(y == -1) < y.size
    if not all_of_them:
        ignored = losses.SparseCategoricalCrossentropy(ignore_class=-1).gradient(y, p)
        np.testing.assert_array_equal(np.abs(ignored).sum(axis=-1) == 0, y == -1)


def test_only_the_ignored_class_may_be_out_of_range():
    p = np.full((3, 3), 1 / 3)
    loss = losses.SparseCategoricalCrossentropy(ignore_class=255)
    assert loss(np.array([0, 255, 1], np.uint8), p) == pytest.approx(np.log(3))
    assert loss([0.0, 255.0, 1.0], p) == pytest.approx(np.log(3))
    with pytest.raises(ValueError, match=r"row 2 has class id -1, expected an integer in \[0, 3\)"):
        loss([0, 255, -1], p)
    within = losses.SparseCategoricalCrossentropy(ignore_class=0, reduction="none")
    np.testing.assert_allclose(within([0, 1, 2], p), [0, np.log(3), np.log(3)])


# ------------------------------------------------------------------------------------- configs


@keras_case
def keras_loss_configs(keras):
    configs = {}
    for name, options in CLASSES.items():
        loss = getattr(keras.losses, name)(**options, reduction="sum", name="mine")
        configs[name] = keras.losses.serialize(loss)
    return {"configs": matrix(configs)}


@pytest.mark.parametrize("name", CLASSES)
def test_configs_of_keras_are_read_and_written(name):
    config = json.loads(str(keras_loss_configs()["configs"]))[name]
    options = CLASSES[name]
    ours = getattr(losses, name)(**options, reduction="sum", name="mine")
    written = losses.serialize(ours)
    forgotten = {"delta": 0.3} if name == "Huber" else {}  # which Keras's config leaves out
    assert written == {**config, "config": {**config["config"], **forgotten}}
    again = losses.deserialize(config)
    assert type(again) is type(ours)
    expected = losses.Huber().get_config() | config["config"] if forgotten else ours.get_config()
    assert again.get_config() == expected


@keras_case
def keras_reads_ours(keras):
    """What Keras makes of our configs, dtype included, as its own configs."""
    read = {}
    for name, options in CLASSES.items():
        ours = getattr(losses, name)(**options, reduction="sum", name="mine", dtype="float64")
        loss = keras.losses.deserialize(losses.serialize(ours))
        read[name] = [loss.get_config(), loss.dtype]
        if name == "Huber":
            read[name][0]["delta"] = loss._fn_kwargs["delta"]
    return {"read": matrix(read)}


@pytest.mark.parametrize("name", CLASSES)
def test_keras_reads_our_configs(name):
    config, dtype = json.loads(str(keras_reads_ours()["read"]))[name]
    ours = getattr(losses, name)(**CLASSES[name], reduction="sum", name="mine")
    assert config == ours.get_config()
    assert dtype == "float64"


@keras_case
def keras_function_configs(keras):
    L = keras.losses
    wrapper = L.Loss.__subclasses__()[0]
    assert wrapper.__name__ == "LossFunctionWrapper"
    return {
        "function": matrix(L.serialize(L.mean_squared_error)),
        "wrapped": matrix(L.serialize(wrapper(L.huber, "sum", "mine", delta=0.3))),
    }


def test_configs_of_functions():
    """compile(loss=keras.losses.mean_squared_error) is stored like that."""
    stored = {k: json.loads(str(v)) for k, v in keras_function_configs().items()}
    assert type(losses.deserialize(stored["function"])) is losses.MeanSquaredError
    assert type(losses.get(stored["function"])) is losses.MeanSquaredError
    assert losses.serialize(losses.mean_squared_error) == stored["function"]
    huber = losses.deserialize(stored["wrapped"])
    assert repr(huber) == "Huber(name='mine', reduction='sum', delta=0.3)"
    assert type(losses.get(losses.huber)) is losses.Huber
    with pytest.raises(ValueError, match="unknown loss 'my_own'"):
        losses.deserialize({**stored["function"], "config": "my_own"})


POLICY = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float64"},
          "registered_name": None}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64"), POLICY])
def test_a_dtype_as_name_or_policy(dtype):
    loss = losses.MeanSquaredError(dtype=dtype)
    assert loss.dtype == "float64"
    assert loss.gradient([[1.0]], np.ones((1, 1), "float32")).dtype == np.float64
    assert loss.get_config() == {**losses.MeanSquaredError().get_config(), "dtype": "float64"}
    config = {"class_name": "MeanSquaredError", "config": {"dtype": dtype}}
    assert losses.deserialize(config).dtype == "float64"
    policy = type("DTypePolicy", (), {"compute_dtype": "float32"})()
    single = losses.MeanSquaredError(dtype=policy)
    assert single.gradient([[1.0]], np.ones((1, 1))).dtype == np.float32


@pytest.mark.parametrize(
    "dtype", ["float16", "mixed_float16", "int32", {"config": {"name": "bfloat16"}}, {"config": 3}]
)
def test_dtypes_that_there_are_not(dtype):
    with pytest.raises(ValueError, match='dtype must be "float32" or "float64", received'):
        losses.Hinge(dtype=dtype)


# ------------------------------------------------------------------------ options and targets


@pytest.mark.parametrize("axis", [0, 1, -2, None, True])
@pytest.mark.parametrize("name", [n for n in CLASSES if "Cross" in n or "Cosine" in n])
def test_axis_is_the_last_one(name, axis):
    with pytest.raises(ValueError, match=rf"axis must be -1 .*received {axis}"):
        getattr(losses, name)(axis=axis)
    assert getattr(losses, name)(axis=-1)


def test_options_out_of_range():
    for cls in (losses.BinaryFocalCrossentropy, losses.CategoricalFocalCrossentropy):
        for bad in (-1.0, float("nan")):
            with pytest.raises(ValueError, match=f"gamma must be >= 0, received {bad}"):
                cls(gamma=bad)
    with pytest.raises(ValueError, match=r"one for each of 3 classes, received \[0.5, 0.5\]"):
        losses.CategoricalFocalCrossentropy([0.5, 0.5])(np.eye(3), np.eye(3))
    for bad in ("none", 1.5, [1]):
        with pytest.raises(ValueError, match="ignore_class must be a class id or None, received"):
            losses.SparseCategoricalCrossentropy(ignore_class=bad)


@keras_case
def keras_hinges(keras):
    y, p = np.array([[0.0, 1, 1], [1, 0, 0]]), np.array([[0.3, -0.2, 4], [0.5, -3, 1]])
    return {n: getattr(keras.losses, n)(reduction=None)(y, p) for n in ("Hinge", "SquaredHinge")}


def test_hinge_takes_0_and_1_for_signs():
    y, p = np.array([[0.0, 1, 1], [1, 0, 0]]), np.array([[0.3, -0.2, 4], [0.5, -3, 1]])
    for name, value in keras_hinges().items():
        loss = getattr(losses, name)(reduction="none")
        np.testing.assert_allclose(loss(y, p), value, rtol=1e-6)
        np.testing.assert_array_equal(loss(2 * y - 1, p), loss(y, p))
        np.testing.assert_array_equal(loss(y.astype(bool), p), loss(y, p))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_hinge_refuses_a_0_among_signs(loss):
    """Keras would take it for -1 in some batches and for nothing in others."""
    with pytest.raises(ValueError, match=r"row 2 holds -1.0, row 1 holds 0.0: .*-1 and 1, or 0"):
        losses.get(loss)([1.0, 0.0, -1.0], [[0.1], [0.2], [0.3]])


@pytest.mark.parametrize("loss", ["categorical_hinge", "categorical_focal_crossentropy", "kld"])
def test_ids_where_one_hot_rows_are_expected(loss):
    with pytest.raises(ValueError, match=r"\('N', 3\), received \('N',\).*to_categorical\(y, 3\)"):
        losses.get(loss)([0, 2], np.eye(3)[:2])


def test_focal_targets_outside_0_and_1():
    with pytest.raises(ValueError, match=r"row 1 holds 2.0, binary_focal_crossentropy expects"):
        losses.BinaryFocalCrossentropy()([[0.0], [2.0]], [[0.5], [0.5]])


def test_crossentropy_by_shape():
    p = np.array([[0.2, 0.8], [0.6, 0.4]])
    for name in ("ce", "crossentropy", "CE"):
        loss = losses.get(name)
        assert loss([0, 1], p) == pytest.approx(-np.log([0.2, 0.4]).mean())
        assert loss([[0], [1]], p) == loss([0, 1], p)
        assert loss([[1, 0], [0, 1]], p) == pytest.approx(loss([0, 1], p))
        assert loss([0, 1], p[:, 1:]) == pytest.approx(-np.log([0.2, 0.4]).mean())
        assert loss.gradient([[1], [0]], p[:, 1:]).tolist() == [[-0.625], [1 / 1.2]]
    assert losses.Crossentropy("sum")([0, 1], p) == pytest.approx(-np.log([0.2, 0.4]).sum())


def test_the_base_says_what_is_missing():
    class Nothing(losses.Loss):
        pass

    assert Nothing().name == "nothing"
    assert Nothing("mine", "sum").get_config() == {"name": "mine", "reduction": "sum"}
    with pytest.raises(NotImplementedError, match=r"Nothing needs forward.* or call.* derivative"):
        Nothing()([1.0], [1.0])
    assert tinynet.backend.epsilon() == losses.EPSILON
