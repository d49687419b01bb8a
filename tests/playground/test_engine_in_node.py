"""The page's engine, run by Node: the numbers of tinynet in float64, step by step."""

import json

import numpy as np
import pytest
from formula_runs import NODE, node

import tinynet
from tinynet import activations, layers, losses, optimizers
from tinynet.playground import page

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed: https://nodejs.org")
STEPS, CASES = 200, 30
RATES = {"SGD": 0.05, "Ftrl": 0.1, "Adagrad": 0.05, "Adadelta": 1.0, "Lion": 0.002}
DRIVER = """
const results = JSON.parse(require("fs").readFileSync(0)).map(({settings, w, x, y, batches}) => {
  const model = new Model(settings), D = settings.inputs, losses = [];
  model.w.set(w);
  for (const rows of batches) {
    const bx = Float64Array.from(rows.flatMap((r) => x.slice(r * D, r * D + D)));
    losses.push(model.train_step(bx, Float64Array.from(rows.map((r) => y[r])), rows.length));
  }
  const after = model.evaluate(Float64Array.from(x), Float64Array.from(y), y.length);
  return {losses, w: [...model.w], g: [...model.g], loss: after.loss, p: [...after.p]};
});
console.log(JSON.stringify(results));
"""


def draw(number):
    """Settings, data and batches of a case; every activation and optimizer comes up."""
    rng = np.random.default_rng(number)
    task = ("binary", "classes", "real")[number % 3]
    names = [*page.tables()["kinds"], "softmax"]
    calm = [n for n in names if n != "exponential"]
    D, classes = int(rng.integers(1, 5)), int(rng.integers(2, 5))
    hidden = [{"units": int(rng.integers(2, 9)), "activation": names[number % len(names)],
               "dropout": float(rng.choice([0, 0, 0.3, 0.6]))}]  # fmt: skip
    hidden += [{"units": int(rng.integers(2, 9)), "activation": str(rng.choice(calm)),
                "dropout": float(rng.choice([0, 0.2]))}
               for _ in range(rng.integers(0, 3))]  # fmt: skip
    output = {"binary": (1, "sigmoid"), "classes": (classes, "softmax"), "real": (1, "linear")}
    units, activation = output[task]
    loss = {"binary": "binary_crossentropy", "classes": "sparse_categorical_crossentropy",
            "real": str(rng.choice(page.LOSSES))}[task]  # fmt: skip
    if task == "binary" and number % 2:  # an activation that is not fused with its loss
        loss = "mean_squared_error"
    name = page.OPTIMIZERS[number % len(page.OPTIMIZERS)]
    optimizer = {"name": name, "learning_rate": RATES.get(name, 0.01)}
    if name in ("SGD", "RMSprop") and number % 4:
        optimizer["momentum"] = 0.8
    x = rng.normal(size=(40, D))
    y = {"binary": rng.integers(0, 2, 40), "classes": rng.integers(0, classes, 40),
         "real": rng.normal(size=40)}[task]  # fmt: skip
    settings = {"inputs": D, "layers": [*hidden, {"units": units, "activation": activation}],
                "loss": loss, "optimizer": optimizer, "l1": float(rng.choice([0, 0.003])),
                "l2": float(rng.choice([0, 0.01])), "initializer": "he_normal",
                "seed": number}  # fmt: skip
    batches = [rng.integers(0, 40, rng.integers(1, 9)).tolist() for _ in range(STEPS)]
    return settings, x, y, batches


def build(settings):
    """The model of tinynet for these settings."""
    penalty = tinynet.regularizers.L1L2(settings["l1"], settings["l2"])
    stack = [layers.Input((settings["inputs"],))]
    for i, layer in enumerate(settings["layers"]):
        f = layer["activation"]
        f = activations.threshold.with_options(**page.THRESHOLD) if f == "threshold" else f
        stack.append(layers.Dense(layer["units"], f, kernel_regularizer=penalty))
        if layer.get("dropout"):
            stack.append(layers.Dropout(layer["dropout"], seed=settings["seed"] + i))
    model = tinynet.Sequential(stack)
    options = dict(settings["optimizer"])
    model.compile(getattr(optimizers, options.pop("name"))(**options),
                  losses.get(settings["loss"]), device="reference")  # fmt: skip
    return model


@pytest.fixture
def in_float64():
    tinynet.config.set_floatx("float64")
    yield
    tinynet.config.set_floatx("float32")


@pytest.mark.usefixtures("in_float64")
def test_steps_are_those_of_tinynet():
    cases, expected = [], []
    for number in range(CASES):
        settings, x, y, batches = draw(number)
        tinynet.utils.set_random_seed(number)
        model = build(settings)
        assert model.dtype == "float64"
        w = np.concatenate([a.ravel() for a in model.get_weights()])
        cases.append({"settings": settings, "w": w.tolist(), "x": x.ravel().tolist(),
                      "y": y.tolist(), "batches": batches})  # fmt: skip
        found = [model.train_on_batch(x[rows], y[rows]) for rows in batches]
        after = np.concatenate([a.ravel() for a in model.get_weights()])
        expected.append(
            (found, after, model.evaluate(x, y, verbose=0), model.predict(x, verbose=0))
        )
    answers = node(page.engine() + DRIVER, cases)
    for case, (found, after, loss, p), ours in zip(cases, expected, answers, strict=True):
        near = {"rtol": 1e-9, "atol": 1e-9, "err_msg": json.dumps(case["settings"])}
        np.testing.assert_allclose(ours["losses"], found, **near)
        np.testing.assert_allclose(ours["w"], after, **near)
        np.testing.assert_allclose(ours["loss"], loss, **near)
        np.testing.assert_allclose(ours["p"], np.ravel(p), **near)
        assert min(found[-20:]) != found[0]
