# %% [markdown]
# # How does a text become a row of numbers, and why store only those that are not zero?
#
# A text becomes one row with a 1 for each word that occurs in it (multi-hot). Of some thousand
# words a review uses a hundred: nearly all of the matrix is zero. SciPy's CSR format keeps, for
# each row, the columns that are not, and the first layer multiplies just these.
#
# Open beside it: tinynet/data/sparse.py, and `linear` in kernels/reference/products.py.

# %% exercise: the first layer's gradient, from what is not zero
import time

import numpy as np
import scipy.sparse

import tinynet as keras
from tinynet.course.data import reviews as load_reviews
from tinynet.course.data import sentences


def sparse_dW(x, dz):
    """Return dW (D, H) = x^T dz for x (N, D) in CSR and dz (N, H), without the zeros of x.

    Row n has its columns in x.indices[a:b] and its values in x.data[a:b], with a = x.indptr[n] and
    b = x.indptr[n + 1]. A word occurs in many rows: its terms add up.
    """
    # blank: dW (D, H), zeros at first; then each entry of x adds its value times its row of dz
    dW = np.zeros((x.shape[1], dz.shape[1]))
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))  # of each entry
    np.add.at(dW, x.indices, x.data[:, None] * dz[rows])
    # end
    return dW


# %% thousands of reviews
WORDS = 4000
(reviews, y), (test_reviews, y_test) = load_reviews(WORDS)


def multi_hot(reviews, words=WORDS):
    """CSR (N, words): row i has a 1 in the column of each word of review i."""
    columns = [np.unique(review) for review in reviews]
    starts = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
    ones = np.ones(starts[-1], "float32")
    return scipy.sparse.csr_matrix((ones, np.concatenate(columns), starts), (len(reviews), words))


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

# %% and in words: a few dozen sentences
texts, labels = sentences()
vocabulary = sorted({word for text in texts for word in text.split()})
number = {word: i for i, word in enumerate(vocabulary)}
rows = multi_hot([[number[word] for word in text.split()] for text in texts], len(vocabulary))
keras.utils.set_random_seed(1)
unit = keras.Sequential([keras.layers.Input((len(vocabulary),)), keras.layers.Dense(1, "sigmoid")])
unit.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
unit.fit(rows, labels, batch_size=8, epochs=30, verbose=0)
W = unit.get_weights()[0][:, 0].astype(float)
order = np.argsort(W)
p = unit.predict(rows, verbose=0)
engine = next(iter(unit.gradients(rows, labels).values()))
ours = sparse_dW(rows, (p - labels[:, None]) / len(texts))
print(f"\n{len(texts)} sentences, {len(vocabulary)} words; dW by hand is off by"
      f" {np.abs(ours - engine).max():.0e}")  # fmt: skip
print("words that make a sentence bad: ", *(vocabulary[i] for i in order[:6]))
print("words that make a sentence good:", *(vocabulary[i] for i in order[:-7:-1]))
print("words that say nothing:         ", *(vocabulary[i] for i in np.argsort(np.abs(W))[:6]))
print("\nTry: counts instead of ones (np.unique(..., return_counts=True)). Does it help?")
