"""All that the library writes goes through saving.atomic: looked up in its source."""

import ast
import pathlib

import pytest

import tinynet

ROOT = pathlib.Path(tinynet.__file__).parent

# module -> what it may call that writes, and why
ALLOWED = {
    "saving/atomic.py": {"open"},  # this is how
    "saving/npz.py": {"savez"},  # into a file that atomic_write has opened
    "saving/hdf5/weights.py": {"File"},  # into memory; saving/__init__ writes that
    "saving/hdf5/legacy.py": {"File"},
    "saving/safetensors.py": {"save"},  # into memory
    "saving/keras_zip.py": {"ZipFile"},  # a temporary file of atomic_path
    "callbacks/logging.py": {"open", "touch", "write_text"},  # CSVLogger adds a line per epoch
    "datasets/mnist_small.py": {"save", "ZipFile"},  # into memory; a temporary file of atomic_path
    "course/pictures.py": {"savefig"},  # into a file that atomic_write has opened, or memory
    "resuming/files.py": {"open"},  # the lock, which holds nothing
    "distribution/mpi.py": {"open"},  # os.devnull
    "plotting/figures.py": {"savefig"},  # into memory, for a notebook
    "showing/notebook.py": {"savefig"},
    "plotting/model.py": {"savefig"},  # into a file that atomic_write has opened
    "measuring/plot.py": {"savefig"},
    # modules of ours, whose own `save` is looked at
    "measuring/choice.py": {"save"},
    "commands/bench.py": {"save"},
}
WRITERS = {"write_text", "write_bytes", "save", "savez", "savez_compressed", "savetxt", "savefig",
           "tofile", "to_csv", "dump", "touch"}  # fmt: skip
WITH_MODE = {"open", "File", "ZipFile", "fdopen", "memmap"}  # writing if a mode says so
OF_OURS = {"self", "model", "keras", "tinynet"}  # whose `save` is the one that is looked at


def calls_that_write(path):
    """Names of the functions that a module calls to write files."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        value = getattr(node.func, "value", None)
        owner = getattr(value, "id", getattr(value, "attr", None))
        path_is_owner = name == "open" and value is not None and owner not in ("zipfile", "io")
        given = [*node.args[0 if path_is_owner else 1 :], *(k.value for k in node.keywords)]
        modes = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        writing = any(set(m) & set("wax+") and set(m) <= set("rwaxbt+") for m in modes)
        ours = name == "save" and owner in OF_OURS
        if (name in WRITERS and not ours) or (name in WITH_MODE and writing):
            yield name


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")),
                         ids=lambda p: str(p.relative_to(ROOT)))  # fmt: skip
def test_only_these_write(path):
    found = set(calls_that_write(path))
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), set())
    assert found == allowed, f"{path}: writes with {found - allowed}; use saving.atomic"


def test_the_search_finds_what_it_should(tmp_path):
    for line in ('open("x", "w")', 'open(p, mode="ab")', 'p.open("r+b")', "p.write_text(t)",
                 "np.save(p, a)", 'h5py.File(p, "w")', "figure.savefig(p)"):  # fmt: skip
        (tmp_path / "m.py").write_text(line)
        assert list(calls_that_write(tmp_path / "m.py")), line
    for line in ('open("x", "rb")', "open(p)", "self.model.save(p)", 'zipfile.ZipFile(f, "r")'):
        (tmp_path / "m.py").write_text(line)
        assert not list(calls_that_write(tmp_path / "m.py")), line
