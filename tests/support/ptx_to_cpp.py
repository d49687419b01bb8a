"""PTX, as NVRTC writes it for our kernels, as C++ for the fibers of cuda_on_cpu.h.

Each register becomes a variable, each instruction a statement, each label a label. What is not
known here is a KeyError that names the instruction.
"""

import itertools
import re

C_TYPES = {
    "s8": "int8_t", "u8": "uint8_t", "b8": "uint8_t", "s16": "int16_t", "u16": "uint16_t",
    "b16": "uint16_t", "s32": "int32_t", "u32": "uint32_t", "b32": "uint32_t", "s64": "int64_t",
    "u64": "uint64_t", "b64": "uint64_t", "f32": "float", "f64": "double", "pred": "bool",
}  # fmt: skip
REGISTERS = {"pred": "bool", "b16": "uint16_t", "s16": "uint16_t", "b32": "uint32_t",
             "b64": "uint64_t", "f32": "float", "f64": "double"}  # fmt: skip
SPECIAL = {"%tid.x": "threadIdx.x", "%ntid.x": "blockDim.x", "%ctaid.x": "blockIdx.x",
           "%nctaid.x": "gridDim.x"}  # fmt: skip
WIDE = {"s16": "int32_t", "u16": "uint32_t", "s32": "int64_t", "u32": "uint64_t",
        "s64": "__int128", "u64": "unsigned __int128"}  # fmt: skip
FLOATS = ("f32", "f64", "f16")
ROUNDED = {"rni": "rint", "rzi": "trunc", "rmi": "floor", "rpi": "ceil"}
OPERATORS = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^", "div": "/", "rem": "%"}
COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "lo": "<",
            "hi": ">", "ls": "<=", "hs": ">="}  # fmt: skip
DECLARED = re.compile(
    r"\.(shared|global|const)\s+\.align (\d+) \.[bu](\d+) ([\w$]+)(?:\[(\d+)\])?"
    r"(?:\s*=\s*\{([^}]*)\})?"
)
FUNCTION = re.compile(
    r"(\.visible \.entry|\.func\s*(?:\([^)]*\))?)\s*([\w$]+)\s*\(([^)]*)\)([^{;]*)([{;])"
)
_numbers = itertools.count(1)


def translate(ptx):
    """Return the text of a program; its kernels have their names."""
    ptx = re.sub(r"//[^\n]*", "", ptx)
    functions, outside, place = [], "", 0
    while found := FUNCTION.search(ptx, place):
        end = found.end() if found[5] == ";" else _end_of_body(ptx, found.end())
        outside += ptx[place : found.start()]
        if found[5] == "{":
            parameters = re.findall(r"\.param\s+(?:\.align \d+ )?\.(\w+)\s+([\w$]+)", found[3])
            functions.append((found[2], parameters, ptx[found.end() : end - 1], found[1]))
        place = end
    outside += ptx[place:]
    functions.sort(key=lambda one: ".func" not in one[3])  # kernels call those before them
    return declarations(outside) + "\n".join(_function(*one) for one in functions)


def _end_of_body(ptx, place):
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(ptx[place], 0)
        place += 1
    return place


def declarations(text):
    found = ""
    for space, _, size, name, count, values in DECLARED.findall(text):
        length = int(size) // 8 * int(count or 1)
        storage = "OF_A_BLOCK" if space == "shared" else "static"
        start = f"={{{values}}}" if values else ""
        found += (f"{storage} unsigned char {cname(name)}[{length}] __attribute__((aligned(16)))"
                  f"{start};\n")  # fmt: skip
    return found


def cname(register):
    return register.lstrip("%").replace("$", "_").replace(".", "_")


def source(operand, kind):
    """An operand as a value of a type of PTX."""
    operand, c_type = operand.strip(), C_TYPES[kind]
    if operand in SPECIAL:
        return f"({c_type})({SPECIAL[operand]})"
    if operand.startswith("%"):
        name = cname(operand)
        return name if kind in ("f32", "f64", "pred") else f"({c_type}){name}"
    if operand.startswith("0f"):
        return f"bits<float>(0x{operand[2:]}u)"
    if operand.startswith("0d"):
        return f"bits<double>(0x{operand[2:]}ull)"
    if re.fullmatch(r"-?\d+|0x[0-9a-fA-F]+", operand):
        return f"({c_type})0x{int(operand, 0) & (2**64 - 1):x}ull"
    return f"({c_type})(uintptr_t){cname(operand)}"


def address(operand):
    base, offset = re.fullmatch(r"\[\s*([%\w$]+)\s*(?:\+\s*(-?\d+))?\s*\]", operand).groups()
    return source(base, "u64") + (f"+({offset})" if offset else "")


def operands(text):
    """The parts between commas outside of brackets."""
    depth, found, part = 0, [], ""
    for letter in text:
        depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append(part.strip())
            part = ""
        else:
            part += letter
    return [*found, part.strip()] if part.strip() else found


def vector(operand):
    return [x.strip() for x in operand.strip()[1:-1].split(",")] if operand[0] == "{" else [operand]


# ---------------------------------------------------------------------------------- instructions


def statement(instruction, given, where):
    """An instruction, its operands, its place for messages -> C++."""
    name, *modifiers = instruction.split(".")
    kind = modifiers[-1] if modifiers else ""
    make = FAMILIES.get(name)
    if make is not None:
        return make(name, modifiers, kind, given, f'"{where}"')
    value = expression(name, modifiers, kind, given[1:])
    return f"{cname(given[0])}={value};"


def expression(name, modifiers, kind, given):
    """What an instruction with one result computes."""
    c_type, floating = C_TYPES[kind], kind in ("f32", "f64")
    a, b, c = ([source(x, kind) if kind != "b" else x for x in given] + ["", "", ""])[:3]
    if name == "add" and "rz" in modifiers:
        return f"add_towards_zero({a},{b})"
    if name in OPERATORS:
        return f"({c_type})({a}{OPERATORS[name]}{b})"
    if name in ("mul", "mad") and "wide" in modifiers:
        wide = WIDE[kind]
        added = f"+{source(given[2], kind[0] + '64')}" if name == "mad" else ""
        return f"({wide})({a})*({wide})({b}){added}"
    if name == "mul" and "hi" in modifiers:
        wide, size = WIDE[kind], int(kind[1:])
        return f"({c_type})((({wide})({a})*({wide})({b}))>>{size})"
    if name in ("mul", "mad"):
        unsigned = kind if floating else "u" + kind[1:]
        x, y, z = ([source(v, unsigned) for v in given] + [""])[:3]
        return f"{x}*{y}" + (f"+{z}" if name == "mad" else "")
    if name == "fma":
        if "rm" in modifiers:
            return f"fma_down({a},{b},{c})"
        return f"{'fmaf' if kind == 'f32' else 'fma'}({a},{b},{c})"
    if name in ("min", "max"):
        return (f"f{name}({a},{b})" if floating
                else f"{a}{'<' if name == 'min' else '>'}{b}?{a}:{b}")  # fmt: skip
    if name == "copysign":
        return f"copysign({b},{a})"
    if name == "selp":
        return f"{cname(given[2])}?{a}:{b}"
    if name in ("shl", "shr"):
        by, most = f"({source(given[1], 'u32')})", int(kind[1:]) - 1
        if kind[0] == "s":
            return f"({c_type})({a}>>({by}>{most}?{most}:{by}))"
        return f"{by}>{most}?0:({a}{'<<' if name == 'shl' else '>>'}{by})"
    if name == "cvt":
        return converted(given[0], modifiers, *modifiers[-2:])
    if name == "rcp" and kind == "f64" and "approx" in modifiers:
        return f"reciprocal_of_high_word({a})"
    integers = [source(x, "u32") for x in given]
    if name == "bfi":
        return f"insert_bits({','.join(integers)})"
    if name == "shf":
        flags = f"{int('l' in modifiers)},{int('wrap' in modifiers)}"
        return f"funnel({','.join(integers)},{flags})"
    if name == "prmt":
        return f"permute({','.join(integers)})"
    single = {
        "neg": "-({})", "abs": "fabs({})" if floating else "llabs({})", "cvta": "{}",
        "not": "!{}" if kind == "pred" else "~{}", "sqrt": "sqrt({})", "rsqrt": "1/sqrt({})",
        "ex2": "exp2f({})", "lg2": "log2f({})", "tanh": "tanhf({})", "rcp": f"({c_type})1/{{}}",
    }  # fmt: skip
    return f"({c_type})({single[name].format(a)})"


def converted(operand, modifiers, to, kind):
    if "tf32" in modifiers:
        return f"to_tf32({source(operand, 'f32')})"
    value = source(operand, kind)
    rounded = next((ROUNDED[m] for m in modifiers if m in ROUNDED), None)
    if to in FLOATS and kind in FLOATS:
        value = f"({C_TYPES[to]})({f'{rounded}((double){value})' if rounded else value})"
        return f"saturated({value})" if "sat" in modifiers else value
    if kind in FLOATS:
        return f"to_integer<{C_TYPES[to]}>({rounded}((double){value}))"
    return f"({C_TYPES[to]})({value})"


def _load(name, modifiers, kind, given, where):
    if "param" in modifiers:
        name = cname(re.match(r"\[\s*([\w$]+)", given[1])[1])
        return f"{cname(given[0])}=bits<{C_TYPES[kind]}>(({_like(kind)}){name});"
    targets, size = vector(given[0]), int(re.sub(r"\D", "", kind)) // 8
    return "".join(
        f"{cname(target)}=load<{C_TYPES[kind]}>({address(given[1])}+{i * size},"
        f"{len(targets) if i == 0 else 1},{int('shared' in modifiers)},{where});"
        for i, target in enumerate(targets)
    )


def _like(kind):
    """The unsigned integer of as many bits."""
    return f"uint{max(int(kind[1:]), 8)}_t"


def _store(name, modifiers, kind, given, where):
    if "param" in modifiers:
        name = cname(re.match(r"\[\s*([\w$]+)", given[0])[1])
        return f"{name}=bits<{_like(kind)}>({source(given[1], kind)});"
    values, size = vector(given[1]), int(re.sub(r"\D", "", kind)) // 8
    return "".join(
        f"store<{C_TYPES[kind]}>({address(given[0])}+{i * size},{source(value, kind)},"
        f"{len(values) if i == 0 else 1},{int('shared' in modifiers)},{where});"
        for i, value in enumerate(values)
    )


def _move(name, modifiers, kind, given, where):
    target, value = given
    half = {"b64": ("u32", 32), "b32": ("u16", 16)}
    if target.startswith("{"):
        part, size = half[kind]
        parts = "".join(f"{cname(t)}=({C_TYPES[part]})(both>>{i * size});"
                        for i, t in enumerate(vector(target)) if t != "_")  # fmt: skip
        return f"{C_TYPES[kind]} both=bits<{C_TYPES[kind]}>({cname(value)});{parts}"
    place = cname(target)
    if value.startswith("{"):
        part, size = half[kind]
        both = "|".join(f"(({C_TYPES[kind]}){source(v, part)}<<{i * size})"
                        for i, v in enumerate(vector(value)))  # fmt: skip
        return f"{place}=bits<decltype({place})>(({C_TYPES[kind]})({both}));"
    if kind[0] == "b":
        register = value.startswith("%") and value not in SPECIAL
        return (
            f"{place}=bits<decltype({place})>({cname(value) if register else source(value, kind)});"
        )
    return f"{place}={source(value, kind)};"


def _compare(name, modifiers, kind, given, where):
    how, (target, *pair) = modifiers[0], given
    a, b = (source(x, kind) for x in pair)
    unordered = f"({a}!={a}||{b}!={b})"
    if how in ("num", "nan"):
        return f"{cname(target)}={'!' if how == 'num' else ''}{unordered};"
    if kind in ("f32", "f64"):
        if how.endswith("u") and how[:-1] in COMPARED:
            return f"{cname(target)}={unordered}||{a}{COMPARED[how[:-1]]}{b};"
        if how == "ne":
            return f"{cname(target)}=!{unordered}&&{a}!={b};"
    return f"{cname(target)}={a}{COMPARED[how]}{b};"


def _shuffle(name, modifiers, kind, given, where):
    values = ",".join(source(x, "u32") for x in given[1:])
    target = cname(given[0].split("|")[0])
    return f"{target}=shuffle({values},{next(_numbers)},{where});"


def _barrier(name, modifiers, kind, given, where):
    return "__syncwarp();" if "warp" in modifiers else "__syncthreads();"


def _fence(name, modifiers, kind, given, where):
    return "__sync_synchronize();"


def _atomic(name, modifiers, kind, given, where):
    if ("add" in modifiers, kind) != (True, "u32"):
        raise KeyError(f"atom.{'.'.join(modifiers)}")
    target, place, value = given
    place, value = f"(uint32_t*)({address(place)})", source(value, kind)
    return f"{cname(target)}=__sync_fetch_and_add({place},{value});"


def _tiles(name, modifiers, kind, given, where):
    if "m16n8k8" not in modifiers or "tf32" not in modifiers:
        raise KeyError(f"mma.{'.'.join(modifiers)}")
    targets, a, b, c = map(vector, given)
    lists = ",".join(cname(x) for x in a), ",".join(cname(x) for x in b)
    added = ",".join(source(x, "f32") for x in c)
    results = "".join(f"{cname(t)}=d[{i}];" for i, t in enumerate(targets))
    return (f"uint32_t a[]={{{lists[0]}}},b[]={{{lists[1]}}};float d[]={{{added}}};"
            f"together({next(_numbers)},{where});multiply_tiles(d,a,b);{results}")  # fmt: skip


def _pause(name, modifiers, kind, given, where):
    return "__nanosleep(20);"


def _trap(name, modifiers, kind, given, where):
    return f'bad("a trap",{where});'


FAMILIES = {
    "ld": _load, "st": _store, "mov": _move, "setp": _compare, "shfl": _shuffle, "bar": _barrier,
    "barrier": _barrier, "membar": _fence, "fence": _fence, "atom": _atomic, "mma": _tiles,
    "nanosleep": _pause, "trap": _trap,
}  # fmt: skip


# ------------------------------------------------------------------------------------- functions


def _function(name, parameters, body, head):
    is_kernel = ".entry" in head
    arguments = ", ".join(f"uint64_t {cname(p)}" for _, p in parameters)
    begin = f"static void {name}({arguments}) {{"
    if not is_kernel:
        begin = f"static uint64_t {cname(name)}_f({arguments}) {{\nuint64_t func_retval0=0;"
    lines = [declarations(body), begin]
    body = re.sub(r'\.pragma "[^"]*";', "", DECLARED.sub("", body))
    body = re.sub(r"(\$L\w+):", r"\1:;", body)
    listed = r"\{\s*((?:%?[\w]+|-?\d+)(?:\s*,\s*(?:%?[\w]+|-?\d+))+)\s*\}"
    body = re.sub(listed, lambda found: f"\x01{found[1]}\x02", body)  # these braces stay
    for number, token in enumerate(re.split(r"([;{}])", body)):
        text = re.sub(r"\s+", " ", token.strip()).replace("\x01", "{").replace("\x02", "}")
        if text in ("{", "}"):
            lines.append(text)
        elif text and text != ";":
            lines.append(_line(text, f"{name}:{number}", is_kernel))
    return "\n".join([*lines, "" if is_kernel else "return func_retval0;", "}"])


def _line(text, where, is_kernel):
    """A statement of PTX without its semicolon."""
    if found := re.fullmatch(r"(\$L\w+):", text):
        return f"{cname(found[1])}:;"
    if found := re.fullmatch(r"\.reg \.(\w+) (%?\w+)(?:<(\d+)>)?", text):
        kind, name, count = found.groups()
        names = [f"{cname(name)}{i}" for i in range(int(count))] if count else [cname(name)]
        return f"{REGISTERS[kind]} {', '.join(names)};"
    if found := re.fullmatch(r"\.local \.align (\d+) \.b8 ([\w$]+)\[(\d+)\]", text):
        return f"unsigned char {cname(found[2])}[{found[3]}] __attribute__((aligned(16)));"
    if found := re.fullmatch(r"\.param (?:\.align \d+ )?\.\w+ (\w+)(?:\[\d+\])?", text):
        return f"uint64_t {found[1]};"
    if found := re.fullmatch(r"call\.uni (?:\((\w+)\) ?, )?([\w$]+) ?, ?\(\s*([^)]*)\)", text):
        result = f"{found[1]}=" if found[1] else ""
        return f"{result}{cname(found[2])}_f({found[3]});"
    condition = ""
    if found := re.match(r"@(!?)(%\w+) (.*)", text):
        condition, text = f"if({found[1]}{cname(found[2])}) ", found[3]
    if text in ("ret", "exit"):
        return condition + ("return;" if is_kernel else "return func_retval0;")
    if found := re.fullmatch(r"bra(?:\.uni)? (\$L\w+)", text):
        return f"{condition}goto {cname(found[1])};"
    instruction, _, rest = text.partition(" ")
    return f"{condition}{{{statement(instruction, operands(rest), where)}}}"
