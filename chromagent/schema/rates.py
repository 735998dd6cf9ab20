"""Rates as operators write them (`600/minute`, `10 per 5 seconds`, several joined by `;`, `,` or `|`), and their parser.

The notation is that of the `limits` library. The parser is ours, because importing the library costs a cold start 170 ms.
"""

import re
from typing import Annotated, Final, NamedTuple, TypeAlias

from msgspec import Meta

_ONE: Final = r" *([1-9][0-9]{0,14}) ?(?:/|per) ?(?:([1-9][0-9]{0,6}) ?)?(second|minute|hour|day|month|year)s? *"

Rate: TypeAlias = Annotated[
    str, Meta(pattern=rf"^{_ONE}([;,|]{_ONE})*\Z", description="a rate such as 600/minute or 10 per 5 seconds")
]
"""One or several rates; all of them hold."""

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400, "year": 365 * 86_400}


class Window(NamedTuple):
    """One rate: so much in so many seconds."""

    amount: int
    seconds: int

    def __str__(self) -> str:
        """Write the rate in words, for error messages: `600 per minute`, `10 per 5 seconds`."""
        for unit, seconds in reversed(_UNITS.items()):
            count, rest = divmod(self.seconds, seconds)
            if not rest:
                return f"{self.amount} per {unit}" if count == 1 else f"{self.amount} per {count} {unit}s"
        raise AssertionError("every number of seconds is a multiple of one second")


def parse(rate: str) -> tuple[Window, ...]:
    """Parse a `Rate` that was checked already."""
    return tuple(Window(int(amount), int(count or 1) * _UNITS[unit]) for amount, count, unit in re.findall(_ONE, rate))
