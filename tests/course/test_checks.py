"""`check` accepts every lesson's own solution, and names the mistake in wrong ones."""

import course_mistakes
import course_more_mistakes
import pytest

from tinynet.commands.course import checks, verdict
from tinynet.course.lessons import all_lessons

LESSONS = {lesson.name: lesson for lesson in all_lessons().values()}
MISTAKES = {**course_mistakes.FIRST, **course_more_mistakes.SECOND}
CASES = [pytest.param(name, *mistake, id=f"{name}-{i}")
         for name, mistakes in MISTAKES.items() for i, mistake in enumerate(mistakes)]  # fmt: skip


def judged(name, text, folder):
    path = folder / LESSONS[name].file
    path.write_text(text, encoding="utf-8")
    return verdict(LESSONS[name], path)


@pytest.mark.parametrize("name", LESSONS)
def test_the_solution_is_right_and_the_blank_is_not(name, tmp_path):
    assert judged(name, LESSONS[name].text, tmp_path) is None
    assert "is empty" in judged(name, LESSONS[name].exercise, tmp_path)


@pytest.mark.parametrize(("name", "right", "wrong", "told"), CASES)
def test_a_mistake_is_named_with_its_place(name, right, wrong, told, tmp_path):
    text = LESSONS[name].text
    assert right in text
    said = judged(name, text.replace(right, wrong, 1), tmp_path)
    assert said is not None
    assert told in said
    assert "line " in said or "argument" in said


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_has_ten_mistakes_that_are_named_and_hints(name):
    assert len({told for *_, told in MISTAKES[name]}) >= 10
    assert len(checks(LESSONS[name]).HINTS) >= 2
