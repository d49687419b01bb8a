"""What a student wrote: its functions are called, and what goes wrong becomes a sentence."""

import ast
import traceback

import numpy as np

from .compare import fault, first_difference

KEPT = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef


class Wrong(Exception):
    """The student's file is not right yet; the message says what is wrong, and where."""


class Student:
    """The imports, functions, classes and plain constants of a file; nothing else of it runs."""

    def __init__(self, path):
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            self.tree = ast.parse(text, str(path))
        except SyntaxError as error:
            raise Wrong(f"line {error.lineno} is no Python: {error.msg}\n"
                        f"    {(error.text or '').strip()}") from error  # fmt: skip
        except UnicodeDecodeError as error:
            raise Wrong("the file is not text in UTF-8") from error
        self.lines = text.splitlines()
        kept = [node for node in self.tree.body if isinstance(node, KEPT) or _is_constant(node)]
        self.names = {"__name__": "exercise"}
        code = compile(ast.Module(kept, []), str(path), "exec")
        self.run("the file", lambda: exec(code, self.names))

    def run(self, what, call):
        """Return call(); an exception of the student's code becomes a sentence about `what`."""
        try:
            with np.errstate(all="ignore"):
                return call()
        except NotImplementedError as error:
            raise Wrong(f"{error}: {self._where(error).split(':')[0]}") from error
        except (Exception, SystemExit) as error:
            raise Wrong(f"{what} raised {type(error).__name__}: {error}\n"
                        f"    {self._where(error)}{_advice(error)}") from error  # fmt: skip

    def function(self, name):
        """Return what the file has under a name."""
        if not callable(self.names.get(name)):
            raise Wrong(f"there is no `{name}` in the file any more; the exercise needs it")
        return self.names[name]

    def expect(self, name, arguments, want, suspects=None, rows=None, instead=None):
        """Call a function; raise Wrong unless it returns, in order, the arrays of `want`.

        Args:
            name: of the function.
            arguments: by name. None of them may be changed.
            want: the right arrays by name.
            suspects: by the name of an array, what wrong arrays mean: {sentence: array}; in the
                order in which the arrays come about, so that the first wrong one is named.
            rows: N, where sums over rows are divided by it.
            instead: a sentence for whatever is wrong, where the arguments try one thing only.
        """
        given = {key: _copy(value) for key, value in arguments.items()}
        call = f"{name}({', '.join(arguments)})"
        function = self.function(name)
        got = self.run(call, lambda: function(**given))
        got = self.parts(name, got, list(want))
        suspects = suspects or {}
        for key in sorted(want, key=list(suspects).index) if suspects else want:
            self.compare(name, key, got[key], want[key], suspects.get(key), rows, instead)
        for key, value in arguments.items():
            if isinstance(value, np.ndarray) and not np.array_equal(given[key], value):
                raise Wrong(f"{call} changes its argument {key} in place; make a new array instead")
        return got

    def parts(self, name, got, names):
        """Return what was returned, by the names of its parts."""
        if len(names) == 1:
            got = (got,)
        if not isinstance(got, tuple | list) or len(got) != len(names):
            came = "None" if got is None else f"a {type(got).__name__}"
            count = f" of {len(got)}" if isinstance(got, tuple | list) else ""
            raise Wrong(f"{self.place(name)}: {name} must return {', '.join(names)}; it returns "
                        f"{came}{count}")  # fmt: skip
        return dict(zip(names, got, strict=True))

    def compare(self, function, name, got, want, suspects=None, rows=None, instead=None):
        """Raise Wrong, with the kind and the place of the mistake, unless got equals want."""
        want = np.asarray(want)
        told = fault(got, want, suspects or {}, rows)
        if told:
            entry = first_difference(name, got, want)
            raise Wrong(f"{self.place(function, name)}: {name}: {instead or told}{entry}")

    def require(self, condition, function, name, sentence):
        """Raise Wrong, with the place where a function sets a name, unless the condition holds."""
        if not condition:
            raise Wrong(f"{self.place(function, name)}: {name}: {sentence}")

    def place(self, function, variable=None):
        """Return the line that last sets a variable in a function, else that of the function."""
        kinds = ast.FunctionDef | ast.ClassDef
        nodes = [n for n in ast.walk(self.tree) if isinstance(n, kinds) and n.name == function]
        if not nodes:
            return function
        lines = [n.lineno for n in ast.walk(nodes[-1]) if variable in _targets(n)]
        line = max(lines) if lines else nodes[-1].lineno
        return f"line {line}, `{self.lines[line - 1].strip()[:60]}`"

    def _where(self, error):
        frames = traceback.extract_tb(error.__traceback__)
        frames = [f for f in frames if f.filename == str(self.path)]
        if not frames:
            return "where it is called with the arguments of the exercise"
        return f"line {frames[-1].lineno}: {self.lines[frames[-1].lineno - 1].strip()[:70]}"


def _is_constant(node):
    if not isinstance(node, ast.Assign):
        return False
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True


def _targets(node):
    """Return the names that a statement sets; that of `W.grad[...] = 0` is W.grad."""
    if isinstance(node, ast.Assign):
        return {part for target in node.targets for part in _names(target)}
    return _names(node.target) if isinstance(node, ast.AugAssign) else set()


def _names(target):
    if isinstance(target, ast.Tuple | ast.List):
        return {name for part in target.elts for name in _names(part)}
    while isinstance(target, ast.Subscript):
        target = target.value
    return {ast.unparse(target)}


def _copy(value):
    return value.copy() if isinstance(value, np.ndarray) else value


def _advice(error):
    text, told = str(error), ()
    if isinstance(error, ValueError) and "matmul" in text:
        told = ("the shapes don't fit: a transpose is missing or one too many, or the factors",
                "stand in the wrong order")  # fmt: skip
    elif isinstance(error, ValueError) and "broadcast" in text:
        told = ("the shapes don't fit entry by entry: write them beside each line",)
    elif isinstance(error, NameError):
        told = ("check runs only imports, functions, classes and plain constants of the file:",
                "what a function needs must be an argument of it")  # fmt: skip
    return "".join(f"\n    {line}" for line in told)
