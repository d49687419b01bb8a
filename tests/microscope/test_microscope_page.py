"""The microscope's page in a real browser."""

import numpy as np
import pytest
from browsing import LOCALES, WIDTHS, visits

import tinynet
from tinynet import layers
from tinynet.microscope import embed
from tinynet.microscope.markup import texts


@pytest.fixture(scope="module")
def step(tmp_path_factory):
    """A small model of 8x8 pictures with every kind of card, its trace and its page."""
    tinynet.utils.set_random_seed(1)
    rng = np.random.Generator(np.random.PCG64(1))
    x, y = rng.random((12, 8, 8)).round(1), rng.integers(0, 5, 12)
    x[:, 0, 0] = 0
    stack = [layers.Flatten(), layers.Dense(9, "relu", name="a"), layers.BatchNormalization(),
             layers.Dropout(0.2, seed=1), layers.Dense(5, "softmax", name="c")]  # fmt: skip
    model = tinynet.Sequential([layers.Input((8, 8)), *stack], name="net")
    model.compile("adam", "sparse_categorical_crossentropy", device="reference")
    path = tmp_path_factory.mktemp("page") / "step.html"
    tinynet.microscope(model, x, y, path, keras=False, entries=2)
    return model.trace(x, y), path.as_uri()


@pytest.fixture
def visit(browser, step):
    with visits(browser, step[1]) as visit:
        yield visit


def stops(page):
    return page.eval_on_selector_all(".stop", "all => all.map(s => s.id)")


def shown(page):
    return page.eval_on_selector_all(
        ".stop", "all => all.filter(s => s.offsetParent !== null).map(s => s.id)"
    )


def value(page, selector):
    return float(page.locator(selector).first.get_attribute("value"))


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_stop_fits_the_screen_in_the_readers_language(visit, width, language):
    page = visit(width, language)
    other = "ko" if language == "en" else "en"
    for stop in stops(page):
        page.evaluate("id => { location.hash = id }", stop)
        page.wait_for_function("id => document.querySelector('.stop.on').id === id", arg=stop)
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]
        assert shown(page) == [stop]
        visible = page.evaluate(
            "l => [...document.querySelectorAll(`main span[lang=${l}]`)]"
            ".filter(e => e.offsetParent !== null).map(e => e.textContent)", other
        )  # fmt: skip
        assert visible == []
        assert page.locator(".stop.on h2").inner_text().strip()
    assert page.evaluate("document.documentElement.lang") == language


def test_the_language_switch(visit):
    page = visit(hash_="#loss")
    title = texts()["loss.title"]
    assert title["en"] in page.locator("#loss-h").inner_text()
    page.locator("label[for=language-ko]").click()
    assert title["ko"] in page.locator("#loss-h").inner_text()
    assert title["en"] not in page.locator("#loss-h").inner_text()


@pytest.mark.parametrize("language", LOCALES)
def test_without_script_all_tables_are_there(visit, language):
    page = visit("phone", java_script_enabled=False)
    if language == "ko":
        page.locator("label[for=language-ko]").click()
    inside = page.locator("main").inner_text()
    for key in ("batch.title", "loss.title", "update.title", "check.title", "what.title"):
        assert texts()[key][language] in inside
    assert page.locator(".stop:visible").count() == page.locator(".stop").count() == 16
    assert page.locator("main table:visible").count() > 20
    assert page.locator("figure.map:visible").count() == 0
    assert page.locator(".drill table:visible").count() == 2


def test_the_keyboard_walks_the_whole_step(visit):
    page = visit(hash_="#batch")
    order = stops(page)
    expected = ["batch", "f0", "f1", "f2", "f3", "f4", "loss", "b4", "b3", "b2", "b1", "b0"]
    assert order[:12] == expected
    for stop in order[1:]:
        page.keyboard.press("ArrowRight")
        assert shown(page) == [stop]
        assert page.evaluate("document.activeElement.id") == stop
        assert page.locator(".strip [aria-current=step]").get_attribute("data-stop") == stop
    page.keyboard.press("ArrowRight")
    assert shown(page) == [order[-1]]
    page.keyboard.press("ArrowLeft")
    assert shown(page) == [order[-2]]
    page.keyboard.press("Home")
    assert shown(page) == [order[0]]
    page.keyboard.press("End")
    assert shown(page) == [order[-1]]


def test_the_mouse_walks_too(visit):
    page = visit()
    page.locator(".deep > summary").click()
    page.locator(".chip[data-stop=b4]").click()
    assert shown(page) == ["b4"]
    page.locator(".cards .next").click()
    assert shown(page) == ["b3"]
    page.locator(".all").click()
    assert shown(page) == stops(page)
    assert page.locator(".all").get_attribute("aria-pressed") == "true"


def test_the_terms_of_any_weight_sum_to_its_gradient(visit, step):
    trace, _ = step
    page = visit(hash_="#b1")
    for layer, path, key in ((1, "a/kernel", "x"), (4, "c/kernel", "x")):
        page.evaluate("id => { location.hash = id }", f"b{layer}")
        call, gradient = trace.layers[layer], trace.parameters[path].gradient
        for i, j in ((3, 2), (gradient.shape[0] - 1, 4)):
            box = f".drill[data-layer='{layer}']"
            for name, number in ((".pick-i", i), (".pick-j", j)):
                page.locator(f"{box} {name}").fill(str(number))
                page.locator(f"{box} {name}").press("Enter")
            assert f"{path}[{i}, {j}]" in page.locator(f"{box} h3").inner_text()
            terms = getattr(call, key)[:, i].astype(float) * call.dz[:, j]
            assert value(page, f"{box} .sum data") == pytest.approx(terms.sum(), rel=1e-6, abs=1e-9)
            assert value(page, f"{box} .backward data") == gradient[i, j]
            assert gradient[i, j] == pytest.approx(terms.sum(), rel=1e-6, abs=1e-8)


def test_a_click_on_the_map_opens_that_weight(visit, step):
    page = visit(hash_="#f4")
    canvas = page.locator("#f4 figure[data-pick] canvas").first
    box = canvas.bounding_box()  # W (9, 5): the cell of row 4, column 2
    canvas.click(position={"x": box["width"] * 2.5 / 5, "y": box["height"] * 4.5 / 9})
    assert shown(page) == ["b4"]
    assert "c/kernel[4, 2]" in page.locator("#b4 .drill h3").inner_text()


def test_a_map_by_keyboard(visit, step):
    trace, _ = step
    page = visit(hash_="#f4")
    figure = page.locator("#f4 figure[data-pick]").first
    figure.locator("canvas").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert shown(page) == ["f4"]  # the arrows stayed on the map
    text = figure.locator("output").inner_text().replace("−", "-")
    assert text.startswith("W[2, 1] = ")
    weight = trace.parameters["c/kernel"].before[2, 1]
    assert float(text.split("= ")[1]) == pytest.approx(weight, rel=1e-3)
    page.keyboard.press("Enter")
    assert "c/kernel[2, 1]" in page.locator("#b4 .drill h3").inner_text()


def test_a_sample_is_followed(visit, step):
    trace, _ = step
    page = visit(hash_="#batch")
    page.locator("#batch .sample").nth(5).click()
    assert page.locator("#batch .sample[aria-pressed=true]").get_attribute("data-n") == "5"
    share = page.locator(".follow .note data").first.get_attribute("value")
    assert float(share) == trace.loss.values[5]
    rows = page.locator(".follow > div:nth-child(2) tbody tr")
    assert rows.count() == 5
    norms = rows.nth(4).locator("data").last.get_attribute("value")
    assert float(norms) == pytest.approx(np.linalg.norm(trace.layers[4].dz[5]), rel=1e-5)


def strongest_path(trace, value, n, i):
    """[(unit, part)] of the best of all paths, each tried: a -> normalized -> dropped -> c."""
    a, bn, drop, c = (trace.layers[k] for k in (1, 2, 3, 4))
    W, V = a.layer.kernel.numpy().astype(float), c.layer.kernel.numpy().astype(float)
    scale = bn.layer.gamma.numpy() / np.sqrt(bn.parts["var"] + bn.layer.epsilon)
    best = []
    for j in range(W.shape[1]):
        for k in range(V.shape[1]):
            parts = np.cumprod([value * W[i, j] * (a.z[n, j] > 0), scale[j],
                                drop.parts["mask"][n, j], V[j, k]])  # fmt: skip
            best.append((abs(parts[-1]), list(zip((j, j, j, k), parts, strict=True))))
    return max(best, key=lambda found: found[0])[1]


def test_a_pixel_is_followed(visit, step):
    trace, _ = step
    page = visit(hash_="#batch")
    page.locator("#batch .sample").nth(2).click()
    canvas = page.locator(".picture canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 6.5 / 8, "y": box["height"] * 3.5 / 8})
    i = 3 * 8 + 6
    numbers = page.locator(".pixel .note data")
    assert float(numbers.nth(0).get_attribute("value")) == trace.x[2].ravel()[i]
    gradient = trace.layers[1].dx[2, i]
    assert float(numbers.nth(1).get_attribute("value")) == pytest.approx(gradient, rel=1e-6)
    parts = strongest_path(trace, trace.x[2].ravel()[i], 2, i)
    rows = page.locator(".pixel tbody tr")
    assert rows.count() == 4  # of the layers a, batch normalization, dropout, c
    for k, (unit, part) in enumerate(parts):
        assert rows.nth(k).locator("td").nth(1).inner_text() == str(unit)
        shown = rows.nth(k).locator("td").last.locator("data").get_attribute("value")
        assert float(shown) == pytest.approx(part, rel=1e-4)
    canvas.click(position={"x": 2, "y": 2})  # the corner is zero in every picture
    assert texts()["pixel.zero"]["en"][:20] in page.locator(".pixel").inner_text()
    page.locator(".telling").click()  # no dead end
    assert page.locator(".pixel tbody tr").count() > 0
    canvas = page.locator(".picture canvas")
    canvas.click(position={"x": 2, "y": 2})
    page.locator("#batch .sample").nth(3).click()  # another sample, from a pixel that is zero
    assert page.locator(".pixel tbody tr").count() > 0


def test_the_chain_of_any_sample(visit, step):
    trace, _ = step
    page = visit(hash_="#loss")
    page.locator(".pick-n").fill("7")
    page.locator(".pick-n").press("Enter")
    for c in range(5):
        cells = page.locator(".chain tbody tr").nth(c).locator("data")
        chain, direct, engine = (float(cells.nth(k).get_attribute("value")) for k in (4, 5, 6))
        assert engine == trace.loss.gradient[7, c]
        assert chain == pytest.approx(engine, rel=1e-4, abs=1e-8)
        assert direct == pytest.approx(engine, rel=1e-4, abs=1e-8)


def test_a_formula_leads_to_its_lines(visit):
    page = visit(hash_="#b1")
    link = page.locator("#b1 .src").first
    target = link.get_attribute("href")
    link.click()
    text = page.locator(target)
    assert text.is_visible()
    assert "activation.backward" in text.inner_text()
    assert "def backward" in text.locator("xpath=..").inner_text()


def test_names_for_a_screen_reader(visit):
    page = visit(hash_="#batch")
    page.locator(".all").click()
    nameless = page.evaluate("""() => [...document.querySelectorAll(
        'button, a, input, canvas[tabindex], section.stop, nav')].filter(e => {
            const label = e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
                || (e.labels && e.labels.length) || e.textContent.trim();
            return !label && e.offsetParent !== null; }).map(e => e.outerHTML.slice(0, 120))""")
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert page.locator("h1").count() == 1
    assert page.locator("th:not([scope])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visit, scheme):
    """WCAG AA: 4.5 : 1 for all plain text, by the page's own computed colours."""
    page = visit(color_scheme=scheme, hash_="#batch")
    page.locator(".all").click()
    worst = page.evaluate("""() => {
      const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
      const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .03928
        ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
      const ground = e => { for (; e; e = e.parentElement) {
        const c = getComputedStyle(e).backgroundColor;
        if (c.startsWith('rgb') && !(rgb(c)[3] === 0)) return rgb(c); } return [255, 255, 255]; };
      let worst = [99, ''];
      for (const e of document.querySelectorAll('main *, header *, footer *')) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!e.offsetParent || !own) continue;
        if (e.closest(':disabled')) continue;
        const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 160)];
      } return worst; }""")
    assert worst[0] >= 4.5, worst


def test_the_embedded_arrays_are_the_steps_own(step, visit):
    trace, _ = step
    page = visit()
    arrays = page.evaluate("JSON.parse(document.getElementById('data').textContent)")
    first = embed.decode(arrays["arrays"][arrays["layers"][1]["x"]])
    np.testing.assert_array_equal(first, trace.layers[1].x)
