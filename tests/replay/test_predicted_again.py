"""A batch like the one before: `predict_on_batch` finds out about it only what may be new."""

import threading

import numpy as np
import pytest
import scipy.sparse

import tinynet as keras
from tinynet.engine.batch import BatchLoading
from tinynet.layers import Dense, Embedding, Flatten

random = np.random.default_rng(0)


def made(device="cpu"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), Dense(5, "relu"), Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", device=device)
    return model


def rows(count=2, width=6):
    return random.normal(size=(count, width)).astype(np.float32)


def by_hand(model, x):
    (w1, b1, w2, b2) = model.get_weights()
    z = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture
def no_other_way(monkeypatch):
    """After this is called, a batch that has to be looked at anew raises a TypeError."""
    return lambda: monkeypatch.setattr(BatchLoading, "dataset", None)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_other_rows_have_outputs_of_their_own(count, no_other_way):
    model = made()
    first = model.predict_on_batch(rows(count))
    kept = first.copy()
    no_other_way()
    for _ in range(3):
        x = rows(count)
        np.testing.assert_allclose(model.predict_on_batch(x), by_hand(model, x), rtol=1e-5)
    wide = rows(count, 12)[:, ::2]  # not contiguous
    np.testing.assert_allclose(model.predict_on_batch(wide), by_hand(model, wide), rtol=1e-5)
    np.testing.assert_array_equal(first, kept)


def test_new_weights_are_used(no_other_way):
    model, x = made(), rows()
    model.predict_on_batch(x)
    no_other_way()
    model.set_weights([w * 2 for w in model.get_weights()])
    np.testing.assert_allclose(model.predict_on_batch(x), by_hand(model, x), rtol=1e-5)
    model.layers[0].kernel.assign(np.ones((6, 5)))
    np.testing.assert_allclose(model.predict_on_batch(x), by_hand(model, x), rtol=1e-5)


@pytest.mark.parametrize(
    "x",
    [rows(3), rows(2).astype(np.float64), rows(2).tolist(), rows(2)[..., None],
     rows(2).view(type("Own", (np.ndarray,), {})), np.arange(12).reshape(2, 6)],
    ids=["rows", "dtype", "list", "axis", "subclass", "integers"],
)  # fmt: skip
def test_another_kind_of_batch_is_looked_at(x, no_other_way):
    model = made()
    model.predict_on_batch(rows(2))
    expected = by_hand(model, np.asarray(x, np.float32).reshape(-1, 6))
    np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=1e-5)
    model.predict_on_batch(rows(2))
    no_other_way()
    with pytest.raises(TypeError, match="not callable"):
        model.predict_on_batch(x)


def test_numbers_are_still_checked():
    model, x = made(), rows()
    model.predict_on_batch(x)
    x[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"x: row \d holds nan"):
        model.predict_on_batch(x)
    model = keras.Sequential([keras.Input((2,)), Embedding(4, 3), Flatten(), Dense(1)])
    model.predict_on_batch(np.zeros((1, 2), np.int64))
    for _ in range(2):
        with pytest.raises(ValueError, match="4"):
            model.predict_on_batch(np.full((1, 2), 4))


def test_numbers_beyond_the_dtype_of_the_model_are_found():
    model, x = made(), rows().astype(np.float64)
    model.predict_on_batch(x)
    x[0, 0] = 1e300
    for _ in range(2):
        with pytest.raises(ValueError, match="not finite in float32"):
            model.predict_on_batch(x)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model.layers[0], "activation", keras.activations.tanh),
        lambda model: model.pop(),
        lambda model: model.add(Dense(2)),
        lambda model: setattr(model, "run_eagerly", True),
        lambda model: model.compile("adam", "sparse_categorical_crossentropy", device="reference"),
        lambda model: model.fit(rows(4), np.zeros(4), verbose=0),
        lambda model: model.train_on_batch(rows(4), np.zeros(4)),
        lambda model: model.layers[1].set_weights([np.ones((5, 3)), np.zeros(3)]),
    ],
    ids=["activation", "pop", "add", "run_eagerly", "compile", "fit", "train_on_batch", "weights"],
)
def test_a_changed_model_predicts_as_one_that_never_did(change):
    one, other, x = made(), made(), rows()
    for _ in range(2):
        one.predict_on_batch(x)
    state = random.bit_generator.state
    for model in (one, other):
        random.bit_generator.state = state
        keras.utils.set_random_seed(1)
        change(model)
    for _ in range(2):
        np.testing.assert_array_equal(one.predict_on_batch(x), other.predict_on_batch(x))


def test_a_method_that_its_class_is_given_later_is_called(monkeypatch):
    model, x = made(), rows()
    model.predict_on_batch(x)

    def refuse(self, x):
        raise ZeroDivisionError("called")

    monkeypatch.setattr(type(model), "predict_step", refuse)
    with pytest.raises(ZeroDivisionError, match="called"):
        model.predict_on_batch(x)


def test_outputs_keep_their_form():
    a = keras.Input((6,))
    model = keras.Model(a, {"p": Dense(2)(a)})
    x = rows()
    first = model.predict_on_batch(x)
    np.testing.assert_array_equal(model.predict_on_batch(x)["p"], first["p"])


def test_threads_have_each_their_own_outputs():
    model, found = made(), {}
    model.predict_on_batch(rows())
    batches = [rows() for _ in range(8)]

    def work(i):
        found[i] = [model.predict_on_batch(batches[i]) for _ in range(200)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, x in enumerate(batches):
        for outputs in found[i]:
            np.testing.assert_allclose(outputs, by_hand(model, x), rtol=1e-5)


def several():
    keras.utils.set_random_seed(0)
    a, ids, b = keras.Input((3,)), keras.Input((2,), dtype="int32"), keras.Input((1,))
    found = Flatten()(Embedding(5, 4)(ids))
    joined = keras.layers.Concatenate()([a, found, b])
    model = keras.Model([a, ids, b], Dense(2)(joined))
    model.compile("sgd", "mse")
    return model


def inputs_of(count, dtype="float32"):
    return [random.normal(size=(count, 3)).astype(dtype), random.integers(0, 5, (count, 2)),
            random.normal(size=(count, 1)).astype("float16")]  # fmt: skip


def several_by_hand(model, x):
    table, W, b = model.get_weights()
    rows = [x[0].astype(float), table[x[1]].reshape(len(x[1]), -1), x[2].astype(float)]
    return np.concatenate(rows, axis=1) @ W + b


@pytest.mark.parametrize("count", [1, 3, 700])
@pytest.mark.parametrize("kind", [list, tuple])
def test_several_inputs(count, kind, no_other_way):
    model = several()
    model.predict_on_batch(inputs_of(count))
    no_other_way()
    for _ in range(3):
        x = kind(inputs_of(count))
        y = model.predict_on_batch(x)
        np.testing.assert_allclose(y, several_by_hand(model, x), rtol=1e-4, atol=1e-5)


def test_several_inputs_of_another_form_are_looked_at_anew():
    model = several()
    model.predict_on_batch(inputs_of(2))
    for x in (inputs_of(3), inputs_of(2, "float64"), inputs_of(2)):
        y = model.predict_on_batch(x)
        np.testing.assert_allclose(y, several_by_hand(model, x), rtol=1e-4, atol=1e-5)
    x = inputs_of(2)
    by_name = dict(zip(model.names_of_inputs, x, strict=True))
    np.testing.assert_allclose(
        model.predict_on_batch(by_name), several_by_hand(model, x), rtol=1e-4
    )


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_several_inputs_are_checked_as_ever(place, bad):
    model, messages = several(), []
    for _ in range(2):
        x = inputs_of(2)
        x[place][1, 0] = bad
        with pytest.raises(ValueError, match="row 1 holds") as error:
            model.predict_on_batch(x)
        messages.append(str(error.value))
        model.predict_on_batch(inputs_of(2))
    assert messages[0] == messages[1]
    x[1][0, 0] = 5
    x[place][1, 0] = 0
    with pytest.raises(ValueError, match="5"):
        model.predict_on_batch(x)
    with pytest.raises(ValueError, match="expected 3 arrays"):
        model.predict_on_batch(inputs_of(2)[:2])


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
@pytest.mark.parametrize("count", [1, 3])
def test_sparse_rows(kind, count, no_other_way):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((40,)), Dense(2)])
    model.compile("sgd", "mse")
    W, b = model.get_weights()

    def sparse(share):
        return kind((random.random((count, 40)) < share) * random.random((count, 40)).astype("f"))

    model.predict_on_batch(sparse(0.1))
    no_other_way()
    for share in (0.1, 0.5, 0, 1):
        x = sparse(share)
        y = model.predict_on_batch(x)
        np.testing.assert_allclose(y, x.toarray() @ W + b, rtol=1e-4, atol=1e-5)
    x = sparse(0.5)
    x.data[0] = np.nan
    with pytest.raises(ValueError, match=r"x: row \d holds nan"):
        model.predict_on_batch(x)


def test_sparse_after_dense_and_the_other_way_round():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), Dense(2)])
    model.compile("sgd", "mse")
    W, b = model.get_weights()
    for _ in range(2):
        x = rows(3)
        np.testing.assert_allclose(model.predict_on_batch(x), x @ W + b, rtol=1e-4, atol=1e-5)
        y = model.predict_on_batch(scipy.sparse.csr_array(x))
        np.testing.assert_allclose(y, x @ W + b, rtol=1e-4, atol=1e-5)
