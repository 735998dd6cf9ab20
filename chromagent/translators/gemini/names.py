"""Names of functions, there and back. Gemini wants a letter or underscore first and allows fewer characters than clients use.

Source: wire-gemini §2.6. One map a request: bijective, the same for declarations, choices, history and answers.
"""

import re
from collections.abc import Iterable
from typing import Final

_VALID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_LONGEST: Final = 64


class NameMap:
    """Client's name ↔ Gemini's name."""

    def __init__(self, names: Iterable[str]) -> None:
        unique = dict.fromkeys(names)
        self._there = {name: name for name in unique if _VALID.fullmatch(name)}
        self._back = dict(self._there)
        self._next_number: dict[str, int] = {}
        """By the beginning that shortened names share: all lower numbers are taken."""
        for name in unique:
            if name not in self._there:
                self._add(name)

    def there(self, name: str) -> str:
        """Return Gemini's name."""
        return self._there[name]

    def back(self, name: str) -> str:
        """Return the client's name. A name that was not asked for is returned as it is, less a prefix that some models add."""
        found = self._back.get(name)
        if found is not None:
            return found
        for mark in (".", ":"):
            _, separator, rest = name.partition(mark)
            if separator and rest in self._back:
                return self._back[rest]
        return name

    def _add(self, name: str) -> None:
        base = re.sub(r"[^A-Za-z0-9_.:-]", "_", name)
        if not re.match(r"[A-Za-z_]", base):
            base = f"_{base}"
        candidate = base[:_LONGEST]
        if candidate in self._back:
            beginning = base[: _LONGEST - 4]
            number = self._next_number.get(beginning, 2)
            while (candidate := _numbered(beginning, number)) in self._back:
                number += 1
            self._next_number[beginning] = number + 1
        self._there[name] = candidate
        self._back[candidate] = name


def _numbered(beginning: str, number: int) -> str:
    suffix = f"_{number}"
    return f"{beginning[: _LONGEST - len(suffix)]}{suffix}"
