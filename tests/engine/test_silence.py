"""What would train wrongly without a word is refused before the first step, or counted right."""

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, metrics
from tinynet.layers import Dense, Input

DEVICES = ["reference", "cpu"]
X = np.linspace(-1, 1, 24).reshape(8, 3)


def net(units=1, activation="sigmoid", loss="binary_crossentropy", dtype="float32", device="cpu",
        optimizer="sgd"):  # fmt: skip
    model = Sequential([Input((3,)), Dense(units, activation, dtype=dtype)])
    model.compile(optimizer, loss, device=device)
    return model


# ---------------------------------------------------------------------------- class weights


@pytest.mark.parametrize("key", ["0", "1", 2, -1, 0.5, None, (1,)])
def test_a_class_weight_that_matches_no_class_is_refused(key):
    y = np.arange(8) % 2
    for model, targets in ((net(), y), (net(2, "softmax", "crossentropy"), y)):
        with pytest.raises(ValueError, match="there is no class") as error:
            model.fit(X, targets, class_weight={0: 1.0, key: 5.0}, verbose=0)
        assert repr(key) in str(error.value)
        assert model.optimizer.iterations == 0


def test_class_weights_of_hinge_labels():
    """Labels -1 and 1: weight 3 for -1 is sample weight 3."""
    y, weight = np.where(np.arange(8) % 2, 1.0, -1.0), np.where(np.arange(8) % 2, 1.0, 3.0)
    ends = []
    for options in ({"class_weight": {-1: 3.0}}, {"sample_weight": weight}):
        tinynet.utils.set_random_seed(1)
        model = net(activation="linear", loss="hinge")
        model.fit(X, y, verbose=0, **options)
        ends.append(model.get_weights())
    np.testing.assert_array_equal(ends[0][0], ends[1][0])


def test_class_weights_with_targets_that_are_no_classes():
    with pytest.raises(ValueError, match=r"y of row 2, 2\.0, is no class"):
        net(loss="mse").fit(X, np.arange(8.0), class_weight={0: 2.0}, verbose=0)


def test_soft_labels_are_rounded_for_their_class_weight():
    y = np.where(np.arange(8) % 2, 0.9, 0.1)
    weight = np.where(np.arange(8) % 2, 5.0, 1.0)
    losses = []
    for options in ({"class_weight": {1: 5.0}}, {"sample_weight": weight}):
        tinynet.utils.set_random_seed(1)
        losses.append(net().fit(X, y, verbose=0, **options).history["loss"])
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("loss", "units", "y"),
    [
        ("mse", 1, np.linspace(0, 1, 8)),
        ("mae", 1, [0.0, 1, 1, 0, 0.25, 1, 0, 1]),
        ("huber", 1, np.linspace(-1, 1, 8)),
        ("mse", 2, np.random.default_rng(1).normal(size=(8, 2))),
        ("mse", 2, np.full((8, 2), 0.5)),
        ("binary_crossentropy", 3, [[1, 0, 0]] * 4 + [[1, 0, 1]] * 4),  # two classes in a row
        ("binary_crossentropy", 3, [[1, 0, 0]] * 7 + [[0, 0, 0]]),
    ],
)
def test_class_weights_need_one_class_per_row(loss, units, y):
    model = net(units, "sigmoid", loss)
    with pytest.raises(ValueError, match=r"class_weight: y of row \d.* is no class.*sample_weight"):
        model.fit(X, y, class_weight={1: 5.0}, verbose=0)
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize(
    ("loss", "activation", "y"),
    [
        ("mse", "linear", np.eye(3)[np.arange(8) % 3]),
        ("categorical_hinge", "linear", 2 * np.eye(3)[np.arange(8) % 3] - 1),
        ("categorical_crossentropy", "softmax", 0.7 * np.eye(3)[np.arange(8) % 3] + 0.1),
        ("kl_divergence", "softmax", 0.4 * np.eye(3)[np.arange(8) % 3] + 0.2),
    ],
)
def test_the_largest_entry_of_a_row_is_its_class(loss, activation, y):
    losses = []
    weight = np.where(np.arange(8) % 3 == 1, 5.0, 1.0)
    for options in ({"class_weight": {1: 5.0}}, {"sample_weight": weight}):
        tinynet.utils.set_random_seed(1)
        losses.append(net(3, activation, loss).fit(X, y, verbose=0, **options).history["loss"])
    assert losses[0] == losses[1]


# ----------------------------------------------------------------- numbers beyond the dtype


@pytest.mark.parametrize("value", [1e39, -1e300])
@pytest.mark.parametrize("what", ["x", "y", "sample_weight"])
def test_what_overflows_in_the_cast_is_refused(what, value):
    data = {"x": X.copy(), "y": np.zeros((8, 1)), "sample_weight": np.ones(8)}
    data[what][5] = value
    model = net(loss="mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"{what}: row 5 holds") as error:
        model.fit(**data, verbose=0)
    assert str(value) in str(error.value)
    assert "not finite in float32" in str(error.value)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    if what == "x":
        with pytest.raises(ValueError, match="x: row 5 holds"):
            model.predict(data["x"], verbose=0)


def test_the_largest_numbers_that_fit_pass():
    x = np.full((8, 3), float(np.finfo("float32").max))  # their sum does not fit
    assert net().predict(x, verbose=0).shape == (8, 1)
    wide = net(loss="mse", dtype="float64")
    x[2] = 1e39
    assert np.isfinite(wide.predict(x / 1e30, verbose=0)).all()


def test_weights_beyond_the_dtype_are_refused():
    model = net()
    kernel, bias = model.get_weights()
    wrong = kernel.astype(float)
    wrong[1, 0] = 1e39
    with pytest.raises(ValueError, match=r"kernel: 1e\+39 at index \(1, 0\) is beyond float32"):
        model.set_weights([wrong, bias])
    with pytest.raises(ValueError, match="beyond float32"):
        model.layers[0].kernel.assign(wrong)
    np.testing.assert_array_equal(model.get_weights()[0], kernel)
    wrong[1, 0] = np.nan  # what is not finite is meant
    model.set_weights([wrong, bias])
    assert np.isnan(model.get_weights()[0]).sum() == 1


# ------------------------------------------------------------------------------------- NaN

NAN = np.array([[np.nan, 0.2, 0.1], [0.7, np.nan, 0.1], [np.nan] * 3, [0.1, 0.2, 0.7]])


@pytest.mark.parametrize(
    ("metric", "y"),
    [
        (metrics.SparseCategoricalAccuracy(), np.array([0, 0, 0, 2])),
        (metrics.CategoricalAccuracy(), np.eye(3)[[0, 0, 0, 2]]),
        (metrics.TopKCategoricalAccuracy(1), np.eye(3)[[0, 0, 0, 2]]),
        (metrics.SparseTopKCategoricalAccuracy(3), np.array([1, 1, 2, 2])),
    ],
)
def test_a_row_with_nan_is_no_hit(metric, y):
    assert metric(y, NAN) == 0.25


def test_nan_is_on_no_side_of_a_threshold():
    p = np.array([[np.nan], [np.nan], [0.2], [0.8]])
    assert metrics.BinaryAccuracy()(np.array([[0], [1], [0], [1]]), p) == 0.5


@pytest.mark.parametrize("device", DEVICES)
def test_find_nan_sees_weights_whose_input_is_zero(device):
    """Kernels leave out products with zeros; the search looks at the weights themselves."""
    model = net(device=device, loss="mse")
    kernel, bias = model.get_weights()
    kernel[1] = np.nan
    model.set_weights([kernel, bias])
    x = X.copy()
    x[:, 1] = 0
    found = model.find_nan(x, np.zeros(8))
    assert found.stage == "weights"
    stop = tinynet.callbacks.TerminateOnNaN(raise_error=True, explain=True)
    with pytest.raises(RuntimeError, match="before the step"):
        model.fit(x, np.zeros(8), verbose=0, callbacks=[stop])


# --------------------------------------------------------------------------- learning rate 0


@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("device", DEVICES)
def test_a_step_of_rate_zero_changes_nothing(device, steps):
    """One Ftrl with rates .1, .1, 0, .1 ends where one with .1, .1, .1 does on the same rows."""
    schedules = tinynet.optimizers.schedules
    x, y = X.astype("float32"), np.zeros((8, 1), "float32")
    ends = []
    for rates in ([0.1, 0.1, 0.0, 0.1], [0.1, 0.1, 0.1]):
        tinynet.utils.set_random_seed(1)
        bounds = [(i + 1) * (steps or 1) - 1 for i in range(len(rates) - 1)]
        rate = schedules.PiecewiseConstantDecay(bounds, rates)
        ftrl = tinynet.optimizers.Ftrl(rate, beta=0.1, gradient_accumulation_steps=steps)
        model = net(loss="mse", device=device, optimizer=ftrl)
        x_all, y_all = (np.tile(a, (len(rates) * (steps or 1), 1)) for a in (x, y))
        model.fit(x_all, y_all, batch_size=8, shuffle=False, verbose=0)
        ends.append(model.get_weights())
        assert np.isfinite(ends[-1][0]).all()
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


def test_ftrl_survives_a_schedule_that_ends_at_zero():
    ftrl = tinynet.optimizers.Ftrl(tinynet.optimizers.schedules.CosineDecay(0.1, 5))
    model = net(loss="mse", optimizer=ftrl)
    model.fit(X, np.zeros(8), epochs=6, batch_size=8, verbose=0)
    before = model.get_weights()
    model.fit(X, np.zeros(8), epochs=3, batch_size=8, verbose=0)
    assert np.isfinite(before[0]).all()
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
