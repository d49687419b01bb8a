"""The step's arrays inside the page: exact, each once, and within a budget of bytes.

An array is {"d": dtype, "s": shape, "b": base64 of little-endian bytes}, or "c": one number that
fills it. Of a large one only some entries may be there: "f" is then its full shape and "i" the
numbers of the rows, "j" of the columns that are. `decode` is the inverse.
"""

import base64
import hashlib

import numpy as np

from .explain import kind, slope

ACTIVATIONS = 0.19  # their share of the arrays: it sets how many rows are shown
BLOCK = 32  # most rows and columns of a weight that does not fit


class Arrays:
    """Collects arrays by content; equal ones are stored once."""

    def __init__(self):
        self.entries, self.bytes, self.known = {}, 0, {}

    def size(self, array):
        """Return how many bytes `array` would add."""
        a = np.asarray(array)
        return 0 if a.size == 0 or (a == a.flat[0]).all() else a.nbytes

    def add(self, array, full=None, i=None, j=None):
        """Return the key of an array, or of a block of an array of shape `full`; None for None."""
        if array is None:
            return None
        a = np.ascontiguousarray(array)
        a = a.astype(a.dtype.newbyteorder("<"), copy=False)
        name = {"b": "u1"}.get(a.dtype.kind, f"{a.dtype.kind}{a.dtype.itemsize}")
        a = a.astype(name, copy=False)
        if name in ("i8", "u8"):  # class ids: JavaScript has no plain 64-bit integers
            a, name = a.astype("i4"), "i4"
        entry = {"d": name, "s": list(a.shape)}
        if self.size(a) == 0:
            entry["c"] = 0.0 if not a.size else float(a.flat[0])
        else:
            entry["b"] = base64.b64encode(a.tobytes()).decode("ascii")
        if full is not None:
            entry["f"] = list(full)
            entry["i"] = [int(k) for k in i]
            entry["j"] = None if j is None else [int(k) for k in j]
        mark = hashlib.sha256(repr(sorted(entry.items())).encode()).digest()
        if mark not in self.known:
            key = self.known[mark] = f"a{len(self.entries)}"
            self.entries[key] = entry
            self.bytes += len(entry.get("b", "")) * 3 // 4
        return self.known[mark]


def decode(entry) -> np.ndarray:
    """Return the array (or the block of one) that an entry holds."""
    dtype, shape = np.dtype("<" + entry["d"]), tuple(entry["s"])
    if "c" in entry:
        return np.full(shape, entry["c"], dtype)
    return np.frombuffer(base64.b64decode(entry["b"]), dtype).reshape(shape)


def rows_that_fit(found, budget) -> int:
    """Return how many of the batch's rows the page can carry."""
    N, seen = len(found.loss.w), {}
    count = len(found.x)
    for call in found.layers:
        for array in (call.x, call.z, call.y, call.dy, call.dz, call.dx, slope(call),
                      *call.parts.values()):  # fmt: skip
            for one in array if isinstance(array, list) else [array]:
                if isinstance(one, np.ndarray) and one.ndim and len(one) in (N, count):
                    seen[hashlib.sha256(one.tobytes()).digest()] = one.nbytes / len(one)
    return max(1, min(count, int(budget / max(sum(seen.values()), 1))))


def layers(found, arrays, R) -> list:
    """Return what the page's script needs of each call of a layer."""
    count = len(found.x)

    def some(value):
        if isinstance(value, list):
            return [some(one) for one in value]
        if isinstance(value, np.ndarray) and value.ndim and len(value) == count:
            value = value[:R]
        return arrays.add(value)

    paths, results = list(found.parameters), []
    for call in found.layers:
        parts = {k: some(v) for k, v in call.parts.items() if isinstance(v, np.ndarray)}
        d = call.dz if call.dz is not None else call.dy
        results.append({
            "name": call.name, "type": type(call.layer).__name__, "kind": kind(call.layer),
            "fused": call.fused, "visited": call.visited,
            "x": some(call.x), "z": some(call.z), "y": some(call.y), "dy": some(call.dy),
            "d": some(d) if call.visited else None,
            "symbol": "dy" if call.dz is None else "dz", "dx": some(call.dx),
            "slope": some(slope(call)), "scale": _scale(call), **parts,
            "params": [paths.index(p.path) for p in call.layer.weights],
        })  # fmt: skip
    return results


def _scale(call):
    """Return γ / √(σ² + ε) of a batch normalization, a number for each feature; else None."""
    if kind(call.layer) != "batchnorm":
        return None
    layer, var = call.layer, np.asarray(call.parts["var"], np.float64)
    gamma = 1.0 if layer.gamma is None else layer.gamma.numpy()
    return (gamma / np.sqrt(var + layer.epsilon)).tolist()


def parameters(found, arrays, budget) -> list:
    """Return weights, gradients, moments, in this order: whole while they fit, else a block."""
    traced = list(found.parameters.values())
    results = [{"path": p.path, "shape": list(p.before.shape), "state": {}, "state_after": {}}
               for p in traced]  # fmt: skip
    side = _side(found, budget)
    left = budget - sum(_block_bytes(p, side) for p in traced)
    passes = [lambda p: {"w": p.before}, lambda p: {"g": p.gradient},
              lambda p: {f"state.{k}": v for k, v in p.state_before.items()},
              lambda p: {"after": p.after},
              lambda p: {f"state_after.{k}": v for k, v in p.state_after.items()},
              lambda p: {} if p.gradient is None or np.array_equal(p.gradient, p.clipped)
              else {"clipped": p.clipped},
              lambda p: {"penalty": p.penalty_gradient}]  # fmt: skip
    order = sorted(range(len(traced)), key=lambda k: traced[k].before.size)
    for wanted in passes:
        for k in order:
            for name, array in wanted(traced[k]).items():
                if array is None:
                    continue
                size = arrays.size(array)
                if size <= left:
                    left -= size
                    key = arrays.add(array)
                else:
                    key = _add_block(arrays, traced[k], array, side)
                where, _, inner = name.partition(".")
                if inner:
                    results[k][where][inner] = key
                else:
                    results[k][name] = key
    return results


def _side(found, budget):
    """Return rows and columns of a block, so that the blocks of all weights take a half at most."""
    traced = found.parameters.values()
    cost = sum(p.before.itemsize * _arrays(p) for p in traced)  # of one entry of each
    return max(4, min(BLOCK, int((0.5 * budget / max(cost, 1)) ** 0.5)))


def _arrays(p):
    return 4 + 2 * len(p.state_before)


def _block_bytes(p, side):
    return min(p.before.size, side * side) * p.before.itemsize * _arrays(p)


def block_of(p, side):
    """Return rows and columns of a weight with the largest gradients; None for a vector's."""
    size = np.abs(p.before if p.gradient is None else p.gradient)
    if size.ndim == 1:
        return np.sort(np.argsort(-size, kind="stable")[: side * side]), None
    size = size.reshape(-1, size.shape[-1])
    i = np.sort(np.argsort(-size.max(axis=1), kind="stable")[:side])
    j = np.sort(np.argsort(-size.max(axis=0), kind="stable")[:side])
    return i, j


def _add_block(arrays, p, array, side):
    i, j = block_of(p, side)
    flat = array if j is None else array.reshape(-1, array.shape[-1])
    return arrays.add(flat[i] if j is None else flat[np.ix_(i, j)], flat.shape, i, j)
