"""Run the suite with Keras and store what its cases returned.

python tests/support/record_fixtures.py
"""

import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import oracle


def main():
    if not oracle.HAVE_KERAS:
        raise SystemExit("recording needs Keras: pip install -e '.[test]'")
    oracle.recording = True
    status = pytest.main(["-q", str(pathlib.Path(__file__).parent.parent)])
    if status:
        raise SystemExit("the suite failed: nothing was recorded")
    for old in oracle.FOLDER.glob("keras-*.npz"):
        old.unlink()
    oracle.FOLDER.mkdir(exist_ok=True)
    path = oracle.FOLDER / f"keras-{oracle.live_keras().__version__}.npz"
    np.savez_compressed(path, **oracle.recorded)
    print(f"{path}: {len(oracle.recorded)} arrays, {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
