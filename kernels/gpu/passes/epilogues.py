"""Products of a recorded step together with what follows them, as one call of cuBLASLt."""

import dataclasses

from ..card.cublaslt import BGRADA, BIAS, RELU_BIAS
from ..machine.call import Product, address_of, same

RELU = "relu", 0  # what its kernels are made from: it has no options


@dataclasses.dataclass
class Fused:
    """A product and its neighbours; where cuBLASLt has no algorithm for it, these one by one.

    Attributes:
        parts: the launches that it stands for.
        product: the first of them, writing to where the epilogue's result belongs.
        epilogue, bias: see `card.cublaslt.Plan`.
    """

    parts: list
    product: Product
    epilogue: int
    bias: object
    plan: object = None
    name, own, recorded_only, when = "gemm", (), False, None

    @property
    def arrays(self):
        return [a for part in self.parts for a in part.arrays]

    @property
    def dtype(self):
        return self.product.dtype

    def prepare(self, runtime):
        """Look for an algorithm, and have the kernels ready in case there is none. It is run once,
        like every product (`Product.prepare`)."""
        for part in self.parts:
            part.prepare(runtime)
        p = self.product
        if self.plan is None and all(p.sizes):
            A, B, C = map(address_of, (p.A, p.B, p.C))
            self.plan = runtime.cublaslt.plan(
                p.dtype, p.transposed, p.sizes, A, p.lda, B, p.ldb, C, p.ldc, self.epilogue,
                address_of(self.bias), workspace=runtime.workspace,
            )  # fmt: skip
            self.start(runtime)

    def start(self, runtime, control=0):
        if self.plan is not None:
            runtime.start_plan(self.plan)
            return
        for part in self.parts:
            part.start(runtime, control)


def with_epilogues(launches):
    """The same step, fewer launches."""
    launches = list(launches)
    i = 0
    while i < len(launches):
        one = launches[i]
        if type(one) is Product and one.when is None:
            _bias(launches, i) or _relu(launches, i) or _bias_gradient(launches, i)
        i += 1
    return launches


def _is(launch, name):
    return launch.name == name and launch.when is None


def _after(launches, i, name):
    """The launch after number i, if it is of this name."""
    return launches[i + 1] if i + 1 < len(launches) and _is(launches[i + 1], name) else None


def _bias(launches, i):
    """y = x W; y += b"""
    after = _after(launches, i, "add_bias")
    if after is None or not _adds_to(after.given, after.given["y"], launches[i]):
        return False
    launches[i : i + 2] = [Fused([launches[i], after], launches[i], BIAS, after.given["b"])]
    return True


def _adds_to(given, y, product):
    """Whether a launch with these arguments adds a bias to all that a product has made, y."""
    return same(y, product.C) and product.sizes[0] == given["H"]


def _relu(launches, i):
    """z = x W; z += b, y = max(z, 0), where z is read by relu's gradient alone.

    That only asks whether z > 0, which is whether y > 0, so that it can read y.
    """
    after = _after(launches, i, "bias_elementwise")
    if after is None or after.kernel.made_from != RELU:
        return False
    b, z, y = (after.given[name] for name in ("b", "z", "y"))
    if not _adds_to(after.given, z, launches[i]):
        return False
    others = launches[:i] + launches[i + 2 :]
    readers = [one for one in others if any(same(a, z) for a in one.arrays)]
    grads = [one for one in readers if _is_grad_of_relu(one, z)]
    if len(readers) != len(grads):
        return False
    for one in grads:
        one.args = tuple({**one.given, "x": y}.values())
    product = dataclasses.replace(launches[i], C=y)
    launches[i : i + 2] = [Fused([launches[i], after], product, RELU_BIAS, b)]
    return True


def _is_grad_of_relu(launch, z):
    if not (_is(launch, "elementwise_grad") or _is(launch, "elementwise_grad_bias")):
        return False
    z_is = [name for name, a in launch.given.items() if hasattr(a, "data") and same(a, z)]
    return launch.kernel.made_from == RELU and z_is == ["x"]


def _bias_gradient(launches, i):
    """dW = x^T dy, and db = sum of dy's rows, a little later."""
    product = launches[i]
    if product.transposed != (False, True):
        return False
    dy = product.A
    for j in range(i + 1, len(launches)):
        one = launches[j]
        found = one.given if _is(one, "sum_rows") else None
        if found and same(found["x"], dy) and found["D"] == product.sizes[0]:
            db = found["out"]
            between = launches[i + 1 : j]
            if any(same(a, db) for other in between for a in other.arrays):
                return False
            del launches[j]
            launches[i] = Fused([product, one], product, BGRADA, db)
            return True
        if any(same(a, dy) for a in _written(one)):
            return False
    return False


def _written(launch):
    parts = launch.parts if isinstance(launch, Fused) else [launch]
    return [a for part in parts for a in part.outputs()]
