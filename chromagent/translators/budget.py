"""What one request may cost beyond its own size: schemas that grow while they are rewritten, and reasoning state inside ids.

Both budgets grow with what was sent, so that the work for a request is at most linear in its size. Both are shared by the whole
request: a hundred tools have one. A translation makes them and passes them on.
"""

from typing import Final

SCHEMA_BASE: Final = 5_000
"""Steps that every request may spend on its schemas."""
_BYTES_PER_STEP: Final = 4
"""Each further step needs so many bytes of schemas. A schema that says something has 20 bytes or more, and costs two steps."""
_ENTRIES_PER_STEP: Final = 16
_CHARACTERS_PER_STEP: Final = 64

STATE_BASE: Final = 1 << 18
"""Bytes of reasoning state that every request may decompress."""
_STATE_RATIO: Final = 8
"""Further bytes for each byte of compressed state. Thinking shrinks to a third or a quarter, and signatures do not shrink."""


class TooLarge(Exception):
    """The schemas of a request, written out, are more than their size allows."""


class SchemaBudget:
    """Counts steps: a schema cleaned, merged or copied."""

    def __init__(self, size: int = 0) -> None:
        self._allowed = SCHEMA_BASE
        self.spent = 0
        self.admit(size)

    def admit(self, size: int) -> None:
        """Note the bytes of a schema that the client sent."""
        self._allowed += size // _BYTES_PER_STEP

    def spend(self, steps: int = 1, *, entries: int = 0, characters: int = 0) -> None:
        """Take steps, and more of them for names and values, or for text, that are copied along. Raises `TooLarge`."""
        self.spent += steps + entries // _ENTRIES_PER_STEP + characters // _CHARACTERS_PER_STEP
        if self.spent > self._allowed:
            raise TooLarge


class StateBudget:
    """Counts bytes of reasoning state that is decompressed."""

    def __init__(self) -> None:
        self.left = STATE_BASE

    def admit(self, size: int) -> None:
        """Note the bytes of compressed state that the client sent."""
        self.left += size * _STATE_RATIO
