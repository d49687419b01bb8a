"""Initial weights: moments, bounds, seeds, configs. Draws differ from Keras's by design."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

import tinynet
from tinynet import initializers

SHAPE = (300, 200)
N = 300 * 200
CUT = 0.87962566103423978  # standard deviation of a standard normal variable cut at ±2

# name -> (variance on SHAPE, bound or None, fourth moment over variance²), by their equations
NORMAL, UNIFORM = 3.0, 9 / 5
CUT_KURTOSIS = 2.3655  # ∫z⁴φ / (∫z²φ)² over ±2: recomputed in test_kurtosis_of_the_cut_normal
RULES = {
    "GlorotUniform": (2 / 500, math.sqrt(6 / 500), UNIFORM),
    "GlorotNormal": (2 / 500, 2 * math.sqrt(2 / 500) / CUT, CUT_KURTOSIS),
    "HeUniform": (2 / 300, math.sqrt(6 / 300), UNIFORM),
    "HeNormal": (2 / 300, 2 * math.sqrt(2 / 300) / CUT, CUT_KURTOSIS),
    "LecunUniform": (1 / 300, math.sqrt(3 / 300), UNIFORM),
    "LecunNormal": (1 / 300, 2 * math.sqrt(1 / 300) / CUT, CUT_KURTOSIS),
    "VarianceScaling": (1 / 300, 2 * math.sqrt(1 / 300) / CUT, CUT_KURTOSIS),
    "RandomNormal": (0.05**2, None, NORMAL),
    "TruncatedNormal": ((0.05 * CUT) ** 2, 0.1, CUT_KURTOSIS),
    "RandomUniform": (0.05**2 / 3, 0.05, UNIFORM),
}


def check_moments(w, mean, variance, bound, kurtosis):
    """Mean and variance within 5 standard errors, everything within the bound."""
    n = w.size
    assert abs(w.mean() - mean) < 5 * math.sqrt(variance / n)
    assert abs(w.var() / variance - 1) < 5 * math.sqrt((kurtosis - 1) / n)
    if bound is not None:
        reach = np.abs(w - mean).max()
        assert 0.99 * bound < reach <= bound * (1 + 1e-6)


def test_kurtosis_of_the_cut_normal():
    z = np.linspace(-2, 2, 200_001)
    density = np.exp(-(z**2) / 2)
    second = (z**2 * density).sum() / density.sum()
    assert math.sqrt(second) == pytest.approx(CUT, rel=1e-4)
    assert (z**4 * density).sum() / density.sum() / second**2 == pytest.approx(
        CUT_KURTOSIS, rel=1e-3
    )


@pytest.mark.parametrize("name", RULES)
def test_mean_variance_and_bounds(name):
    w = getattr(initializers, name)(seed=7)(SHAPE, "float64")
    assert w.shape == SHAPE
    check_moments(w, 0.0, *RULES[name])


def test_moments_follow_the_arguments():
    w = initializers.RandomNormal(mean=2.0, stddev=0.5, seed=1)(SHAPE, "float64")
    check_moments(w, 2.0, 0.25, None, NORMAL)
    w = initializers.TruncatedNormal(mean=-1.0, stddev=2.0, seed=1)(SHAPE, "float64")
    check_moments(w, -1.0, (2 * CUT) ** 2, 4.0, CUT_KURTOSIS)
    w = initializers.RandomUniform(minval=1.0, maxval=5.0, seed=1)(SHAPE, "float64")
    check_moments(w, 3.0, 4 / 3, 2.0, UNIFORM)
    assert w.min() >= 1.0
    assert w.max() < 5.0


@pytest.mark.parametrize(("mode", "n"), [("fan_in", 300), ("fan_out", 200), ("fan_avg", 250)])
@pytest.mark.parametrize(
    ("distribution", "kurtosis"),
    [("truncated_normal", CUT_KURTOSIS), ("normal", CUT_KURTOSIS),
     ("untruncated_normal", NORMAL), ("uniform", UNIFORM)],
)  # fmt: skip
def test_variance_scaling(mode, n, distribution, kurtosis):
    w = initializers.VarianceScaling(3.0, mode, distribution, seed=3)(SHAPE, "float64")
    bound = {
        "uniform": math.sqrt(9 / n), "untruncated_normal": None,
    }.get(distribution, 2 * math.sqrt(3 / n) / CUT)  # fmt: skip
    check_moments(w, 0.0, 3 / n, bound, kurtosis)


def test_a_bias_and_a_window_have_their_own_fans():
    # (3, 3, 8, 16): fan_in 72; (500,): both 500
    w = initializers.LecunUniform(seed=0)((3, 3, 8, 16), "float64")
    assert 0.98 * math.sqrt(3 / 72) < np.abs(w).max() <= math.sqrt(3 / 72)
    w = initializers.GlorotUniform(seed=0)((500,), "float64")
    assert 0.98 * math.sqrt(6 / 1000) < np.abs(w).max() <= math.sqrt(6 / 1000)


@keras_case
def keras_fans(keras, shape, input_axes, output_axes):
    from keras.src.initializers.random_initializers import compute_fans

    return {"fans": compute_fans(shape, input_axes, output_axes)}


@pytest.mark.parametrize(
    ("shape", "input_axes", "output_axes"),
    [((7,), None, None), ((3, 5), None, None), ((4, 3, 5), None, None), ((2, 4, 3, 5), None, None),
     ((0, 5), None, None), ((4, 2, 6), (0,), (1, 2)), ((4, 2, 6), (0, 1), (-1,))],
)  # fmt: skip
def test_fans_are_those_of_keras(shape, input_axes, output_axes):
    fans = initializers.compute_fans(shape, input_axes, output_axes)
    assert fans == tuple(keras_fans(shape, input_axes, output_axes)["fans"])


def test_fans_of_no_axes():
    with pytest.raises(ValueError, match=r"rank 1 or more, received \(\)"):
        initializers.HeNormal()(())
    with pytest.raises(ValueError, match=r"axis 2 does not exist in shape \(3, 4\)"):
        initializers.HeNormal(input_axes=[0], output_axes=[2])((3, 4))


@keras_case
def keras_fixed(keras, name, args, shape):
    return {"w": getattr(keras.initializers, name)(*args)(shape)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "args", "shape"),
    [("Zeros", (), (2, 3)), ("Ones", (), (4,)), ("Constant", (), (2,)), ("Constant", (2.5,), ()),
     ("Constant", (-1,), (2, 1, 2)), ("Identity", (), (3, 3)), ("Identity", (2.0,), (2, 4)),
     ("Identity", (0.5,), (3, 2)), ("Zeros", (), (0, 3))],
)  # fmt: skip
def test_fixed_values_are_those_of_keras(name, args, shape, dtype):
    w = getattr(initializers, name)(*args)(shape, dtype)
    assert w.dtype == dtype
    expected = keras_fixed(name, args, shape)["w"]
    assert w.shape == expected.shape
    np.testing.assert_array_equal(w, expected)


def test_constant_array():
    given_array = np.arange(6.0).reshape(2, 3)
    constant = initializers.Constant(given_array)
    given_array[:] = -1  # ours was a copy
    w = constant((2, 3))
    np.testing.assert_array_equal(w, [[0, 1, 2], [3, 4, 5]])
    assert w.dtype == "float32"
    with pytest.raises(ValueError, match=r"has shape \(2, 3\), but shape \(3,\) was asked for"):
        constant((3,))
    with pytest.raises(ValueError, match="real number or an array of them, received 'x'"):
        initializers.Constant("x")
    again = initializers.deserialize(json.loads(json.dumps(initializers.serialize(constant))))
    np.testing.assert_array_equal(again((2, 3)), w)


@pytest.mark.parametrize("shape", [(20, 20), (30, 12), (12, 30), (3, 4, 5), (2, 3, 50), (1, 1)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(shape, gain):
    W = initializers.Orthogonal(gain, seed=5)(shape, "float64").reshape(-1, shape[-1])
    product = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_signs_are_balanced():
    """Without the sign rule LAPACK's Q has a first entry of one sign only."""
    initializer = initializers.Orthogonal()
    corners = np.array([initializer((3, 3), "float64")[0, 0] for _ in range(400)])
    assert abs((corners > 0).mean() - 0.5) < 5 * 0.5 / math.sqrt(400)
    assert abs((corners**2).mean() - 1 / 3) < 5 * 0.3 / math.sqrt(400)  # entries: variance 1/D


RANDOM = [*RULES, "Orthogonal"]


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_makes_it_stateless(name):
    build = getattr(initializers, name)
    initializer = build(seed=11)
    first = initializer((5, 4))
    np.testing.assert_array_equal(initializer((5, 4)), first)
    np.testing.assert_array_equal(build(seed=11)((5, 4)), first)
    np.testing.assert_array_equal(initializer.clone()((5, 4)), first)
    assert not np.array_equal(build(seed=12)((5, 4)), first)


@pytest.mark.parametrize("name", RANDOM)
def test_without_a_seed_every_call_is_fresh_but_the_root_seed_rules(name):
    initializer = getattr(initializers, name)()
    tinynet.utils.set_random_seed(3)
    first, second = initializer((5, 4)), initializer((5, 4))
    assert not np.array_equal(first, second)
    tinynet.utils.set_random_seed(3)
    np.testing.assert_array_equal(initializer((5, 4)), first)
    np.testing.assert_array_equal(initializer((5, 4)), second)


@pytest.mark.parametrize("name", RANDOM)
def test_float32_and_float64_start_from_the_same_weights(name):
    initializer = getattr(initializers, name)(seed=2)
    single, double = initializer((6, 5), "float32"), initializer((6, 5), np.float64)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single, double.astype("float32"))
    assert initializer((6, 5)).dtype == tinynet.config.floatx()


@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=4), name=st.sampled_from([*RULES]))
def test_any_shape(shape, name):
    w = getattr(initializers, name)()(shape)
    assert w.shape == tuple(shape)
    assert np.isfinite(w).all()
    assert w.flags.c_contiguous
    assert w.flags.writeable


@pytest.mark.parametrize("shape", [None, (3, None), (-1, 2), (2.0, 3), "ab", (True, 2)])
@pytest.mark.parametrize("name", ["Zeros", "Ones", "Constant", "Identity", "RandomNormal",
                                  "GlorotUniform", "Orthogonal"])  # fmt: skip
def test_bad_shapes(name, shape):
    with pytest.raises(ValueError, match="shape must hold integers >= 0, received"):
        getattr(initializers, name)()(shape)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda i: i.RandomNormal(stddev=-1), "stddev must be .* >= 0, received -1"),
        (lambda i: i.TruncatedNormal(stddev=float("nan")), "stddev must be .* received nan"),
        (lambda i: i.RandomNormal(mean="0"), "mean must be .* received '0'"),
        (lambda i: i.RandomUniform(1, 0), "minval must be <= maxval, received 1 and 0"),
        (lambda i: i.VarianceScaling(scale=0), "scale must be .* > 0, received 0"),
        (lambda i: i.VarianceScaling(scale=-2.0), "scale must be .* > 0, received -2.0"),
        (lambda i: i.VarianceScaling(mode="fan"), "mode must be one of .*'fan_avg'.* 'fan'"),
        (lambda i: i.VarianceScaling(distribution="gauss"), "distribution must .* 'gauss'"),
        (lambda i: i.GlorotUniform(seed=-1), "seed must be an integer .* received -1"),
        (lambda i: i.GlorotUniform(seed=1.0), "seed must be an integer .* received 1.0"),
        (lambda i: i.Orthogonal(gain=None), "gain must be .* received None"),
        (lambda i: i.Orthogonal()((3,)), r"rank 2 or more, received \(3,\)"),
        (lambda i: i.Identity()((2, 2, 2)), r"rank 2, received \(2, 2, 2\)"),
        (lambda i: i.Zeros()((2,), "int32"), "dtype must be .* received 'int32'"),
        (lambda i: i.HeNormal()((2,), "float16"), "dtype must be .* received 'float16'"),
        (lambda i: i.get("glorot_unifrom"), "did you mean 'glorot_uniform'"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build(initializers)


@pytest.mark.parametrize(
    ("name", "cls"),
    [("glorot_uniform", "GlorotUniform"), ("xavier_uniform", "GlorotUniform"),
     ("glorot_normal", "GlorotNormal"), ("xavier_normal", "GlorotNormal"),
     ("he_normal", "HeNormal"), ("he_uniform", "HeUniform"), ("HeUniform", "HeUniform"),
     ("lecun_normal", "LecunNormal"), ("lecun_uniform", "LecunUniform"),
     ("zeros", "Zeros"), ("zero", "Zeros"), ("ones", "Ones"), ("one", "Ones"),
     ("constant", "Constant"), ("identity", "Identity"), ("orthogonal", "Orthogonal"),
     ("random_normal", "RandomNormal"), ("normal", "RandomNormal"),
     ("random_uniform", "RandomUniform"), ("uniform", "RandomUniform"),
     ("truncated_normal", "TruncatedNormal"), ("variance_scaling", "VarianceScaling")],
)  # fmt: skip
def test_get_by_name(name, cls):
    assert type(initializers.get(name)) is getattr(initializers, cls)
    if hasattr(initializers, name):  # Keras's lower-case spelling of the class
        assert getattr(initializers, name) is getattr(initializers, cls)


def test_get():
    def own(shape, dtype=None):
        return np.full(shape, 9.0, dtype)

    assert initializers.get(None) is None
    assert initializers.get(own) is own
    he = initializers.HeNormal(seed=1)
    assert initializers.get(he) is he
    assert type(initializers.get(initializers.HeNormal)) is initializers.HeNormal
    np.testing.assert_array_equal(initializers.get(np.eye(2))((2, 2)), np.eye(2))
    with pytest.raises(TypeError, match=r"initializer must be .* received 3"):
        initializers.get(3)
    for base in (initializers.Initializer(), initializers.RandomInitializer()):
        with pytest.raises(NotImplementedError, match="must define"):
            base((2,))


CONFIGS = [
    ("Zeros", ()), ("Ones", ()), ("Constant", (3.5,)),
    ("RandomNormal", (0.1, 0.2, 5)), ("TruncatedNormal", (0.1, 0.2)),
    ("RandomUniform", (-0.5, 0.25, 6)), ("Orthogonal", (1.5, 7)),
    ("VarianceScaling", (2.0, "fan_out", "normal", 8)),
    ("VarianceScaling", (2.0, "fan_avg", "uniform", 8, [0], [1])),
    ("GlorotUniform", (4,)), ("GlorotNormal", ()), ("HeUniform", ()), ("HeNormal", (9,)),
    ("LecunUniform", (4, [0], [1])), ("LecunNormal", ()),
]  # fmt: skip


@keras_case
def keras_initializer_config(keras, name, args):
    initializer = getattr(keras.initializers, name)(*args)
    return {"json": json.dumps(keras.initializers.serialize(initializer))}


@keras_case
def keras_reads_initializer(keras, text):
    initializer = keras.initializers.get(json.loads(text))
    return {"json": json.dumps(keras.initializers.serialize(initializer))}


@pytest.mark.parametrize(("name", "args"), CONFIGS)
def test_configs_are_those_of_keras_and_travel_both_ways(name, args):
    initializer = getattr(initializers, name)(*args)
    config = initializers.serialize(initializer)
    assert config == json.loads(str(keras_initializer_config(name, args)["json"]))
    assert config == json.loads(str(keras_reads_initializer(json.dumps(config))["json"]))
    again = initializers.get(json.loads(json.dumps(config)))
    assert type(again) is type(initializer)
    assert again.get_config() == initializer.get_config()


@keras_case
def keras_odd_configs(keras):
    init = keras.initializers
    seeded = init.HeNormal(seed=keras.random.SeedGenerator(17))
    array = init.Constant(np.arange(3.0))
    return {key: json.dumps(init.serialize(obj)) for key, obj in
            (("seeded", seeded), ("array", array))}  # fmt: skip


def test_identity_keeps_its_gain():
    """Keras 3.15 writes an empty config for it and so forgets the gain."""
    config = initializers.serialize(initializers.Identity(2.0))
    assert config["config"] == {"gain": 2.0}
    assert initializers.get(config).gain == 2.0


def test_what_only_keras_writes_is_read():
    configs = {key: json.loads(str(text)) for key, text in keras_odd_configs().items()}
    assert initializers.get(configs["seeded"]).seed == 17
    np.testing.assert_array_equal(initializers.get(configs["array"])((3,)), [0, 1, 2])
