"""What the microscope writes: size, bytes, languages, links, tables, and the command."""

import io
import pathlib
import re

import numpy as np
import pytest
from microscope_again import (
    CASES,
    X,
    compiled,
    data_of,
    dense,
    numbers_of,
    page_of,
    softmax_case,
    step,
)

import tinynet
from tinynet import layers
from tinynet.microscope import embed, page


def test_same_seed_same_bytes(tmp_path):
    pages = []
    for _ in range(2):
        model, y, _ = softmax_case()
        pages.append(page_of(model, X, y, tmp_path))
    assert pages[0] == pages[1]
    assert pages[0] != page_of(model, X, y, tmp_path, seed=1)


def test_nothing_is_fetched(tmp_path):
    model, y, _ = softmax_case()
    html = page_of(model, X, y, tmp_path)
    outside = re.sub(r'<script type="application/json".*?</script>', "", html, flags=re.S)
    assert not re.findall(r"https?://|@import|url\(|<link|<img|src=", outside)
    assert str(tmp_path) not in html
    assert "/root" not in html
    assert "/home" not in html


def test_arrays_come_back_exactly():
    arrays = embed.Arrays()
    some = [np.arange(6, dtype="f4").reshape(2, 3) / 7, np.zeros((3, 2)), np.array([True, False]),
            np.array([3, 1], "i8"), np.float64([[np.pi]]), np.arange(4, dtype="u1")]  # fmt: skip
    keys = [arrays.add(a) for a in some]
    assert arrays.add(some[0].copy()) == keys[0]
    for key, a in zip(keys, some, strict=True):
        np.testing.assert_array_equal(embed.decode(arrays.entries[key]), a)


def test_a_big_model_stays_small(tmp_path):
    """784-300-200-100-10 with 32 rows: under 5 MB; weights whole; terms sum to the gradient."""
    rng = np.random.Generator(np.random.PCG64(6))
    x = (rng.random((32, 784)) * (rng.random((32, 784)) < 0.2)).astype("float32")
    y = rng.integers(0, 10, 32)
    stack = [*(layers.Dense(u, "relu", name=f"h{u}") for u in (300, 200, 100)),
             layers.Dense(10, "softmax", name="out")]  # fmt: skip
    model = compiled(stack, "adam", "sparse_categorical_crossentropy", "float32", (784,))
    model.fit(x, y, epochs=1, verbose=0)
    html = page_of(model, x, y, tmp_path, entries=2)
    assert len(html.encode()) < 5_000_000
    data = data_of(html)
    get = {k: embed.decode(e) for k, e in data["arrays"].items()}
    assert data["rows"] == 32
    spec = [("dense", f"h{u}", "relu") for u in (300, 200, 100)] + [("dense", "out", "softmax")]
    W = {p["path"]: get[p["w"]].astype(float) for p in data["params"]}
    assert sum(w.size for w in W.values()) == model.count_params()  # nothing is cut here
    out, grads, _ = step(spec, W, x.astype(float), y, {})
    shown = dict(numbers_of(html))
    assert shown["loss.before"] == pytest.approx(out["loss"], rel=1e-5)
    for p, layer in zip(data["params"][::2], data["layers"], strict=True):
        X_, D, entry = get[layer["x"]], get[layer["d"]], data["arrays"][p["g"]]
        sums = X_.astype(float).T @ D
        i, j = entry.get("i", slice(None)), entry.get("j", slice(None))
        sums = sums[np.ix_(i, j)] if "i" in entry else sums
        np.testing.assert_allclose(get[p["g"]], sums, rtol=1e-6, atol=1e-6 * np.abs(sums).max())
        own = grads[p["path"]][np.ix_(i, j)] if "i" in entry else grads[p["path"]]
        np.testing.assert_allclose(sums, own, atol=1e-5 * np.abs(sums).max())
        for k in ("w", "g", "after"):
            assert p[k] in get
    assert "how" in html
    assert any("f" in e for e in data["arrays"].values())  # Adam's moments are cut, and it says so
    assert "Too large for this page" in html


def test_a_deep_model_stays_small(tmp_path):
    hidden = [layers.Dense(64, "tanh", name=f"h{k}") for k in range(40)]
    model = compiled([*hidden, layers.Dense(4, "softmax", name="out")], "adam",
                     "sparse_categorical_crossentropy", "float32", (64,))  # fmt: skip
    rng = np.random.Generator(np.random.PCG64(8))
    x, y = rng.normal(size=(64, 64)), rng.integers(0, 4, 64)
    model.fit(x, y, epochs=1, verbose=0)
    html = page_of(model, x, y, tmp_path, entries=2)
    assert len(html.encode()) < 5_000_000
    data = data_of(html)
    assert all(p["after"] in data["arrays"] for p in data["params"])


def test_many_rows_are_cut_and_said(tmp_path):
    rng = np.random.Generator(np.random.PCG64(7))
    x, y = rng.normal(size=(1000, 20)), rng.integers(0, 4, 1000)
    model = compiled([dense(30, "tanh", "a"), dense(4, "softmax", "c")], "sgd",
                     "sparse_categorical_crossentropy", shape=(20,))  # fmt: skip
    html = page_of(model, x, y, tmp_path, entries=1)
    data = data_of(html)
    assert data["rows"] < data["count"] == 1000
    assert f"first {data['rows']} of 1000" in html
    assert len(html.encode()) < 5_000_000
    shown = dict(numbers_of(html))
    assert shown["loss.data"] == pytest.approx(model.trace(x, y).loss.before, rel=1e-12)


def test_both_languages_say_everything():
    from tinynet.microscope.markup import texts

    for key, text in texts().items():
        assert set(text) == {"en", "ko"}, key
        fields = [set(re.findall(r"\{(\w+)\}", text[lang])) for lang in ("en", "ko")]
        assert fields[0] == fields[1], key


def test_tables_for_the_terminal():
    model, y, _ = softmax_case()
    trace = model.trace(X, y)
    text = str(trace)
    for word in ("net", "a/kernel", "bn", "softmax", f"{trace.loss.before:.4f}"):
        assert word in text
    assert "db = Σₙ dz[n]" in text
    assert "dz[n]" in trace._repr_html_()
    lines = text.splitlines()
    assert lines[0].startswith("net: 12 rows, SparseCategoricalCrossentropy ")
    for name, column in (("forward", "layer"), ("backward", "layer"), ("update", "weights")):
        at = lines.index(name)  # above its table
        assert lines[at + 1].startswith("┏")
        assert column in lines[at + 2]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_terminal_sees_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("tinynet.showing.progress.INTERVAL", 0)
    model, y, _ = softmax_case()
    for stream, expected in ((Terminal(), page.PARTS), (io.StringIO(), ())):
        monkeypatch.setattr("sys.stdout", stream)
        page_of(model, X, y, tmp_path)
        monkeypatch.undo()
        text = stream.getvalue()
        assert [part for part in page.PARTS if f"now: {part}" in text] == list(expected)
        assert ("5/5" in text) == bool(expected)


def test_wrong_arguments(tmp_path):
    model, y, _ = softmax_case()
    with pytest.raises(ValueError, match="entries must be an integer >= 1, received 0"):
        tinynet.microscope(model, X, y, tmp_path / "a.html", entries=0)
    with pytest.raises(ValueError, match="keras must be"):
        tinynet.microscope(model, X, y, tmp_path / "a.html", keras="jax")
    with pytest.raises(ValueError, match="class id"):
        tinynet.microscope(model, X, y + 9, tmp_path / "a.html")
    with pytest.raises(RuntimeError, match="compile"):
        tinynet.Sequential([layers.Dense(2)]).trace(X, y)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("which", CASES)
def test_links_lead_to_the_line(which, tmp_path):
    """Every link has its lines on the page, and a formula's is the line that computes it."""
    model, y, _ = CASES[which]()
    html = page_of(model, X, y, tmp_path)
    links = re.findall(r'<a class="src" href="#([^"]+)"><code>([^<:]+):(\d+)</code>', html)
    assert len(links) > 15
    root = pathlib.Path(tinynet.__file__).parent.parent
    for target, path, line in links:
        assert html.count(f'id="{target}"') == 1, target
        assert (root / path).is_file()
        text = (root / path).read_text("utf-8").splitlines()[int(line) - 1].strip()
        assert f'data-n="{line}"' in html
        assert text
    formulas = re.findall(
        r'<code class="f">([^<]*)</code>.*?<code>([^<:]+):(\d+)</code></a></div>', html
    )
    lines = {formula: (root / path).read_text("utf-8").splitlines()[int(n) - 1]
             for formula, path, n in formulas}  # fmt: skip
    expected = {"z = x W + b": "ops.linear(", "dW = xᵀ dz": "linear_dW(",
                "dx = dz Wᵀ": "linear_dx(", "db = Σₙ dz[n]": "sum_rows(",
                "L = Σₙ wₙ lₙ": "w /= ",
                "y = x ⊙ m": "ops.multiply, x", "dx = dy ⊙ m": "ops.multiply, dy",
                "v ← v + (1 − β₂)(g² − v)": "v += (g * g - v)",
                "w ← w + μ m − lr g": "w += momentum * m - lr * g",
                "dz = w (p − y)": "dz", "v ← ρ v + (1 − ρ) g²": "v *= rho"}  # fmt: skip
    for formula, fragment in expected.items():
        if formula in lines:
            assert fragment in lines[formula], formula
    assert "L = Σₙ wₙ lₙ" in lines


def test_the_command(tmp_path, capsys):
    from tinynet.__main__ import main

    script = tmp_path / "own.py"
    script.write_text(
        "import numpy as np, tinynet\n"
        "model = tinynet.Sequential([tinynet.layers.Dense(2, input_dim=3)], name='mine')\n"
        "model.compile('sgd', 'mse')\n"
        "x, y = np.ones((50, 3)), np.ones((50, 2))\n"
    )
    out = tmp_path / "a.html"
    main(["microscope", str(script), "--out", str(out), "--batch", "7", "--no-keras"])
    assert f"{out}: " in capsys.readouterr().out
    html = out.read_text("utf-8")
    assert "<i>mine</i>" in html
    assert data_of(html)["count"] == 7
    script.write_text("model = 1")
    with pytest.raises(SystemExit, match="there is no x, y"):
        main(["microscope", str(script)])


def test_the_command_without_a_script(tmp_path):
    pytest.importorskip("sklearn")
    from tinynet.__main__ import main

    out = tmp_path / "a.html"
    main(["microscope", "--out", str(out), "--layers", "8", "--no-keras", "--batch", "5"])
    assert "<i>digits</i>" in out.read_text("utf-8")
