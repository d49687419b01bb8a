"""The CUDA kernels: those of `gpu/cuda` and those made from formulas, joined to programs, and what
NVRTC is told about them.
"""

import dataclasses
import functools
import pathlib
import re

from ... import translate
from ...reference import activations

FILES = ("common.cuh", "elementwise.cu", "rows.cu", "columns.cu", "losses.cu", "layers.cu",
         "dropout.cu", "updates.cu", "data.cu", "products.cu", "tensor.cu")  # fmt: skip
REAL = {"float32": "float", "float64": "double"}
DTYPES = ("float32", "float64", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64",
          "uint64", "float16")  # fmt: skip
# where the tests compile for: Turing, Ampere, Hopper and Blackwell; on a card it is the card's own
ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100", "sm_120")
FOLDER = pathlib.Path(__file__).parent.parent / "cuda"
# what a kernel asks for -> what its blocks are dealt
OVER = {"BLOCK_INDEX": "blocks", "OWN_ROW(": "rows", "over_columns(": "columns",
        "sum_columns(": "columns", "first_entry()": "entries"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class CudaKernel:
    """A CUDA kernel; two of one text are equal.

    Attributes:
        name: its name in CUDA, which no other kernel of the process has.
        text: from `KERNEL` to its last brace.
        family: the name that kernels of one kind share; of a kernel that stands in a file, its own.
        functions: text of the functions that only this kernel calls.
        made_from: functions of NumPy and how they are read, see `card.formulas`; or None.
        entry: of an activation: one result as text, of v, x, y and its options p0, p1, ...
    """

    name: str
    text: str
    family: str
    functions: str = ""
    made_from: tuple | None = dataclasses.field(default=None, compare=False)
    entry: str = ""

    @functools.cached_property
    def declared(self):
        """Its parameters in order, with their types: {"x": "const real*", "n": "i64", ...}."""
        inside = self.text[self.text.index("(") + 1 : self.text.index(")")]
        found = re.findall(r"([\w\s*]+[\s*])(\w+)(?:,|$)", inside)
        return {label: " ".join(kind.split()) for kind, label in found}

    @functools.cached_property
    def over(self):
        """What its blocks are dealt: "entries", "rows", "columns", or "blocks"."""
        return next((over for how, over in OVER.items() if how in self.text), "blocks")

    @functools.cached_property
    def changing(self):
        """Its parameters that may change from step to step: it asks `number` for them."""
        return {label for label in self.declared if f"number(control, {label})" in self.text}

    @functools.cached_property
    def counting(self):
        """Fields of the control that it adds to: two kernels must not do so at once."""
        return set(re.findall(r"control->(\w+)[^;=]*\+=", self.text))


@functools.cache
def kernels():
    """Name -> kernel, of those that stand in the files."""
    found = re.findall(r"^(KERNEL (\w+).*?^}$)", source(), re.MULTILINE | re.DOTALL)
    return {name: CudaKernel(name, text, name) for text, name in found}


@functools.lru_cache(maxsize=256)
def source(made=(), finishing=()):
    """All kernels of the files in one text; compiler messages name the file and line.

    Args:
        made: kernels made from formulas, which are added.
        finishing: activations that the kernel `product` goes on with, by their number.
    """
    files, line = [(name, (FOLDER / name).read_text()) for name in FILES], '#line 1 "formulas"'
    files = [f'#line 1 "{name}"\n{text}' for name, text in files]
    shared = (translate.read(f) for f in (activations.sigmoid, activations.softplus))
    functions = [translate.cuda(one) for one in shared]
    functions += [one.functions for one in dict.fromkeys((*made, *finishing))]
    cases = "".join(f"case {i}: return {one.entry};\n" for i, one in enumerate(finishing))
    finish = ("__device__ real finished(i64 kind, real v, real x, real y, double p0, double p1, "
              f"double p2) {{\nswitch (kind) {{\n{cases}default: return v;\n}}\n}}\n")  # fmt: skip
    texts = [one.text for one in made]
    return "\n".join([files[0], line, *functions, finish, *files[1:], line, *texts]) + "\n"


@functools.lru_cache(maxsize=256)
def source_of(kernel, finishing=()):
    """The program with one kernel, lines as they were; to compile all takes 14 s, one 0.2 s."""
    others = re.compile(rf"^KERNEL (?!{kernel.name}\().*?^}}$", re.MULTILINE | re.DOTALL)
    whole = source((kernel,) if kernel.made_from else (), finishing)
    return others.sub(lambda body: "\n" * body[0].count("\n"), whole)


def options(dtype):
    """Compiler options for a dtype; the arithmetic is IEEE, but for products fused with sums.

    CuPy adds -ftz=true, which can't be taken back: float32 numbers below 1.2e-38 count as 0.
    """
    return ("-std=c++17", f"-DREAL={REAL[str(dtype)]}")


INSTRUCTIONS = 12 << 10  # bytes of shared memory for those of a persistent kernel


def persistent(chosen, finishing=()):
    """The program of a persistent kernel (persistent.cu) that can run these kernels.

    Returns:
        (text, words of an instruction's arguments, most instructions).
    """
    words = max(len(kernel.declared) for kernel in chosen)
    length = INSTRUCTIONS // (8 * (words + 5))
    cases = "\n".join(_case(i, kernel) for i, kernel in enumerate(chosen))
    made = tuple(kernel for kernel in chosen if kernel.made_from)
    text = f"""#ifdef __CUDACC__
#define KERNEL __device__ __noinline__ void
#else
#define KERNEL __device__ void
#endif
#define BLOCK_INDEX block_index
#define BLOCK_COUNT block_count
#define WORDS {words}
#define LENGTH {length}
struct Block {{
long long block_index, block_count;
{source(made, finishing)}
}};
__device__ void start(Block at, long long kernel, const long long* w, Block::Control* control) {{
    switch (kernel) {{
{cases}
    }}
}}
#line 1 "persistent.cu"
{(FOLDER / "persistent.cu").read_text()}"""
    return text, words, length


def _case(i, kernel):
    """The call of kernel number i, its arguments taken from words as they are declared."""
    arguments = []
    for k, kind in enumerate(kernel.declared.values()):
        kind = kind.removeprefix("const ")
        scope = "Block::" if kind.rstrip("*") in ("real", "i64", "u64", "u32") else ""
        arguments.append("control" if kind == "Control*"
                         else f"__longlong_as_double(w[{k}])" if kind == "double"
                         else f"({scope}{kind})w[{k}]")  # fmt: skip
    return f"    case {i}: at.{kernel.name}({', '.join(arguments)}); break;"
