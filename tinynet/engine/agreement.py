"""Ranks agree: before the first step on what they train, and after every epoch on the weights."""

import platform
import warnings

import numpy as np

from .. import random
from ..core.ranks import ALONE
from ..resuming import fingerprint
from ..resuming.fingerprint import checksum


def agree(course, arguments):
    """Raise on all ranks unless they have begun the same `fit`; then the first one's streams of
    random numbers, and whatever else it counts from, are those of all.

    Raises:
        ValueError: some differ from the first rank; says in what.
    """
    model, ranks = course.model, course.model.ranks
    if ranks is ALONE:
        return
    from .. import __version__

    found = fingerprint.of_run(model, course.followers, course.train, course.validation, arguments)
    mine = {
        "versions": {"tinynet": __version__, "numpy": np.__version__,
                     "Python": ".".join(platform.python_version_tuple()[:2])},
        "device": model.device,
        "epochs": course.last,
        **found,
        "weights": {f"number {i} ({p.name})": f"digest {checksum(p.numpy()):08x}"
                    for i, p in enumerate(model.parameters)},
        "optimizer": [f"digest {checksum(v.numpy()):08x}" for v in model.optimizer.variables],
    }  # fmt: skip
    _compare(ranks, mine)
    model.set_state(ranks.first(model.get_state))
    random.set_state(ranks.first(random.get_state))


def _compare(ranks, mine):
    theirs = ranks.first(lambda: mine)
    found = ranks.gather(fingerprint.difference(theirs, mine))
    wrong = {rank: text for rank, text in enumerate(found) if text is not None}
    if wrong:
        rank, text = next(iter(wrong.items()))
        more = f" (and {len(wrong) - 1} more ranks differ)" if len(wrong) > 1 else ""
        name = text.split(" was ")[0]
        hint = ""
        if name.startswith(("weights", "optimizer")):
            hint = ("; every rank needs the same weights at first: call "
                    "utils.set_random_seed(seed) before the model is made, or load them from a "
                    "file")  # fmt: skip
        elif " data " in name:
            hint = "; every rank is given the whole data, and takes its part of each batch"
        text = text.replace(" was ", " is ", 1).replace(
            ", is now ", f" on rank 0, and on rank {rank} "
        )
        raise ValueError(f"the ranks disagree: {text}{more}{hint}")


def keep_equal(model):
    """After an epoch: average moving statistics that are local, and make sure that all ranks have
    the same bits; machines of different kinds may round differently.
    """
    ranks = model.ranks
    if ranks is ALONE:
        return
    if not ranks.synchronize:
        for p in model.parameters:
            if not p.learnable:
                array = p.numpy().reshape(-1)
                ranks.mean(1, array)
                p.assign(array.reshape(p.shape))
    own = checksum(*(p.numpy() for p in model.parameters))  # those of the optimizer go with them
    high, low = ranks.most(own, -own)
    if high != -low:
        state = ranks.first(model.get_state)
        if ranks.rank == 0:
            warnings.warn("the ranks' weights came to differ in this epoch, as on machines that "
                          "round differently: all go on from the first rank's",
                          stacklevel=4)  # fmt: skip
        else:
            model.set_state(state)
