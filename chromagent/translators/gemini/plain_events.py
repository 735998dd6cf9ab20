"""Events of a stream that say one piece of text and nothing else, as nearly all do. Hides how they are told from the others.

The type is the test: what has another member, or another type in a member, does not decode, and the general reader reads it.
"""

from typing import Any, Final, Literal

import msgspec


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    thought: bool = False


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    parts: tuple[_Part]
    role: str = ""


class _Candidate(msgspec.Struct, forbid_unknown_fields=True):
    content: _Content
    index: Literal[0] = 0


class PlainEvent(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """One piece of text of the first choice, and what comes with every event."""

    candidates: tuple[_Candidate]
    usage_metadata: dict[str, Any] | None = None
    model_version: str = ""
    create_time: str = ""
    response_id: str = ""


decode: Final = msgspec.json.Decoder(PlainEvent).decode
"""Reads such an event. Raises one of `OTHERS` for any other text."""
OTHERS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
