"""Lesson 11: rows cut into batches, and batch gradients put together."""

import numpy as np

from ...layers import Dense, Input
from ...models import Sequential

HINTS = (
    "range(0, len(order), size) has the first place of each batch; a slice may end past the end.",
    "A batch's gradient is a mean; times its number of rows it is a sum. Sums of rows add up.",
    "Divide by all rows in the end. The last, short batch then counts by what it has.",
)


def check(student):
    """Compare the pieces with `order`, then the sum with tinynet's gradient of all rows."""
    order = np.array([3, 0, 6, 2, 5, 1, 4, 9, 8, 7])
    for size in (4, 5, 20):
        _pieces(student, order, size)
    random = np.random.default_rng(0)
    x, y = random.standard_normal((10, 4)), random.standard_normal((10, 1))
    model = Sequential([Input((4,), dtype="float64"), Dense(1, use_bias=False, dtype="float64")])
    model.compile("sgd", "mse", device="reference")
    sizes = np.array([4, 4, 2])
    gradients = np.array([_gradient(model, x[rows], y[rows]) for rows in np.split(order, [4, 8])])
    full, sums = _gradient(model, x, y), (gradients * sizes[:, None]).sum(axis=0)
    student.expect("whole", {"gradients": gradients, "sizes": sizes}, {"full": full}, {"full": {
        "it is the plain mean of the batches: the short one counts as much as the others":
            gradients.mean(axis=0),
        "the batches' gradients are just added: each must be weighted by its rows":
            gradients.sum(axis=0),
        "it is the sum over the rows: 1/N is missing": sums,
        "it is divided by the number of batches; it must be by that of the rows": sums / 3,
        "it is divided by the rows of one batch; it must be by those of all": sums / 4,
        "the sizes divide; they must multiply": (gradients / sizes[:, None]).sum(axis=0),
        "the sizes divide; they must multiply, and the mean is over all rows":
            (gradients / sizes[:, None]).sum(axis=0) / 10,
        "the short batch is left out": (gradients[:2] * 4).sum(axis=0) / 8,
        "it is the gradient of one batch": gradients[0],
        "it is the gradient of the last batch": gradients[-1],
        "the roots of the sizes are the weights; they are the sizes":
            (gradients * np.sqrt(sizes)[:, None]).sum(axis=0) / np.sqrt(sizes).sum(),
    }}, 10)  # fmt: skip


def _gradient(model, x, y):
    return next(iter(model.gradients(x, y).values())).ravel()


def _pieces(student, order, size):
    function, given = student.function("batches"), order.copy()
    got = student.run("batches(order, size)", lambda: function(given, size))
    require = lambda condition, told: student.require(  # noqa: E731
        condition, "batches", "pieces", told
    )
    require(isinstance(got, list | tuple), f"expected a list of arrays, received "
            f"{type(got).__name__}")  # fmt: skip
    require(np.array_equal(given, order), "`order` itself was changed")
    got = [np.atleast_1d(piece) for piece in got]
    sizes = [len(piece) for piece in got]
    N, about = len(order), f"; of {len(order)} rows in batches of {size} came {sizes}"
    require(0 not in sizes, "there is an empty batch" + about)
    rows = np.concatenate([np.zeros(0, int), *got])
    require(
        len(rows) >= N or len(rows) % size, "the last rows, a short batch, are left out" + about
    )
    require(len(np.unique(rows)) == len(rows), "some rows come twice" + about)
    require(len(rows) == N, "some rows are missing" + about)
    require(max(sizes) <= size, "a batch is too long" + about)
    require(all(n == size for n in sizes[:-1]), "all but the last batch must be full" + about)
    require(np.array_equal(np.sort(rows), np.sort(order)), "these are other numbers than those of "
            "`order`")  # fmt: skip
    told = (
        "it is the places 0, 1, 2, ...: `order` is not used"
        if (np.diff(rows) == 1).all()
        else ("the rows are in another order than in `order`")
    )
    require(np.array_equal(rows, order), told)
