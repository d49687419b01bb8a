"""The film in a real browser: by keyboard, mouse and touch, in both languages and widths."""

import numpy as np
import pytest
from browsing import LOCALES, WIDTHS, serious, visits, with_axe
from film_pages import IDS, PICTURES, PLANE, WIDE, classifier, data_of, numbers, regressor

import tinynet as keras
from tinynet.film.page import texts

KINDS = ("plane", "samples", "binary", "curve", "cloud", "probabilities", "broken")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A film of each kind: its path and what is embedded in it."""
    folder = tmp_path_factory.mktemp("films")
    line = PLANE[:, :1]
    cases = {
        "plane": (classifier(), PLANE, IDS), "samples": (classifier((8, 8)), PICTURES, IDS),
        "binary": (regressor(2, 1, "sigmoid", "binary_crossentropy"), PLANE, IDS > 1),
        "curve": (regressor(1), line, np.sin(line)), "cloud": (regressor(5), WIDE, WIDE[:, 0]),
        "probabilities": (classifier((1,)), line, IDS), "broken": (regressor(2), PLANE, line),
    }  # fmt: skip
    cases["broken"][0].optimizer.learning_rate = 1e20
    assert tuple(cases) == KINDS
    with np.errstate(all="ignore"):
        paths = {
            name: keras.microscope.film(
                model, x, y, folder / f"{name}.html", epochs=3, batch_size=8, verbose=0,
                validation_data=(x, y),
            )
            for name, (model, x, y) in cases.items()
        }  # fmt: skip
    return {name: (path, data_of(path)) for name, path in paths.items()}


@pytest.fixture
def visit(browser, films):
    with visits(browser, films["plane"][0].as_uri()) as visit:
        yield visit


def shown(page):
    """The number of the frame that is shown."""
    return int(page.locator("#time").input_value())


def now(page):
    """What the page says at its top: epoch, step, loss, metric."""
    return page.locator("#now dd").all_inner_texts()


def until(page, frame):
    for _ in range(400):
        if shown(page) == frame:
            return
        page.wait_for_timeout(25)
    raise AssertionError((shown(page), frame))


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_fits_and_plays(browser, films, kind, width, language):
    path, data = films[kind]
    with visits(browser, path.as_uri()) as visit:
        page = visit(width, language, has_touch=width == "phone")
        assert page.evaluate("scrollY") == 0
        assert page.locator("h1").bounding_box()["y"] > 0
        assert shown(page) == 0
        title = texts()[f"outputs.{data['picture']['kind']}"][language]
        assert page.locator("#outputs h2").inner_text() == title
        press = page.tap if width == "phone" else page.click
        page.select_option("#speed", "4")
        press("#play")
        until(page, 15)
        assert now(page)[:2] == ["3", "15"]
        press("#first")
        assert shown(page) == 0
        page.locator("#time").fill("7")
        assert now(page)[:2] == ["1.40", "7"]
        loss = data["frames"][7]["logs"]["loss"]
        told = now(page)[2]
        assert told == "NaN" if loss is None else float(told) == pytest.approx(loss, rel=1e-3)
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]
        assert page.evaluate("document.documentElement.lang") == language
        other = "ko" if language == "en" else "en"
        assert page.locator(f"span[lang={other}]:visible").count() == 0
        press("#open")
        frame = page.frame_locator("#moment iframe")
        assert "net" in frame.locator("h1").inner_text()
        (frame.locator(".pages [data-page='2']").tap if width == "phone" else
         frame.locator(".pages [data-page='2']").click)()  # fmt: skip
        assert frame.locator(".flow, .say").first.is_visible()
        assert frame.locator("html").get_attribute("lang") == language
        press("#close")
        assert not page.locator("#moment").is_visible()


def test_the_keyboard_does_all(visit):
    page = visit()
    for key, frame in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 15),
                       ("Home", 0)):  # fmt: skip
        page.keyboard.press(key)
        assert shown(page) == frame
    page.keyboard.press(" ")
    page.wait_for_timeout(400)
    page.keyboard.press(" ")
    stopped = shown(page)
    assert stopped > 0
    page.wait_for_timeout(300)
    assert shown(page) == stopped
    page.keyboard.press("Tab")
    page.locator("#time").focus()
    page.keyboard.press("ArrowRight")
    assert shown(page) == stopped + 1
    page.keyboard.press(" ")
    until(page, 15)
    page.keyboard.press("Enter")
    assert page.locator("#moment").is_visible()
    page.frame_locator("#moment iframe").locator("h1").wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("#moment").is_visible()
    assert page.evaluate("document.activeElement.id") == "open"


def test_screen_readers_hear_where_the_film_is(visit, films):
    page = visit()
    page.keyboard.press("End")
    frame = films["plane"][1]["frames"][-1]
    told = page.locator("#time").get_attribute("aria-valuetext")
    assert told.startswith("epoch 3, loss ")
    assert told.endswith(f"accuracy {100 * frame['logs']['accuracy']:.1f}%")
    label = page.locator("#outputs canvas").get_attribute("aria-label")
    assert f"{frame['wrong']} of 40" in label
    page.locator("label[for=language-ko]").click()
    assert page.locator("#time").get_attribute("aria-label") == texts()["time"]["ko"]
    assert page.locator("#outputs canvas").get_attribute("aria-label").startswith("색은")


def test_a_curve_is_a_way_to_a_frame(visit):
    page = visit()
    plot = page.locator(".chart .plot").first.bounding_box()
    page.mouse.click(plot["x"] + plot["width"] - 11, plot["y"] + 40)
    assert shown(page) == 15
    page.mouse.click(plot["x"] + 45, plot["y"] + 40)
    assert shown(page) == 0


def test_the_wrong_samples_are_those_of_the_frame(browser, films):
    path, data = films["samples"]
    with visits(browser, path.as_uri()) as visit:
        page = visit()
        for k in (0, 9, 15):
            page.locator("#time").fill(str(k))
            wrong = data["frames"][k]["wrong"]
            assert page.locator(".samples .wrong").count() == min(24, wrong)
            assert f"{wrong} of 40" in page.locator("#outputs .note").inner_text()
        assert page.locator(".one canvas").count() == 6
        page.locator(".choice [data-of=weights]").click()
        assert page.locator(".choice [aria-pressed=true]").inner_text() == "Their weights"
        start = numbers(data["frames"][0]["start"], "f4")
        page.keyboard.press("Home")
        page.locator("h1").click()
        page.keyboard.press("Home")
        said = page.locator(".one small").first.inner_text().removeprefix("±")
        assert float(said) == pytest.approx(np.abs(start[:64]).max(), rel=1e-3)


def test_the_nearest_moment_is_named(browser, films, tmp_path):
    text = films["plane"][0].read_text("utf-8")
    for frame in films["plane"][1]["frames"][1:-1]:
        text = text.replace(f'"moment":"{frame["moment"]}"', '"moment":null')
    host = tmp_path / "few.html"
    host.write_text(text, "utf-8")
    with visits(browser, host.as_uri()) as visit:
        page = visit()
        assert page.locator(".ticks i").count() == 2
        page.locator("#time").fill("12")
        page.click("#open")
        said = page.locator("#nearest").inner_text()
        assert "Of the 16 frames, 2 open" in said
        assert "at epoch 3" in said
        assert "epoch 3" in page.locator("#moment-h").inner_text()


def test_names_are_words_to_the_page(browser, tmp_path):
    name = "<!--<script>{{DATA}} & {name}"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "relu", name=name),
                              keras.layers.Dense(1)], name=name)  # fmt: skip
    model.compile("sgd", "mse", metrics=["mae"], device="reference")
    path = keras.microscope.film(model, PLANE, PLANE[:, 0], tmp_path / "names.html", verbose=0)
    with visits(browser, path.as_uri()) as visit:
        page = visit()
        assert name in page.locator("h1").inner_text()
        assert name in page.locator("#units .note").inner_text()
        assert name in page.locator(".signs").inner_text()
        page.keyboard.press("Enter")
        assert name in page.frame_locator("#moment iframe").locator("h1").inner_text()


def test_a_notebook_shows_the_film_itself(browser, films, tmp_path):
    host = tmp_path / "notebook.html"
    inside = films["plane"][0]._repr_html_()
    host.write_text(f"<!DOCTYPE html><meta charset=utf-8>{inside}", "utf-8")
    with visits(browser, host.as_uri()) as visit:
        frame = visit().frame_locator("iframe").first
        frame.locator("#last").click()
        assert frame.locator("#now dd").first.inner_text() == "3"
        frame.locator("#open").click()
        assert "net" in frame.frame_locator("#moment iframe").locator("h1").inner_text()


@with_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["plane", "samples", "cloud"])
def test_axe_finds_nothing_serious(browser, films, kind, scheme):
    with visits(browser, films[kind][0].as_uri()) as visit:
        page = visit(color_scheme=scheme, reduced_motion="reduce")
        for opened in (False, True):
            if opened:
                page.keyboard.press("Enter")
                page.frame_locator("#moment iframe").locator("h1").wait_for()
            assert serious(page) == []
