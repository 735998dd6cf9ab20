"""Thought signatures of tool calls: where clients bring them back, and how they travel inside ids. Source: wire-gemini §3.5."""

import re
from collections.abc import Mapping
from typing import Final, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.translators import sealing
from chromagent.translators.protocol import ReasoningState

DUMMIES: Final = {
    "base64": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
    "plain": "skip_thought_signature_validator",
    "off": None,
}
"""The value that Google documents for calls that its models did not make, by spelling."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_FOREIGN_MARK: Final = "__thought__"


def read_id(text: str) -> tuple[str, str | None]:
    """Return the plain id and the signature inside: by our own seal, or by the suffix that another gateway uses."""
    if "__" not in text:  # both begin so
        return text, None
    plain, sealed = sealing.unseal(text, "google")
    if plain != text:
        return plain, sealed
    plain, mark, signature = text.partition(_FOREIGN_MARK)
    return plain, signature if mark and is_signature(signature) else None


def is_signature(value: JsonValue) -> bool:
    """Say whether a value can be a signature: base64 of either alphabet."""
    return isinstance(value, str) and _BASE64.fullmatch(value) is not None


def of_extra_content(container: JsonObject) -> str | None:
    """Read the documented carrier, on a call or on a message."""
    extra = container.get("extra_content")
    if isinstance(extra, dict):
        for vendor in ("google", "vertex"):
            found = cast("JsonObject", extra).get(vendor)
            if isinstance(found, dict) and is_signature(signature := cast("JsonObject", found).get("thought_signature")):
                return str(signature)
    return None


def of_call(call: JsonObject, details: Mapping[str, str], identifier: str, sealed: str | None, state: ReasoningState) -> str | None:
    """Find the signature of one call: the first carrier that has one wins. `details` are those of its message."""
    if signature := of_extra_content(call):
        return signature
    for holder in (call, call.get("function")):
        fields = cast("JsonObject", holder).get("provider_specific_fields") if isinstance(holder, dict) else None
        if isinstance(fields, dict) and is_signature(signature := cast("JsonObject", fields).get("thought_signature")):
            return str(signature)
    if signature := details.get(identifier):
        return signature
    if sealed is not None:
        return sealed
    kept = state.get(identifier)
    return kept if isinstance(kept, str) else None


def of_reasoning_details(message: JsonObject) -> dict[str, str]:
    """Read the carrier that OpenRouter's clients know: signatures by the id of the call."""
    details = message.get("reasoning_details")
    found: dict[str, str] = {}
    for detail in cast("list[JsonValue]", details) if isinstance(details, list) else []:
        if isinstance(detail, dict):
            entry = cast("JsonObject", detail)
            identifier = entry.get("id")
            if entry.get("type") == "reasoning.encrypted" and isinstance(identifier, str) and is_signature(entry.get("data")):
                found.setdefault(identifier, entry["data"])
    return found
