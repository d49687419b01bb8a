"""A page that was written, live in a notebook: a widget by anywidget (extra `notebook`)."""

import functools
import pathlib

from ..configs.extras import needs
from .page import HEIGHT

SCRIPT = pathlib.Path(__file__).with_name("widget.js")


def page_widget(page, title):
    """Return a widget that shows a page's HTML in a frame.

    Its `page` is what new views show; `show(page)` has all views show another one; `send(message)`
    posts a message to the page. What the page says to the kernel, by posting {said: ...} to its
    parent, is in `said`, a dict.

    Raises:
        ImportError: anywidget is missing; says how to install it.
    """
    return _widget_class()(page=page, title=title)


@functools.cache
def _widget_class():
    with needs("notebook", "widgets are made with the anywidget package"):
        import anywidget
        import traitlets

    class PageWidget(anywidget.AnyWidget):
        _esm = SCRIPT.read_text("utf-8")
        page = traitlets.Unicode().tag(sync=True)
        title = traitlets.Unicode().tag(sync=True)
        height = traitlets.Unicode(HEIGHT).tag(sync=True)
        number = traitlets.Int().tag(sync=True)  # of the page: views show the new one
        said = traitlets.Dict().tag(sync=True)

        def show(self, page):
            with self.hold_sync():
                self.page, self.number = page, self.number + 1

    return PageWidget
