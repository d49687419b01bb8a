"""CuPy itself, which needs no card for this: all that tinynet uses of it is there and takes what is
handed over, and the stand-in of the other tests (fake_cupy) has nothing that CuPy has not.
"""

import ast
import ctypes
import functools
import inspect
import operator
import pathlib
import re
import struct

import fake_cupy
import fake_nccl
import fake_streams
import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import gpu
from tinynet.kernels.gpu.card import survey
from tinynet.kernels.gpu.machine import call as card_call

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

SOURCES = sorted((pathlib.Path(kernels.__file__).parent / "gpu").rglob("*.py"))
# stand-in -> what it stands for, and what only tests use of it
CLASSES = {
    fake_cupy.ndarray: (cupy.ndarray, set()),
    fake_cupy.MemoryPointer: (cupy.cuda.MemoryPointer, set()),
    fake_cupy.RawModule: (cupy.RawModule, set()),
    fake_cupy.RawKernel: (cupy.RawKernel, set()),
    fake_streams.Graph: (cupy.cuda.Graph, set()),
    fake_streams.Event: (cupy.cuda.Event, set()),
    fake_streams.Stream: (cupy.cuda.Stream, {"put", "run_to"}),
}
MADE = (fake_cupy.RawModule, fake_streams.Stream)  # by tinynet; CuPy makes the others
OWN = {"current", "do", "in_place_of_a_card", "not_while_capturing"}  # the stage of the tests


# --------------------------------------------------------------------------------- signatures


def signature(function):
    """Of a function or class of CuPy; what is compiled has it in the first line of its text."""
    try:
        found = inspect.signature(function)
    except ValueError:
        found = None
    if found is not None and list(found.parameters) != ["args", "kwargs"]:
        return found
    return written(inspect.getdoc(function).splitlines()[0])


def written(line):
    """The signature of a text like "Pool.free(self, size_t size, *, bool all=True) -> int"."""
    inside = re.search(r"\((.*)\)", line)[1]
    names = [part.strip().replace("\\", "") for part in inside.split(",")]
    names = [re.sub(r"^([\w.]+ )+(?=\w)", "", name) for name in names]  # its type in C
    namespace = {}
    exec(f"def function({', '.join(names)}): pass", namespace)
    return inspect.signature(namespace["function"])


def positional(parameters):
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def misfit(ours, theirs):
    """Why a call that fits our signature may not fit theirs; None where every one does."""
    ours, theirs = list(ours.parameters.values()), list(theirs.parameters.values())
    by_name = {p.name: p for p in theirs}
    starred = any(p.kind is p.VAR_POSITIONAL for p in theirs)
    places = positional(theirs)
    for i, p in enumerate(positional(ours)):
        if i >= len(places) and not starred:
            return f"{p.name}: too many positional parameters"
        if p.kind is not p.POSITIONAL_ONLY and not starred and places[i].name != p.name:
            return f"{p.name}: the name there is {places[i].name}"
    for p in ours:
        if p.kind is p.VAR_POSITIONAL and not starred:
            return f"*{p.name}: no such parameter"
        if p.kind is p.KEYWORD_ONLY and p.name not in by_name:
            return f"{p.name}: no such parameter"
    needed = {p.name for p in theirs if p.default is p.empty and p.kind not in
              (p.VAR_POSITIONAL, p.VAR_KEYWORD)}  # fmt: skip
    given = {p.name for p in ours if p.kind is p.KEYWORD_ONLY and p.default is p.empty}
    given |= {q.name for p, q in zip(positional(ours), places, strict=False)
              if p.default is p.empty}  # fmt: skip
    return f"{needed - given} has to be given" if needed - given else None


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (lambda self, a: 0, "f(self, size_t a)", None),
        (lambda a, /, *, order: 0, "f(x, str order='K') -> y", None),
        (lambda a: 0, "f(b)", "the name there is b"),
        (lambda a, b: 0, "f(a)", "too many"),
        (lambda a: 0, "f(a, *, int b)", "'b'} has to be given"),
        (lambda a, *, c: 0, "f(a, *, b=1)", "c: no such"),
        (lambda a, b=1: 0, "f(a, b)", "'b'} has to be given"),
        (lambda *a: 0, "f(a)", "a: no such"),
        (lambda *a: 0, r"f(\*a, order='C')", None),
    ],
)
def test_calls_that_do_not_fit_are_found(ours, theirs, reason):
    found = misfit(inspect.signature(ours), written(theirs))
    assert found is None if reason is None else reason in found


# ------------------------------------------------------------------------------ the stand-in


def public(things):
    return {n: thing for n, thing in things.items() if n == "__call__" or not n.startswith("_")}


@pytest.mark.parametrize("ours", CLASSES, ids=lambda c: c.__name__)
def test_methods_of_the_stand_in_are_those_of_cupy(ours):
    theirs, own = CLASSES[ours]
    for name, method in public(vars(ours)).items():
        if name in own:
            continue
        assert hasattr(theirs, name), name
        if callable(method):
            reason = misfit(inspect.signature(method), signature(getattr(theirs, name)))
            assert reason is None, f"{name}: {reason}"
    if ours in MADE:
        assert misfit(inspect.signature(ours), signature(theirs)) is None


def test_operators_of_the_stand_in_are_those_of_cupy():
    for name in ("__len__", "__getitem__", "__setitem__", "__array_ufunc__", "__array_function__"):
        assert hasattr(cupy.ndarray, name)
    for name in (*fake_cupy.UFUNCS, *fake_cupy.FUNCTIONS):
        assert hasattr(cupy, name), name
    for name in fake_cupy.UFUNCS:
        assert isinstance(getattr(cupy, name), cupy.ufunc)
    for name in fake_cupy.FUNCTIONS:
        assert getattr(np, name).__module__ == "numpy"  # CuPy looks in its module of this name


def test_functions_of_the_stand_in_are_those_of_cupy():
    compared, cuda = set(), vars(fake_cupy.cuda)
    inner = {f"{module}.{name}": function for module in ("runtime", "driver")
             for name, function in vars(cuda[module]).items()}  # fmt: skip
    pairs = [(n, f, cupy) for n, f in public(vars(fake_cupy)).items() if n not in OWN]
    pairs += [(n, f, cupy.cuda) for n, f in (cuda | inner).items()]
    for name, function, module in pairs:
        if callable(function) and not inspect.isclass(function):
            real = operator.attrgetter(name)(module)
            reason = misfit(inspect.signature(function), signature(real))
            assert reason is None, f"{name}: {reason}"
            compared.add(name)
    assert {"empty", "asarray", "alloc_pinned_memory", "runtime.memGetInfo",
            "driver.launchCooperativeKernel"} < compared  # fmt: skip
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)


def test_pools_have_what_is_asked_of_them():
    for name in vars(fake_cupy.get_default_memory_pool()):
        assert signature(getattr(cupy.cuda.MemoryPool, name)) is not None, name
    assert isinstance(cupy.get_default_memory_pool(), cupy.cuda.MemoryPool)
    assert hasattr(cupy.get_default_pinned_memory_pool(), "free_all_blocks")


def test_nccl_of_the_stand_in_is_that_of_cupy():
    """NCCL itself is a wheel of its own; without it CuPy has nothing to hold this against."""
    real = survey.nccl()
    if not real.available:
        pytest.skip(survey.without(real))
    assert survey.without(real) is None
    for name in ("NCCL_FLOAT32", "NCCL_FLOAT64", "NCCL_SUM"):
        assert getattr(fake_nccl, name) == getattr(real, name), name
    assert issubclass(real.NcclError, RuntimeError)
    assert real.get_version() >= 20900  # the first that can be captured
    unique = real.get_unique_id()
    assert (type(unique), len(unique)) == (type(fake_nccl.ID), len(fake_nccl.ID))
    ours, theirs = fake_nccl.NcclCommunicator, real.NcclCommunicator
    assert misfit(inspect.signature(ours), signature(theirs)) is None
    for name, method in public(vars(ours)).items():
        reason = misfit(inspect.signature(method), signature(getattr(theirs, name)))
        assert reason is None, f"{name}: {reason}"


# -------------------------------------------------------------------------- what tinynet uses


def chain(node):
    """["cuda", "Stream"] of an expression like self.cupy.cuda.Stream; None of another one."""
    names = []
    while isinstance(node, ast.Attribute):
        if node.attr == "cupy":
            return names[::-1]
        names.append(node.attr)
        node = node.value
    return names[::-1] if isinstance(node, ast.Name) and node.id == "cupy" else None


@functools.cache
def uses(path):
    """(where, names, the call or None) for all that a file takes from CuPy."""
    tree, found = ast.parse(path.read_text()), []
    called = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        names = chain(node) if isinstance(node, ast.Attribute) else None
        if names:
            found.append((f"{path.name}:{node.lineno}", tuple(names), called.get(id(node))))
    return found


ALL = [use for path in SOURCES for use in uses(path)]


def test_uses_are_found():
    names = {names for _, names, _ in ALL}
    assert {("cuda", "Stream"), ("RawModule",), ("cuda", "memory", "OutOfMemoryError"),
            ("cuda", "runtime", "getDeviceProperties")} < names  # fmt: skip


@pytest.mark.parametrize(("where", "names", "call"), ALL, ids=[f"{w} {n[-1]}" for w, n, _ in ALL])
def test_cupy_has_it_and_takes_the_arguments(where, names, call):
    thing = functools.reduce(getattr, names, cupy)
    if call is None:
        return
    keywords = {k.arg: 0 for k in call.keywords}
    assert None not in keywords, "which keywords **options brings can't be seen"
    signature(thing).bind(*(0 for _ in call.args), **keywords)


def test_arguments_of_kernels_arrive_to_the_bit():
    """CuPy's own packing of them: 8 bytes each, and a NaN keeps what it stands for."""
    slot = struct.pack("<II", 7, 0x7FF85107)  # see `number` in cuda/common.cuh
    for value, expected in (
        (3, struct.pack("<q", 3)), (np.int32(-2), struct.pack("<q", -2)),
        (np.uint64(2**63 + 5), struct.pack("<Q", 2**63 + 5)), (0.1, struct.pack("<d", 0.1)),
        (None, bytes(8)), (card_call.CONTROL, struct.pack("<q", 2**40)), (gpu.Slot(0.25, 7), slot),
    ):  # fmt: skip
        packed = cupy._core._scalar.CScalar(card_call.encoded(value, 2**40))
        assert packed.dtype.itemsize == 8
        assert ctypes.string_at(packed.ptr, 8) == expected


def test_pinned_memory_is_a_buffer_that_numpy_writes_to():
    assert "__int__" in dir(cupy.cuda.PinnedMemoryPointer)
    memory = cupy.cuda.PinnedMemoryPointer(_OnHost(64), 0)
    array = np.frombuffer(memory, "float32", 5)
    array[...] = 3
    assert np.frombuffer(memory.mem.room, "float32", 5).tolist() == [3] * 5


class _OnHost:
    """In place of pinned memory, which takes a card."""

    def __init__(self, size):
        self.room, self.size = bytearray(size), size
        self.ptr = ctypes.addressof(ctypes.c_char.from_buffer(self.room))
