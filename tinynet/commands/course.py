"""`python -m tinynet lesson` and `check`: the exercises of the lessons."""

import concurrent.futures
import importlib
import pathlib
import textwrap
import threading

from ..course.lessons import FOLDER, all_lessons
from ..course.student import Student, Wrong
from ..saving.atomic import atomic_write
from ..showing.encoding import printable
from . import Mistake

SECONDS = 20  # that a student's code may take


def write_exercise(number=None):
    """Write the exercise of a lesson into the current folder; without a number list the lessons."""
    if number is None:
        for each in all_lessons().values():
            print(printable(f"{each.number:3d}  {each.question}"))
        print("python -m tinynet lesson 1 writes the exercise of lesson 1 into this folder")
        return
    lesson, path = _lesson(number), pathlib.Path(_lesson(number).file)
    if path.exists():
        print(f"{path} is here already, and stays as it is.")
    else:
        with atomic_write(path) as file:
            file.write(lesson.exercise.encode("utf-8"))
        print(printable(f"{path}: {lesson.question}"))
    print(f"Read it from the top, and fill the blank in {lesson.blanks}. Then:\n"
          f"    python -m tinynet check {number}           what is wrong, and where\n"
          f"    python -m tinynet check {number} --hint    a hint; --hint 2 says more\n"
          f"The lesson as it runs: {lesson.path}")  # fmt: skip


def check(number, file=None, hint=None):
    """Print what is wrong in a student's file; exit status 1 if anything is."""
    lesson = _lesson(number)
    if hint is not None:
        print(printable(hint_text(lesson, hint)))
        return
    path = pathlib.Path(file or lesson.file)
    if not path.is_file():
        raise Mistake(f"there is no {path} here; python -m tinynet lesson {number} writes "
                      f"{lesson.file}")  # fmt: skip
    told = within(SECONDS, lambda: verdict(lesson, path))
    if told is None:
        print(f"{path}: right. It agrees with tinynet and with what moving the numbers shows.\n"
              f"The lesson's own lines: {lesson.path}")  # fmt: skip
        return
    print(printable(f"{path}: not yet\n{_wrapped(told, '  ')}\n"
                    f"A hint: python -m tinynet check {number} --hint"))  # fmt: skip
    raise SystemExit(1)


def verdict(lesson, path):
    """Return None if the exercise is right, else what is wrong with it, and where."""
    try:
        checks(lesson).check(Student(path))
    except Wrong as wrong:
        return str(wrong)
    return None


def checks(lesson):
    """Return the module that knows what an exercise must give: its `check` and its `HINTS`."""
    return importlib.import_module(f"..course.checks.{lesson.name}", __package__)


def hint_text(lesson, degree):
    """Return the hints up to a degree; the one after the last shows the solution."""
    hints = checks(lesson).HINTS
    lines = [_wrapped(f"{i}. {text}") for i, text in enumerate(hints[:degree], 1)]
    if degree > len(hints):
        lines.append(f"{len(hints) + 1}. The lesson's own lines ({lesson.path}):\n\n"
                     f"{lesson.solution}")  # fmt: skip
    else:
        lines.append(f"More: python -m tinynet check {lesson.number} --hint {degree + 1}")
    return "\n".join(lines)


def within(seconds, call):
    """Return call(), or a sentence if it takes longer."""
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        return f"it has not come to an end after {seconds} s: is there a loop that never ends?"


def _wrapped(text, indent=""):
    """Return a text with each of its lines folded at 80 columns."""
    fold = {"initial_indent": indent, "subsequent_indent": indent + "   ", "width": 80}
    return "\n".join(textwrap.fill(line, **fold) for line in text.splitlines())


def _lesson(number):
    if number not in all_lessons():
        raise Mistake(f"expected the number of a lesson, 1 to {len(all_lessons())}; received "
                      f"{number}. python -m tinynet lesson lists them")  # fmt: skip
    if pathlib.Path.cwd() == FOLDER:
        raise Mistake("this folder holds the lessons; go to one of your own")
    return all_lessons()[number]
