"""A formula run over arrays: compiled for the CPU, the CUDA text in C++, JavaScript by Node."""

import functools
import json
import shutil
import subprocess

import cuda_on_cpu
import numba
import numpy as np

from tinynet.kernels import page, translate
from tinynet.kernels.cpu import formulas
from tinynet.kernels.gpu.card import sources

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 6.0, 1e-5, -1e-5, 20.0, -20.0, 100.0, -100.0,
         1e4, -1e4, np.inf, -np.inf, np.nan]  # fmt: skip


def values(rng, dtype, count=1, edges=EDGES):
    """`count` vectors: normal numbers, and every combination of two edges in the first two."""
    a, b = (v.ravel() for v in np.meshgrid(edges, edges))
    vectors = [2 * rng.normal(size=300 + a.size) for _ in range(count)]
    for vector, edge in zip(vectors, (a, b), strict=False):
        vector[: a.size] = edge
    return [v.astype(dtype) for v in vectors]


def by_numba(formula, arrays, options, among=None):
    """The results for vectors, compiled by Numba."""
    scalar, T = formulas.scalar(formula), arrays[0].dtype.type

    @numba.njit
    def function(*args):  # what kernels are made of can't be called from Python
        return scalar(*args)

    with np.errstate(all="ignore"):
        rows = [
            function(T, *entries, *map(float, options)) for entries in zip(*arrays, strict=True)
        ]
    rows = [row if isinstance(row, tuple) else (row,) for row in rows]
    return [np.array(column, T) for column in zip(*rows, strict=True)]


def kernel_text(name, formula):
    """A kernel that writes the results of a formula for vectors of n numbers."""
    entries, options = formula.entries, formula.options
    targets = [target for target, _ in formula.results]
    unnamed = [f"r{k}" for k in range(targets.count(None))]
    parameters = [f"const real* in{i}" for i in range(len(entries))] + ["i64 n"]
    parameters += [f"double p{i}" for i in range(len(options))]
    parameters += [f"real* out{i}" for i in range(len(targets))]
    arguments = [f"e{i}" for i in range(len(entries))] + [f"p{i}" for i in range(len(options))]
    body = [f"real e{i} = in{i}[i];" for i in range(len(entries))]
    if targets == [None]:
        body.append(f"out0[i] = f_{name}({', '.join(arguments)});")
    else:
        body += [f"real {r};" for r in unnamed]
        body.append(f"f_{name}({', '.join(arguments + unnamed)});")
        left = iter(unnamed)
        for k, target in enumerate(targets):
            body.append(f"out{k}[i] = {f'e{entries.index(target)}' if target else next(left)};")
    return (
        translate.cuda(formula, f"f_{name}") + f"KERNEL each_{name}({', '.join(parameters)}) {{\n"
        "for (i64 i = first_entry(); i < n; i += entries()) {\n" + "\n".join(body) + "\n}\n}\n"
    )  # fmt: skip


@functools.cache
def program(formulas, dtype):
    """All formulas in one program: C++ compiles slowly."""
    text = (sources.FOLDER / "common.cuh").read_text()
    text += "".join(kernel_text(i, formula) for i, formula in enumerate(formulas))
    return cuda_on_cpu._built(text, [f"each_{i}" for i in range(len(formulas))], dtype, 32)


def by_cuda(formula, arrays, options, among=None):
    """The results for vectors, printed as CUDA and compiled by the C++ compiler.

    `among`: the formulas, this one too, that are compiled together.
    """
    among = among or (formula,)
    dtype, n = str(arrays[0].dtype), len(arrays[0])
    results = [np.full(n, 7, dtype) for _ in formula.results]
    address = [np.uint64(a.ctypes.data) for a in (*arrays, *results)]
    args = [*address[: len(arrays)], np.int64(n), *map(np.float64, options)]
    name = f"each_{among.index(formula)}"
    cuda_on_cpu.run(program(among, dtype), name, 4, 32, [*args, *address[len(arrays) :]])
    return results


NODE = shutil.which("node")  # https://nodejs.org


def node(script, data):
    """What a script of JavaScript prints for `data`, both as JSON."""
    done = subprocess.run([NODE, "-e", script], input=json.dumps(data), capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_node(formula, arrays, options, among=None):
    """The results for vectors of float64, by Node."""
    script = (
        page.by_hand()
        + translate.javascript(formula, "formula")
        + """
        const {arrays, options, results} = JSON.parse(require("fs").readFileSync(0));
        const read = (a) => Float64Array.from(a, Number), out = results.map(read);
        formula(...arrays.map(read), ...options, ...out);
        console.log(JSON.stringify(out.map((a) => Array.from(a, String))));
    """
    )
    data = {"arrays": [[*map(_javascript, a)] for a in arrays], "options": options,
            "results": [[0] * len(arrays[0])] * len(formula.results)}  # fmt: skip
    return [np.array([*map(float, a)]) for a in node(script, data)]


def _javascript(number):
    """A number that JSON may not have, as a text that JavaScript's Number reads."""
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(str(number), str(number))
