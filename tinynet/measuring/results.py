"""A sweep's result: a plain dict, as in its JSON, and the statistics drawn from it.

    measurements  list of {engine, batch, round, steps, seconds, call_seconds, loss,
                  cores, idle_cores}
    engines       name -> {kind, place, settings, versions, start_s, prepare_s, proof}
    excluded      name -> reason

    time_to_accuracy  where it was asked for: {target, most_epochs, validation, found: list of
                  {engine, batch, reached, seconds, epochs, accuracies}}

and options, net, machine, date; unit ("rows", where it is not "images"); from the sweep of
`benches/` also git and environment. Ratios are taken within a round, where both
sides saw the same machine, and only then summarised.
"""

import json
import math

import numpy as np

from ..saving.atomic import atomic_write

FORMAT = 1


def rates(result, engine, batch):
    """Return rows (images) per second of an engine by round, (rounds,)."""
    found = [m for m in result["measurements"] if (m["engine"], m["batch"]) == (engine, batch)]
    found.sort(key=lambda m: m["round"])
    return np.array([m["steps"] * m["batch"] / m["seconds"] for m in found])


def quartiles(values):
    """Return (lower quartile, median, upper quartile)."""
    return tuple(float(q) for q in np.percentile(values, [25, 50, 75]))


def of_kind(result, kind):
    """Return names of the engines of a kind that were measured: "device", "peer" or "bound"."""
    return [name for name, about in result["engines"].items() if about["kind"] == kind]


def batches(result):
    return sorted({m["batch"] for m in result["measurements"]})


def ratio(result, engine, other, batch):
    """Return the speed of `engine` by that of `other`, round by round."""
    return rates(result, engine, batch) / rates(result, other, batch)


def rivals(result, engine, kind):
    """Return the engines of a kind that compute on the same processor, or card, as `engine`."""
    place = result["engines"][engine].get("place")
    return [name for name in of_kind(result, kind) if result["engines"][name].get("place") == place]


def lead(result, engine, batch):
    """Return the speed of `engine` by that of the round's fastest peer, round by round."""
    peers = [rates(result, peer, batch) for peer in rivals(result, engine, "peer")]
    return rates(result, engine, batch) / np.max(peers, axis=0)


def fastest_peer(result, engine, batch):
    """Return name of the peer with the highest median, of those where `engine` is."""
    peers = rivals(result, engine, "peer")
    return max(peers, key=lambda peer: np.median(rates(result, peer, batch)))


def unit(result):
    """Return what is counted: "images", or "rows"."""
    return result.get("unit", "images")


def crossover(result, one, other):
    """Return the batch size from which `other` stays faster, on log axes, or None."""
    sizes = batches(result)
    return _crossing(sizes, [math.log(np.median(ratio(result, other, one, b))) for b in sizes])


def crossing_in_words(result):
    """Return a sentence: from which batch size on the gpu is faster."""
    at = crossover(result, "cpu", "gpu")
    if at is not None:
        return f"the gpu leads from batch {at:,.0f} on"
    leads = [np.median(ratio(result, "gpu", "cpu", b)) > 1 for b in batches(result)]
    return ("the gpu leads at every batch size" if all(leads)
            else "the gpu does not lead at the largest batch size")  # fmt: skip


def accuracy_times(result, engine):
    """Return batch size -> seconds to the accuracy asked for, None where it was not reached."""
    found = result.get("time_to_accuracy", {}).get("found", ())
    return {one["batch"]: one["seconds"] if one["reached"] else None
            for one in found if one["engine"] == engine}  # fmt: skip


def accuracy_crossover(result, one, other):
    """Return the batch size from which `other` stays the one that is there first, or None."""
    a, b = accuracy_times(result, one), accuracy_times(result, other)
    sizes = sorted(n for n in a if a[n] is not None and b.get(n) is not None)
    return _crossing(sizes, [math.log(a[n] / b[n]) for n in sizes])


def _crossing(sizes, gain):
    """Return where the last change from below 0 to above lies, by the logarithms of the sizes."""
    for i in range(len(sizes) - 1, 0, -1):
        if gain[i] <= 0:
            return None
        if gain[i - 1] <= 0:
            share = -gain[i - 1] / (gain[i] - gain[i - 1])
            return sizes[i - 1] * (sizes[i] / sizes[i - 1]) ** share
    return None


def save(result, path):
    """Write the JSON, whole or not at all."""
    with atomic_write(path) as file:
        file.write(json.dumps({"format": FORMAT, **result}, indent=1).encode())


def load(path):
    """Read what `save` wrote; ValueError for anything else."""
    with open(path) as file:
        result = json.load(file)
    if not isinstance(result, dict) or result.pop("format", None) != FORMAT:
        raise ValueError(f"{path}: expected a batch-size result of format {FORMAT}")
    return result
