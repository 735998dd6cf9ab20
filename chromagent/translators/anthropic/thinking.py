"""Thinking blocks between requests. Hides where clients bring them back and how they are kept for those that do not.

Source: wire-anthropic §2.9. A block counts by its signature; newer models bind that to everything before it, so blocks are restored
only into the conversation that they come from.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping, Sequence, Set
from typing import Final, cast

import msgspec
from msgspec import Struct

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.translators.anthropic.wire import Block
from chromagent.translators.budget import StateBudget
from chromagent.translators.lenient import as_list, as_object, count, members, text

_LARGEST_SEALED: Final = 1 << 20
_VERBATIM: Final = {
    "text": frozenset({"text", "citations", "cache_control"}),
    "thinking": frozenset({"thinking", "signature"}),
    "redacted_thinking": frozenset({"data"}),
    "tool_use": frozenset({"id", "name", "input", "caller", "cache_control"}),
    "server_tool_use": frozenset({"id", "name", "input", "caller", "cache_control"}),
    "web_search_tool_result": frozenset({"tool_use_id", "content", "caller", "cache_control"}),
    "tool_search_tool_result": frozenset({"tool_use_id", "content", "cache_control"}),
}
"""Kinds of blocks that come back as Claude wrote them, each with its members beyond `type` and `index`."""
_RESULTS: Final = {
    "web_search_result": frozenset({"url", "title", "encrypted_content", "page_age"}),
    "web_search_tool_result_error": frozenset({"error_code"}),
    "tool_search_tool_search_result": frozenset({"tool_references"}),
    "tool_search_tool_result_error": frozenset({"error_code", "error_message"}),
}
"""What the results of the server's tools hold."""
_DETAILS: Final = "reasoning_details"
_CARRIERS: Final = ("thinking_blocks", "content", _DETAILS)
KINDS: Final = ("thinking", "redacted_thinking")


class KeptThinking(Struct, frozen=True, array_like=True):
    """Thinking blocks kept by the id of the first call of their turn, as JSON: nobody can change it, and its size is known."""

    blocks: list[Block]
    prefix: str
    """Digest of the conversation that the blocks are bound to; empty for models that do not bind them."""
    family: str


_kept_decoder: Final = msgspec.json.Decoder(KeptThinking)


def carried(message: JsonObject) -> list[Block]:
    """Find the blocks that a client brings back on an assistant message: the first carrier that has any."""
    for name in _CARRIERS:
        held = message.get(name)
        if not isinstance(held, list):
            continue
        found = members(message, name)
        if blocks := [block for block in map(_block, _of_details(found) if name == _DETAILS else found) if block is not None]:
            return blocks
    return []


def verbatim(message: JsonObject) -> list[Block]:
    """Return the whole content as Claude wrote it, if the client brings it back and it fits the rest of the message."""
    if "anthropic_content" not in message:
        return []
    content = members(message, "anthropic_content")
    if not content or not all(_is_written_by_claude(block, _VERBATIM) for block in content):
        return []
    called = [block.get("id") for block in content if block.get("type") == "tool_use"]
    if called != [call.get("id") for call in members(message, "tool_calls")]:
        return []
    if joined_text(content) != text_of(message.get("content")):
        return []
    return [cast("Block", {name: value for name, value in block.items() if name != "index"}) for block in content]


def _is_written_by_claude(block: JsonObject, kinds: Mapping[str, Set[str]]) -> bool:
    """Say whether a block has the members of its kind only. Nothing else that a client puts there is passed on, such as a file."""
    known = kinds.get(text(block, "type"))
    if known is None or not block.keys() - {"type", "index"} <= known:
        return False
    if not text(block, "type").endswith("_tool_result"):
        return True
    content = block.get("content")
    found = as_list(content) if isinstance(content, list) else [content]
    return all(_is_written_by_claude(as_object(one), _RESULTS) for one in found)


def joined_text(content: Sequence[JsonObject]) -> str:
    """Join text blocks as answers show them: apart where something else stood between them (wire-anthropic §3.2)."""
    pieces: list[str] = []
    last, apart = "", False
    for block in content:
        if block.get("type") != "text":
            apart = True
            continue
        if piece := text(block, "text"):
            pieces.append(f"\n\n{piece}" if needs_separator(last, piece, apart=apart) else piece)
            last, apart = piece, False
    return "".join(pieces)


def needs_separator(before: str, piece: str, *, apart: bool) -> bool:
    """Say whether two texts would run into each other."""
    return bool(before and piece and apart and not before[-1].isspace() and not piece[0].isspace())


def text_of(content: JsonValue) -> str:
    """Return the text of message content."""
    if isinstance(content, str):
        return content
    return "".join(text(as_object(part), "text") for part in as_list(content))


def _of_details(details: list[JsonObject]) -> list[JsonObject]:
    """Read OpenRouter's form."""
    details.sort(key=lambda detail: count(detail, "index"))
    found: list[JsonObject] = []
    for detail in details:
        if detail.get("type") == "reasoning.text":
            found.append({"type": "thinking", "thinking": text(detail, "text"), "signature": detail.get("signature")})
        elif detail.get("type") == "reasoning.encrypted":
            found.append({"type": "redacted_thinking", "data": detail.get("data")})
    return found


def _block(given: JsonObject) -> Block | None:
    """Take the members that Anthropic knows; a block without its signature is worth nothing."""
    if given.get("type") == "thinking" and (signature := text(given, "signature")):
        return {"type": "thinking", "thinking": text(given, "thinking"), "signature": signature}
    if given.get("type") == "redacted_thinking" and (data := text(given, "data")):
        return {"type": "redacted_thinking", "data": data}
    return None


def pack(blocks: Sequence[Block]) -> str:
    """Make a payload for a sealed id."""
    return base64.b64encode(zlib.compress(codec.encode(list(blocks)), 9)).decode()


class TooMuchStateError(Exception):
    """Reasoning state that, decompressed, is more than a request may bring."""


def unpack(payload: str, budget: StateBudget) -> list[Block]:
    """Read a payload of a sealed id; nothing if somebody changed it. Raises `TooMuchStateError`."""
    decompressor = zlib.decompressobj()
    try:
        compressed = base64.b64decode(payload)
        budget.admit(len(compressed))
        most = min(_LARGEST_SEALED, budget.left)
        content = decompressor.decompress(compressed, most) if most > 0 else b""
        budget.left -= len(content)
        if not decompressor.eof and len(content) >= most:
            raise TooMuchStateError
        found = codec.decode(content)
    except (binascii.Error, zlib.error, codec.MalformedJson):
        return []
    return [block for one in as_list(found) if isinstance(one, dict) and (block := _block(cast("JsonObject", one))) is not None]


def read_kept(state: str | bytes | None, family: str) -> KeptThinking | None:
    """Decode what is kept for a call. None for Gemini's state (a string) and for that of another family of models."""
    if not isinstance(state, bytes):
        return None
    kept = _kept_decoder.decode(state)
    return kept if kept.family == family else None


class PrefixHash:
    """Digest of everything before a turn, marks of the cache left out. Turns are added in order."""

    def __init__(self, system: JsonValue, tools: JsonValue) -> None:
        self._hash = hashlib.sha256(codec.encode([_unmarked(system), _unmarked(tools)]))

    def add(self, role: str, content: list[Block]) -> None:
        """Take one turn."""
        self._hash.update(codec.encode([role, _unmarked(content)]))

    def digest(self) -> str:
        """Return the digest so far."""
        return self._hash.hexdigest()


def _unmarked(holders: JsonValue) -> list[JsonObject]:
    return [_without_mark(as_object(one)) for one in as_list(holders)]


def _without_mark(holder: JsonObject) -> JsonObject:
    return {name: value for name, value in holder.items() if name != "cache_control"} if "cache_control" in holder else holder
