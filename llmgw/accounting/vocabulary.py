"""OpenAI's published vocabularies, brought along: never fetched, and checked before they are believed.

Each is the `.tiktoken` file OpenAI publishes, packed by gzip: lines of a token in base64 and its rank, in the order
of ranks. The patterns that cut text before its pieces are merged are published with the `tiktoken` package.
"""

import gzip
import hashlib
import importlib
import re
import zlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from importlib.resources import files
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from llmgw.types.errors import InternalError

if TYPE_CHECKING:
    import tiktoken


class Vocabulary(Struct, frozen=True, kw_only=True):
    """One vocabulary: its name, the SHA-256 of its published file, and the pattern that cuts text for it."""

    name: str
    sha256: str
    pattern: str


O200K: Final = Vocabulary(
    name="o200k_base",
    sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    pattern=(
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*|"
        r"\s*[\r\n]+|"
        r"\s+(?!\S)|"
        r"\s+"
    ),
)
"""Of GPT-4o and everything since."""

CL100K: Final = Vocabulary(
    name="cl100k_base",
    sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    pattern=(
        r"'(?i:[sdmt]|ll|ve|re)|"
        r"[^\r\n\p{L}\p{N}]?+\p{L}++|"
        r"\p{N}{1,3}+|"
        r" ?[^\s\p{L}\p{N}]++[\r\n]*+|"
        r"\s++$|"
        r"\s*[\r\n]|"
        r"\s+(?!\S)|"
        r"\s"
    ),
)
"""Of GPT-4, GPT-3.5 and OpenAI's embeddings."""


VOCABULARIES: Final = {each.name: each for each in (O200K, CL100K)}

_PIECE: Final = 16_384
"""Characters counted at a time. A run of a million spaces makes `tiktoken` panic, and its time is not linear."""
_SEAM: Final = re.compile(r".*(?:\S(?= )|[^\W_](?=\s))", re.DOTALL)
"""The longest beginning after which a cut is one that the vocabularies' patterns make themselves."""


def packed(vocabulary: Vocabulary) -> bytes:
    """Read the vocabulary's file as it is installed."""
    return (files(__package__) / "vocabularies" / f"{vocabulary.name}.tiktoken.gz").read_bytes()


def encoding(vocabulary: Vocabulary, packed: bytes) -> "tiktoken.Encoding":
    """Make the encoding from the vocabulary's packed file.

    It knows no special tokens, so that `<|endoftext|>` in a text is the text it is.

    Raises:
        InternalError: the file is not the published one.
    """
    try:
        lines = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise InternalError(f"the installed vocabulary {vocabulary.name} is damaged: {error}") from None
    if hashlib.sha256(lines).hexdigest() != vocabulary.sha256:
        raise InternalError(f"the installed vocabulary {vocabulary.name} is not the published one")
    # Line by line: a list of all words would be 30 MB more that the process keeps for nothing.
    ranks = {b64decode(line.partition(b" ")[0]): rank for rank, line in enumerate(BytesIO(lines))}
    # Imported here, as a gateway that never counts by itself need not load it.
    module = importlib.import_module("tiktoken")
    made: tiktoken.Encoding = module.Encoding(
        vocabulary.name, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens={}
    )
    # The encoding has its own copy and keeps this one beside it, 35 MB in which nobody looks anything up.
    ranks.clear()
    return made


class Encodings:
    """Counts in vocabularies, each loaded when it is first counted in; it stays. From any thread."""

    def __init__(self) -> None:
        self._loaded: dict[str, tiktoken.Encoding] = {}
        self._loading = Lock()

    def counts(self, vocabulary: Vocabulary, texts: Sequence[str]) -> list[int]:
        """How many tokens each text is.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        encode = self._encoding(vocabulary).encode_ordinary
        return [sum(len(encode(piece)) for piece in _pieces(text)) for text in texts]

    def _encoding(self, vocabulary: Vocabulary) -> "tiktoken.Encoding":
        known = self._loaded.get(vocabulary.name)
        if known is not None:
            return known
        with self._loading:
            known = self._loaded.get(vocabulary.name)
            if known is None:
                known = self._loaded[vocabulary.name] = encoding(vocabulary, packed(vocabulary))
            return known


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into pieces to be counted one by one, where that makes no difference if there is such a place."""
    start = 0
    while len(text) - start > _PIECE:
        seam = _SEAM.match(text, start, start + _PIECE)
        end = start + _PIECE if seam is None else seam.end()
        yield text[start:end]
        start = end
    yield text[start:]
