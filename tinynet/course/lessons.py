"""The lessons: where they are, and the exercises that are made from them."""

import functools
import pathlib
import re
import textwrap

PACKAGE = pathlib.Path(__file__).parents[1]
INSTALLED = PACKAGE / "lessons"
FOLDER = INSTALLED if INSTALLED.is_dir() else PACKAGE.parent / "examples/lessons"
BLANK = re.compile(r"^( *)# blank: (.*?)\n(.*?)^ *# end\n", re.MULTILINE | re.DOTALL)


class Lesson:
    """One lesson: `number`, `name`, the `path` of its script and its `text`."""

    def __init__(self, path):
        self.path, self.text = path, path.read_text(encoding="utf-8")
        number, self.name = path.stem.split("_", 1)
        self.number = int(number)
        self.file = f"lesson_{path.name}"  # of the exercise, in the student's folder

    @property
    def question(self):
        """The heading of the script."""
        return re.search(r"^# # (.*)$", self.text, re.MULTILINE)[1]

    @property
    def exercise(self):
        """The script with its block left blank."""
        head = (
            f"# Fill the blank in {self.blanks}, then: python -m tinynet check {self.number}\n"
            "# This is a notebook, too: VS Code opens it as cells, Jupyter with jupytext.\n\n"
        )

        def empty(match):
            indent, wanted, _ = match.groups()
            error = f'raise NotImplementedError("the blank of lesson {self.number} is empty")'
            return f"{indent}# Your lines: {wanted}\n{indent}{error}\n"

        return head + BLANK.sub(empty, self.text)

    @property
    def blanks(self):
        """The functions and methods whose bodies are left blank, as words."""
        above = [self.text[: match.start()] for match in BLANK.finditer(self.text)]
        names = [re.findall(r"^ *def (\w+)", text, re.MULTILINE)[-1] for text in above]
        return " and ".join(f"`{name}`" for name in names)

    @property
    def solution(self):
        """The lines that fill the blank, indented by two spaces."""
        blocks = (textwrap.dedent(match[3]) for match in BLANK.finditer(self.text))
        return textwrap.indent("".join(blocks), "  ")


@functools.cache
def all_lessons():
    """Return the lessons by their numbers."""
    lessons = [Lesson(path) for path in sorted(FOLDER.glob("[0-9][0-9]_*.py"))]
    return {lesson.number: lesson for lesson in lessons}
