"""Keras's `ops` on NumPy, forward only: for metrics, initializers, schedules, callbacks, losses.

Arguments are arrays, numbers, lists and `Variable`s; results are NumPy arrays. Nothing here is
differentiated: a layer's or a loss's derivative is written by hand, with these too.

`arrays` has what NumPy has under the same name, `core`, `nn` and `math` the rest.
"""

from .arrays import *  # noqa: F403
from .core import *  # noqa: F403
from .math import *  # noqa: F403
from .nn import *  # noqa: F403
