"""How does a text become a row of numbers, and why store only those that are not zero?

A review becomes one row with a 1 for each word that occurs in it (multi-hot). Of some thousand
words a review uses a hundred: nearly all of the matrix is zero. SciPy's CSR format keeps, for each
row, the columns that are not, and the first layer multiplies just these.

Open beside it: tinynet/data/sparse.py, and `linear` in kernels/reference/products.py.
"""

import time

import lesson_data
import numpy as np
import scipy.sparse

import tinynet as keras

WORDS = 4000
(reviews, y), (test_reviews, y_test) = lesson_data.reviews(WORDS)


def multi_hot(reviews):
    """CSR (N, WORDS): row i has a 1 in the column of each word of review i."""
    columns = [np.unique(review) for review in reviews]
    starts = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
    ones = np.ones(starts[-1], "float32")
    return scipy.sparse.csr_matrix((ones, np.concatenate(columns), starts), (len(reviews), WORDS))


def build():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Input((WORDS,)),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


x, x_test = multi_hot(reviews), multi_hot(test_reviews)
kept = x.data.nbytes + x.indices.nbytes + x.indptr.nbytes
print(f"{x.shape[0]} reviews, {WORDS} words: {x.nnz / x.shape[0]:.0f} ones per row,"
      f" {1 - x.nnz / np.prod(x.shape):.1%} zeros")  # fmt: skip
print(f"  as CSR {kept / 1e6:6.1f} MB,  with all zeros {4 * np.prod(x.shape) / 1e6:6.1f} MB")

rows = min(4000, x.shape[0])  # so that the dense copy fits everywhere
models, seconds = {}, {}
for name, data in {"sparse": x[:rows], "dense": x[:rows].toarray()}.items():
    model = models[name] = build()
    model.fit(data, y[:rows], epochs=1, verbose=0)
    start = time.perf_counter()
    model.fit(data, y[:rows], epochs=3, verbose=0)
    seconds[name] = time.perf_counter() - start
    loss = model.evaluate(data, y[:rows], verbose=0)[0]
    print(f"  {name:7} three epochs in {seconds[name]:.3f} s, loss {loss:.6f}")

_, accuracy = models["sparse"].evaluate(x_test, y_test, verbose=0)
print(f"\ntest accuracy after four epochs of {rows} reviews: {accuracy:.3f}")

single = scipy.sparse.eye(WORDS, format="csr", dtype="float32")[:300]  # one frequent word a row
good = models["sparse"].predict(single, verbose=0)[:, 0]
order = np.argsort(good)
print("ids of the words that alone make a review bad:", *order[:5], " or good:", *order[-5:])
print("\nTry: counts instead of ones (np.unique(..., return_counts=True)). Does it help?")
