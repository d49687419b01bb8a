"""The kernels in NumPy: the specification that every other device is held against.

Each function is the textbook formula; `kernels/__init__.py` has the table of all of them. Forward
and backward stand together. Shapes: N rows, D inputs, H units, C classes.
"""

# ruff: noqa: F403
from .activations import *
from .layers import *
from .losses import *
from .products import *
from .updates import *
