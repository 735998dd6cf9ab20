"""Beta features. Hides which of them Vertex AI knows: an unknown one makes it refuse the whole request.

Source: wire-anthropic §1.4.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from chromagent.codec import JsonObject, JsonValue
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.lenient import as_list

WEB_SEARCH: Final = "web-search-2025-03-05"
INTERLEAVED: Final = "interleaved-thinking-2025-05-14"
TOOL_SEARCH: Final = "tool-search-tool-2025-10-19"
BINDING: Final = "thinking-binding-controls-2026-08-01"
CONTEXT: Final = "context-management-2025-06-27"
COMPACT: Final = "compact-2026-01-12"

_ALLOWED: Final = frozenset(
    {
        COMPACT,
        "compact-2026-09-04",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        CONTEXT,
        "dangerous-tool-use-2026-09-03",
        "inline-tools-2026-09-15",
        INTERLEAVED,
        "mid-conversation-tool-changes-2026-07-01",
        "per-turn-control-2026-07-01",
        BINDING,
        "thinking-display-updates-2026-08-18",
        TOOL_SEARCH,
        WEB_SEARCH,
    }
)
_RENAMED: Final = {"advanced-tool-use-2025-11-20": TOOL_SEARCH}


def asked(request: Mapping[str, JsonValue], header: Iterable[str]) -> list[str]:
    """Return what the client asks for, in the header or in the body (a list or a comma-separated string)."""
    names = list(header)
    for field in ("anthropic_beta", "betas"):
        if (value := request.get(field)) is None:
            continue
        names += value.split(",") if isinstance(value, str) else [str(one) for one in as_list(value)]
    return [name.strip() for name in names if name.strip()] if names else []


def split(names: Iterable[str], allowed: Collection[str]) -> tuple[set[str], list[str]]:
    """Return those to send, under their newest names, and those that Vertex AI would refuse."""
    sent: set[str] = set()
    refused: dict[str, None] = {}
    for name in names:
        newest = _RENAMED.get(name, name)
        if newest in _ALLOWED or newest in allowed:
            sent.add(newest)
        else:
            refused[name] = None
    return sent, list(refused)


_EDIT: Final = re.compile(r"(clear_tool_uses|clear_thinking|compact)_[0-9]{8}")
_EDIT_MEMBERS: Final = frozenset(
    {
        *("type", "trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs"),
        *("pause_after_compaction", "instructions"),
    }
)


def check_context(management: JsonObject) -> None:
    """Check that `context_management` holds known edits only. Raises `InvalidRequest`."""
    place = Place(("context_management",), dotted=True)
    if unknown := management.keys() - {"edits"}:
        here = place.at(min(unknown)[:64])
        raise wrong_value(here, f"'{here}' cannot be sent through this gateway.", "unsupported_parameter")
    for index, given in enumerate(reading.optional(management, "edits", reading.array, place) or []):
        here = place.at("edits", index)
        edit = reading.mapping(given, here)
        if not _EDIT.fullmatch(reading.required(edit, "type", reading.text, here)):
            raise wrong_value(here.at("type"), "Edits are clear_tool_uses_…, clear_thinking_… and compact_….", "unsupported_value")
        if unknown := edit.keys() - _EDIT_MEMBERS:
            member = here.at(min(unknown)[:64])
            raise wrong_value(member, f"'{member}' cannot be sent through this gateway.", "unsupported_parameter")


def of_context(management: JsonObject) -> str:
    """Return the beta that a `context_management` needs."""
    edits = as_list(management.get("edits"))
    return COMPACT if any("compact" in str(edit) for edit in edits) else CONTEXT
