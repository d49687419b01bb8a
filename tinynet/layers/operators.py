"""`+ - * /` on symbolic tensors: each stands for a layer that does it; others are errors."""

from ..configs.checks import is_number
from ..core.graph import KerasTensor
from .merge import add, multiply, subtract
from .scaling import Rescaling

ABSENT = {  # operator -> its methods
    "x[...]": ["getitem"], "**": ["pow", "rpow"], "@": ["matmul", "rmatmul"], "abs": ["abs"],
    "%": ["mod", "rmod"], "//": ["floordiv", "rfloordiv"], "1 / x": ["rtruediv"],
    "a comparison": ["lt", "le", "gt", "ge"], "& | ^ ~": ["and", "or", "xor", "invert"],
}  # fmt: skip


def _sum(a, b):
    return Rescaling(1.0, b)(a) if is_number(b) else add([a, b])


def _difference(a, b):
    return Rescaling(1.0, -b)(a) if is_number(b) else subtract([a, b])


def _product(a, b):
    return Rescaling(b)(a) if is_number(b) else multiply([a, b])


def give_operators():
    """Let KerasTensors be added, subtracted and multiplied, with each other and with numbers.

    The operators of ABSENT raise a TypeError that says so.
    """
    operators = {
        "__add__": _sum, "__radd__": _sum, "__sub__": _difference, "__mul__": _product,
        "__rmul__": _product, "__rsub__": lambda a, b: Rescaling(-1.0, b)(a),
        "__truediv__": lambda a, b: Rescaling(1 / b)(a) if is_number(b) else NotImplemented,
        "__neg__": lambda a: Rescaling(-1.0)(a),
    }  # fmt: skip
    for name, operator in operators.items():
        setattr(KerasTensor, name, _of_tensors(operator))
    for label, names in ABSENT.items():
        for name in names:
            setattr(KerasTensor, f"__{name}__", _absent(label))


def _of_tensors(operator):
    def checked(a, *b):
        if b and not (is_number(b[0]) or isinstance(b[0], KerasTensor)):
            return NotImplemented
        return operator(a, *b)

    return checked


def _absent(label):
    def refuse(a, *b):
        raise TypeError(f"{label} of {a!r} is no layer, as + - * / are: what computes so in a "
                        "model is a Layer with forward and backward")  # fmt: skip

    return refuse
