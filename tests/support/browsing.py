"""Pages in a real browser: headless Chromium, driven by Playwright.

Skipped where either is missing: `pip install -e ".[browser]"`, and a Chromium on the path
(or Playwright's own, `playwright install chromium`).
"""

import contextlib
import os
import pathlib
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)  # fmt: skip
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
LOCALES = {"en": "en-US", "ko": "ko-KR"}
AXE = pathlib.Path(os.environ.get("TINYNET_AXE", "node_modules/axe-core/axe.min.js"))
with_axe = pytest.mark.skipif(not AXE.is_file(), reason=f"npm install axe-core: none at {AXE}")


@contextlib.contextmanager
def chromium():
    """A browser, while the block lasts."""
    with playwright.sync_playwright() as p:
        try:
            found = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium to run: {str(error).splitlines()[0]}")
        yield found
        found.close()


@contextlib.contextmanager
def visits(browser, uri):
    """visit(width, language, ...) opens the page; whatever it asks for or complains of fails."""
    contexts, wrong = [], []

    def visit(width="desktop", language="en", hash_="", **options):
        w, h = WIDTHS[width]
        context = browser.new_context(viewport={"width": w, "height": h}, locale=LOCALES[language],
                                      **options)  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else 0)
        page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith("file:") else 0)
        page.goto(uri + hash_)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


def faults(page):
    """What axe-core finds wrong with the page as it is now: [rule, how bad, places]."""
    if page.evaluate("typeof axe") == "undefined":
        page.add_script_tag(content=AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {iframes: false})")
    assert len(found["passes"]) > 10
    return [(v["id"], v["impact"], [n["html"] for n in v["nodes"][:3]])
            for v in found["violations"]]  # fmt: skip


def serious(page):
    """Those faults that keep a reader out."""
    return [fault for fault in faults(page) if fault[1] in ("serious", "critical")]
