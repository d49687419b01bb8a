"""The CUDA sources of `gpu/cuda`, joined to one program, and what NVRTC is told about them."""

import functools
import pathlib
import re

FILES = ("common.cuh", "elementwise.cu", "rows.cu", "columns.cu", "losses.cu", "layers.cu",
         "dropout.cu", "updates.cu", "rules.cu", "data.cu", "products.cu")  # fmt: skip
REAL = {"float32": "float", "float64": "double"}
DTYPES = ("float32", "float64", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64",
          "uint64", "float16")  # fmt: skip
# where the tests compile for: Turing, Ampere and Hopper; on a card it is the card's own
ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
FOLDER = pathlib.Path(__file__).parent.parent / "cuda"


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


# what a kernel asks for -> what its blocks are dealt
OVER = {"BLOCK_INDEX": "blocks", "warp_row()": "rows", "own_column()": "columns",
        "first_entry()": "entries"}  # fmt: skip


@functools.cache
def over():
    """Name -> what the kernel's blocks are dealt: "entries", "rows", "columns", or "blocks"."""
    found = {name: [over for how, over in OVER.items() if how in b] for name, b in bodies().items()}
    return {name: (*some, "blocks")[0] for name, some in found.items()}


@functools.cache
def bodies():
    """Name -> the kernel's text."""
    return dict(re.findall(r"^KERNEL (\w+)(.*?)^}$", source(), re.MULTILINE | re.DOTALL))


@functools.cache
def changing():
    """Name -> which of its parameters may change from step to step: the kernel asks `number`."""
    return {
        name: {label for label in kernels()[name] if f"number(control, {label})" in body}
        for name, body in bodies().items()
    }


@functools.cache
def counting():
    """Name -> fields of the control that the kernel adds to: two of them must not do so at once."""
    found = r"control->(\w+)[^;=]*\+="
    return {name: set(re.findall(found, body)) for name, body in bodies().items()}


@functools.cache
def kernels():
    """Name -> its parameters in order, with their types: {"scale_": {"n": "i64", ...}, ...}."""
    found = re.findall(r"^KERNEL (\w+)\(([^)]*)\)", source(), re.MULTILINE)
    return {name: {label: " ".join(kind.split()) for kind, label
                   in re.findall(r"([\w\s*]+[\s*])(\w+)(?:,|$)", text)}
            for name, text in found}  # fmt: skip


INSTRUCTIONS = 12 << 10  # bytes of shared memory for those of a persistent kernel


def persistent(names):
    """The program of a persistent kernel (persistent.cu) that can run these kernels.

    Returns:
        (text, words of an instruction's arguments, most instructions).
    """
    words = max(len(kernels()[name]) for name in names)
    length = INSTRUCTIONS // (8 * (words + 5))
    cases = "\n".join(_case(i, name) for i, name in enumerate(names))
    text = f"""#define KERNEL __device__ void
#define BLOCK_INDEX block_index
#define BLOCK_COUNT block_count
#define WORDS {words}
#define LENGTH {length}
struct Block {{
long long block_index, block_count;
{source()}
}};
__device__ void start(Block at, long long kernel, const long long* w, Block::Control* control) {{
    switch (kernel) {{
{cases}
    }}
}}
#line 1 "persistent.cu"
{(FOLDER / "persistent.cu").read_text()}"""
    return text, words, length


def _case(i, name):
    """The call of kernel number i, its arguments taken from words as they are declared."""
    arguments = []
    for k, kind in enumerate(kernels()[name].values()):
        kind = kind.removeprefix("const ")
        ours = "Block::" if kind.rstrip("*") in ("real", "i64", "u64", "u32") else ""
        arguments.append("control" if kind == "Control*"
                         else f"__longlong_as_double(w[{k}])" if kind == "double"
                         else f"({ours}{kind})w[{k}]")  # fmt: skip
    return f"    case {i}: at.{name}({', '.join(arguments)}); break;"
