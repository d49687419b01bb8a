"""Lesson 9: LeakyReLU's backward, and the share of dead units."""

import numpy as np

from ...layers import LeakyReLU

HINTS = (
    "Where z > 0 dy passes as it is, elsewhere it is multiplied by slope: np.where(z > 0, ...).",
    "(z <= 0) has a True for each row in which a unit is silent. Dead: in all rows, along axis 0.",
    "The share of units is the mean over units of dead or not.",
)


def check(student):
    """Compare dz with the layer's, then at the kink; and count dead units by hand."""
    z = np.array([[1.5, -2.0, -0.5, 0.7, -1.1], [-1.0, -0.3, 2.0, -0.8, -0.4],
                  [0.4, -1.2, -0.6, 0.9, -1.6]])  # fmt: skip
    dy = np.array([[0.3, -1.0, 0.8, 0.5, 0.7], [1.2, 0.6, -0.7, 0.9, -0.2],
                   [-0.4, 1.1, 0.2, -1.3, 0.6]])  # fmt: skip
    slope = 0.2
    layer = LeakyReLU(slope, dtype="float64")
    layer.build_once((None, 5))
    layer(z)
    layer.needs_dx = True
    dz, dead = np.array(layer.backward_pass(dy)), 2 / 5  # the second unit and the last
    of_z = {
        "negative z have the slope 0; LeakyReLU's is `slope`": dy * (z > 0),
        "the sides are exchanged: z > 0 has the slope 1": dy * np.where(z > 0, slope, 1),
        "the slope is taken by the sign of dy; it is by that of z": dy * np.where(dy > 0, 1, slope),
        "dy is missing: these are the slopes alone": np.where(z > 0, 1, slope),
        "it is the forward formula of dy, of z only the sign is asked": np.where(dy > 0, dy, slope
                                                                                 * dy),
        "z stands where dy belongs: that is forward, y": np.where(z > 0, z, slope * z),
        "the slope stands alone where z < 0; it multiplies dy": np.where(z > 0, dy, slope),
        "negative z have the slope `slope`, not slope z": np.where(z > 0, dy, slope * z * dy),
        "the slope is subtracted, or its sign is wrong, where z < 0": dy * np.where(z > 0, 1,
                                                                                    -slope),
        "the slope is 1 everywhere": dy,
        "slope is everywhere, z > 0 has the slope 1": slope * dy,
        "where z < 0 both slopes come together: 1 + slope": dy * np.where(z > 0, 1, 1 + slope),
        "where z > 0 both slopes come together: 1 + slope": dy * np.where(z > 0, 1 + slope, slope),
    }  # fmt: skip
    of_dead = {
        "it counts entries, not units: a unit is dead if z <= 0 in all rows": (z <= 0).mean(),
        "one silent row is enough for it; dead is silent in all rows: all, not any":
            (z <= 0).any(axis=0).mean(),
        "wrong axis: it asks whether a row has no active unit (axis 0 runs over rows)":
            (z <= 0).all(axis=1).mean(),
        "it is the share of units alive": 3 / 5,
        "it is their number, not their share": 2.0,
        "it is one answer per unit; their share is the mean": (z <= 0).all(axis=0),
        "it counts units with z > 0 in all rows": (z > 0).all(axis=0).mean(),
    }  # fmt: skip
    arguments = {"dy": dy, "z": z, "slope": slope}
    student.expect("backward_and_dead", arguments, {"dz": dz, "dead": dead},
                   {"dz": of_z, "dead": of_dead})  # fmt: skip
    _at_the_kink(student, dy, slope)


def _at_the_kink(student, dy, slope):
    call = student.function("backward_and_dead")
    got = student.run("backward_and_dead", lambda: call(dy, np.zeros_like(dy), slope))
    share = np.asarray(got[0], float) / dy
    between = ((share >= slope - 1e-9) & (share <= 1 + 1e-9)).all()
    student.require(between, "backward_and_dead", "dz", "at the kink, z = 0, the slope must lie "
                    f"between `slope` and 1; it is {share.flat[0]:.4g}")  # fmt: skip
    student.compare("backward_and_dead", "dead", got[1], 1.0,
                    instead="a unit with z = 0 in all rows is dead: z <= 0")  # fmt: skip
