"""The bench of workloads: its proofs and its arithmetic; nothing here depends on speed."""

import dataclasses
import pathlib
import sys

import numpy as np
import pytest

pytest.importorskip("threadpoolctl")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import workloads
import works

SMALL = {
    "tabular": {"batch": 16}, "three": {"batch": 16}, "RMSprop": {"batch": 8}, "100 rows": {},
    "CSR": {"batch": 8, "widths": (60, 8, 1)}, "auto": {"batch": 8, "widths": (784, 12, 784)},
}  # fmt: skip


@pytest.fixture(params=SMALL, scope="module")
def case(request):
    name = next(name for name in works.CASES if request.param in name)
    before = works.CASES[name]
    works.CASES[name] = dataclasses.replace(before, **SMALL[request.param])
    yield name
    works.CASES[name] = before


@pytest.fixture(autouse=True)
def float32():
    import tinynet

    yield
    tinynet.config.set_floatx("float32")


def test_right_engines_pass_and_wrong_ones_do_not(case):
    weights, *expected = workloads.Bench("reference", "random").record(case, None)
    for name in ("tinynet", "scikit-learn"):
        bench = workloads.Bench(name, "random") if works.installed(name) else None
        if bench and bench.unable(case) is None:
            found = bench.record(case, weights)
            assert workloads.differs("jax", found, *expected) is None
            other = [w * 1.3 for w in weights]
            assert "losses" in workloads.differs("jax", bench.record(case, other), *expected)
    losses, predictions = expected
    assert "predictions" in workloads.differs("jax", (None, losses, predictions * 1.3), *expected)
    assert "instead of" in workloads.differs("jax", (None, losses, predictions[1:]), *expected)


def result():
    """Two workloads; the seconds of tinynet, and of two peers, by hand."""
    seconds = {("a", 0): ([1, 2], [2, 2], [3, 1]), ("b", 0): ([4, 4], [2, 6], [8, 8]),
               ("a", 1): ([2, 4], [3, 3], [9, 3]), ("b", 1): ([8, 8], [2, 6], [8, 8])}  # fmt: skip
    return {
        "machine": "m", "date": "d", "git": "g", "excluded": {"b": {"y": "too old"}},
        "cases": {"a": {"rows": 10, "epochs": 3}, "b": {"rows": 10, "epochs": 1}},
        "measurements": [
            {"case": case, "engine": engine, "kind": kind, "busy": busy, "round": r, "seconds": s}
            for (case, busy), of in seconds.items() for kind in workloads.KINDS
            for engine, rounds in zip(("tinynet", "x", "y"), of, strict=True)
            for r, s in enumerate(rounds)
        ],
    }  # fmt: skip


def test_leads_are_taken_round_by_round_from_the_fastest_peer():
    lead, fastest = workloads.leads(result(), "a", "fit", 0)
    assert lead.tolist() == [2.0, 0.5]
    assert fastest == "x"
    assert workloads.kept(result(), "a", "tinynet", 1) == 0.5
    assert [case for case, _ in workloads.by_lead(result())] == ["b", "a"]


def test_products_alone_are_a_bound_and_no_peer():
    measured = result()
    more = [{**m, "engine": "products", "seconds": m["seconds"] / 4}
            for m in measured["measurements"] if m["engine"] == "tinynet"]  # fmt: skip
    measured["measurements"] += more
    assert workloads.leads(measured, "a", "fit", 0)[1] == "x"
    rows = [line for line in workloads.report(measured).splitlines() if line.startswith("| a")]
    assert "1.25 (0.88 to 1.62), products 0.25 |" in rows[0]


@pytest.mark.parametrize("name", ["784-128-10, float64", "4-16-16-3, 100 rows"])
def test_the_products_of_a_workload_are_those_of_its_steps(name, monkeypatch):
    """Counted by hand: 2 N D H operations forward, as many for dW, and for dx but of the first."""
    done, matmul = [], np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, out: done.append(
        2 * a.shape[0] * a.shape[1] * b.shape[1]) or matmul(a, b, out=out))  # fmt: skip
    case = works.CASES[name]
    alone = works.engine("products")(case, None, None)
    pairs = list(zip(case.widths, case.widths[1:], strict=False))
    steps = -(-case.rows // case.batch)
    alone.fit(1)
    assert alone.step.forward[0][0].dtype == case.dtype
    of_step = sum((3 if i else 2) * 2 * case.batch * D * H for i, (D, H) in enumerate(pairs))
    assert sum(done) == steps * of_step
    done.clear()
    alone.predict()
    at_once = min(1024, case.rows)
    calls = -(-case.rows // 1024)
    assert sum(done) == calls * sum(2 * at_once * D * H for D, H in pairs)
    done.clear()
    alone.one(None)
    assert sum(done) == sum(2 * D * H for D, H in pairs)


def test_the_report_has_the_worst_first_and_says_who_is_missing():
    lines = workloads.report(result()).splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert rows[0].startswith("| b | 2 | x | 1.00 (0.75 to 1.25) | 1.00 | 4000000 (x 4000000)")
    assert rows[1].startswith("| a | 20 | x | 1.25 (0.88 to 1.62) |")
    assert rows[0].endswith("| 0.50, 1.00 |")
    assert lines[-1] == "b: without y: too old"


def test_names_that_no_workload_has(capsys):
    with pytest.raises(SystemExit):
        workloads.parse(["--cases", "convolution"])
    assert "784-2048-2048-10" in capsys.readouterr().err
    assert len(works.CASES) >= 12


def test_the_picture(tmp_path):
    np.testing.assert_equal(workloads.by_lead(result())[0][1][0], [0.5, 1.5])
    workloads.plot(result(), tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 10_000
