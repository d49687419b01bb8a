"""The same batches as arrays, generators, PyDatasets and loaders."""

import numpy as np

import tinynet
from tinynet.utils import PyDataset

random = np.random.default_rng(8)
N, D = 50, 5
X = random.normal(size=(N, D)).astype("float32")
Y = (X[:, 0] * 2 + X[:, 1]).round().astype(int) % 3
W = random.uniform(0.2, 2, N).astype("float32")
B = 8
STARTS = range(0, N, B)
UNEQUAL = [0, 20, 30, 50]  # where batches of two sizes begin and end


def batch(i, weighted=False):
    part = slice(i * B, (i + 1) * B)
    return (X[part], Y[part], W[part]) if weighted else (X[part], Y[part])


def generator(times=1, weighted=False):
    for _ in range(times):
        for i in range(len(STARTS)):
            yield batch(i, weighted)


def endless(weighted=False):
    return generator(10**6, weighted)


def make_dataset(base=PyDataset, weighted=False, edges=None):
    """A PyDataset of either library."""

    class Batches(base):
        def __init__(self, **options):
            super().__init__(**options)
            self.seen = []

        def __len__(self):
            return len(edges or STARTS) - bool(edges)

        def __getitem__(self, i):
            self.seen.append(i)
            if edges is None:
                return batch(i, weighted)
            part = slice(edges[i], edges[i + 1])
            return (X[part], Y[part], W[part]) if weighted else (X[part], Y[part])

    return Batches


class Loader:
    """What can be iterated over again and again; whether it knows its length is its affair."""

    def __init__(self, weighted=False):
        self.weighted = weighted

    def __iter__(self):
        return (list(one) for one in generator(1, self.weighted))


class SizedLoader(Loader):
    def __len__(self):
        return len(STARTS)


def build(k=tinynet):
    L = k.layers
    model = k.Sequential([
        L.Input((D,)), L.Dense(6, activation="tanh"), L.Dense(3, activation="softmax")
    ])  # fmt: skip
    start = np.random.default_rng(3)
    model.set_weights([start.normal(size=w.shape) * 0.5 for w in model.get_weights()])
    model.compile(
        k.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"],
        weighted_metrics=[k.metrics.SparseCategoricalAccuracy(name="wacc")],
        run_eagerly=k is not tinynet,  # Keras would compile for seconds, for every size anew
    )  # fmt: skip
    return model


def results(model, history, **more):
    values = {name: np.array(value) for name, value in history.history.items()}
    return {**values, **{f"w{i}": w for i, w in enumerate(model.get_weights())}, **more}


def same(got, expected, **tolerance):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        if tolerance:
            np.testing.assert_allclose(got[name], value, err_msg=name, **tolerance)
        else:
            np.testing.assert_array_equal(got[name], value, err_msg=name)
