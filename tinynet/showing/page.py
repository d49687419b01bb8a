"""A page that was written, as the last value of a notebook's cell: the page itself."""

import html
import pathlib

HEIGHT = "58rem"
FRAME = f"width:100%;height:{HEIGHT};border:1px solid #8884;border-radius:12px"


class Page(type(pathlib.Path())):
    """The path of a page that stands alone; a notebook shows the page inline."""

    def _repr_html_(self):
        if not self.is_file():
            return None
        text = html.escape(self.read_text("utf-8"))
        name = html.escape(self.name)
        return (f'<iframe title="{name}" sandbox="allow-scripts" style="{FRAME}" '
                f'srcdoc="{text}"></iframe>')  # fmt: skip
