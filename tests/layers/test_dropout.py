"""Dropout's masks: their numbers from Philox written out, their keys, and the layer around them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import layers
from tinynet.kernels import reference

KEY = (12345, 0)
WORD = 2**64


def philox4x64(counter, key):
    """Ten rounds of Philox4x64 (Salmon et al. 2011, section 4.3), in Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c[0], WORD)
        high1, low1 = divmod(0xCA5A826395121157 * c[2], WORD)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B97F4A7C15) % WORD, (k[1] + 0xBB67AE8584CAA73B) % WORD]
    return c


def expected_mask(rate, key, step, row, shape):
    """Entry by entry: counter (block + 1, step, 0, 0), low halves of the words first."""
    rows, columns = shape
    blocks = -(-columns // 8)
    mask = np.zeros(shape)
    for i in range(rows):
        for j in range(columns):
            block, place = divmod(j, 8)
            word = philox4x64([(row + i) * blocks + block + 1, step, 0, 0], key)[place // 2]
            u = (word >> 32 * (place % 2)) % 2**32
            mask[i, j] = (u >= int(rate * 2**32)) / (1 - rate)
    return mask


def mask_of(rate, step, row, shape, key=KEY, dtype="float64"):
    mask = np.full(shape, np.nan, dtype)
    reference.dropout_mask(rate, key, step, row, mask=mask)
    return mask


def test_philox_known_answers():
    # the vectors that the paper's own library (Random123) is tested with
    assert philox4x64([0] * 4, [0] * 2) == [
        0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B,
    ]  # fmt: skip
    assert philox4x64([WORD - 1] * 4, [WORD - 1] * 2) == [
        0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0,
    ]  # fmt: skip


@given(
    rate=st.sampled_from([0.1, 0.3, 0.5, 0.99]), step=st.integers(0, 2**40),
    row=st.integers(0, 2**33), shape=st.tuples(st.integers(1, 3), st.integers(1, 20)),
    seed=st.integers(0, 2**63 - 1),
)  # fmt: skip
def test_masks_are_philox_at_the_documented_counters(rate, step, row, shape, seed):
    expected = expected_mask(rate, (seed, 0), step, row, shape)
    np.testing.assert_allclose(mask_of(rate, step, row, shape, (seed, 0)), expected, rtol=1e-15)


@given(columns=st.integers(1, 20), rows=st.integers(2, 12), cut=st.integers(1, 11))
def test_a_mask_does_not_depend_on_how_the_batch_is_split(columns, rows, cut):
    cut = min(cut, rows - 1)
    whole = mask_of(0.4, 3, 100, (rows, columns))
    first = mask_of(0.4, 3, 100, (cut, columns))
    second = mask_of(0.4, 3, 100 + cut, (rows - cut, columns))
    np.testing.assert_array_equal(whole, np.concatenate([first, second]))


def test_masks_differ_by_seed_step_and_row():
    masks = [
        mask_of(0.5, step, row, (4, 40), key)
        for step, row, key in [(0, 0, KEY), (1, 0, KEY), (0, 4, KEY), (0, 0, (12346, 0))]
    ]
    for i, a in enumerate(masks):
        for b in masks[:i]:
            assert 40 < (a != b).sum() < 120  # 80 expected, standard deviation 6.3
    np.testing.assert_array_equal(mask_of(0.5, 0, 0, (4, 40)), masks[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
def test_share_and_scale(rate, dtype):
    mask = mask_of(rate, 0, 0, (400, 250), dtype=dtype)
    assert mask.dtype == dtype
    n = mask.size
    dropped = (mask == 0).sum()
    assert abs(dropped - rate * n) < 5 * np.sqrt(rate * (1 - rate) * n)
    np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - rate)], rtol=1e-6)
    per_column = (mask == 0).mean(axis=0)  # every column alike, so no word is favoured
    assert np.abs(per_column - rate).max() < 5.5 * np.sqrt(rate * (1 - rate) / 400)


def test_extreme_rates():
    np.testing.assert_array_equal(mask_of(0.0, 0, 0, (3, 9)), np.ones((3, 9)))
    np.testing.assert_array_equal(mask_of(1.0, 0, 0, (3, 9)), np.zeros((3, 9)))
    assert np.isfinite(mask_of(float(np.nextafter(1, 0)), 0, 0, (3, 9))).all()


# ------------------------------------------------------------------------------------ the layer


@pytest.mark.parametrize("shape", [(6,), (6, 5), (3, 4, 5)])
def test_forward_and_backward_use_one_mask(shape):
    layer = layers.Dropout(0.4, seed=3, dtype="float64")
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    y = layer(x, training=True)
    kept = y != 0
    assert 0 < kept.sum() < x.size
    np.testing.assert_allclose(y[kept], x[kept] / 0.6, rtol=1e-15)
    dy = np.full(shape, 3.0)
    np.testing.assert_allclose(layer.backward(dy), np.where(kept, 3 / 0.6, 0), rtol=1e-15)
    np.testing.assert_array_equal(x, np.arange(1.0, 1 + np.prod(shape)).reshape(shape))


def test_outside_training_nothing_changes():
    x = np.arange(6.0, dtype="float32").reshape(2, 3)
    for rate in (0, 0.3, 1):
        layer = layers.Dropout(rate)
        np.testing.assert_array_equal(layer(x), x)
        np.testing.assert_array_equal(layer.backward(x), x)


def test_rates_zero_and_one_in_training():
    x = np.arange(6.0, dtype="float32").reshape(2, 3)
    np.testing.assert_array_equal(layers.Dropout(0)(x, training=True), x)
    layer = layers.Dropout(1)
    np.testing.assert_array_equal(layer(x, training=True), np.zeros((2, 3)))
    np.testing.assert_array_equal(layer.backward(x), np.zeros((2, 3)))


def test_each_call_is_a_new_step_and_a_seed_repeats_the_sequence():
    x = np.ones((4, 50), "float32")
    first, second = layers.Dropout(0.5, seed=1), layers.Dropout(0.5, seed=1)
    a, b = first(x, training=True), first(x, training=True)
    assert (a != b).any()
    np.testing.assert_array_equal(second(x, training=True), a)
    np.testing.assert_array_equal(second(x), x)  # inference takes no step
    np.testing.assert_array_equal(second(x, training=True), b)
    assert (layers.Dropout(0.5, seed=2)(x, training=True) != a).any()


def test_without_a_seed_set_random_seed_decides():
    x = np.ones((4, 50), "float32")

    def two_layers():
        tinynet.utils.set_random_seed(5)
        return [layers.Dropout(0.5)(x, training=True) for _ in range(2)]

    (a, b), (c, d) = two_layers(), two_layers()
    assert (a != b).any()  # two layers of one model do not share a mask
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)


def test_the_layer_follows_the_steps_first_row():
    x = np.ones((10, 7), "float32")
    whole = layers.Dropout(0.5, seed=9)
    y = whole(x, training=True)
    half = layers.Dropout(0.5, seed=9)
    half.context.first_row = 5
    np.testing.assert_array_equal(half(x[5:], training=True), y[5:])


@pytest.mark.parametrize(
    ("noise_shape", "shared"), [((None, 1, None), 1), ((None, None, 1), 2), ((1, None, None), 0),
                                ((4, 1, 5), 1)]
)  # fmt: skip
def test_a_noise_shape_shares_the_mask(noise_shape, shared):
    layer = layers.Dropout(0.5, noise_shape=noise_shape, seed=2)
    x = np.ones((4, 3, 5), "float32")
    y = layer(x, training=True)
    assert set(np.unique(y)) == {0, 2}
    first = np.take(y, [0], axis=shared)
    np.testing.assert_array_equal(y, np.broadcast_to(first, y.shape))
    for axis in {0, 1, 2} - {shared}:  # and nowhere else
        assert (np.take(y, [0], axis=axis) != y).any()
    np.testing.assert_array_equal(layer.backward(np.full_like(x, 3)), 3 * y)


def test_a_mask_shared_by_all_rows_does_not_depend_on_the_split():
    x = np.ones((10, 7), "float32")
    y = layers.Dropout(0.5, noise_shape=(1, None), seed=9)(x, training=True)
    half = layers.Dropout(0.5, noise_shape=(1, None), seed=9)
    half.context.first_row = 5
    np.testing.assert_array_equal(half(x[5:], training=True), y[5:])


def test_a_noise_shape_of_another_rank():
    layer = layers.Dropout(0.5, noise_shape=(None, 1), name="probe")
    with pytest.raises(ValueError, match=r"'probe': noise_shape .*\(None, 1\).*\(4, 3, 5\)"):
        layer(np.ones((4, 3, 5)), training=True)


def test_in_a_model_every_training_step_has_its_own_mask_and_predict_has_none():
    tinynet.utils.set_random_seed(0)
    dropout = layers.Dropout(0.5, seed=4)
    model = tinynet.Sequential([layers.Input((8,)), layers.Dense(8), dropout])
    model.compile("sgd", "mse", run_eagerly=True)  # a replay leaves no trace in the layers
    x, y = np.ones((5, 8), "float32"), np.zeros((5, 8), "float32")
    masks = []
    for _ in range(2):
        model.train_on_batch(x, y)
        masks.append(dropout.saved[0].copy())
    for step, mask in enumerate(masks):
        np.testing.assert_array_equal(
            model.context.ops.to_host(mask), mask_of(0.5, step, 0, (5, 8), (4, 0), "float32")
        )
    W, b = model.get_weights()
    np.testing.assert_allclose(model.predict(x, verbose=0), x @ W + b, rtol=1e-5, atol=1e-6)
