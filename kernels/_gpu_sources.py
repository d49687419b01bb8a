"""The CUDA sources of `kernels/cuda`, joined to one program, and what NVRTC is told about them."""

import functools
import pathlib
import re

FILES = ("common.cuh", "elementwise.cu", "rows.cu", "columns.cu", "losses.cu", "layers.cu",
         "dropout.cu", "updates.cu", "rules.cu", "data.cu")  # fmt: skip
REAL = {"float32": "float", "float64": "double"}
DTYPES = ("float32", "float64", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64",
          "uint64", "float16")  # fmt: skip
# where the tests compile for: Turing, Ampere and Hopper; on a card it is the card's own
ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
FOLDER = pathlib.Path(__file__).parent / "cuda"


@functools.cache
def source():
    """All kernels in one text; compiler messages name the file and line."""
    parts = [f'#line 1 "{name}"\n{(FOLDER / name).read_text()}' for name in FILES]
    return "\n".join(parts)


@functools.cache
def source_of(kernel):
    """The program with one kernel, lines as they were; to compile all takes 9 s, one 0.2 s."""
    others = re.compile(r"^KERNEL (?!" + kernel + r"\().*?^}$", re.MULTILINE | re.DOTALL)
    return others.sub(lambda body: "\n" * body[0].count("\n"), source())


def options(dtype):
    """Compiler options for a dtype; the arithmetic is IEEE, but for products fused with sums.

    CuPy adds -ftz=true, which can't be taken back: float32 numbers below 1.2e-38 count as 0.
    """
    return ("-std=c++17", f"-DREAL={REAL[str(dtype)]}")


@functools.cache
def changing():
    """Name -> which of its parameters may change from step to step: the kernel asks `number`."""
    bodies = re.split(r"^KERNEL (?=\w+\()", source(), flags=re.MULTILINE)[1:]
    return {
        body[: body.index("(")]: {
            i for i, p in enumerate(kernels()[body[: body.index("(")]])
            if f"number(control, {p.split()[-1]})" in body
        }
        for body in bodies
    }  # fmt: skip


@functools.cache
def kernels():
    """Name -> its parameters' declarations, read from the sources: {"scale_": ["i64 n", ...]}."""
    found = re.findall(r"^KERNEL (\w+)\(([^)]*)\)", source(), re.MULTILINE)
    return {name: [" ".join(p.split()) for p in text.split(",")] for name, text in found}
