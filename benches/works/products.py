"""A workload's dense matrix products alone: what BLAS takes of the time, whoever calls it."""

import math

from products import Products

from . import PREDICTED_AT_ONCE


class Alone:
    """The products of all steps of an epoch, forward and backward; of a prediction, forward."""

    def __init__(self, case, x, y):
        self.case = case
        self.step = Products(case.batch, case.widths, case.dtype)
        self.forward = Products(min(PREDICTED_AT_ONCE, case.rows), case.widths, case.dtype)
        self.row = Products(1, case.widths, case.dtype)

    def load(self, weights):
        pass

    def fit(self, epochs):
        for _ in range(epochs * math.ceil(self.case.rows / self.case.batch)):
            self.step.run()

    def predict(self):
        for _ in range(math.ceil(self.case.rows / PREDICTED_AT_ONCE)):
            self.forward.predict()

    def one(self, row):
        self.row.predict()

    @staticmethod
    def unable(case):
        return "its inputs are sparse" if case.data == "csr" else None
