"""The data of the lessons: the real set where it can be had, otherwise a small one, saying so."""

import numpy as np

from .. import datasets

COMPLAINTS = """
the plot is dull and the end is worse
i was bored after ten minutes
a waste of an evening
the actors look bored and so was i
what a terrible script
the music is loud and the jokes are dull
i left before the end
nothing in this film makes sense
a poor copy of a better film
the story is a mess from start to end
too long and too loud
the worst film of the year
even the good actors are terrible in it
i can not recommend this to anyone
the jokes are old and the plot is poor
a boring film about boring people
it wants to be funny and is only loud
the second half is a mess
i was annoyed by every scene
a dull script and poor sound
terrible from the first scene on
the end makes no sense at all
we wanted our money back
bad acting and a bad script
"""
PRAISE = """
the plot is clever and the end is a surprise
i was moved from the first minute
a lovely way to spend an evening
the actors are wonderful and so is the music
what a clever script
the music is lovely and the jokes are funny
i stayed for the last note of the music
everything in this film makes sense
far better than the first film
the story is told with a warm heart
short and funny and never loud
the best film of the year
even the small parts are played with love
i can recommend this to everyone
the jokes are new and the plot is clever
a warm film about lovely people
it wants to be funny and it is
the second half is a surprise
i was moved by every scene
a clever script and wonderful sound
wonderful from the first scene on
the end makes you think for days
we went to see it again
great acting and a great script
"""


def images(name="mnist"):
    """(x, y), (x_test, y_test) of "mnist" or "fashion_mnist", else the digits; x (N, D) in 0..1."""
    try:
        (x, y), (x_test, y_test) = getattr(datasets, name).load_data()
        top = 255
    except OSError:
        print(f"({name} is not here and can't be downloaded: scikit-learn's 8x8 digits instead)")
        (x, y), (x_test, y_test) = datasets.digits.load_data()
        top = 16
    x, x_test = x.reshape(len(x), -1) / top, x_test.reshape(len(x_test), -1) / top
    return (x.astype("float32"), y), (x_test.astype("float32"), y_test)


def sentences():
    """Return sentences in lower case, and 0 for a complaint or 1 for praise (N,)."""
    bad, good = COMPLAINTS.strip().splitlines(), PRAISE.strip().splitlines()
    return [*bad, *good], np.repeat([0, 1], [len(bad), len(good)])


def reviews(words):
    """Lists of word ids below `words`, and 0 for bad or 1 for good: IMDB, else made-up reviews."""
    try:
        return datasets.imdb.load_data(num_words=words)
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
