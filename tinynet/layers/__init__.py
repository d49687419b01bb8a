"""Layers, each with `forward` and directly below it `backward`."""

from ..configs.naming import public_names as _public_names
from .activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from .activity import ActivityRegularization
from .base import Layer, deserialize, get, serialize
from .dense import Dense
from .dropout import Dropout
from .embedding import Embedding
from .input_spec import InputSpec
from .merge import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from .noise import AlphaDropout, GaussianDropout, GaussianNoise
from .normalization import BatchNormalization
from .pooling import GlobalAveragePooling1D, GlobalMaxPooling1D
from .row_normalization import LayerNormalization, RMSNormalization, UnitNormalization
from .scaling import Normalization, Rescaling
from .shape import Flatten, Identity, Input, InputLayer, Permute, RepeatVector, Reshape

GlobalAvgPool1D, GlobalMaxPool1D = GlobalAveragePooling1D, GlobalMaxPooling1D  # Keras has both

__all__ = _public_names(globals())
