"""Reasoning state inside tool-call ids, for clients that keep nothing else. Hides the marks; long ids are the price.

A sealed id is the plain id, a mark, the issuer and the payload in URL-safe base64. Whoever finds another issuer's seal strips it
and never replays it (docs/adr/0008).
"""

import re
from typing import Final, Literal, NamedTuple

Issuer = Literal["google", "claude"]
_MARK: Final = "__cg1_"
_SEALED: Final = re.compile(rf"(?P<plain>.*?){_MARK}(?P<issuer>[a-z]+)_(?P<payload>[A-Za-z0-9_-]+)")


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
    match = _SEALED.fullmatch(text) if _MARK in text else None
    if match is None:
        return SealedId(text)
    if match["issuer"] != issuer:
        return SealedId(match["plain"])
    payload = match["payload"].replace("-", "+").replace("_", "/")
    return SealedId(match["plain"], payload + "=" * (-len(payload) % 4))
