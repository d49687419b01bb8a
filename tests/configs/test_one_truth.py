"""An option that is changed is followed by everything, or refused; there is no second truth."""

import numpy as np
import pytest

import tinynet as keras
from tinynet import activations, layers, metrics
from tinynet.microscope import page
from tinynet.microscope.whatif import what_if

ROW = np.random.default_rng(3).normal(size=(6, 4)).round(2)
ROWS = np.random.default_rng(4).normal(size=(6, 2, 3)).round(2)
WORDS = np.array([["b"], ["a"], ["c"]], object)

LAYERS = [  # class, options, what is changed, inputs
    ("ReLU", {}, {"max_value": 0.5}, ROW),
    ("ReLU", {}, {"negative_slope": 0.25, "threshold": 0.125}, ROW),
    ("LeakyReLU", {}, {"negative_slope": 0.5}, ROW),
    ("ELU", {}, {"alpha": 0.25}, ROW),
    ("Softmax", {}, {"axis": 1}, ROWS),
    ("Softmax", {"axis": [1, 2]}, {"axis": [2]}, ROWS),
    ("Softmax", {"axis": 1}, {"axis": [1, 2]}, ROWS),
    ("Activation", {"activation": "relu"}, {"activation": activations.tanh}, ROW),
    ("Rescaling", {"scale": 2.0}, {"scale": 3.0, "offset": 1.0}, ROW),
    ("Rescaling", {"scale": 2.0}, {"scale": [1.0, 2.0, 3.0, 4.0]}, ROW),
    ("Rescaling", {"scale": [1.0, 2.0, 3.0, 4.0]}, {"scale": 0.5}, ROW),
    ("Flatten", {}, {"data_format": "channels_first"}, ROWS),
    ("GlobalMaxPooling1D", {}, {"data_format": "channels_first"}, ROWS),
    ("GlobalAveragePooling1D", {"data_format": "channels_first"}, {"keepdims": True}, ROWS),
    ("Discretization", {"bin_boundaries": [0.0]}, {"bin_boundaries": [-0.5, 0.5]}, ROW),
]
LOOKUPS = [
    ({"vocabulary": ["a", "b"]}, {"vocabulary": ["b", "c"]}),
    ({"vocabulary": ["a", "b"]}, {"mask_token": ""}),
    ({"vocabulary": ["a", "b"], "mask_token": ""}, {"output_mode": "one_hot"}),
    ({"vocabulary": ["a", "b", "c"]}, {"num_oov_indices": 0}),
]
FOLLOW = [
    ("ReLU", {}, "activation", "ReLU 'mine': activation follows from max_value and negative_slope"),
    ("LeakyReLU", {}, "activation", "activation follows from negative_slope; set that instead"),
    ("ELU", {}, "activation", "activation follows from alpha"),
    ("Softmax", {}, "activation", "activation follows from axis"),
    ("ActivityRegularization", {}, "activity_regularizer", "follows from l1 and l2; set that"),
]
AUC = {"num_thresholds": 5}
FIXED = [
    ("AUC", AUC, "num_thresholds", 7), ("AUC", AUC, "multi_label", True),
    ("AUC", AUC, "thresholds", [0.5]), ("AUC", {"multi_label": True}, "num_labels", 2),
    ("Precision", {}, "thresholds", [0.25]), ("Recall", {}, "top_k", 2),
    ("TruePositives", {}, "init_thresholds", 0.75),
    ("MeanIoU", {"num_classes": 2}, "num_classes", 3),
    ("RecallAtPrecision", {"precision": 0.5}, "num_thresholds", 3),
]  # fmt: skip


def through_a_file(layer, shape, folder):
    model = keras.Sequential([layers.Input(shape), layer])
    model.save(folder / "m.keras")
    return keras.models.load_model(folder / "m.keras", compile=False)


@pytest.mark.parametrize("case", LAYERS, ids=lambda c: f"{c[0]}-{'-'.join(c[2])}")
def test_a_layers_option_takes_effect_and_is_saved(case, tmp_path):
    kind, options, change, x = case
    layer, wanted = (getattr(layers, kind)(**given) for given in (options, {**options, **change}))
    layer(x)
    for name, value in change.items():
        setattr(layer, name, value)
    y = wanted(x)
    np.testing.assert_array_equal(layer(x), y)
    assert layer.get_config() == {**wanted.get_config(), "name": layer.name}
    loaded = through_a_file(layer, x.shape[1:], tmp_path)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), y, atol=1e-6)


@pytest.mark.parametrize("case", LOOKUPS, ids=lambda c: "-".join(c[1]))
def test_a_lookups_option_takes_effect(case):
    options, change = case
    lookup, wanted = layers.StringLookup(**options), layers.StringLookup(**{**options, **change})
    for name, value in change.items():
        setattr(lookup, name, value)
    known = WORDS if wanted.num_oov_indices == 0 else np.append(WORDS, [["new"]], axis=0)
    np.testing.assert_array_equal(lookup(known), wanted(known))
    assert lookup.get_config() == {**wanted.get_config(), "name": lookup.name}


def test_a_changed_seed_draws_other_masks():
    def masks(layer):
        return layer(np.ones((5, 8)), training=True)

    layer = layers.Dropout(0.5, seed=1)
    layer.seed = 2
    np.testing.assert_array_equal(masks(layer), masks(layers.Dropout(0.5, seed=2)))
    assert (masks(layers.Dropout(0.5, seed=1)) != masks(layers.Dropout(0.5, seed=2))).any()
    with pytest.raises((TypeError, ValueError), match="seed"):
        layer.seed = "two"
    assert layer.seed == 2


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_changed_factors_of_a_penalty_are_those_of_the_next_step(device):
    def loss(l1, l2, change=None):
        penalty = layers.ActivityRegularization(l1, l2)
        model = keras.Sequential([layers.Input((4,)), penalty])
        model.compile("sgd", "mse", device=device)
        model.evaluate(ROW, ROW, verbose=0)
        for name, value in (change or {}).items():
            setattr(penalty, name, value)
        return model.evaluate(ROW, ROW, verbose=0)

    by_hand = 0.5 * np.abs(ROW).sum() / 6 + 0.25 * (ROW**2).sum() / 6
    assert loss(0.0, 0.1, {"l1": 0.5, "l2": 0.25}) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("case", FOLLOW, ids=lambda c: c[0])
def test_what_follows_from_options_is_not_set_beside_them(case):
    kind, options, name, words = case
    layer = getattr(layers, kind)(**options, name="mine")
    before = layer.get_config()
    with pytest.raises(AttributeError, match=words):
        setattr(layer, name, activations.softmax)
    assert layer.get_config() == before


@pytest.mark.parametrize("case", FIXED, ids=lambda c: f"{c[0]}-{c[2]}")
def test_what_a_metrics_sums_are_made_by_stays(case):
    kind, options, name, value = case
    metric = getattr(metrics, kind)(**options)
    kept, before = getattr(metric, name), metric.get_config()
    with pytest.raises(AttributeError, match=f"{name} is .* from the start, and can't become"):
        setattr(metric, name, value)
    setattr(metric, name, kept)
    assert metric.get_config() == before


def test_a_changed_least_rate_is_that_of_the_next_result():
    y, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
    metric = metrics.PrecisionAtRecall(1.0, num_thresholds=11)
    metric.update_state(y, p)
    assert metric.result() == pytest.approx(2 / 3)  # both positives, and 0.6
    metric.recall = 0.5
    assert metric.result() == 1.0  # 0.9 alone
    assert metric.get_config()["recall"] == 0.5


def test_the_microscope_tries_another_activation_and_puts_it_back():
    """The case of its "what if": sigmoid for relu, whether a Dense or a layer has it."""

    def losses(hidden):
        keras.utils.set_random_seed(2)
        model = keras.Sequential([layers.Input((4,)), *hidden, layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        y = model.predict(ROW, verbose=0)
        batch, found, _ = page._steps(model, ROW, np.arange(6) % 2, None)
        cases = what_if(model, batch, found)["activation"]
        np.testing.assert_array_equal(model.predict(ROW, verbose=0), y)
        return [case["loss"] for case in cases]

    by_dense = losses([layers.Dense(3, "relu", kernel_initializer="ones")])
    by_layer = losses([layers.Dense(3, kernel_initializer="ones"), layers.ReLU()])
    assert by_layer == pytest.approx(by_dense)
    assert len(set(by_dense)) == 2
