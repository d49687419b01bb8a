"""What a failed call leaves behind: nothing."""

import contextlib

from .. import random
from .held import is_layer
from .versions import new_version


@contextlib.contextmanager
def undone_on_error(*things):
    """If the block raises, layers and models with all that is inside, and other objects, are as
    they were: their attributes, and the stream that first weights are drawn from.
    """
    parts = [part for one in things for part in (one.layout.parts if is_layer(one) else [one])]
    kept = [(one, dict(vars(one)), list(getattr(one, "nodes", ()))) for one in parts]
    stream = random.root_state()
    try:
        yield
    except BaseException:
        for one, attributes, nodes in kept:
            now = vars(one)
            for name in now.keys() - attributes.keys() - {"_lock"}:
                del now[name]
            now.update(attributes)
            if is_layer(one):
                one.nodes[:] = nodes
        random.set_root_state(stream)
        new_version()
        raise
