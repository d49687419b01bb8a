"""`+ - * /` on symbolic tensors: each stands for a layer that does it."""

from ..configs.checks import is_number
from ..core.graph import KerasTensor
from .merge import add, multiply, subtract
from .scaling import Rescaling


def _sum(a, b):
    return Rescaling(1.0, b)(a) if is_number(b) else add([a, b])


def _difference(a, b):
    return Rescaling(1.0, -b)(a) if is_number(b) else subtract([a, b])


def _product(a, b):
    return Rescaling(b)(a) if is_number(b) else multiply([a, b])


def give_operators():
    """Let KerasTensors be added, subtracted and multiplied, with each other and with numbers."""
    operators = {
        "__add__": _sum, "__radd__": _sum, "__sub__": _difference, "__mul__": _product,
        "__rmul__": _product, "__rsub__": lambda a, b: Rescaling(-1.0, b)(a),
        "__truediv__": lambda a, b: Rescaling(1 / b)(a) if is_number(b) else NotImplemented,
        "__neg__": lambda a: Rescaling(-1.0)(a),
    }  # fmt: skip
    for name, operator in operators.items():
        setattr(KerasTensor, name, _of_tensors(operator))


def _of_tensors(operator):
    def checked(a, *b):
        if b and not (is_number(b[0]) or isinstance(b[0], KerasTensor)):
            return NotImplemented
        return operator(a, *b)

    return checked
