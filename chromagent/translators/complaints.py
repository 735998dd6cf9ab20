"""An upstream's complaint without the client's words in it, so that no content of a client is taken for what the upstream says.

A workaround is found by what the upstream complains about. Upstreams repeat what they complain about: names, values, ends of texts.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.translators.redaction import MAX_MESSAGE, shorten

_LEAST: Final = 3
"""Characters: what is shorter cannot be told from a part of the upstream's own words."""
_PREFIX: Final = 40
"""Characters: a long text is recognised by its beginning, because upstreams cut what they repeat."""
_QUOTED: Final = re.compile(
    r"\"((?:[^\"\\]|\\.)*)(?:\"|\\?\Z)|(?<!\w)'([^']*)(?:'(?!\w)|\Z)|`([^`]*)(?:`|\Z)|[“«]([^”»]*)(?:[”»]|\Z)", re.DOTALL
)
_NAMING: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "metadata", "labels"})
"""Members whose own members are named by the client; all other names are those of OpenAI's interface."""
_WORDS: Final = frozenset(
    {
        "user",
        "assistant",
        "system",
        "developer",
        "tool",
        "function",
        "text",
        "image_url",
        "input_audio",
        "file",
        "refusal",
        "json_schema",
        "json_object",
        "object",
        "string",
        "number",
        "integer",
        "boolean",
        "array",
        "null",
        "auto",
        "none",
        "required",
        "minimal",
        "low",
        "medium",
        "high",
        "xhigh",
        "any",
        "default",
        "thinking",
        "redacted_thinking",
    }
)
"""Values of OpenAI's interface and of JSON Schema: the upstreams' own words too."""


def own_words(message: str, request: JsonValue, known: "re.Pattern[str]") -> str:
    """Return the message without what the client sent and without what stands in quotes.

    `known` matches the names of the upstream's own interface: those stay within quotes, as most complaints are about one of them.
    """
    message = shorten(message, MAX_MESSAGE)
    found = {piece for text in _chosen(request) for piece in _repeated(text, message)}
    for piece in sorted(found, key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(piece)}(?!\w)" if piece.isalnum() else re.escape(piece), "…", message)
    return _QUOTED.sub(lambda match: match[0] if known.fullmatch(next(filter(None, match.groups()), "")) else '"…"', message)


def _chosen(request: JsonValue) -> Iterator[str]:
    """Give every text of a request that its client chose freely: names of functions and parameters, values, what was said."""
    waiting: list[tuple[JsonValue, bool]] = [(request, False)]
    while waiting:
        value, named = waiting.pop()
        if isinstance(value, str):
            text = value.strip()
            if len(text) >= _LEAST and text not in _WORDS:
                yield text
        elif isinstance(value, dict):
            members = cast("JsonObject", value)
            if named:
                yield from (name for name in members if len(name) >= _LEAST)
            waiting += [(member, not named and name in _NAMING) for name, member in members.items()]
        elif isinstance(value, list):
            waiting += [(item, False) for item in cast("list[JsonValue]", value)]


def _repeated(text: str, message: str) -> list[str]:
    """Return what a message holds of one text of the client, plain or escaped as JSON escapes it."""
    beginning = text[: MAX_MESSAGE * 2]
    spellings = {beginning}
    if not beginning.isalnum():
        spellings |= {json.dumps(beginning)[1:-1], json.dumps(beginning, ensure_ascii=False)[1:-1]}
    found: list[str] = []
    for one in spellings:
        if len(one) <= _PREFIX:
            found += [one] if one in message else []
        elif (start := message.find(one[:_PREFIX])) >= 0:
            found.append(_common_beginning(one, message[start:]))
    return found


def _common_beginning(one: str, other: str) -> str:
    differing = (index for index, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    return one[: next(differing, min(len(one), len(other)))]
