"""Layers, each with `forward` and directly below it `backward`."""

from .activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from .base import Layer, deserialize, get, serialize
from .dense import Dense
from .dropout import Dropout
from .normalization import BatchNormalization
from .shape import Flatten, Input, InputLayer

__all__ = [
    "ELU",
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Flatten",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "Softmax",
    "deserialize",
    "get",
    "serialize",
]
