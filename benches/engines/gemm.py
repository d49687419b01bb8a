"""No engines: the matrix products of the steps and nothing else, the bound that BLAS sets."""

import contextlib
import time

from products import Products, make_products_on_the_card

from .base import Engine


class Gemm(Engine):
    settings = "the step's matrix products alone, NumPy's BLAS on one thread or all, as is faster"

    def __init__(self, x, y):
        super().__init__(x, y)
        self.products, self.limit = {}, {}

    def load(self, weights):
        pass

    def train(self, batch, steps, order=None):
        if batch not in self.products:
            self.products[batch] = Products(batch).run
            self.limit[batch] = min((1, None), key=lambda limit: self.time(batch, steps, limit))
        return self.time(batch, steps, self.limit[batch]), float("nan")

    def time(self, batch, steps, limit):
        """Seconds with at most `limit` BLAS threads; small products don't gain from a second."""
        from threadpoolctl import threadpool_limits

        run = self.products[batch]
        with threadpool_limits(limit, "blas") if limit else contextlib.nullcontext():
            run()
            start = time.perf_counter()
            for _ in range(steps):
                run()
            return time.perf_counter() - start


class GemmGpu(Engine):
    settings = "the step's matrix products alone, cuBLAS in CUDA graphs"

    def __init__(self, x, y):
        super().__init__(x, y)
        self.products = {}

    def load(self, weights):
        pass

    def train(self, batch, steps, order=None):
        if batch not in self.products:
            self.products[batch] = make_products_on_the_card(batch)
        start = time.perf_counter()
        self.products[batch].run(steps)
        return time.perf_counter() - start, float("nan")
