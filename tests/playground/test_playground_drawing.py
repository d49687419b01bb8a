"""What the playground shows while it trains: parts of the picture, in turn, as time allows."""

import numpy as np
import pytest
from browsing import LOCALES, WIDTHS, faults, with_axe

DEEP = "#data=spirals&rate=0.1&hidden=5:tanh:0,4:relu:0"
PICTURES = """[...document.querySelectorAll("canvas")].map(c => c.toDataURL())
    .concat(["layer-table", "unit-table", "numbers"].map(id => $(id).innerHTML))"""


@pytest.mark.parametrize(
    "hash_", [DEEP, "#data=digits&hidden=6:tanh:0,5:relu:0&rate=0.1", "#data=clusters&rate=0.1"]
)
@pytest.mark.parametrize("lines", ["w", "g"])
def test_parts_make_the_picture_that_is_drawn_at_once(visit, hash_, lines):
    if "digits" in hash_:
        pytest.importorskip("sklearn")
    page = visit(hash_=hash_)
    page.check(f"input[name=lines][value={lines}]")
    page.click(".unit-button[aria-label='layer 2, unit 3']")
    page.evaluate("travel(3)")
    before = page.evaluate(PICTURES)
    page.evaluate("run.go_to(40)")
    assert page.evaluate(PICTURES) == before
    page.evaluate("parts.forEach(part => part.draw())")
    found = page.evaluate(PICTURES)
    page.evaluate("draw()")
    assert found == page.evaluate(PICTURES)
    assert found != before


def test_lines_that_look_as_before_are_left_as_they_are(visit):
    page = visit(hash_=DEEP)
    assert page.evaluate("draw_wires(1)") is False
    page.evaluate("run.model.layers[1].W[3] *= 1.001")
    assert page.evaluate("draw_wires(1)") is False
    page.evaluate("run.model.layers[1].W[3] -= 0.5")
    assert page.evaluate("draw_wires(1)") is not False


def test_a_frame_without_time_takes_steps_and_draws_what_waited_longest(visit):
    page = visit(hash_=DEEP)
    page.evaluate("""() => {
        Object.defineProperty(rest, "cost", {get: () => 1000, set() {}});
        window.drawn = [];
        parts.forEach((part, i) => {
          const {draw} = part;
          part.draw = () => { drawn.push(i); draw(); };
        });
        toggle();
        drawn.length = 0;
    }""")
    count = page.evaluate("parts.length")
    for _ in range(600):
        if len(found := page.evaluate("drawn")) >= 3 * count:
            break
        page.wait_for_timeout(50)
    assert found[: 3 * count] == [*range(count)] * 3
    assert page.evaluate("run.model.steps") >= 3 * count


def test_costs_of_parts_are_learned_from_the_frames_that_they_were_in(visit):
    costs = {"rest": 3.0, "a": 0.5, "b": 6.0, "c": 2.0}
    rng = np.random.default_rng(1)
    frames = [["rest", *(name for name in "abc" if rng.random() < 0.5)] for _ in range(2000)]
    found = visit().evaluate(
        """([names, frames]) => {
          const parts = Object.fromEntries(names.map(name => [name, {cost: 1}]));
          for (const [drawn, took] of frames) learn(drawn.map(name => parts[name]), took);
          return Object.fromEntries(names.map(name => [name, parts[name].cost]));
        }""",
        [list(costs), [(names, sum(map(costs.get, names))) for names in frames]],
    )
    assert found == pytest.approx(costs, rel=0.02)


def test_a_loss_that_is_lost_ends_the_run_and_is_said(visit):
    page = visit(hash_="#data=plane&optimizer=SGD&rate=10&hidden=16:relu:0,16:relu:0")
    page.select_option("#speed", "100")
    page.click("#play")
    for _ in range(600):
        if page.evaluate("!playing"):
            break
        page.wait_for_timeout(50)
    assert page.get_attribute("#play", "aria-pressed") == "false"
    assert page.inner_text("#numbers") == page.evaluate("say('say.lost')")
    assert page.evaluate("$('said').textContent") == page.evaluate("say('say.lost')")


def test_without_points_nothing_of_the_last_network_stays(visit):
    page, fresh = visit(hash_=DEEP), visit(hash_=DEEP.replace("spirals", "points"))
    page.evaluate("travel(9)")
    page.check("input[name=set][value=points]")
    assert page.evaluate(PICTURES) == fresh.evaluate(PICTURES)


@with_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(visit, width, language, scheme):
    page = visit(width, language, "#data=circles&hidden=16:own:0.1,16:tanh:0,3:relu:0",
                 color_scheme=scheme, reduced_motion="reduce")  # fmt: skip
    assert faults(page) == []
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    for name in page.evaluate("SETS"):
        page.check(f"input[name=set][value={name}]")
        page.evaluate("travel(5)")
        page.click("#keep")
        page.evaluate("travel(9)")
        if name in ("circles", "points", "digits"):
            assert faults(page) == [], name
