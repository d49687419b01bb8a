"""The story in a real browser: five pages by keyboard, mouse and touch."""

import numpy as np
import pytest
from browsing import LOCALES, WIDTHS, serious, visits, with_axe

import tinynet
from tinynet import layers
from tinynet.microscope.markup import texts

PAGES = ("in", "said", "fault", "update", "after")


@pytest.fixture(scope="module")
def step(tmp_path_factory):
    """A trained model of 8x8 pictures, its trace, and its page."""
    tinynet.utils.set_random_seed(1)
    rng = np.random.Generator(np.random.PCG64(1))
    x, y = rng.random((12, 8, 8)).round(1), rng.integers(0, 5, 12)
    stack = [layers.Flatten(), layers.Dense(20, "tanh", name="a"),
             layers.Dense(6, "tanh", name="b"), layers.Dense(5, "softmax", name="c")]  # fmt: skip
    model = tinynet.Sequential([layers.Input((8, 8)), *stack], name="net")
    model.compile("adam", "sparse_categorical_crossentropy", device="reference")
    path = tinynet.microscope(model, x, y, tmp_path_factory.mktemp("page") / "step.html",
                              keras=False, entries=1)  # fmt: skip
    trace = model.trace(x, y)
    model.train_on_batch(x, y)
    return trace, path, model.predict(x, verbose=0)


@pytest.fixture
def visit(browser, step):
    with visits(browser, step[1].as_uri()) as visit:
        yield visit


def numbers(page, selector):
    """The values shown there in English; those of the other language are the same, hidden."""
    return page.eval_on_selector_all(
        f"{selector} data",
        "all => all.filter(d => !d.closest('[lang=ko]')).map(d => Number(d.value))",
    )


def here(page):
    return page.eval_on_selector(".pages [aria-current=step]", "b => Number(b.dataset.page)")


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_at_its_title_and_every_page_fits(visit, width, language):
    page = visit(width, language, has_touch=width == "phone")
    page.wait_for_timeout(200)  # a browser scrolls to a fragment after the page has loaded
    assert page.evaluate("scrollY") == 0
    assert page.locator("h1").bounding_box()["y"] > 0
    drawing = page.locator(".net").bounding_box()
    assert drawing["y"] + drawing["height"] < WIDTHS[width][1]
    assert not page.locator(".cards").is_visible()
    for k, name in enumerate(PAGES):
        button = page.locator(f".pages [data-page='{k}']")
        (button.tap if width == "phone" else button.click)()
        assert here(page) == k
        title = texts()[f"story.{name}.title"][language].split("{")[0].strip()
        assert title in page.locator(".page h2").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]
        other = "ko" if language == "en" else "en"
        assert page.locator(f"#story span[lang={other}]:visible").count() == 0
        assert page.url.endswith(f"#story-{name}")


def test_the_keyboard_walks_the_story_and_then_the_details(visit):
    page = visit()
    for k in range(1, 5):
        page.keyboard.press("ArrowRight")
        assert here(page) == k
        assert page.evaluate("document.activeElement.className") == "page"
    page.keyboard.press("Home")
    assert here(page) == 0
    page.keyboard.press("End")
    assert here(page) == 4
    page.locator("#story .next").press("Enter")
    assert page.locator("#batch").is_visible()
    page.keyboard.press("ArrowRight")
    assert page.locator("#f0").is_visible()
    assert here(page) == 4


def test_the_worst_sample_is_chosen_and_any_other_can_be(visit, step):
    trace, _, _ = step
    page = visit()
    worst = int(trace.loss.values.argmax())
    chosen = page.locator("#story .sample[aria-pressed=true]")
    assert chosen.get_attribute("data-n") == str(worst)
    order = page.eval_on_selector_all("#story .sample", "all => all.map(b => Number(b.dataset.n))")
    assert order == list(np.argsort(-trace.loss.values, kind="stable"))
    assert numbers(page, ".page .say")[0] == pytest.approx(trace.loss.values[worst] * 12, rel=1e-6)
    page.locator("#story .sample").last.click()
    assert chosen.get_attribute("data-n") == str(order[-1])
    text = page.locator(".page h2").inner_text()
    assert text.endswith(f"sample {order[-1]}")


def test_blame_goes_from_the_error_to_the_weights(visit, step):
    trace, _, _ = step
    page = visit(hash_="#story-fault")
    n, (a, b) = int(trace.loss.values.argmax()), trace.layers[1:3]
    errors = numbers(page, ".flow .bars")
    np.testing.assert_array_equal(np.float32(errors), trace.loss.gradient[n])
    j = int(np.abs(a.dz[n]).argmax())
    assert page.locator(".pick-unit").input_value() == str(j)
    for unit in (j, 3):
        page.locator(".pick-unit").fill(str(unit))
        page.locator(".pick-unit").press("Enter")
        total = numbers(page, ".stats.back tr:last-child")[0]
        assert total == pytest.approx(b.dx[n, unit], rel=1e-4, abs=1e-8)
        slope, dz = numbers(page, ".flow section:nth-child(2) .say")[1:]
        assert slope == pytest.approx(1 - a.y[n, unit] ** 2, rel=1e-4)
        assert dz == a.dz[n, unit]
        assert f"a[{unit}]" in page.locator(".flow section:nth-child(2) h3").inner_text()
    picture = page.evaluate("""() => {
        const c = document.querySelector('[data-face=own]');
        return [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, 8, 8).data]]; }""")
    assert picture[:2] == [8, 8]
    colours = np.array(picture[2]).reshape(64, 4)[:, :3]
    own = trace.x[n].ravel() * a.dz[n, 3]
    blank = np.flatnonzero(own == 0)
    assert len(np.unique(colours[blank], axis=0)) == 1
    assert not (colours[np.abs(own).argmax()] == colours[blank[0]]).all()


def test_the_update_is_that_of_the_trace(visit, step):
    trace, _, _ = step
    page = visit(hash_="#story-update")
    n = int(trace.loss.values.argmax())
    j = int(np.abs(trace.layers[1].dz[n]).argmax())
    p = trace.parameters["a/kernel"]
    i = int(np.abs(p.gradient[:, j]).argmax())
    shown = numbers(page, f".page > .say:has(code:text-is('a/kernel[{i}, {j}]'))")
    expected = [p.before[i, j], p.gradient[i, j], p.step[i, j], p.after[i, j]]
    np.testing.assert_allclose(shown, expected, rtol=1e-6)


def test_the_answers_afterwards_are_the_trained_models(visit, step):
    trace, _, predicted = step
    page = visit(hash_="#story-after")
    n = int(trace.loss.values.argmax())
    was, now = numbers(page, ".page td.was"), numbers(page, ".page td.now")
    np.testing.assert_allclose(was, trace.outputs[n], rtol=1e-6)
    np.testing.assert_allclose(now, predicted[n], rtol=1e-5)


def test_a_unit_of_the_drawing_is_followed(visit):
    page = visit(hash_="#story-fault")
    dot = page.locator("circle[data-unit]:not(.chosen)").first
    unit = dot.get_attribute("data-unit")
    dot.click()
    assert page.locator(".pick-unit").input_value() == unit
    assert page.locator("circle.chosen").get_attribute("data-unit") == unit


def test_a_notebook_shows_the_page_itself(browser, step, tmp_path):
    html = step[1]._repr_html_()
    host = tmp_path / "notebook.html"
    host.write_text(f"<!DOCTYPE html><meta charset=utf-8>{html}", "utf-8")
    with visits(browser, host.as_uri()) as visit:
        frame = visit().frame_locator("iframe")
        assert "net" in frame.locator("h1").inner_text()
        frame.locator(".pages [data-page='2']").click()
        assert frame.locator(".flow").is_visible()
        frame.locator(".page a[href='#b1']").click()
        assert frame.locator("#b1").is_visible()
    assert type(step[1])(tmp_path / "gone.html")._repr_html_() is None


@with_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, scheme):
    page = visit(color_scheme=scheme, reduced_motion="reduce")  # no colour is on its way
    for name in (*PAGES, None):
        page.evaluate("id => { location.hash = id }", f"story-{name}" if name else "loss")
        page.wait_for_timeout(100)
        assert serious(page) == [], name
