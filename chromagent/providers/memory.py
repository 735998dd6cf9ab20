"""The bounded memory of reasoning state, one per backend and worker. Hides how old entries leave.

It helps clients that drop the carriers, within one instance only: a miss is always possible and harmless.
"""

from collections import OrderedDict
from collections.abc import Iterator, MutableMapping


class BoundedMemory(MutableMapping[str, object]):
    """A mapping that keeps the most recently used entries."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, object] = OrderedDict()

    def __getitem__(self, key: str) -> object:
        value = self._entries[key]
        self._entries.move_to_end(key)
        return value

    def __setitem__(self, key: str, value: object) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def __delitem__(self, key: str) -> None:
        del self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
