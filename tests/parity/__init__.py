"""A differential test that makes its own cases: the same model, data and calls in Keras and in
tinynet, from the same weights, and everything that comes out compared.

    tables.py   what there is to draw from: extend these when tinynet learns something new
    cases.py    a case: a plain dict drawn from a seed
    build.py    the same dict carried out with either library
    compare.py  what differs
    purpose.py  where we differ from Keras on purpose
    shrink.py   a failing case made small
    script.py   a case as a script that stands alone
"""
