"""StringLookup and IntegerLookup: the number of each token in a vocabulary, and back."""

from __future__ import annotations

import collections
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_integer
from .base import register
from .encoding import MODES, Preparing

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike


class Lookup(Preparing):
    """Base: token -> number, and with `invert` number -> token.

    The numbers: 0 for the mask token, if there is one and numbers are put out; then those of
    unknown tokens; then the vocabulary's, in its order.

    Args:
        max_tokens: most numbers that `adapt` gives; None: any.
        num_oov_indices: how many numbers unknown tokens have; 0: one is an error.
        mask_token: stands for padding; None: no token does.
        oov_token: what stands for an unknown token.
        vocabulary: list of tokens, or the name of a file with one a line; None: `adapt` finds it.
        invert: numbers in, tokens out.
        output_mode: "int", "one_hot", "multi_hot" or "count".
        pad_to_max_tokens: whether vectors have max_tokens entries also for fewer tokens.
    """

    numbers: dict[Any, Any]
    tokens: list[Any]

    kind = None  # makes a token of an entry

    def __init__(self, max_tokens: int | None = None, num_oov_indices: int = 1,
                 mask_token: str | int | None = None, oov_token: str | int | None = None,
                 vocabulary: Any = None, invert: bool = False, output_mode: str = "int",
                 pad_to_max_tokens: bool = False, sparse: bool = False, idf_weights: Any = None,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        self.store({**locals(), "vocabulary": None})
        self.output_mode: str = {"binary": "multi_hot"}.get(output_mode, output_mode)
        self.check_mode(MODES)
        if sparse or idf_weights is not None:
            raise self.invalid("sparse and idf_weights are not supported")
        if invert and self.output_mode != "int":
            raise self.invalid(f'invert goes with output_mode="int", received {output_mode!r}')
        check_integer(f"layer {self.name!r}: num_oov_indices", num_oov_indices, 0)
        if max_tokens is not None:
            check_integer(f"layer {self.name!r}: max_tokens", max_tokens, 2)
        elif pad_to_max_tokens:
            raise self.invalid("pad_to_max_tokens needs max_tokens")
        self.counts: Any = collections.Counter()
        self.vocabulary = vocabulary

    @property
    def vocabulary(self) -> list[Any] | None:
        """The tokens without the special ones; None before there are any."""
        return self.tokens or None

    @vocabulary.setter
    def vocabulary(self, vocabulary: Any) -> None:
        self.tokens, self.numbers = [], {}
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    @property
    def special(self) -> Any:
        """The tokens before those of the vocabulary."""
        masks = self.mask_token is not None and self.output_mode == "int"
        return [self.mask_token] * masks + [self.oov_token] * self.num_oov_indices

    def set_vocabulary(self, vocabulary: Any) -> None:
        """Take these tokens, with or without the special ones in front.

        Raises:
            ValueError: none, a token that comes twice, or more than max_tokens.
        """
        if isinstance(vocabulary, (str, pathlib.Path)):
            vocabulary = pathlib.Path(vocabulary).read_text(encoding="utf-8").splitlines()
        tokens = [self.kind(token) for token in np.asarray(vocabulary).tolist()]
        special = self.special
        if special and tokens[: len(special)] == special:
            tokens = tokens[len(special) :]
        twice = [token for token, count in collections.Counter(tokens).items() if count > 1]
        if not tokens or twice or self.mask_token in tokens or (self.oov_token in tokens):
            wrong = twice or [t for t in (self.mask_token, self.oov_token) if t in tokens]
            raise self.invalid("the vocabulary must hold each token once, without the special "
                               f"ones, received {wrong or 'none'}")  # fmt: skip
        if self.max_tokens is not None and len(tokens) + len(special) > self.max_tokens:
            raise self.invalid(f"the vocabulary has {len(tokens)} tokens beside {len(special)} "
                               f"special ones, more than max_tokens={self.max_tokens}")  # fmt: skip
        self.tokens = tokens
        self.numbers = {token: i for i, token in enumerate(tokens)}

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """Return the tokens in the order of their numbers."""
        return [*(self.special if include_special_tokens else ()), *self.tokens]

    def vocabulary_size(self) -> int:
        """Return how many numbers there are."""
        return len(self.special) + len(self.tokens)

    def depth(self) -> int:
        return self.max_tokens if self.pad_to_max_tokens else self.vocabulary_size()

    def adapt(self, data: ArrayLike, steps: int | None = None) -> None:
        """Take the tokens of some data as vocabulary: the most frequent first, of equals the last.

        Args:
            data: an array or list of tokens, or an iterable of such batches.
            steps: how many batches to look at; None: all.
        """
        self.counts.clear()
        array = hasattr(data, "shape") or isinstance(data, (list, tuple))
        for number, batch in enumerate([data] if array else data):
            if number == steps:
                break
            self.counts.update(self.kind(token) for token in np.ravel(batch).tolist())
        known = [token for token in self.counts if token not in (self.mask_token, self.oov_token)]
        known.sort(key=lambda token: (self.counts[token], token), reverse=True)
        most = None if self.max_tokens is None else self.max_tokens - len(self.special)
        self.set_vocabulary(known[:most])

    def encode(self, x: ArrayLike) -> Array:
        if not self.tokens:
            raise self.invalid("it has no vocabulary yet: call adapt(data), or give vocabulary")
        if self.invert:
            vocabulary = self.get_vocabulary()
            found = [vocabulary[i] if 0 <= i < len(vocabulary) else self.oov_token
                     for i in map(int, x.ravel())]  # fmt: skip
            return np.array(found).reshape(x.shape)
        ids = [self._number(self.kind(token)) for token in x.ravel().tolist()]
        return self.as_vectors(np.array(ids, np.int64).reshape(x.shape))

    def _number(self, token):
        number = self.numbers.get(token)
        if number is not None:
            return len(self.special) + number
        if self.mask_token is not None and token == self.mask_token:
            return 0 if self.output_mode == "int" else -1
        if self.num_oov_indices == 0:
            raise self.invalid(f"{token!r} is not in the vocabulary, and with num_oov_indices=0 "
                               "there is no number for it")  # fmt: skip
        masks = len(self.special) - self.num_oov_indices
        return masks + (self._bucket(token) if self.num_oov_indices > 1 else 0)


@register()
class IntegerLookup(Lookup):
    """The number of each integer in a vocabulary; see Lookup. Unknown ones are told apart by
    their remainder where num_oov_indices > 1."""

    kind = int

    def __init__(self, max_tokens: int | None = None, num_oov_indices: int = 1,
                 mask_token: str | int | None = None, oov_token: str | int = -1,
                 vocabulary: Any = None, invert: bool = False, output_mode: str = "int",
                 pad_to_max_tokens: bool = False, *, vocabulary_dtype: str = "int64",
                 **options: Any) -> None:  # fmt: skip
        super().__init__(max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, invert,
                         output_mode, pad_to_max_tokens, **options)  # fmt: skip

    def _bucket(self, token):
        return token % self.num_oov_indices


@register()
class StringLookup(Lookup):
    """The number of each string in a vocabulary; see Lookup."""

    kind = str

    def __init__(self, max_tokens: int | None = None, num_oov_indices: int = 1,
                 mask_token: str | int | None = None, oov_token: str | int = "[UNK]",
                 vocabulary: Any = None, invert: bool = False, output_mode: str = "int",
                 pad_to_max_tokens: bool = False, *, encoding: str = "utf-8",
                 **options: Any) -> None:  # fmt: skip
        if num_oov_indices > 1:
            raise ValueError("StringLookup: num_oov_indices must be 0 or 1; Keras tells unknown "
                             "strings apart by a hash that is not here")  # fmt: skip
        super().__init__(max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, invert,
                         output_mode, pad_to_max_tokens, **options)  # fmt: skip
