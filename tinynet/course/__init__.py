"""The course: `python -m tinynet lesson 6` writes an exercise, `check 6` says what is wrong in it.

A lesson is a script of examples/lessons. Its exercise is the same text with a block left blank, so
the lesson is the solution. `lessons` finds and writes them, `student` runs what a student wrote,
`compare` names the kind of a wrong array, and `checks` has, for each lesson, what must come out.
"""
