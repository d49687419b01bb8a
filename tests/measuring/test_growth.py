"""How time and memory grow: what the bench measures and says; nothing here depends on speed."""

import pathlib
import sys

import numpy as np
import pytest

pytest.importorskip("threadpoolctl")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import growth


def test_the_power_of_made_up_times():
    for a in (0.0, 1.0, 1.5):
        points = [{"n": n, "seconds": 0.3 * n**a} for n in (10, 200, 5000)]
        assert growth.power(points) == pytest.approx(a)


def test_a_report_of_each_point(tmp_path, capsys):
    result = growth.main([
        "--device", "reference", "--rounds", "1", "--rows", "600", "1200", "--widths", "3", "9",
        "--mapped", "1", "2", "--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png"),
    ])  # fmt: skip
    assert [p["n"] for p in result["rows"]] == [600, 1200]
    D, C = growth.D, growth.C
    assert [p["n"] for p in result["weights"]] == [
        D * w + w + w * w + w + w * C + C for w in (3, 9)
    ]
    assert [p["bytes"] for p in result["mapped"]] == [1 << 20, 1 << 21]
    shown = capsys.readouterr().out
    assert "600 to 1,200 rows" in shown
    assert max(map(len, shown.splitlines()[1:])) <= 80
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert (tmp_path / "a.json").exists()


@pytest.mark.skipif(growth.own_memory() is None, reason="the system does not tell")
def test_memory_of_its_own_is_seen_and_that_of_files_is_not(tmp_path):
    class Takes:
        """A model whose fit takes 64 MB, and reads as much of a file."""

        def fit(self, x, y, **options):
            self.kept = np.ones(8 << 20)
            x.sum()

    np.save(tmp_path / "x.npy", np.ones(8 << 20))
    found = growth.highest(Takes(), np.load(tmp_path / "x.npy", mmap_mode="r"), None)
    assert 0.5 * (64 << 20) < found < 1.5 * (64 << 20)
