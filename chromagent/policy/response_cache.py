"""Complete answers kept for requests that come again. Hides what makes two requests the same, and what is never kept.

Kept are whole answers only, of one caller each: a key never sees what another one asked. Bounded in bytes and in age.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from cachetools import TTLCache

from chromagent import codec
from chromagent.codec import JsonObject

_COMPLETE: Final = frozenset({"stop", "tool_calls", "function_call"})


class Kept(NamedTuple):
    """An answer as it was sent, and where it came from."""

    body: bytes
    headers: dict[str, str]


class ResponseCache:
    """One worker's cache. `ttl` in seconds."""

    def __init__(self, *, ttl: float, max_bytes: int) -> None:
        self._kept = TTLCache[bytes, Kept](max_bytes, ttl, getsizeof=_size)
        self._max_bytes = max_bytes

    def get(self, key: bytes) -> Kept | None:
        """Return what is kept for a request."""
        return self._kept.get(key)

    def put(self, key: bytes, completion: JsonObject, kept: Kept) -> None:
        """Keep an answer, if it is one that ended by itself and fits."""
        choices: list[JsonObject] = completion["choices"]
        if all(choice["finish_reason"] in _COMPLETE for choice in choices) and _size(kept) <= self._max_bytes:
            self._kept[key] = kept


def key_of(caller: str, request: JsonObject, betas: Sequence[str]) -> bytes:
    """Return the same key for requests that ask the same: the order of members does not matter, that of lists does."""
    return hashlib.sha256(codec.encode_canonical([caller, request, list(betas)])).digest()


def _size(kept: Kept) -> float:
    """Bytes of memory, a little more than measured: what stands around each answer outweighs a short one."""
    return len(kept.body) + 800 + sum(len(value) + 100 for value in kept.headers.values())
