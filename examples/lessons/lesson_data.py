"""The data of the lessons: the real set where it can be had, otherwise a small one, saying so."""

import numpy as np

import tinynet as keras


def images(name="mnist"):
    """(x, y), (x_test, y_test) of "mnist" or "fashion_mnist", else the digits; x (N, D) in 0..1."""
    try:
        (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
        top = 255
    except OSError:
        print(f"({name} is not here and can't be downloaded: scikit-learn's 8x8 digits instead)")
        (x, y), (x_test, y_test) = keras.datasets.digits.load_data()
        top = 16
    x, x_test = x.reshape(len(x), -1) / top, x_test.reshape(len(x_test), -1) / top
    return (x.astype("float32"), y), (x_test.astype("float32"), y_test)


def reviews(words):
    """Lists of word ids below `words`, and 0 for bad or 1 for good: IMDB, else made-up reviews."""
    try:
        return keras.datasets.imdb.load_data(num_words=words)
    except OSError:
        print("(IMDB is not here and can't be downloaded: the reviews are made up)")
    random = np.random.default_rng(0)
    often = 1 / np.arange(1, words + 1)  # Zipf: a word's frequency is one by its rank
    mood = np.where(random.random(words) < 0.2, random.choice([-1, 1], words), 0)  # of each word
    parts = []
    for count in (4000, 1000):
        y = random.integers(0, 2, count)
        shares = [often * np.exp(0.5 * sign * mood) for sign in (-1, 1)]  # bad, good
        shares = [share / share.sum() for share in shares]
        lengths = random.integers(40, 240, count)
        x = [random.choice(words, n, p=shares[label]).tolist()
             for n, label in zip(lengths, y, strict=True)]  # fmt: skip
        parts.append((x, y))
    return parts
