"""Losses: which targets, weights and options they take, which they refuse, and one's own."""

import re

import numpy as np
import pytest
from loss_cases import BINARY, CATEGORICAL, LOSSES

import tinynet
from tinynet import losses
from tinynet.layers import Dense
from tinynet.models import Sequential

# -------------------------------------------------------------------- what may be handed in


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        np.int64,
        np.uint8,
        np.int8,
        np.uint64,
        np.float32,
        lambda y: np.array(y)[:, None],
        lambda y: np.array(y, "float64")[:, None],
        lambda y: [[label] for label in y],
    ],
)
def test_class_ids_of_any_kind(convert):
    y, p = [2, 0, 1], np.array([[0.2, 0.3, 0.5], [0.7, 0.1, 0.2], [0.1, 0.6, 0.3]])
    y = convert(y) if not isinstance(convert, type) or convert in (list, tuple) else np.array(
        y, convert
    )  # fmt: skip
    loss = losses.SparseCategoricalCrossentropy()
    assert loss(y, p) == pytest.approx(-np.log([0.5, 0.7, 0.6]).mean(), rel=1e-12)
    assert loss.gradient(y, p)[0, 2] == pytest.approx((0.5 - 1) / 0.5 / 3)  # rows sum to 1


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64, list])
@pytest.mark.parametrize("column", [False, True])
def test_yes_and_no_of_any_kind(dtype, column):
    y, p = [True, False, True], np.array([[0.25], [0.5], [0.5]])
    y = [[v] for v in y] if column else y
    y = y if dtype is list else np.array(y, dtype)
    assert losses.BinaryCrossentropy()(y, p) == pytest.approx(4 / 3 * np.log(2))
    assert losses.BinaryCrossentropy(label_smoothing=0.5)(y, p) == pytest.approx(
        (-(0.75 * np.log(0.25) + 0.25 * np.log(0.75)) + 2 * np.log(2)) / 3
    )


def test_targets_are_left_untouched():
    y, w = np.array([[1.0, 0.0]]), np.array([2.0])
    p = np.array([[0.5, 0.25]])
    for name in ("binary_crossentropy", "categorical_crossentropy", "mse"):
        loss = losses.get(name)
        loss(y, p, w)
        loss.gradient(y, p, w)
    assert y.tolist() == [[1.0, 0.0]]
    assert p.tolist() == [[0.5, 0.25]]
    assert w.tolist() == [2.0]


def test_one_dimensional_predictions_are_rows():
    y, p, w = [1.0, 2.0, 3.0], [1.5, 2.0, 5.0], [1.0, 1.0, 0.5]
    loss = losses.MeanSquaredError("none")
    assert loss(y, p).tolist() == [0.25, 0.0, 4.0]
    assert losses.MeanSquaredError()(y, p, w) == pytest.approx(2.25 / 3)
    assert losses.MeanSquaredError("sum").gradient(y, p).tolist() == [1.0, 0.0, 4.0]
    assert losses.MeanSquaredError()(np.array(y)[:, None], p) == pytest.approx(4.25 / 3)


def test_predictions_that_are_no_floats_count_in_float32():
    assert losses.MeanSquaredError().gradient([1, 2], [3, 2]).dtype == np.float32
    assert losses.MeanSquaredError()([1, 2], np.array([3, 2], "float16")) == 2.0


def test_weights_of_a_column_or_of_every_position():
    y, p = np.zeros((2, 3, 1)), np.array([[[1.0], [2], [3]], [[1], [1], [1]]])
    loss = losses.MeanSquaredError("none")
    np.testing.assert_array_equal(loss(y, p, [2, 3]), [[2, 8, 18], [3, 3, 3]])
    np.testing.assert_array_equal(loss(y, p, [[2], [3]]), [[2, 8, 18], [3, 3, 3]])
    each = [[1, 0, 1], [0, 0, 5]]
    np.testing.assert_array_equal(loss(y, p, each), [[1, 0, 9], [0, 0, 5]])
    np.testing.assert_array_equal(loss(y, p, np.array(each)[..., None]), [[1, 0, 9], [0, 0, 5]])


# ------------------------------------------------------------------------------------- refusals

P = np.full((4, 3), 1 / 3)


def refuses(loss, y, *parts, p=P, error=ValueError, **options):
    with pytest.raises(error) as caught:
        losses.get(loss)(y, p, **options)
    for part in parts:
        assert part in str(caught.value), str(caught.value)
    with pytest.raises(error):
        losses.get(loss).gradient(y, p, **options)


@pytest.mark.parametrize(
    ("y", "row", "value"),
    [
        ([0, 1, 3, 5], "row 2", "3"),
        ([0, -1, 2, 1], "row 1", "-1"),
        ([0.0, 1.0, 2.0, 0.5], "row 3", "0.5"),
        (np.array([0, 255, 1, 2], np.uint8), "row 1", "255"),
        (np.array([[0], [1], [2], [7]]), "row 3", "7"),
    ],
)
def test_class_ids_out_of_range(y, row, value):
    refuses("sparse_categorical_crossentropy", y, row, f"class id {value}", "[0, 3)", "3 outputs")


def test_the_row_is_named_in_sequences_too():
    p = np.full((2, 2, 3), 1 / 3)
    refuses("sparse_categorical_crossentropy", [[0, 1], [2, 9]], "row 1", "9", "[0, 3)", p=p)


def test_one_hot_rows_where_ids_are_expected():
    refuses(
        *("sparse_categorical_crossentropy", np.eye(3)[[0, 1, 2, 0]]),
        *("('N',)", "('N', 3)", "use categorical_crossentropy"),
    )


@pytest.mark.parametrize("y", [[0, 1, 2, 0], [[0], [1], [2], [0]]])
def test_ids_where_one_hot_rows_are_expected(y):
    refuses(
        *("categorical_crossentropy", y),
        *("('N', 3)", "sparse_categorical_crossentropy", "to_categorical(y, 3)"),
    )


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse", "binary_crossentropy"])
def test_targets_of_another_width(loss):
    refuses(loss, np.zeros((4, 2)), "('N', 3)", "('N', 2)")
    refuses(loss, np.zeros((4, 3, 2)), "('N', 3)", "('N', 3, 2)")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse", "mae", "huber", "bce"])
def test_targets_that_are_not_finite(loss, bad):
    y = np.full((4, 3), 0.5)
    y[2, 1] = bad
    refuses(loss, y, "row 2", str(bad), "(2, 1)", "1 of 4 rows")


def test_ids_that_are_not_finite():
    refuses("sparse_categorical_crossentropy", [0.0, np.nan, 1.0, np.nan], "row 1", "nan", "2 of 4")


@pytest.mark.parametrize(("bad", "shown"), [(2.0, "2.0"), (-0.25, "-0.25"), (7, "7")])
def test_binary_targets_outside_0_and_1(bad, shown):
    y = np.zeros((4, 3), np.asarray(bad).dtype)
    y[3, 0] = bad
    refuses("binary_crossentropy", y, "row 3", shown, "[0, 1]")


def test_lengths_that_differ():
    refuses("mse", np.zeros((3, 3)), "y_true has 3 rows", "y_pred 4")
    refuses("sparse_categorical_crossentropy", [0, 1, 2, 0, 1], "5 rows", "4")
    refuses("mse", 1.0, "4 rows", "single number")


def test_predictions_without_rows():
    refuses("mse", [1.0], "N >= 1", "()", p=2.0)
    refuses("mse", np.zeros((0, 3)), "N >= 1", "(0, 3)", p=np.zeros((0, 3)))


@pytest.mark.parametrize("shape", [(3,), (4, 2), (4, 3), (4, 1, 2), (5, 1)])
def test_weights_of_another_shape(shape):
    shown = str(shape if shape[-1:] != (1,) or len(shape) == 1 else shape[:-1])
    w = np.ones(shape)
    refuses("mse", np.zeros((4, 3)), "sample_weight", "(4,)", shown, sample_weight=w)


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_targets_that_are_no_numbers(loss):
    refuses(loss, ["a", "b", "c", "d"], "numbers" if loss == "mse" else "ids", error=TypeError)
    refuses(loss, np.array([None] * 4), "object", error=TypeError)


def test_options_out_of_range():
    for bad in (-0.1, 1.5):
        for name in (CATEGORICAL, BINARY):
            with pytest.raises(ValueError, match=re.escape(f"[0, 1], received {bad}")):
                getattr(losses, name)(label_smoothing=bad)
    for bad in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"delta must be > 0, received {bad}"):
            losses.Huber(bad)
    with pytest.raises(ValueError, match=r"sum_over_batch_size.*received 'average'"):
        losses.MeanSquaredError("average")


@pytest.mark.parametrize("name", [name for name, _ in LOSSES])
def test_backward_before_forward(name):
    with pytest.raises(RuntimeError, match=rf"{name}: backward\(\) was called before forward"):
        getattr(losses, name)().backward()


# --------------------------------------------------------------------------- a loss of one's own


class Quartic(losses.Loss):
    """l_i = mean_c (p - y)^4."""

    def forward(self, y, p, w, logits=False):
        e = p - y
        self.dp = w[:, None] * 4 * e**3 / p.shape[-1]
        return w * (e**4).mean(axis=-1)


def test_a_loss_of_ones_own():
    loss = Quartic()
    assert loss([[0.0, 0.0]], [[1.0, 2.0]]) == 8.5
    assert loss.gradient([[0.0, 0.0]], [[1.0, 2.0]]).tolist() == [[2.0, 16.0]]
    assert Quartic(reduction="sum")([0, 0], [1, 2], [1, 3]) == 49.0
    model = Sequential([Dense(1, use_bias=False, kernel_initializer="ones", input_shape=(1,))])
    model.compile(tinynet.optimizers.SGD(0.1), Quartic())
    history = model.fit(np.ones((4, 1)), np.zeros((4, 1)), verbose=0, batch_size=4)
    assert history.history["loss"] == [1.0]
    np.testing.assert_allclose(model.get_weights()[0], [[0.6]], rtol=1e-6)


def test_the_base_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="Loss needs forward"):
        losses.Loss()([1.0], [1.0])
