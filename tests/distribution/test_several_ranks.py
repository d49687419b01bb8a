"""Several ranks train as one process does, to rounding, and all of them to the same bits."""

import pytest
import rank_runs

pytestmark = pytest.mark.skipif(rank_runs.why_not() is not None, reason=str(rank_runs.why_not()))


@pytest.mark.parametrize("ranks", [2, 3])
def test_they_equal_one_process(ranks):
    """Two have a core each here, and add up all that they exchange in shared memory."""
    found = rank_runs.result(ranks, "matrix", "compare", 0)
    assert len(found) > 35
    wrong = {name: run for name, run in found.items() if run[0] is None or not run[0] < 1e-12}
    assert not wrong
    assert all(equal for _, equal in found.values())


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_sums_in_shared_memory(ranks):
    assert rank_runs.result(ranks, "sums") == []


@pytest.mark.parametrize("ranks", [2, 3])
def test_batches_made_elsewhere(ranks):
    found = rank_runs.result(ranks, "matrix", "streams", 8192)
    assert set(found) == {"PyDataset", "generator"}
    assert max(found.values()) < 1e-12


@pytest.mark.parametrize(
    ("ranks", "first", "last"),
    [(2, 0, 12), *(pytest.param(n, 12, 92, marks=pytest.mark.slow) for n in (2, 3))],
)
def test_random_cases(ranks, first, last):
    """What the generator of cases for Keras draws."""
    found = rank_runs.result(ranks, "cases", 5, first, last, timeout=1800)
    assert len(found) >= (60 if last - first > 60 else 8)
    assert not {number: lines for number, lines in found.items() if lines}
