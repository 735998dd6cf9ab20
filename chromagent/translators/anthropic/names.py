"""Names and ids as Anthropic allows them. Pure functions of the original, so that history renders the same in every request.

Source: wire-anthropic §2.3.4 and §2.5.2.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

_BAD: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST: Final = 64


class NameMap:
    """Client's name of a function ↔ Anthropic's. Names that were not declared are returned as they are."""

    def __init__(self, names: Iterable[str], *, reserved: frozenset[str] = frozenset()) -> None:
        self._there: dict[str, str] = {}
        self._back: dict[str, str] = dict.fromkeys(reserved, "")
        for name in dict.fromkeys(names):
            self._add(name)

    def there(self, name: str) -> str:
        """Return Anthropic's name."""
        if name not in self._there:
            self._add(name)
        return self._there[name]

    def back(self, name: str) -> str:
        """Return the client's name."""
        return self._back.get(name) or name

    def _add(self, name: str) -> None:
        plain = _BAD.sub("_", name)[:_LONGEST] or "tool"
        if plain != name or plain in self._back:
            plain = f"{plain[:55]}_{_digest(name)}"
        self._there[name] = plain
        self._back[plain] = name


class IdMap:
    """Ids of calls: of an allowed form, and each once in a request even where clients number every turn anew."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._reused: dict[str, int] = {}

    def claim(self, identifier: str) -> str:
        """Return the id to send for a call that a turn brings."""
        plain = clean_id(identifier)
        if plain in self._used:
            number = self._reused.get(plain, 0) + 1
            while f"{plain}_r{number}" in self._used:
                number += 1
            self._reused[plain] = number
            plain = f"{plain}_r{number}"
        self._used.add(plain)
        return plain


def clean_id(identifier: str) -> str:
    """Replace what an id may not hold."""
    plain = _BAD.sub("_", identifier)
    return plain if plain == identifier else f"{plain}_{_digest(identifier)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
