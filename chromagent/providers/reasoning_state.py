"""Reasoning state by caller and tool-call id, for clients that bring back nothing but the id.

Models that think while they call tools want their thinking back with the results: Gemini its thought signatures, Claude its
thinking blocks. Many clients keep only the ids of the calls. One cache for each worker keeps the rest for them; a miss is always
possible and harmless.

A caller finds only what its own answers left: the key is (caller, call id), and callers without a key share nothing, not even with
themselves, because nobody can tell one from another.
"""

import sys
from collections.abc import MutableMapping
from threading import Lock
from typing import Final, TypeAlias

from cachetools import LRUCache

from chromagent.translators.protocol import ReasoningState

_Key: TypeAlias = tuple[str, str]

_ENTRY_OVERHEAD: Final = 400
"""Bytes that an entry takes beside its texts: the tuple, two slots in dictionaries and one in the order of use; measured."""


class ReasoningStateCache:
    """The most recently used reasoning state of all callers, in at most `max_bytes` of memory; 0 keeps nothing."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: MutableMapping[_Key, tuple[str | bytes, int]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[1])
        self._lock = Lock()  # big requests are translated in a thread of their own

    def of_caller(self, caller: str | None) -> ReasoningState:
        """Return the part of one caller; of a caller without an identity (None) one that is empty and forgotten afterwards."""
        return {} if caller is None or not self._max_bytes else _CallerState(self, caller)

    def get(self, key: _Key) -> str | bytes | None:
        """Return what is kept under a key."""
        with self._lock:
            entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def put(self, key: _Key, state: str | bytes) -> None:
        """Keep state, unless it is larger than the whole cache."""
        size = _ENTRY_OVERHEAD + sys.getsizeof(key[0]) + sys.getsizeof(key[1]) + sys.getsizeof(state)
        if size <= self._max_bytes:
            with self._lock:
                self._entries[key] = (state, size)

    def remove(self, key: _Key) -> str | bytes | None:
        """Remove and return what is kept under a key."""
        with self._lock:
            entry = self._entries.pop(key, None)
        return None if entry is None else entry[0]


class _CallerState:
    """One caller's view of the cache."""

    def __init__(self, cache: ReasoningStateCache, caller: str) -> None:
        self._cache = cache
        self._caller = caller

    def get(self, call_id: str, /) -> str | bytes | None:
        return self._cache.get((self._caller, call_id))

    def __setitem__(self, call_id: str, state: str | bytes, /) -> None:
        self._cache.put((self._caller, call_id), state)

    def pop(self, call_id: str, default: None, /) -> str | bytes | None:
        return self._cache.remove((self._caller, call_id)) or default
