"""Reasoning state inside tool-call ids, for clients that keep nothing else. Hides the marks; long ids are the price.

A sealed id is the plain id, a mark, the issuer and the payload in URL-safe base64. Whoever finds another issuer's seal strips it
and never replays it (docs/adr/0008).
"""

import re
from typing import Final, Literal, NamedTuple

from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place

Issuer = Literal["google", "claude"]
_MARK: Final = "__cg1_"
_SEALED: Final = re.compile(r"(?P<issuer>[a-z]+)_(?P<payload>[A-Za-z0-9_-]+)")
"""What follows the first mark."""
MAX_ID: Final = 4096
"""Characters of a tool-call id without what is sealed into it."""
MAX_SEALED_ID: Final = 1 << 20
"""Characters of a tool-call id with reasoning state."""


class SealedId(NamedTuple):
    """An id as clients bring it, taken apart."""

    plain: str
    payload: str | None = None
    """What this issuer sealed; None if nothing."""


def seal(plain: str, issuer: Issuer, payload: str) -> str:
    """Put a payload of base64, of either alphabet, into an id."""
    return f"{plain}{_MARK}{issuer}_{payload.replace('+', '-').replace('/', '_').rstrip('=')}"


def unseal(text: str, issuer: Issuer) -> SealedId:
    """Take an id apart. The payload comes back in standard, padded base64."""
    plain, mark, rest = text.partition(_MARK)
    match = _SEALED.fullmatch(rest) if mark else None
    if match is None:
        return SealedId(text)
    if match["issuer"] != issuer:
        return SealedId(plain)
    payload = match["payload"].replace("-", "+").replace("_", "/")
    return SealedId(plain, payload + "=" * (-len(payload) % 4))


def is_too_long(text: str, plain: str) -> bool:
    """Say whether an id is longer than ids may be; `plain` is what is left of it without reasoning state."""
    return len(plain) > MAX_ID or len(text) > MAX_SEALED_ID


def too_long(place: Place) -> InvalidRequest:
    """Complain about such an id."""
    message = f"'{place}' is too long. An id may have at most {MAX_ID} characters."
    return reading.wrong_value(place, message, "string_above_max_length")
