"""The playground's page in a real browser, by mouse, touch and keyboard."""

import json

import numpy as np
import pytest
from browsing import LOCALES, WIDTHS

from tinynet.playground.page import page as html


def number_of_steps(page):
    return page.evaluate("run.model.steps")


def until(page, condition):
    """Wait for what a script says; the page's own policy keeps Playwright from polling there."""
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def test_its_size_and_that_it_is_the_same_every_time():
    assert len(html().encode()) < 1_500_000
    assert html() == html()


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_trains_and_fits_the_screen_in_the_readers_language(visit, width, language):
    page = visit(width, language, has_touch=width == "phone")
    assert page.evaluate("scrollY") == 0
    assert page.locator("h1").is_visible()
    press = page.tap if width == "phone" else page.click
    press("#play")
    until(page, "run.model.steps > 20")
    press("#play")
    stopped = number_of_steps(page)
    page.wait_for_timeout(100)
    assert number_of_steps(page) == stopped
    assert page.evaluate("run.now.train < run.curve[0].train")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]
    assert page.evaluate("document.documentElement.lang") == language
    other = "ko" if language == "en" else "en"
    assert page.evaluate(
        "l => [...document.querySelectorAll(`span[lang=${l}]`)].some(e => e.offsetParent)", other
    ) is False  # fmt: skip


def test_time_goes_back_and_forth_to_the_same_numbers(visit):
    page = visit(hash_="#data=moons&batch=16&hidden=6:relu:0.3,4:tanh:0")
    states = []
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        states.append(page.evaluate("[...run.model.w]"))
    assert number_of_steps(page) == 6
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("[...run.model.w]") == states[3]
    page.evaluate("travel(6)")
    assert page.evaluate("[...run.model.w]") == states[5]
    page.evaluate("travel(700)")  # beyond what is kept of each step
    late = page.evaluate("[...run.model.w]")
    page.evaluate("travel(3)")
    assert page.evaluate("[...run.model.w]") == states[2]
    page.evaluate("travel(700)")
    assert page.evaluate("[...run.model.w]") == late
    page.keyboard.press("r")
    assert number_of_steps(page) == 0


def test_every_data_set_every_activation_every_optimizer(visit):
    """Each trains some steps to finite numbers; a change of the choice is a new network."""
    page = visit()
    for name in page.evaluate("SETS.filter(s => s !== 'points')"):
        page.check(f"input[name=set][value={name}]")
        page.evaluate("travel(5)")
        assert page.evaluate("Number.isFinite(run.now.train)"), name
    page.check("input[name=set][value=circles]")
    for name in page.evaluate("choices.activation"):
        page.select_option("[id='activation.of-0']", name)
        page.click("#step")
        assert page.evaluate("run.settings.layers[0].activation") == name
        assert page.evaluate("Number.isFinite(run.now.train)"), name
    for name in page.evaluate("choices.optimizer"):
        page.select_option("#optimizer", name)
        page.click("#step")
        assert page.evaluate("run.model.w.some((v, i) => v !== run.saved.get(0).state[i])"), name


def test_layers_and_units_by_keyboard(visit):
    page = visit()
    page.focus("[id='more.units-0']")
    page.keyboard.press("Enter")
    assert page.evaluate("run.model.layers.map(l => l.units)") == [9, 8, 1]
    page.keyboard.press("Enter")  # the focus has stayed where it was
    assert page.evaluate("run.model.layers.map(l => l.units)") == [10, 8, 1]
    page.focus("#more")
    page.keyboard.press("Enter")
    assert page.evaluate("run.model.layers.map(l => l.units)") == [10, 8, 8, 1]
    page.focus(".unit-button[aria-label='layer 2, unit 3']")
    page.keyboard.press("Enter")
    assert page.inner_text("#unit-name") == "3 of layer 2"
    assert page.locator("#unit-table tbody tr").count() == 11


def test_numbers_of_the_page_are_those_of_a_difference(visit):
    """The gradient in the table against the loss on both sides, for the step's own batch."""
    page = visit(hash_="#data=xor&batch=8&hidden=3:tanh:0&l2=0.01&optimizer=SGD")
    page.click("#step")
    found = page.evaluate("""() => {
        const {x, y, N} = batch_of(0, data.train, 8, chosen.seed), {model} = run;
        const g = [...model.g];
        model.restore(run.saved.get(0));
        const loss = () => model.evaluate(x, y, N).loss, h = 1e-6;
        return g.map((v, i) => {
          const keep = model.w[i];
          model.w[i] = keep + h; const right = loss();
          model.w[i] = keep - h; const left = loss();
          model.w[i] = keep;
          return [v, (right - left) / (2 * h)];
        });
    }""")
    gradient, difference = np.array(found).T
    np.testing.assert_allclose(gradient, difference, rtol=1e-6, atol=1e-8)


def test_a_formula_of_ones_own(visit):
    page = visit(hash_="#data=circles&hidden=5:own:0")
    page.click("#own summary")
    assert "60 points" in page.inner_text("#own-said")
    page.fill("#f", "x**3 / (1 + abs(x))")
    assert "you typed" in page.inner_text("#own-said")  # the old derivative
    page.fill("#df", "(3*x**2 + 2*abs(x)**3) / (1 + abs(x))**2")
    assert "60 points" in page.inner_text("#own-said")
    page.click("#step")
    assert page.evaluate("run.model.layers[0].z.every((z, i) => Math.abs(run.model.layers[0].y[i]"
                         " - z ** 3 / (1 + Math.abs(z))) < 1e-12)")  # fmt: skip
    for wrong in ("x +", "alert(1)", "x.constructor", "(x", "sin(x, 2)", "2 2"):
        page.fill("#f", wrong)
        assert "read it at" in page.inner_text("#own-said"), wrong


@pytest.mark.parametrize(
    ("text", "value"),
    [("-x**2", -9.0), ("2**-x", 0.125), ("where(x > 2, 1, 0) - y", -4.0), ("1 - 2 - 3", -4.0),
     ("2 * x / 3 * pi", 2 * np.pi), ("maximum(x, 4) + minimum(x, 1)", 5.0), ("2**3**2", 512.0),
     ("1e-3 * .5", 5e-4), ("exp(log(x))", 3.0)],
)  # fmt: skip
def test_formulas_read_as_python_reads_them(visit, text, value):
    page = visit()
    assert page.evaluate("t => parse(t)(3, 5)", text) == pytest.approx(value)


def test_a_ghost_runs_along(visit):
    page = visit(hash_="#data=circles&hidden=4:tanh:0")
    page.evaluate("travel(5)")
    page.click("#keep")
    page.select_option("#optimizer", "SGD")
    page.evaluate("travel(7)")
    assert page.evaluate("ghost.run.model.steps") == 7
    assert page.evaluate("ghost.run.settings.optimizer.name") == "Adam"
    assert page.evaluate("ghost.run.curve.map(p => p.step)") == [0, 7]
    page.click("#drop")
    assert page.evaluate("ghost") is None


def test_own_points_by_mouse_and_keyboard(visit):
    page = visit(hash_="#data=points&hidden=4:tanh:0&batch=4")
    assert "Set some points" in page.inner_text("#numbers")
    page.keyboard.press(" ")
    assert page.evaluate("playing") is False
    box = page.locator("#plot").bounding_box()
    for a, b in ((0.2, 0.2), (0.3, 0.25), (0.25, 0.3)):
        page.mouse.click(box["x"] + a * box["width"], box["y"] + b * box["height"])
    page.focus("#plot")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("0")
    targets = page.evaluate("chosen.points.map(p => p[2])")
    assert targets == [1, 1, 1, 0, 0, 0, 0]
    page.evaluate("travel(200)")
    assert page.evaluate("run.now.train") < 0.3


def test_digits_are_drawn_and_guessed(visit):
    pytest.importorskip("sklearn")
    page = visit(hash_="#data=digits&hidden=16:relu:0&rate=0.01")
    page.evaluate("travel(150)")
    assert page.evaluate("run.now.accuracy") > 0.85
    box = page.locator("#pad").bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] - 20, steps=10)
    page.mouse.up()
    assert page.evaluate("pad.reduce((a, b) => a + b)") > 4
    shares = page.locator("#bars .digit").all_inner_texts()
    assert len(shares) == 10
    assert sum(int(s.split()[-1].rstrip("%")) for s in shares) == pytest.approx(100, abs=5)


def test_a_link_brings_the_setting_back(visit):
    page = visit()
    page.check("input[name=set][value=clusters]")
    page.select_option("#rate", "0.03")
    page.select_option("[id='activation.of-1']", "gelu")
    page.select_option("[id='dropout.of-1']", "0.2")
    hash_ = page.evaluate("to_address()")
    other = visit(hash_=hash_)
    wanted, found = (p.evaluate("JSON.stringify(run.settings)") for p in (page, other))
    assert json.loads(found) == json.loads(wanted)
    bad = visit(hash_="#data=nothing&hidden=99:relu:0&rate=-1&batch=3&points=1,2,x&seed=1e9&l1=NaN")
    assert bad.evaluate("JSON.stringify(chosen)") == bad.evaluate("JSON.stringify(start)")


@pytest.mark.parametrize("hash_", [
    "#data=moons&hidden=6:gelu:0.2,4:threshold:0&optimizer=SGD&l2=0.01", "#data=clusters&l1=0.001",
    "#data=hills&hidden=8:own:0", "#data=plane&hidden=&loss=huber&optimizer=AdamW",
])  # fmt: skip
def test_the_python_trains_the_same_model(visit, hash_, capsys):
    page = visit(hash_=hash_)
    text, at_first = page.evaluate("[python(run.settings, data), run.now.test]")
    given = page.evaluate("run.model.layers.map(l => [l.inputs, l.units])")
    found = {}
    code = text.replace("epochs=20", "epochs=1, verbose=0")
    exec(compile(code, "playground", "exec"), found)
    model = found["model"]
    assert [list(w.shape) for w in model.get_weights()[::2]] == given
    flat = np.array(page.evaluate("[...run.model.w]"))
    parts, at = [], 0
    for shape in (w.shape for w in model.get_weights()):
        parts.append(flat[at : at + int(np.prod(shape))].reshape(shape))
        at += int(np.prod(shape))
    model.set_weights(parts)
    loss = np.ravel(model.evaluate(found["x_test"], found["y_test"], verbose=0))[0]
    assert loss == pytest.approx(at_first, rel=1e-5)
