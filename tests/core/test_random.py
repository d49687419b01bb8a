"""Streams of random numbers."""

import pickle

import numpy as np
import pytest

from tinynet import random


@pytest.mark.parametrize(("seed", "stream"), [(0, 0), (11, 3), (2**63 - 1, 2**40)])
def test_a_stream_is_that_of_numpy_s_philox_with_this_key(seed, stream):
    expected = np.random.Generator(np.random.Philox(key=[seed, stream]))
    one = random.generator(seed, stream)
    assert repr(one.bit_generator.state) == repr(expected.bit_generator.state)
    np.testing.assert_array_equal(one.permutation(50), expected.permutation(50))
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.normal(size=9), expected.normal(size=9))
