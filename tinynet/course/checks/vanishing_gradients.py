"""Lesson 8: He's and Xavier's first weights, by their variance."""

import numpy as np

HINTS = (
    "random.standard_normal has the variance 1; times a it has the variance a^2.",
    "So the factor is the root of the variance: sqrt(2 / D), and sqrt(2 / (D + H)).",
)
D, H = 300, 120
NORMAL = {  # the factor that stands where sqrt(2 / D) belongs, or sqrt(2 / (D + H))
    "the variance stands where its root belongs": (2 / D, 2 / (D + H)),
    "the 2 is missing: relu throws half away": (np.sqrt(1 / D), None),
    "the 2 is missing": (None, np.sqrt(1 / (D + H))),
    "H stands where D belongs: a sum has D terms": (np.sqrt(2 / H), np.sqrt(1 / H)),
    "it is Xavier's": (np.sqrt(2 / (D + H)), None),
    "it is He's": (None, np.sqrt(2 / D)),
    "it is 1 / D, for forward alone; Xavier's lies between 1 / D and 1 / H": (None, np.sqrt(1 / D)),
    "it has the factor 6, which is for the ends of a uniform distribution":
        (np.sqrt(6 / D), np.sqrt(6 / (D + H))),
    "the numbers are not scaled at all": (1.0, 1.0),
    "the root is missing in the denominator alone": (np.sqrt(2) / D, np.sqrt(2) / (D + H)),
    "the root of D H stands where D + H belongs": (None, np.sqrt(2 / np.sqrt(D * H))),
    "D - H stands where D + H belongs": (None, np.sqrt(2 / (D - H))),
}  # fmt: skip
UNIFORM = {
    "the ends of a uniform distribution lie at sqrt(3) times the root of the variance":
        (np.sqrt(2 / D / 3), np.sqrt(2 / (D + H) / 3)),
}  # fmt: skip


def check(student):
    """Measure both matrices: shape, mean, variance, and whether `random` is what they are from."""
    function = student.function("first_weights")

    def draw(seed):
        call = lambda: function(np.random.default_rng(seed), D, H)  # noqa: E731
        got = student.run("first_weights(random, D, H)", call)
        return student.parts("first_weights", got, ["he", "xavier"])

    first, again = draw(1), draw(1)
    for i, name in enumerate(("he", "xavier")):
        W = first[name]
        right = np.sqrt((2 / D, 2 / (D + H))[i])
        require = lambda condition, told, name=name: student.require(  # noqa: E731
            condition, "first_weights", name, told
        )
        require(np.shape(W) == (D, H), f"shape {np.shape(W)}, expected {(D, H)}")
        W = np.asarray(W, float)
        require(np.ptp(W) > 0, "all entries are the same: then all units stay the same")
        told = "it does not come from `random`: one seed, but other numbers each time"
        require(np.array_equal(W, again[name]), told)
        middle = W.mean()
        require(abs(middle) < 0.1 * W.std(), f"its mean is {middle:.3g}; first weights are "
                "centred, with as many below 0 as above")  # fmt: skip
        told = "its rows or columns are copies of each other; each entry has its own draw"
        require(np.linalg.matrix_rank(W) > 1, told)
        told = _kind(W.std(), np.abs(W).max(), i)
        off = f"\n    its root mean square: yours {W.std():.4g}, right {right:.4g}"
        require(abs(W.std() / right - 1) < 0.015, told + off)


def _kind(spread, largest, which):
    table = UNIFORM if largest < 1.9 * spread else {}  # a normal one has outliers
    for sentence, factors in {**table, **NORMAL}.items():
        if factors[which] and abs(spread / factors[which] - 1) < 0.015:
            return sentence
    return "its variance is another"
