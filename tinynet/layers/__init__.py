"""Layers, each with `forward` and directly below it `backward`."""

from ..configs.arguments import absent as _absent
from ..configs.naming import public_names as _public_names
from .activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from .activity import ActivityRegularization
from .base import Layer, deserialize, get, serialize
from .dense import Dense
from .dot import Dot, dot
from .dropout import Dropout, SpatialDropout1D
from .embedding import Embedding
from .encoding import CategoryEncoding, Discretization
from .input_spec import InputSpec
from .lookup import IntegerLookup, StringLookup
from .masking import Masking
from .merge import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from .noise import AlphaDropout, GaussianDropout, GaussianNoise
from .normalization import BatchNormalization
from .operators import give_operators as _give_operators
from .pooling import GlobalAveragePooling1D, GlobalMaxPooling1D
from .row_normalization import LayerNormalization, RMSNormalization, UnitNormalization
from .scaling import Normalization, Rescaling
from .shape import Flatten, Identity, Input, InputLayer, Permute, RepeatVector, Reshape

_give_operators()
GlobalAvgPool1D, GlobalMaxPool1D = GlobalAveragePooling1D, GlobalMaxPooling1D  # Keras has both

__all__ = _public_names(globals())
__getattr__ = _absent(__name__)
