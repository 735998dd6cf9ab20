"""Signatures of thinking, as opaque as the vendors' and checkable without keeping anything."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from chromagent import codec
from chromagent.codec import JsonValue

_KEY: Final = b"the simulated Vertex signs with this"
DUMMIES: Final = frozenset({"skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="})
"""What Gemini takes instead of a signature, as text and as base64."""


def sign(*facts: JsonValue) -> str:
    """Sign what a piece of thinking belongs to."""
    return base64.b64encode(hmac.new(_KEY, codec.encode(list(facts)), hashlib.sha256).digest() * 2).decode()


def is_genuine(signature: str, *facts: JsonValue) -> bool:
    """Say whether a signature was made here for these facts."""
    return hmac.compare_digest(_standard(signature), sign(*facts))


def is_base64(text: str) -> bool:
    """Say whether a text can be bytes at all."""
    try:
        base64.b64decode(_standard(text), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _standard(text: str) -> str:
    text = text.replace("-", "+").replace("_", "/").rstrip("=")
    return text + "=" * (-len(text) % 4)
