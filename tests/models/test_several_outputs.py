"""Models with several outputs: losses, weights, metrics and targets for each, against Keras."""

import copy
import json
import pickle

import numpy as np
import pytest
from oracle import HAVE_KERAS, keras_case, live_keras
from parity.build import working_in

import tinynet
from tinynet import Input, Model, callbacks, gradcheck, layers, losses, models

random = np.random.default_rng(2)
X = random.normal(size=(21, 4))
REAL, IDS, CODES = random.normal(size=(21, 3)), random.integers(0, 5, 21), np.eye(5)
WA, WB = random.uniform(size=21), random.uniform(size=21)
CE = "sparse_categorical_crossentropy"

BOTH = {"a": REAL, "b": IDS}
# name -> form of the outputs, y, sample_weight, compile's options
CASES = {
    "lists": ("list", [REAL, IDS], [WA, WB],
              {"loss": ["mse", CE], "metrics": [["mae", "mse"], "accuracy"],
               "weighted_metrics": [["mae"], None], "loss_weights": [0.3, 2.0]}),
    "names": ("list", BOTH, None,
              {"loss": {"b": CE, "a": "mse"}, "metrics": {"b": ["accuracy"]},
               "loss_weights": {"a": 0.0, "b": 1.0}}),
    "one for all": ("list", (REAL, CODES[IDS]), WA, {"loss": "mse"}),
    "one trained": ("list", REAL, None, {"loss": ["huber", None]}),
    "measured only": ("list", [REAL, IDS], None,
                      {"loss": ["mse", None], "metrics": [None, ["accuracy"]]}),
    "dict": ("dict", BOTH, {"a": WA, "b": WB},
             {"loss": {"a": "mse", "b": CE}, "metrics": {"a": ["mae"], "b": "accuracy"}}),
    "other keys": ("other", {"zed": REAL, "out": IDS}, None,
                   {"loss": {"zed": "mse"}, "metrics": {"out": "accuracy"}}),
    "from one to the next": ("chain", [REAL, IDS], None, {"loss": ["mse", CE]}),
    "inside": ("inside", [REAL, IDS], None, {"loss": ["mse", CE], "loss_weights": [1.0, 0.5]}),
}  # fmt: skip


def build(k, form):
    L = k.layers
    i = L.Input((4,))
    h = L.Dense(6, activation="relu", kernel_regularizer="l2", name="h")(i)
    a, b = L.Dense(3, name="a"), L.Dense(5, activation="softmax", name="b")
    middle = L.BatchNormalization(name="n")(L.Dense(4, activation="tanh", name="m")(h))
    if form == "inside":  # a model with two outputs, and a third that nobody reads
        j = L.Input((4,))
        inner = k.Model(j, [a(j), b(j), L.Dense(2, name="c")(j)], name="inner")
        first, second, _ = inner(middle)
        return k.Model(i, [L.Dense(3, name="d")(first), second])
    one, two = a(h), b(middle)
    if form == "chain":
        two = L.Dense(5, activation="softmax", name="c")(one)
    named = {"dict": {"a": one, "b": two}, "other": {"zed": one, "out": two}}
    return k.Model(i, named.get(form, [one, two]))


def rows(y, count):
    if isinstance(y, dict):
        return {name: part[:count] for name, part in y.items()}
    return [part[:count] for part in y] if isinstance(y, (list, tuple)) else y[:count]


def trained(k, name, **options):
    """Everything that the calls return, by name, and how predictions come."""
    form, y, weight, given = CASES[name]
    with working_in(k, "float64"):
        model = build(k, form)
        seeded = np.random.default_rng(7)
        model.set_weights([seeded.uniform(0.1, 0.6, w.shape) for w in model.get_weights()])
        options |= json.loads(json.dumps(given))
        model.compile(k.optimizers.Adam(0.02, epsilon=1e-2), **options)
        history = model.fit(X, y, sample_weight=weight, epochs=2, batch_size=6, shuffle=False,
                            verbose=0, validation_split=0.25)  # fmt: skip
        found = {f"history {key}": values for key, values in history.history.items()}
        step = model.train_on_batch(X[:5], rows(y, 5), return_dict=True)
        measured = model.evaluate(X, y, sample_weight=weight, batch_size=8, verbose=0,
                                  return_dict=True)  # fmt: skip
        for what, values in (("step", step), ("measured", measured)):
            found |= {f"{what} {key}": value for key, value in values.items()}
        p = model.predict(X, batch_size=8, verbose=0)
        for what, outputs in (("p", p), ("q", model.predict_on_batch(X)), ("r", model(X))):
            pairs = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
            found |= {f"{what} {key}": np.asarray(value) for key, value in pairs}
        found |= {f"weight {i}": w for i, w in enumerate(model.get_weights())}
        return model, found


@keras_case
def keras_trained_outputs(keras, name):
    return trained(keras, name)[1]


@pytest.mark.parametrize("name", CASES)
def test_training_equals_keras(name, device):
    expected = keras_trained_outputs(name)
    for eagerly in (False, True):
        model, found = trained(tinynet, name, run_eagerly=eagerly)
        assert set(found) == set(expected)
        for key in found:  # Keras's means are float32
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-5, atol=1e-6, err_msg=key)
        if device == "cpu" and not eagerly:
            assert model.explain_execution() == "recorded once and replayed"


def compiled(form="list", **options):
    model = build(tinynet, form)
    options = {"loss": {"a": "mse", "b": CE}, "metrics": {"a": "mae", "b": "accuracy"}} | options
    model.compile(tinynet.optimizers.Adam(0.02), **options)
    return model


def test_names_and_their_order(device, capsys):
    model = compiled(weighted_metrics={"b": "accuracy"})
    history = model.fit(X, BOTH, epochs=1, verbose=2, validation_data=(X, BOTH)).history
    names = ["loss", "a_loss", "b_loss", "a_mae", "b_accuracy", "b_weighted_accuracy"]
    assert list(history) == [*names, *(f"val_{name}" for name in names)]
    assert model.metrics_names == names
    assert len(model.evaluate(X, BOTH, verbose=0)) == 6
    assert "b_weighted_accuracy: " in capsys.readouterr().out
    assert model.output_names == ["a", "b"]
    assert model.output_shape == [(None, 3), (None, 5)]


def test_callbacks_and_files_of_a_model_with_several_outputs(device, tmp_path):
    model = compiled("dict", loss_weights={"a": 0.5, "b": 1.0})
    stop = callbacks.EarlyStopping("val_a_loss", min_delta=9.0)
    best = callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_b_accuracy",
                                     save_best_only=True)  # fmt: skip
    history = model.fit(X, BOTH, epochs=5, verbose=0, validation_data=(X, BOTH),
                        callbacks=[stop, best])  # fmt: skip
    assert len(history.epoch) == 2  # only the first could be an improvement
    for suffix in ("keras", "h5"):
        model.save(tmp_path / f"m.{suffix}")
        loaded = models.load_model(tmp_path / f"m.{suffix}")
        expected = model.evaluate(X, BOTH, verbose=0, return_dict=True)
        assert loaded.evaluate(X, BOTH, verbose=0, return_dict=True) == expected
    model.fit(X, BOTH, epochs=1, shuffle=False, verbose=0)
    loaded.fit(X, BOTH, epochs=1, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    models.load_model(tmp_path / "best.keras").predict(X, verbose=0)


@pytest.mark.skipif(not HAVE_KERAS, reason="Keras is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["list", "dict"])
def test_files_both_ways(form, tmp_path):
    keras, path = live_keras(), str(tmp_path / "m.keras")
    for there, here in ((tinynet, keras), (keras, tinynet)):
        model = build(there, form)
        loss, weights = ["mse", CE], [0.5, 2.0]
        if form == "dict":
            loss, weights = ({"a": one, "b": two} for one, two in (loss, weights))
        model.compile("adam", loss, metrics={"b": ["accuracy"]}, loss_weights=weights)
        model.fit(X, BOTH, epochs=1, shuffle=False, verbose=0)
        model.save(path)
        other = here.models.load_model(path)
        expected = model.evaluate(X, BOTH, verbose=0, return_dict=True)
        found = other.evaluate(X, BOTH, verbose=0, return_dict=True)
        assert set(found) == set(expected) == {"loss", "a_loss", "b_loss", "b_accuracy"}
        for key, value in found.items():
            np.testing.assert_allclose(value, expected[key], rtol=1e-5, err_msg=key)


@pytest.mark.parametrize("form", ["list", "other", "inside"])
def test_copies_and_clones_train_to_the_same_bits(form):
    _, y, _, options = CASES["other keys" if form == "other" else "lists"]
    model = build(tinynet, form)
    model.compile("adam", **{**options, "weighted_metrics": None})
    model.fit(X, y, epochs=1, shuffle=False, verbose=0)
    clone = models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(outputs_of(clone), outputs_of(model))
    twins = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model), model]
    for twin in twins:
        twin.fit(X, y, epochs=1, shuffle=False, verbose=0)
        np.testing.assert_array_equal(outputs_of(twin), outputs_of(twins[0]))


def outputs_of(model):
    p = model.predict(X, verbose=0)
    return np.concatenate([p[name] for name in sorted(p)] if isinstance(p, dict) else p, axis=1)


class Ends(Exception):
    pass


class EndsIn(callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Ends

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


def test_a_run_that_was_killed_goes_on_to_the_same_bits(device, tmp_path):
    def run(more=()):
        tinynet.utils.set_random_seed(4)
        model = compiled()
        kept = callbacks.Snapshot(tmp_path / "run", seconds=None, batches=1)
        history = model.fit(X, BOTH, sample_weight={"b": WB}, batch_size=6, epochs=4, verbose=0,
                            validation_split=0.2, callbacks=[kept, *more])  # fmt: skip
        return history.history, model.get_weights()

    with pytest.raises(Ends):
        run([EndsIn(2)])
    history, weights = run([EndsIn(9)])
    for file in (tmp_path / "run").iterdir():
        file.unlink()
    expected_history, expected = run([EndsIn(9)])
    assert history == expected_history
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_from_elsewhere(device):
    """Generators, PyDatasets and mapped files give what arrays give."""

    class Batches(tinynet.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            part = slice(7 * i, 7 * i + 7)
            return X[part], {"b": IDS[part], "a": REAL[part]}, {"a": WA[part]}

    results = []
    for kind in ("arrays", "pydataset", "generator"):
        tinynet.utils.set_random_seed(1)
        model, batches = compiled(), Batches()
        if kind == "arrays":
            model.fit(X, [REAL.tolist(), IDS], batch_size=7, shuffle=False, verbose=0,
                      sample_weight=[WA, None])  # fmt: skip
        elif kind == "pydataset":
            model.fit(batches, shuffle=False, verbose=0)
        else:
            model.fit((batches[i] for i in range(3)), verbose=0)
        results.append(model.get_weights())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_class_weights_by_output(device):
    weights = {0: 2.0, 3: 0.25}
    by_hand = np.array([weights.get(i, 1.0) for i in IDS])
    results = []
    for options in ({"class_weight": {"b": weights}}, {"sample_weight": {"b": by_hand}}):
        tinynet.utils.set_random_seed(1)
        model = compiled()
        model.fit(X, BOTH, shuffle=False, verbose=0, **options)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"class_weight: expected \{output: \{class: weight\}\}"):
        model.fit(X, BOTH, class_weight=weights, verbose=0)


@pytest.mark.parametrize("form", ["list", "chain", "inside"])
@pytest.mark.parametrize("untrained", [False, True])
def test_gradients_are_those_of_finite_differences(form, untrained):
    with working_in(tinynet, "float64"):
        model = build(tinynet, form)
    for w in model.trainable_weights:  # of an earlier training, of which nothing may stay
        w.grad[...] = 3.0
    model.compile("sgd", ["mse", None if untrained else CE], loss_weights=[0.5, 2.0])
    check = gradcheck(model, X[:7], [REAL[:7], None if untrained else IDS[:7]])
    assert len(check.errors) == len(model.trainable_weights)
    unreached = [p for p in model.trainable_weights if p.path.startswith(("m/", "c/", "b/"))]
    gradients = model.gradients(X[:7], [REAL[:7], IDS[:7]])
    if untrained and form == "list":
        assert all(not gradients[p.path].any() for p in unreached)


def test_what_does_not_lead_to_a_loss_stays_as_it_is(device):
    model = compiled(loss=["mse", None], metrics=None)
    before = {p.path: p.numpy() for p in model.weights}
    model.fit(X, REAL, epochs=2, verbose=0)
    for p in model.weights:
        moved = not np.array_equal(p.numpy(), before[p.path])
        assert moved == p.path.startswith(("h/", "a/", "n/moving")), p.path
    assert list(model.history.history) == ["loss"]


def test_a_custom_loss_and_metric_for_one_output(device):
    class Quartic(losses.Loss):
        def call(self, y, p):
            return ((p - y) ** 4).mean(axis=-1)

        def derivative(self, y, p):
            return 4 * (p - y) ** 3 / p.shape[-1]

    def largest(y, p):
        return np.abs(y - p).max(axis=-1)

    model = compiled(loss={"a": Quartic(), "b": CE}, metrics={"a": largest})
    history = model.fit(X, BOTH, verbose=0).history
    p = model.predict(X, verbose=0)[0]
    assert list(history) == ["loss", "a_loss", "b_loss", "a_largest"]
    found = model.evaluate(X, BOTH, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["a_loss"], ((p - REAL) ** 4).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["a_largest"], largest(REAL, p).mean(), rtol=1e-5)
    assert "Quartic" in model.explain_execution() or device != "cpu"


def test_the_first_nan_and_one_output_alone():
    model = compiled()
    assert model.find_nan(X, BOTH) is None
    model.get_layer("b").kernel.assign(np.full((4, 5), np.inf))
    assert "b/kernel" in str(model.find_nan(X, BOTH))
    with pytest.raises(ValueError, match="a trace follows one loss: make a model of one of them"):
        model.trace(X, BOTH)
    one = Model(model.inputs, model.outputs[0])
    one.compile("sgd", "mse")
    assert len(one.trace(X, REAL).layers) == 2


def test_what_does_not_fit(device):
    i = Input((4,))
    model = Model(i, [layers.Dense(3, name="a")(i), layers.Dense(5, "softmax", name="b")(i)])
    for options, error, message in (
        ({"loss": ["mse"]}, ValueError, r"loss: expected 2 entries, for the outputs \['a', 'b'\]"),
        ({"loss": {"c": "mse"}}, ValueError, "loss: there is no output 'c'"),
        ({"loss": ["mse", 3]}, TypeError, "loss must be a name.*received 3 of type int"),
        ({"loss": "mse", "loss_weights": 2.0}, TypeError, "expected a list or dict of 2 numbers"),
        ({"loss": "mse", "loss_weights": [1.0]}, ValueError, "loss_weights: expected 2 entries"),
        ({"loss": "mse", "loss_weights": {"a": 1}}, ValueError, "a number for 'b', received None"),
        ({"loss": "mse", "loss_weights": [1, np.nan]}, ValueError, "a number for 'b'"),
        ({"loss": "mse", "metrics": "mae"}, TypeError, "metrics: expected a list or dict"),
        ({"loss": "mse", "metrics": ["mae"]}, ValueError, "metrics: expected 2 entries"),
        ({"loss": "mse", "weighted_metrics": {"c": "mae"}}, ValueError, "no output 'c'"),
    ):
        with pytest.raises(error, match=message):
            model.compile("sgd", **options)
    assert model.optimizer is None
    model.compile("sgd", ["mse", CE], metrics={"b": "accuracy"})
    wrong = IDS.copy()
    wrong[4] = 5
    for y, weight, message in (
        (REAL, None, r"y: expected 2 entries, for the outputs \['a', 'b'\], received 1"),
        ({"a": REAL}, None, "y: the output 'b' has a loss, but no targets"),
        ({"a": REAL, "b": IDS, "c": IDS}, None, "y: there is no output 'c'"),
        ([REAL, IDS[:9]], None, r"differ in their number of rows \(a: 21, b: 9\)"),
        ([REAL, wrong], None, r"y\['b'\]: row 4 has class id 5"),
        ([REAL[:, :2], IDS], None, r"y\['a'\]: MeanSquaredError expects targets of shape"),
        (BOTH, [WA], "sample_weight: expected 2 entries"),
        (BOTH, {"a": WA, "x": WB}, "sample_weight: there is no output 'x'"),
        (BOTH, {"b": WB[:5]}, r"sample_weight\['b'\] has 5"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, sample_weight=weight, verbose=0)
    model.compile("sgd", ["mse", None], metrics={"b": "accuracy"})
    with pytest.raises(ValueError, match="the output 'b' has metrics, but no targets"):
        model.fit(X, [REAL, None], verbose=0)
    model.compile("sgd", [None, None])
    with pytest.raises(RuntimeError, match="fit needs a loss"):
        model.fit(X, BOTH, verbose=0)


@pytest.mark.parametrize("weight", [2.0, [2.0], 0.5])
def test_a_weight_for_the_only_output(device, weight, tmp_path):
    """Twice the loss has twice the gradient, so SGD goes twice as far."""
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0], [0.0]])
    moves, losses = [], []
    for given in (None, weight):
        model = tinynet.Sequential([layers.Dense(1, kernel_initializer="ones", input_shape=(2,))])
        model.compile(tinynet.optimizers.SGD(0.1), "mse", loss_weights=given, device=device)
        history = model.fit(x, y, batch_size=2, verbose=0).history
        losses.append(history["loss"][0])
        moves.append(model.get_weights()[0] - 1)
    factor = np.ravel(weight)[0]
    assert losses[1] == pytest.approx(factor * losses[0])
    np.testing.assert_allclose(moves[1], factor * moves[0], rtol=1e-5)
    model.save(tmp_path / "m.keras")
    again = tinynet.models.load_model(tmp_path / "m.keras")
    assert again.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0))


@pytest.mark.parametrize("loss", [["mse", ["mae"]], {"a": ["mse"], "b": "mae"}])
def test_a_loss_in_a_list_of_its_own(loss, device):
    histories = []
    for library in (live_keras(), tinynet):
        x, ones = library.Input((3,)), library.initializers.Ones()
        outputs = [library.layers.Dense(1, name=n, kernel_initializer=ones)(x) for n in "ab"]
        model = library.Model(x, outputs)
        model.compile("sgd", loss)
        history = model.fit(np.ones((4, 3)), [np.zeros((4, 1))] * 2, verbose=0).history
        histories.append(history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-6)
