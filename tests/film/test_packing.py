"""What a frame's bytes stand for."""

import numpy as np

from tinynet.film.packing import between, packed, signed, smaller, unpacked


def test_bytes_between_bounds():
    found = between([-1, 0, 0.5, 1, 2, np.nan, np.inf], 0, 1)
    assert found.tolist() == [0, 0, 127, 254, 254, 255, 255]
    assert between([3, 3], 3, 3).tolist() == [0, 0]


def test_signed_bytes_of_each_rows_largest():
    cells, tops = signed([[1, -2, 0], [0, 0, 0], [np.nan, 4, -1]])
    assert cells.tolist() == [[64, -127, 0], [0, 0, 0], [-128, 127, -32]]
    assert tops == [2, 0, 4]


def test_numbers_come_back():
    for dtype in ("f4", "u1", "i1", "u2"):
        a = np.arange(6).astype(dtype)
        np.testing.assert_array_equal(unpacked(packed(a), dtype), a)


def test_large_pictures_and_rows_become_means_of_blocks():
    picture = np.arange(64 * 33, dtype=float).reshape(1, -1)
    cells, shape = smaller(picture, (64, 33))
    assert shape == (32, 17)
    whole = picture.reshape(64, 33)
    assert cells[0, 0] == whole[:2, :2].mean()
    assert cells.reshape(shape)[31, 16] == whole[62:, 32:].mean()  # what is left at the edge
    row = np.arange(600.0).reshape(1, -1)
    cells, shape = smaller(row, None)
    assert shape == (1, 200)
    assert cells[0, :2].tolist() == [1, 4]
    small = np.ones((2, 64))
    assert smaller(small, (8, 8))[0] is small
