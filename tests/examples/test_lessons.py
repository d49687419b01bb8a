"""The lessons run, and what they say is so."""

import ast
import itertools
import math
import pathlib
import re
import runpy

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "examples/lessons"
LESSONS = sorted(FOLDER.glob("[0-9]*.py"))


@pytest.fixture
def lesson(tmp_path, monkeypatch, capsys):
    """Function: run lesson number n offline; its variables and what it printed."""
    for name in ("TINYNET_DATA_DIR", "TINYNET_CACHE_DIR", "KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)

    def run(number, *options):
        monkeypatch.setattr("sys.argv", ["lesson", *options])
        variables = runpy.run_path(str(LESSONS[number - 1]), run_name="__main__")
        return variables, capsys.readouterr().out

    return run


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_shape_of_a_lesson(path):
    text = path.read_text()
    head, first = text.splitlines()[:2]
    assert head == "# %% [markdown]"
    assert first.startswith("# # ")
    assert first.endswith("?")
    assert len(text.splitlines()) < 120
    assert len(re.findall(r"^# %% exercise", text, re.MULTILINE)) == 1
    opened = re.findall(r"(?:tinynet|kernels)/[\w/]+\.py", text)
    assert opened or "the files it prints" in text
    assert all((ROOT / name).exists() for name in opened)
    last = ast.parse(text).body[-1].value
    assert (last.func.id, last.args[0].value[:6]) == ("print", "\nTry: ")


def test_numbers_without_gaps_and_readme_lists_them():
    names = [path.name for path in LESSONS]
    assert [name[:2] for name in names] == [f"{i:02d}" for i in range(1, 18)]
    readme = (ROOT / "README.md").read_text()
    assert re.findall(r"`(\d\d_\w+\.py)`", readme) == names


def test_one_gradient(lesson):
    seen, out = lesson(1)
    # z = 0.3; p = 1 / (1 + 0.7408182207) = 0.5744425168; dz = -2 p (1 - p)^2 = -0.2080621277
    assert seen["dz"] == pytest.approx(-0.2080621277, rel=1e-8)
    assert seen["ours"] == pytest.approx([-0.10403106385, 0.2080621277, -0.2080621277], rel=1e-8)
    assert seen["moved"] == pytest.approx(seen["ours"], rel=1e-8)
    assert seen["after"] < seen["loss"] == pytest.approx((1 - 0.574442517) ** 2)
    assert "-0.10403106 -0.10403106 -0.10403106" in out


def test_two_layers(lesson):
    seen, out = lesson(2)
    h = math.tanh(1)  # dz = 2 h - 1; dV = x dz W (1 - h^2, 1)
    dz = 2 * h - 2 + 1
    np.testing.assert_allclose(seen["first"][1], [[2 * h]], rtol=1e-12)
    assert f"dW [{h * (dz):.4f} 0.    ]" in out
    for ours, engine in zip((seen["dV"], seen["dW"]), seen["engine"], strict=True):
        np.testing.assert_allclose(ours, engine, rtol=1e-10)


def test_used_twice(lesson):
    seen, _ = lesson(4)
    np.testing.assert_allclose(seen["dW"], seen["engine"], rtol=1e-10)
    assert seen["moved"](seen["W"], (1, 2)) == pytest.approx(seen["dW"][1, 2], rel=1e-6)
    assert seen["moved"](seen["x"], (3, 0)) == pytest.approx(seen["dx"][3, 0], rel=1e-6)
    np.testing.assert_allclose(sum(seen["ways"]), seen["dW"], rtol=1e-10)


def test_first_loss(lesson):
    seen, _ = lesson(7)
    zero, small, usual, large = seen["losses"]
    assert zero == pytest.approx(math.log(10), rel=1e-6)
    assert small == pytest.approx(math.log(10), abs=0.01)
    assert abs(usual - math.log(10)) < 0.2 < 10 < min(large, seen["raw"])
    entropy = -(6 / 7 * math.log(6 / 7) + 1 / 7 * math.log(1 / 7))
    assert seen["first"]["frequencies"] == pytest.approx(entropy, rel=1e-6)
    assert seen["first"]["bias 0"] == pytest.approx(math.log(2), rel=1e-6)
    np.testing.assert_allclose(seen["slopes"]["frequencies"], 0, atol=1e-6)
    np.testing.assert_allclose(seen["slopes"]["bias 0"], [1 / 2 - 6 / 7, 6 / 7 - 1 / 2], atol=1e-6)


def test_batch_normalization(lesson):
    seen, _ = lesson(10)
    np.testing.assert_allclose(seen["dx"], seen["moved"], atol=1e-8)
    np.testing.assert_allclose(seen["dx"].sum(axis=0), 0, atol=1e-12)
    assert max(seen["check"].errors.values()) < 1e-6


def test_hidden_units(lesson, tmp_path):
    seen, _ = lesson(14, "--plot")
    assert seen["accuracy"] > 0.9
    np.testing.assert_allclose(np.linalg.norm(seen["best"], axis=0), 1, rtol=1e-12)
    assert seen["before"].argmax() == 3
    assert seen["after"].argmax() == 8
    assert np.abs(seen["changed"] - seen["image"]).max() < 0.3
    assert (tmp_path / "14_hidden_units.png").exists()


def test_xor(lesson, tmp_path):
    seen, _ = lesson(3, "--plot")
    assert seen["p_line"] == pytest.approx(0.5, abs=0.01)
    assert seen["line_history"]["loss"][-1] == pytest.approx(math.log(2), abs=1e-3)
    assert (seen["p_bent"] > 0.5).tolist() == [False, True, True, False]
    assert seen["bent_history"]["loss"][-1] < 0.01
    np.testing.assert_array_equal(seen["by_hand"], [0, 1, 1, 0])
    assert ((seen["z"] > 0) == (seen["p_bent"] > 0.5)).all()
    assert (tmp_path / "03_xor.png").read_bytes()[:4] == b"\x89PNG"


def test_own_layer(lesson):
    seen, out = lesson(5)
    assert max(seen["check"].errors.values()) < 1e-6
    assert "backward says" in seen["message"]
    assert seen["accuracy"] > 0.9
    assert seen["beta"].min() != 1
    assert "eagerly" in out


def test_p_minus_y(lesson):
    seen, _ = lesson(6)
    # row 0: e^2, e^1, e^-1 = 7.389056, 2.718282, 0.367879; p_0 = 0.705384; (p_0 - 1) / 2
    assert seen["engine"][0, 0] == pytest.approx((7.389056 / 10.475217 - 1) / 2, rel=1e-6)
    assert seen["loss"] == pytest.approx(
        -np.log([7.389056 / 10.475217, 1.648721 / 22.734258]).mean(), rel=1e-5
    )
    for name in ("short", "long"):
        np.testing.assert_allclose(seen[name], seen["engine"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(seen["moved"], seen["engine"], rtol=1e-6, atol=1e-9)
    assert seen["again"][0, 0] == pytest.approx(seen["engine"][0, 0] / 10)
    np.testing.assert_allclose(seen["dW_again"], seen["dW"], rtol=1e-12)
    np.testing.assert_allclose(seen["g"], [[-1, 1]])


def test_vanishing_gradients(lesson, tmp_path):
    seen, _ = lesson(8, "--plot")
    assert (tmp_path / "08_vanishing_gradients.png").exists()
    small, xavier, he = (np.array(values) for values in seen["arriving"].values())
    assert small[0] < 1e-6 * small[-1]
    assert 1e-3 < xavier[0] / xavier[-1] < 1
    assert 0.1 < he[0] / he[-1] < 10
    weights = [values[0] for values in seen["dW"].values()]
    assert weights[0] < 1e-6 * weights[1] < 1e-6 * weights[2]
    accuracy = list(seen["accuracy"].values())
    assert accuracy[0] < 0.2 < 0.7 < accuracy[1] < accuracy[2]


def test_dying_relu(lesson, tmp_path):
    seen, _ = lesson(9, "--plot")
    assert (tmp_path / "09_dying_relu.png").exists()
    dead, accuracy = seen["dead"], seen["accuracy"]
    assert max(dead["relu, no shock"]) < 0.1
    shocked = dead["relu, shock 1.7"]
    assert shocked[0] > 0.6
    assert all(later >= before for before, later in itertools.pairwise(shocked))
    assert dead["leaky, shock 1.7"] == [0.0] * 15
    assert seen["counted"]["relu, shock 1.7"] == shocked[-1]
    last = {name: values[-1] for name, values in accuracy.items()}
    assert last["relu, shock 1.7"] + 0.15 < last["leaky, shock 1.7"] < last["relu, no shock"]


def test_batch_size(lesson):
    seen, out = lesson(11)
    assert "8x8 digits instead" in out
    assert seen["steps"] == [180, 45, 12, 3, 1]  # ceil(1437 / size)
    noises = seen["noises"]
    assert noises[-1] < 1e-5  # all rows at once
    np.testing.assert_allclose(seen["whole"](seen["parts"], seen["rows"]), seen["full"], atol=1e-6)
    # without replacement: 1 / root(n), smaller by root(1 - n / 1437)
    for i, j in ((0, 1), (1, 2)):
        n, m = seen["SIZES"][i], seen["SIZES"][j]
        expected = math.sqrt(m / n * (1 - n / 1437) / (1 - m / 1437))
        assert noises[i] / noises[j] == pytest.approx(expected, rel=0.35)
    assert seen["accuracies"][0] > 0.8 > seen["accuracies"][-1]
    assert all(t > 0 for known in seen["times"].values() for t in known)


def test_optimizers(lesson, tmp_path):
    seen, _ = lesson(12, "--plot")
    paths, loss = seen["paths"], seen["loss"]
    steps = np.arange(61)[:, None]
    by_hand = [-4.0, 1.0] * (1 - 0.03 * np.array([1.0, 25.0])) ** steps
    np.testing.assert_allclose(paths["plain"], by_hand, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(paths["Adam"][1], [-3.7, 0.7], rtol=1e-6)
    assert loss(paths["too fast"][60]) > loss(paths["too fast"][0]) == 20.5
    for name in ("momentum", "RMSprop", "Adam"):
        assert loss(paths[name][60]) < loss(paths["plain"][60]) / 10
    assert (tmp_path / "12_optimizers.png").exists()


def test_overfitting(lesson):
    seen, out = lesson(13)
    assert "8x8 digits instead" in out
    (plain, plain_accuracy, _), (dropped, dropped_accuracy, without), (
        stopped, stopped_accuracy, _) = seen["runs"].values()  # fmt: skip
    losses = plain.history["val_loss"]
    assert plain.history["accuracy"][-1] > 0.98
    assert losses[-1] > min(losses) * 1.1
    assert dropped.history["accuracy"][-1] < 0.9
    assert without > dropped.history["accuracy"][-1] + 0.02  # with all units at work
    assert set(np.unique(seen["dropped"])) == {0.0, 2.0}
    assert dropped_accuracy > plain_accuracy + 0.02
    assert stopped_accuracy > plain_accuracy + 0.02
    best = int(np.argmin(losses))
    assert seen["stopping"].best_epoch == best
    assert len(stopped.epoch) == best + 1 + 8


def test_reviews(lesson):
    seen, out = lesson(15)
    assert "the reviews are made up" in out
    x = seen["x"]
    first = np.unique(seen["reviews"][0])
    np.testing.assert_array_equal(x[0].toarray().nonzero()[1], first)
    assert x.nnz < 0.05 * np.prod(x.shape)
    for a, b in zip(*(m.get_weights() for m in seen["models"].values()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert seen["accuracy"] > 0.9
    assert {seen["vocabulary"][i] for i in seen["order"][:6]} >= {"terrible", "worst"}
    assert {seen["vocabulary"][i] for i in seen["order"][-6:]} >= {"wonderful", "lovely"}
    np.testing.assert_allclose(seen["ours"], seen["engine"], atol=1e-6)


def test_transfer(lesson):
    seen, out = lesson(16)
    assert "gradients of d b" in out
    means = {way: np.mean(values) for way, values in seen["ways"].items()}
    assert means["frozen"] > means["from nothing"] + 0.08
    assert means["frozen"] > means["taken over"]
    assert seen["same"]


def test_from_fit_to_one_gradient(lesson):
    seen, out = lesson(17)
    for weights in seen["results"].values():
        for a, b in zip(weights, seen["results"]["kernels"], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    assert seen["terms"].sum() == pytest.approx(seen["first"], rel=1e-12)
    places = re.findall(r"   (\S+):(\d+)  (?:\w+\.)?(\w+)", out)
    assert len(places) == 7
    for name, line, function in places:
        assert f"def {function}(" in (ROOT / name).read_text().splitlines()[int(line) - 1]
