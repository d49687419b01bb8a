"""The widgets: what goes to the notebook, in order, and what a browser makes of it."""

import contextlib
import json
import re
import sys

import numpy as np
import pytest
from film_pages import IDS, PICTURES, PLANE, classifier, data_of, embedded, regressor

import tinynet as keras
from tinynet.callbacks import Film
from tinynet.film.page import texts
from tinynet.showing.widget import SCRIPT

OPTIONS = {"epochs": 2, "batch_size": 8, "verbose": 0}


@pytest.fixture
def sent(monkeypatch):
    """What a widget sends to its notebook: ("state", what changed) or ("message", content)."""
    widgets = pytest.importorskip("ipywidgets", reason="needs the extra `notebook`")
    pytest.importorskip("anywidget", reason="needs the extra `notebook`")
    found = []

    def keep(self, message, buffers=None):
        if message["method"] == "update" and "page" in message["state"]:
            found.append(("state", message["state"]))
        elif message["method"] == "custom":
            found.append(("message", message["content"]))

    monkeypatch.setattr(widgets.Widget, "_send", keep)
    return found


def test_frames_arrive_in_order_as_they_are_in_the_film(sent, tmp_path):
    film = Film(PLANE, IDS, tmp_path / "film.html")
    widget = film.widget()
    assert embedded(widget.page)["live"] is True
    classifier().fit(PLANE, IDS, callbacks=[film], **OPTIONS)
    kinds = [kind for kind, _ in sent]
    assert kinds == ["state", *["message"] * (11 + 2), "state"]
    begun = sent[0][1]
    assert begun["number"] == 1
    assert embedded(begun["page"])["frames"] == []
    assert embedded(begun["page"])["live"] is True
    messages = [content for kind, content in sent if kind == "message"]
    data = data_of(film.path)
    frames = [m["frame"] for m in messages if "frame" in m]
    assert json.dumps(frames, sort_keys=True) == json.dumps(data["frames"], sort_keys=True)
    assert [m["epoch"] for m in messages if "epoch" in m] == data["epochs"]
    assert messages[0]["shared"] == data["shared"]
    assert widget.page.encode() == film.path.read_bytes()


def test_a_film_of_a_notebook_alone_and_one_that_was_taken(sent):
    film = Film(PLANE, IDS, None)
    classifier().fit(PLANE, IDS, callbacks=[film], **OPTIONS)
    assert film.path is None
    assert sent == []
    data = embedded(film.widget().page)
    assert len(data["frames"]) == 11
    assert data["live"] is False


def test_nan_is_sent_as_null(sent):
    film = Film(PLANE, IDS, None)
    film.widget()
    model = regressor(2)
    model.optimizer.learning_rate = 1e20
    with np.errstate(all="ignore"):
        model.fit(PLANE, PLANE[:, 0], callbacks=[film], **OPTIONS)
    frames = [
        content["frame"] for kind, content in sent if kind == "message" and "frame" in content
    ]
    assert None in frames[-1]["norm"]
    json.dumps(sent, allow_nan=False)


def test_the_playground_begins_with_the_users_points(sent):
    x = np.array([[0.0, 10.0], [4.0, 20.0], [2.0, 15.0]])
    page = keras.playground.widget(x, ["no", "yes", "yes"], digits=False).page
    assert 'data-address="#data=points&amp;points=-1,-1,0,1,1,1,0,0,1"' in page
    assert 'data-address=""' in keras.playground.widget(digits=False).page
    for bad in (x[:, :1], np.full((3, 2), np.nan)):
        with pytest.raises(ValueError, match="the playground's own points"):
            keras.playground.widget(bad, [0, 1, 1])
    with pytest.raises(ValueError, match=r"of 3 classes"):
        keras.playground.widget(x, [0, 1, 2])


@pytest.mark.parametrize("make", [lambda: Film(PLANE, IDS, None).widget(), keras.playground.widget])
def test_without_the_extra_it_is_named(make, monkeypatch):
    from tinynet.showing import widget

    widget._widget_class.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r'pip install "tinynet\[notebook\]"'):
        make()


HOST = """<!DOCTYPE html><meta charset="utf-8"><title>notebook</title><div id="cell"></div>
<script>
// As much of a notebook's front end as the script sees
const state = STATE, heard = {}, saved = [];
const model = {
  get: name => state[name],
  set: (name, value) => { state[name] = value; },
  save_changes: () => saved.push({...state}),
  on: (name, run) => (heard[name] ??= new Set()).add(run),
  off: (name, run) => heard[name].delete(run),
};
const receive = ([kind, content]) => {
  if (kind === "message") { for (const run of heard["msg:custom"] ?? []) run(content); return; }
  Object.assign(state, content);
  for (const name of Object.keys(content)) for (const run of heard[`change:${name}`] ?? []) run();
};
let leave;
const begin = () => {
  const script = new Function(SCRIPT.replace("export default", "return"));
  leave = script().render({model, el: document.getElementById("cell")});
};
</script>"""


@pytest.fixture
def notebook(browser, tmp_path):
    """notebook(a widget's state): a page on which it is shown, as a notebook would."""
    from browsing import visits

    with contextlib.ExitStack() as stack:

        def show(state, **options):
            host = tmp_path / "host.html"
            text = HOST.replace("STATE", json.dumps(state).replace("</", "<\\/"))
            script = json.dumps(SCRIPT.read_text("utf-8"))
            host.write_text(text.replace("SCRIPT", script, 1), "utf-8")
            page = stack.enter_context(visits(browser, host.as_uri()))(**options)
            page.evaluate("begin()")
            return page

        yield show


def state_of(widget):
    return {name: getattr(widget, name) for name in ("page", "title", "height", "number")}


def test_a_notebook_sees_the_film_grow(sent, notebook):
    film = Film(PICTURES, IDS, None)
    widget = film.widget()
    page = notebook(state_of(widget))
    frame = page.frame_locator("#cell iframe")
    assert frame.locator("#now dt").inner_text() == without_tags(texts()["waiting"]["en"])
    frame.locator("label[for=language-ko]").click()
    assert frame.locator("#now dt").inner_text() == without_tags(texts()["waiting"]["ko"])
    classifier((8, 8)).fit(PICTURES, IDS, callbacks=[film], **OPTIONS)
    page.evaluate("all => all.forEach(receive)", [list(message) for message in sent[:6]])
    frame.locator("#now dd").first.wait_for()
    assert frame.locator("#time").get_attribute("max") == "4"
    assert frame.locator("#now dd").all_inner_texts()[:2] == ["0.80", "4"]
    frame.locator("#first").click()  # a reader who looks back is left there
    for message in sent[6:]:
        page.evaluate("receive", list(message))
    page.wait_for_timeout(300)
    assert frame.locator("#time").get_attribute("max") == "10"
    assert frame.locator("#now dd").first.inner_text() == "0"
    frame.locator("#last").click()
    assert frame.locator("#now dd").all_inner_texts()[:2] == ["2", "10"]
    frame.locator("#open").click()
    assert "net" in frame.frame_locator("#moment iframe").locator("h1").inner_text()
    frame.locator("#close").click()
    page.evaluate("document.querySelector('#cell').replaceChildren(); leave(); begin()")
    frame.locator("#last").click()  # a new view has all of it
    assert frame.locator("#now dd").first.inner_text() == "2"


def without_tags(text):
    return re.sub("<[^>]*>", "", text)


def test_the_kernel_hears_what_the_playground_shows(sent, notebook):
    x = np.random.default_rng(1).normal(size=(30, 2))
    page = notebook(state_of(keras.playground.widget(x, x[:, 0] > 0, digits=False)))
    frame = page.frame_locator("#cell iframe")
    assert frame.locator("input[name=set][value=points]").is_checked()
    frame.locator("#rate").select_option("0.03")
    page.wait_for_timeout(200)
    said = page.evaluate("saved.at(-1).said")
    assert "Adam(0.03)" in said["python"] or "learning_rate=0.03" in said["python"]
    assert said["address"].startswith("#data=points")
    compile(said["python"], "playground", "exec")
