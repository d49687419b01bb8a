"""`python -m tinynet lesson` and `check`, as a student uses them."""

import pathlib
import re
import threading

import pytest

from tinynet.__main__ import main
from tinynet.commands.course import within
from tinynet.course.lessons import FOLDER, all_lessons

README = (pathlib.Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SOLUTION = all_lessons()[6].solution.replace("\n  ", "\n    ").strip()
EMPTY = re.compile(r"raise NotImplementedError.*")


@pytest.fixture
def student(tmp_path, monkeypatch, capsys):
    """Function: run a command; its exit status and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
            status = 0
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def written(student, body, number=6):
    """Write the exercise with these lines in its blank, and return its path."""
    student("lesson", number)
    path = pathlib.Path(all_lessons()[number].file)
    path.write_text(EMPTY.sub(lambda _: body, path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def test_the_list_has_every_lesson(student):
    status, out = student("lesson")
    assert status == 0
    for lesson in all_lessons().values():
        assert re.search(rf"^ *{lesson.number}  {re.escape(lesson.question)}$", out, re.MULTILINE)


def test_an_exercise_is_the_lesson_with_a_blank_and_is_never_overwritten(student):
    _, out = student("lesson", 6)
    path = pathlib.Path("lesson_06_p_minus_y.py")
    text = path.read_text(encoding="utf-8")
    assert "check 6" in out
    assert "dz = (p - y) / N" not in text
    assert EMPTY.sub(lambda _: SOLUTION, text).count("dz = (p - y) / N") == 1
    status, out = student("check", 6)
    assert (status, "the blank of lesson 6 is empty: line" in out) == (1, True)
    path.write_text("mine", encoding="utf-8")
    _, out = student("lesson", 6)
    assert "stays as it is" in out
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_right_exercise_and_the_wrong_one_of_the_readme(student):
    written(student, SOLUTION)
    status, out = student("check", 6)
    assert status == 0
    assert out.startswith("lesson_06_p_minus_y.py: right.")
    pathlib.Path("lesson_06_p_minus_y.py").unlink()
    written(student, SOLUTION.replace("(p - y) / N", "p - y"))
    status, out = student("check", 6)
    assert status == 1
    shown = re.search(r"```text\n(lesson_06.*?)```", README, re.DOTALL)[1]
    assert out.startswith(shown)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return 1 / 0", ["softmax_crossentropy(z, labels) raised ZeroDivisionError",
                          "line 36: return 1 / 0"]),
        ("return unknown", ["raised NameError", "check runs only imports, functions"]),
        ("return (", ["line 36 is no Python"]),
        ("raise SystemExit(0)", ["raised SystemExit"]),
        ("return z @ z, 0", ["raised ValueError", "a transpose is missing or one too many"]),
        ("return 1.0", ["must return loss, dz; it returns a float"]),
        ("return 'a', z", ["loss: expected numbers, received str"]),
        ("return float('nan'), z", ["loss: NaN in 1 of 1 entries"]),
    ],
)  # fmt: skip
def test_errors_of_the_students_code_are_sentences(student, body, told):
    written(student, body)
    status, out = student("check", 6)
    assert status == 1
    assert all(words in " ".join(out.split()) for words in told)  # lines are folded
    assert "Traceback" not in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_function_that_is_gone_and_a_file_that_is_not_there(student):
    path = written(student, SOLUTION)
    path.write_text("x = 1\n", encoding="utf-8")
    _, out = student("check", 6)
    assert "there is no `softmax_crossentropy` in the file" in " ".join(out.split())
    status, out = student("check", 6, "other.py")
    assert (status, "there is no other.py here" in out) == (2, True)
    status, out = student("lesson", 99)
    assert (status, "1 to 17; received 99" in out) == (2, True)


def test_the_folder_of_the_lessons_is_not_written_to(student, monkeypatch):
    monkeypatch.chdir(FOLDER)
    status, out = student("lesson", 6)
    assert (status, "go to one of your own" in out) == (2, True)
    assert not (FOLDER / "lesson_06_p_minus_y.py").exists()


def test_hints_come_by_degrees_and_the_last_is_the_solution(student):
    one, two, last = (student("check", 6, "--hint", degree)[1] for degree in (1, 2, 4))
    assert len(one) < len(two) < len(last)
    assert "dz = (p - y) / N" not in two
    assert "dz = (p - y) / N" in last


def test_code_without_an_end_is_said_to_be_so():
    assert "a loop that never ends" in within(0.05, threading.Event().wait)
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
