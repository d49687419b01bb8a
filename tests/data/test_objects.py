"""Arrays and columns of Python's objects: numbers train, what is none is named."""

import datetime
import decimal
import fractions
import re

import numpy as np
import pytest
from test_inputs import X, Y, agree, expected, run

from tinynet.data import arrays


def test_objects_that_are_numbers(expected):
    """Arrays and columns of Python's numbers, as files of mixed columns leave them."""
    pandas = pytest.importorskip("pandas")
    as_floats, as_ints = X.astype(object), X.astype(int).astype(object)
    mixed = as_ints.copy()
    mixed[::2] = [[decimal.Decimal(v) for v in row] for row in X[::2].tolist()]
    mixed[1], mixed[3] = [fractions.Fraction(int(v)) for v in X[1]], [np.int8(v) for v in X[3]]
    frame = pandas.DataFrame(as_ints, columns=list("abcdef"))
    assert set(frame.dtypes) == {np.dtype(object)}
    for x in (as_floats, as_ints, mixed, frame, frame.astype({"b": "float32", "c": "Int64"})):
        for y in (Y.astype(object), pandas.Series(Y, dtype=object), list(Y.astype(object))):
            agree(run(x, y), expected)


def test_integers_beyond_64_bits_are_numbers():
    given = [[2**70, 1], [-(2**70), 0]]
    np.testing.assert_array_equal(arrays.as_array(np.array(given, object), "x"), np.float64(given))


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ("2", "StringLookup"),
        (None, "convert it or leave it out"),
        (1 + 2j, "convert it or leave it out"),
        ([1, 2], "same length"),
        (datetime.date(2000, 1, 1), "convert it or leave it out"),
    ],
    ids=str,
)
def test_objects_that_are_no_numbers(entry, advice):
    pandas = pytest.importorskip("pandas")
    x = X.astype(object)
    x[7, 2] = entry
    holds = rf"row 7 holds {re.escape(repr(entry))}"
    with pytest.raises(TypeError, match=rf"x: expected .* {holds} \(at index \(7, 2\)\).*{advice}"):
        run(x)
    frame = pandas.DataFrame(x, columns=list("abcdef"))
    with pytest.raises(TypeError, match=rf"x: column 'c' is of dtype object.*; {holds}.*{advice}"):
        run(frame)
    with pytest.raises(TypeError, match=rf"x: of dtype object, expected numbers; {holds}"):
        arrays.as_array(pandas.Series(x[:, 2]), "x")  # it has no name
