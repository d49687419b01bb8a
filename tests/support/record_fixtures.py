"""Run the suite, or some files of it, with Keras and store what their cases returned.

python tests/support/record_fixtures.py                              # all, anew
python tests/support/record_fixtures.py tests/layers/test_noise.py   # these; the others stay
"""

import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import oracle


def main(files):
    if not oracle.HAVE_KERAS:
        raise SystemExit("recording needs Keras: pip install -e '.[test]'")
    oracle.recording = True
    status = pytest.main(["-q", *(files or [str(pathlib.Path(__file__).parent.parent)])])
    if status:
        raise SystemExit("the suite failed: nothing was recorded")
    path = oracle.FOLDER / f"keras-{oracle.live_keras().__version__}.npz"
    kept = kept_of(path) if files else {}
    for old in oracle.FOLDER.glob("keras-*.npz"):
        old.unlink()
    oracle.FOLDER.mkdir(exist_ok=True)
    arrays = {**kept, **oracle.recorded}  # in the order in which a case returned them
    np.savez_compressed(path, **arrays)
    print(f"{path}: {len(arrays)} arrays, {path.stat().st_size / 1024:.0f} KiB")


def kept_of(path):
    """The arrays of a recording by this version of Keras that were not recorded again."""
    if not path.exists():
        raise SystemExit(f"{path.name} is not there to be added to: record the whole suite")
    with np.load(path, allow_pickle=False) as recording:
        return {key: recording[key] for key in recording.files
                if not key.startswith(tuple(oracle.known))}  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
