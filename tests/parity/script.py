"""A case as a script that stands alone: it runs in either library and prints what comes out."""

import inspect

from . import build, outputs

HEADER = '''"""{title}

python this_file.py keras      with KERAS_BACKEND=jax
python this_file.py tinynet
"""

import csv, importlib, os, pathlib, sys, tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import numpy as np

k = importlib.import_module(sys.argv[1])
OURS = k.__name__ == "tinynet"
if not OURS and {dtype!r} == "float64":
    import jax
    jax.config.update("jax_enable_x64", True)
k.config.set_floatx({dtype!r})
folder = tempfile.mkdtemp()
FEATURES_SEED, WEIGHTS_SEED = {features}, {weights}
'''

MAKE = """def make(value):
    if isinstance(value, list):
        return [make(v) for v in value]
    if not isinstance(value, dict):
        return value
    options = {name: make(v) for name, v in value.items() if name != "new"}
    return resolve(k, value["new"])(**options)
"""


def script(case, differences=()) -> str:
    """The text of the script; `differences` go into its head."""
    title = "\n".join(["What differs:", *differences]) if differences else "A case."
    parts = [HEADER.format(title=title.replace("\\", "/").replace('"""', "'''"),
                           dtype=case["dtype"], features=build.FEATURES_SEED,
                           weights=build.WEIGHTS_SEED)]  # fmt: skip
    parts += [inspect.getsource(f) for f in (build.targets, build.arrays, build.inject)]
    described = repr(case)
    if "'as': " in described:
        parts += [inspect.getsource(build.is_ours), inspect.getsource(build.formed)]
    if "source': " in described:
        parts.append(inspect.getsource(build.streamed))
    if "'validation_source': " in described:
        parts.append(inspect.getsource(build.streamed_validation))
    hooked = {c["new"] for call in case["calls"] for c in call.get("callbacks", ())}
    if hooked & {"callbacks.Recorder", "callbacks.LambdaCallback"}:
        parts += [inspect.getsource(build.note), inspect.getsource(build.recorder)]
        parts.append("events, logs = [], []")
    if "callbacks.Stopper" in hooked:
        parts.append(inspect.getsource(build.stopper))
    lines = [f"a = arrays({case['data']!r})"]
    model = build.new_model(case)
    if model["new"] == "graph":
        parts += [inspect.getsource(f) for f in (build.resolve, build.graph, build.applied)]
        parts.append(MAKE)
        if "outputs" in model:
            parts.append(inspect.getsource(outputs))
            parts.append("class outputs:\n    heads = staticmethod(heads)\n")
        lines.append(f"model = graph(k, {model!r}, make)")
    else:
        layers = ",\n    ".join(text(layer) for layer in case["layers"])
        lines.append(f"model = k.Sequential([\n    {layers},\n])")
    lines.append(f"inject(model, {case['seed']})")
    for i in case.get("frozen", ()):
        lines.append(f"model.layers[{i}].trainable = False")
    for call in case["calls"]:
        lines += statement(case, call)
    if hooked & {"callbacks.Recorder", "callbacks.LambdaCallback"}:
        lines.append("print(events)")
    lines.append("for w in model.weights:\n    print(w.path, np.asarray(w))")
    return "\n".join([*parts, "\n".join(lines), ""])


def statement(case, call):
    """The lines of one call."""
    options = {name: value for name, value in call.items() if name != "call"}
    written = ", ".join(f"{name}={text(value)}" for name, value in options.items())
    method = call["call"]
    if method == "reload":
        return [f"model = k.models.load_model({written})"]
    if "source" in call:
        written = f"**streamed(k, dict({written}), lambda array: array)"
    if "validation_source" in call:
        data = call["validation_data"]
        written = written.replace(text(data), f"{{'tuple': {text(data['tuple'])}}}")
        written = f"**streamed_validation(k, dict({written}), lambda array: array)"
    if method == "compile":
        return [f"model.compile({written}, **({case['tinynet']} if OURS else {case['keras']}))"]
    quiet = ", verbose=0" if method in ("fit", "evaluate", "predict") else ""
    shown = ".history" if method == "fit" else ""
    return [f"print({method!r}, model.{method}({written}{quiet}){shown})"]


def text(value):
    """A plain description as Python."""
    if isinstance(value, str) and "$" in value:
        written = value.replace("$folder", "{folder}").replace("{epoch", "{{epoch")
        return "f" + repr(written.replace(":02d}", ":02d}}"))
    if isinstance(value, list):
        return "[" + ", ".join(map(text, value)) + "]"
    if not isinstance(value, dict):
        return repr(value)
    if "array" in value:
        rows = "[{}:{}]".format(*value["rows"]) if "rows" in value else ""
        found = f"a[{value['array']!r}]{rows}"
        return f"formed(k, {found}, {value['as']!r})" if "as" in value else found
    if "each" in value:
        written = text(value["each"])
        pairs = ", ".join(f"{name!r}: {written}" for name in outputs.NAMES)
        return f"[{written}, {written}]" if value["as"] == "list" else f"{{{pairs}}}"
    if "tuple" in value:
        return "(" + ", ".join(map(text, value["tuple"])) + ",)"
    if "code" in value:
        return value["code"]
    if "new" not in value:
        return "{" + ", ".join(f"{key!r}: {text(one)}" for key, one in value.items()) + "}"
    options = {name: v for name, v in value.items() if name != "new"}
    if value["new"] == "callbacks.Recorder":
        return f"recorder(k.callbacks.Callback, events, logs, {options['hooks']})"
    if value["new"] == "callbacks.Stopper":
        return f"stopper(k.callbacks.Callback, {options['epoch']}, {options['batch']})"
    if value["new"] == "callbacks.LambdaCallback":
        options = {hook: {"code": f"note(events, {hook!r})"} for hook in options["hooks"]}
    return f"k.{value['new']}(" + ", ".join(f"{n}={text(v)}" for n, v in options.items()) + ")"
