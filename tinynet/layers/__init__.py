"""Layers, each with `forward` and directly below it `backward`."""

from ..configs.arguments import absent as _absent
from ..configs.naming import public_names as _public_names
from .activation import (
    ELU as ELU,
    Activation as Activation,
    LeakyReLU as LeakyReLU,
    PReLU as PReLU,
    ReLU as ReLU,
    Softmax as Softmax,
)
from .activity import ActivityRegularization as ActivityRegularization
from .base import Layer as Layer, deserialize as deserialize, get as get, serialize as serialize
from .dense import Dense as Dense
from .dot import Dot as Dot, dot as dot
from .dropout import Dropout as Dropout, SpatialDropout1D as SpatialDropout1D
from .embedding import Embedding as Embedding
from .encoding import CategoryEncoding as CategoryEncoding, Discretization as Discretization
from .input_spec import InputSpec as InputSpec
from .lookup import IntegerLookup as IntegerLookup, StringLookup as StringLookup
from .masking import Masking as Masking
from .merge import (
    Add as Add,
    Average as Average,
    Concatenate as Concatenate,
    Maximum as Maximum,
    Minimum as Minimum,
    Multiply as Multiply,
    Subtract as Subtract,
    add as add,
    average as average,
    concatenate as concatenate,
    maximum as maximum,
    minimum as minimum,
    multiply as multiply,
    subtract as subtract,
)
from .noise import (
    AlphaDropout as AlphaDropout,
    GaussianDropout as GaussianDropout,
    GaussianNoise as GaussianNoise,
)
from .normalization import BatchNormalization as BatchNormalization
from .operators import give_operators as _give_operators
from .pooling import (
    GlobalAveragePooling1D as GlobalAveragePooling1D,
    GlobalMaxPooling1D as GlobalMaxPooling1D,
)
from .row_normalization import (
    LayerNormalization as LayerNormalization,
    RMSNormalization as RMSNormalization,
    UnitNormalization as UnitNormalization,
)
from .scaling import Normalization as Normalization, Rescaling as Rescaling
from .shape import (
    Flatten as Flatten,
    Identity as Identity,
    Input as Input,
    InputLayer as InputLayer,
    Permute as Permute,
    RepeatVector as RepeatVector,
    Reshape as Reshape,
)

_give_operators()
GlobalAvgPool1D, GlobalMaxPool1D = GlobalAveragePooling1D, GlobalMaxPooling1D  # Keras has both

__all__ = _public_names(globals())
__getattr__ = _absent(__name__)
