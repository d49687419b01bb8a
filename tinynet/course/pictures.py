"""The pictures of the lessons: shown in a notebook, saved by a script with `--plot`."""

import io
import sys

from ..saving.atomic import atomic_write


def picture(name, draw):
    """Show or save the figure that draw() returns; do nothing in a script without `--plot`.

    Args:
        name: of the PNG file.
        draw: a function, called only where the picture is wanted.
    """
    if "--plot" in sys.argv:
        with atomic_write(name) as file:
            draw().savefig(file, format="png", dpi=150)
        print(f"saved {name}")
    elif "ipykernel" in sys.modules:
        from IPython.display import Image, display

        file = io.BytesIO()
        draw().savefig(file, dpi=100)
        display(Image(file.getvalue()))
