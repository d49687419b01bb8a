"""A differential test that makes its own cases: the same model, data and calls in Keras and in
tinynet, from the same weights, and everything that comes out compared.

    tables.py   what there is to draw from: extend these when tinynet learns something new
    cases.py    a case: a plain dict drawn from a seed
    draw.py     choices that depend on a seed
    calls.py    what is done with a case's model
    more.py     what came later, from a stream of its own
    build.py    the same dict carried out with either library
    compare.py  what differs
    purpose.py  where we differ from Keras on purpose
    shrink.py   a failing case made small
    script.py   a case as a script that stands alone

To let it draw something new: a layer, loss, metric, optimizer or callback is a row of a table (and
`build.ATTRIBUTES` for what a callback knows afterwards); an argument of a method is a line in
`calls.py`; another kind of model is `build.new_model`. Where only rounding would be compared,
`cases.steady` steps in: an optimizer whose step does not shrink with the gradient belongs there.
"""
