"""What one more activation, loss or optimizer takes: two files, whose text every device runs."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# what is added: file -> (the line before which it stands, None: the end; text)
ACTIVATION = {
    "kernels/reference/activations.py": ("# name -> (f, df)", """
def ripple(x, width):
    return x + np.sin(width * x) / 3


def d_ripple(x, y, width):
    return 1 + width * np.cos(width * x) / 3


"""),
    "tinynet/activations.py": ("for _name, _f in list(globals()", """
ripple = _Known("ripple", width=0.7)

"""),
}  # fmt: skip
LOSS = {
    "kernels/reference/losses.py": ("ELEMENTWISE_LOSSES = {", """
def arc(y, t, reach):
    return np.sqrt(reach + (y - t) ** 2)


def d_arc(y, t, reach):
    return (y - t) / np.sqrt(reach + (y - t) ** 2)


"""),
    "tinynet/losses/regression.py": (None, '''

@register("arc")
class Arc(ElementwiseLoss):
    """l_i = mean_c sqrt(1/2 + (p - y)^2)."""

    kind, options = "arc", (0.5,)
'''),
}  # fmt: skip
OPTIMIZER = {
    "kernels/reference/updates.py": ("WITH_SUMS = ", """
def drift(g, lr, share, *, w, m):
    m += (g - m) * share
    w -= lr * (m + g) / (1 + np.abs(m))


"""),
    "tinynet/optimizers/drift.py": (None, '''"""Drift: made up for a test."""

from .base import Optimizer, register


@register()
class Drift(Optimizer):
    """m += share (g - m); w -= lr (m + g) / (1 + |m|)."""

    stored = ((("m", "momentum"),),)

    def __init__(self, learning_rate=0.01, share=0.3, **options):
        super().__init__(learning_rate, **options)
        self.share = share

    def update(self, w, g, lr, m):
        self.ops.drift(g, lr, self.share, w=w, m=m)
'''),
    "tinynet/optimizers/__init__.py": ("__all__ = ", "from .drift import Drift\n"),  # the export
}  # fmt: skip

TRAIN = """
import sys
import fake_cupy, numpy as np, tinynet as keras
from tinynet.layers import Dense, Input

activation, loss, optimizer = sys.argv[1:]
r = np.random.default_rng(0)
x, y = r.normal(size=(24, 5)), r.normal(size=(24, 2))

def trained(device):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([Input((5,), dtype="float64"),
                              Dense(7, activation, dtype="float64"), Dense(2, dtype="float64")])
    model.compile(optimizer, loss, device=device)
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0).history["loss"]
    recorded = model.explain_execution() == "recorded once and replayed"
    assert recorded == (device != "reference"), model.explain_execution()
    keras.gradcheck(model, x, y)
    assert history[-1] < history[0]
    return [history, *(w.ravel() for w in model.get_weights())]

reference = trained("reference")
with fake_cupy.in_place_of_a_card():
    for device in ("cpu", "gpu"):
        for theirs, ours in zip(reference, trained(device), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12, err_msg=device)
print("all three agree")
"""


@pytest.mark.parametrize(
    ("added", "used", "files"),
    [
        (ACTIVATION, ("ripple", "mse", "adam"), 2),
        (LOSS, ("tanh", "arc", "adam"), 2),
        (OPTIMIZER, ("tanh", "mse", "drift"), 2 + 1),  # and the export
    ],
    ids=["activation", "loss", "optimizer"],
)
def test_what_is_added_in_two_files_trains_on_every_device(added, used, files, tmp_path):
    for folder in ("tinynet", "kernels"):
        shutil.copytree(ROOT / folder, tmp_path / folder,
                        ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    assert len(added) == files
    for name, (before, text) in added.items():
        path = tmp_path / name
        whole = path.read_text() if path.exists() else ""
        if before is None:
            path.write_text(whole + text)
        else:
            assert whole.count(before) == 1
            path.write_text(whole.replace(before, text.lstrip("\n") + before))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TINYNET_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT / "tests/support")])
    run = subprocess.run([sys.executable, "-c", TRAIN, *used], cwd=tmp_path, env=environment,
                         capture_output=True, text=True)  # fmt: skip
    assert run.stdout == "all three agree\n", run.stderr
