"""A sweep's result, made up: its statistics, its JSON, its tables, its plot."""

import json
import os
import pathlib
import sys

import numpy as np
import pytest

pytest.importorskip("threadpoolctl")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import batch_size
from rich.console import Console

from tinynet.measuring import plot, results, tables

SPEEDS = {  # images/s by batch size, in two rounds
    "reference": {8: [100, 120], 512: [500, 400]},
    "cpu": {8: [400, 480], 512: [1000, 1200]},
    "gpu": {8: [200, 240], 512: [2000, 2400]},
    "jax": {8: [200, 320], 512: [800, 600]},
    "torch": {8: [250, 240], 512: [400, 800]},
    "gemm": {8: [500, 480], 512: [1000, 1000]},
}


def made_up():
    measurements = [
        {"engine": name, "batch": batch, "round": r, "steps": 10, "seconds": 10 * batch / speed,
         "call_seconds": 10 * batch / speed + 0.25, "loss": 1.5, "cores": 1.9, "idle_cores": 0.0}
        for name, by_batch in SPEEDS.items()
        for batch, speeds in by_batch.items()
        for r, speed in enumerate(speeds)
    ]  # fmt: skip
    kinds = {"jax": "peer", "torch": "peer", "gemm": "bound"}
    about = {
        name: {"kind": kinds.get(name, "device"), "settings": f"how {name} runs", "versions": {},
               "start_s": 0.5, "prepare_s": {"8": 1.0, "512": 2.0}, "proof": None}
        for name in SPEEDS
    }  # fmt: skip
    return {
        "net": "784-10, made up", "machine": "no machine, 2 cores", "date": "2026-01-02T03:04:05",
        "git": "abc", "environment": {}, "options": {"rounds": 2}, "engines": about,
        "excluded": {"scikit-learn": "scikit-learn: trains differently"},
        "measurements": measurements,
    }  # fmt: skip


# ------------------------------------------------------------------------------------- statistics


def test_rates_and_quartiles():
    result = made_up()
    assert results.rates(result, "cpu", 8) == pytest.approx([400, 480])
    assert results.batches(result) == [8, 512]
    assert results.quartiles([1, 2, 3, 4, 5]) == (2, 3, 4)


def test_ratios_are_paired_by_round():
    result = made_up()
    result["measurements"].reverse()  # the order of the records doesn't matter
    assert results.ratio(result, "cpu", "jax", 8) == pytest.approx([2.0, 1.5])
    # the fastest peer of each round: torch then jax at 8, jax then torch at 512
    assert results.lead(result, "cpu", 8) == pytest.approx([400 / 250, 480 / 320])
    assert results.lead(result, "cpu", 512) == pytest.approx([1000 / 800, 1200 / 800])
    assert results.fastest_peer(result, "cpu", 8) == "jax"
    assert results.fastest_peer(result, "cpu", 512) == "jax"


def test_rivals_compute_in_the_same_place():
    result = made_up()
    for name, about in result["engines"].items():
        about["place"] = "gpu" if name in ("gpu", "jax") else "cpu"
    assert results.rivals(result, "gpu", "peer") == ["jax"]
    assert results.rivals(result, "cpu", "peer") == ["torch"]
    assert results.rivals(result, "gpu", "bound") == []
    assert results.lead(result, "cpu", 8) == pytest.approx([400 / 250, 480 / 240])
    assert results.lead(result, "gpu", 512) == pytest.approx([2000 / 800, 2400 / 600])
    assert results.fastest_peer(result, "gpu", 512) == "jax"
    assert results.fastest_peer(result, "cpu", 512) == "torch"
    ratios = text_of(tables.ratio_table(result))
    assert "cpu / gemm" in ratios
    assert "gpu / gemm" not in ratios
    del result["engines"]["jax"]
    assert "gpu / fastest peer" not in text_of(tables.ratio_table(result))


def test_crossover_lies_where_the_lines_cross():
    result = made_up()
    # gpu : cpu is 1/2 at batch 8 and 2 at 512: equal halfway, on log axes
    assert results.crossover(result, "cpu", "gpu") == pytest.approx(64)
    assert results.crossover(result, "gpu", "cpu") is None
    assert results.crossover(result, "cpu", "reference") is None


# ------------------------------------------------------------------------- JSON, tables and plot


def text_of(*renderables):
    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        for renderable in renderables:
            console.print(renderable)
        return console.export_text()


def test_result_survives_json_and_is_shown(tmp_path):
    result = made_up()
    path = tmp_path / "sweep.json"
    results.save(result, path)
    assert results.load(path) == result
    assert [p.name for p in tmp_path.iterdir()] == ["sweep.json"]
    shown = batch_size.main(["--show", str(path), "--plot", str(tmp_path / "sweep.png")])
    assert shown == result
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_other_json_is_refused(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match=r"a\.json: expected a batch-size result of format 1"):
        results.load(tmp_path / "a.json")


def test_tables():
    result = made_up()
    speed = text_of(tables.speed_table(result))
    assert "440" in speed  # cpu at 8, the median
    assert "18.2 ms ±5%" in speed  # 8 / 440 s; quartiles 420 and 460
    ratios = text_of(tables.ratio_table(result))
    assert "cpu / fastest peer" in ratios
    assert "1.55x" in ratios  # median of 1.6 and 1.5
    assert "cpu / gemm" in ratios
    rest = text_of(tables.preparation_table(result))
    assert "how cpu runs" in rest
    assert "0.250" in rest  # call_seconds - seconds


def test_a_result_without_rivals_has_no_ratios():
    result = made_up()
    result["engines"] = {"cpu": result["engines"]["cpu"]}
    assert tables.ratio_table(result) is None
    plot.draw(result)


def test_plot_names_every_line_and_marks_the_crossover():
    (axes,) = plot.draw(made_up()).axes
    texts = [t.get_text() for t in axes.texts]
    assert {plot.NAMES[name] for name in SPEEDS} <= set(texts)
    assert "the GPU leads from about 64 rows" in texts


def test_labels_keep_their_distance_and_order():
    places = plot.spread([1.0, 1.01, 3.0, 0.99], gap=0.5, top=3.2)
    assert np.diff(np.sort(places)).min() >= 0.5 - 1e-12
    assert list(np.argsort(places)) == [3, 0, 1, 2]
    assert places[2] == 3.0  # had room
    assert plot.spread([1.0, 1.0], gap=0.5, top=1.0).max() <= 1.0
