"""Answers that a model could have given, made up by hypothesis: as one document and as events, in both wire formats."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(
    st.sampled_from(["city", "n", "ä", "a b"]),
    st.one_of(TEXT, st.integers(-9, 9), st.booleans(), st.none(), st.lists(st.integers(0, 3), max_size=2)),
    max_size=3,
)
SIGNATURES = st.sampled_from(["U0lH", "QUJDRA=="])


@dataclass(frozen=True)
class Item:
    """One piece of an answer: text, thought or call."""

    kind: str
    pieces: tuple[str, ...] = ()
    name: str = "f"
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    signature: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Generated:
    """One answer in both forms."""

    document: dict[str, Any]
    events: list[dict[str, Any]]


_PIECES = st.lists(TEXT, min_size=1, max_size=4).map(tuple)
TEXTS = st.builds(Item, kind=st.just("text"), pieces=_PIECES)
THOUGHTS = st.builds(Item, kind=st.just("thought"), pieces=_PIECES, signature=SIGNATURES)
CALLS = st.builds(
    Item, kind=st.just("call"), name=st.sampled_from(["f", "g"]), arguments=ARGUMENTS, signature=st.none() | SIGNATURES
)
ITEMS = st.lists(st.one_of(TEXTS, THOUGHTS, CALLS), min_size=1, max_size=5)
USAGE = st.fixed_dictionaries({"in": st.integers(0, 50), "out": st.integers(0, 50)})


def _gemini_part(item: Item, text: str) -> dict[str, Any]:
    if item.kind == "call":
        signed = {"thoughtSignature": item.signature} if item.signature else {}
        return {"functionCall": {"name": item.name, "args": item.arguments}, **signed}
    return {"text": text, "thought": True} if item.kind == "thought" else {"text": text}


def _gemini(items: list[Item], usage: dict[str, int], reason: str) -> Generated:
    counted = {
        "promptTokenCount": usage["in"],
        "candidatesTokenCount": usage["out"],
        "totalTokenCount": usage["in"] + usage["out"],
    }
    base = {"responseId": "R", "modelVersion": "gemini-3.8-flash"}

    def document(parts: list[dict[str, Any]], **candidate: Any) -> dict[str, Any]:
        return {**base, "candidates": [{"content": {"role": "model", "parts": parts}, **candidate}]}

    whole = {**document([_gemini_part(item, item.text) for item in items], finishReason=reason), "usageMetadata": counted}
    events = [document([_gemini_part(item, piece)]) for item in items for piece in (item.pieces or ("",))]
    return Generated(whole, [*events, {**base, "candidates": [{"finishReason": reason}], "usageMetadata": counted}])


GEMINI = st.builds(_gemini, ITEMS, USAGE, st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "RECITATION"]))


def _claude_block(item: Item, index: int) -> dict[str, Any]:
    if item.kind == "call":
        return {"type": "tool_use", "id": f"toolu_{index}", "name": item.name, "input": item.arguments}
    if item.kind == "thought":
        return {"type": "thinking", "thinking": item.text, "signature": item.signature}
    return {"type": "text", "text": item.text}


def _claude_events(item: Item, index: int) -> list[dict[str, Any]]:
    block = _claude_block(item, index)
    if item.kind == "call":
        text = json.dumps(item.arguments) if item.arguments else ""
        start = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:3], text[3:])]
    elif item.kind == "thought":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in item.pieces]
        deltas.append({"type": "signature_delta", "signature": item.signature})
    else:
        start = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in item.pieces]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *[{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas],
        {"type": "ping"},
        {"type": "content_block_stop", "index": index},
    ]


def _claude(items: list[Item], usage: dict[str, int], reason: str) -> Generated:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6"}
    counted = {"input_tokens": usage["in"], "output_tokens": usage["out"]}
    stop = {"stop_reason": reason, "stop_sequence": None}
    whole = {**head, "content": [_claude_block(item, index) for index, item in enumerate(items)], **stop, "usage": counted}
    start = {**head, "content": [], "stop_reason": None, "usage": {"input_tokens": usage["in"], "output_tokens": 1}}
    return Generated(
        whole,
        [
            {"type": "message_start", "message": start},
            *[event for index, item in enumerate(items) for event in _claude_events(item, index)],
            {"type": "message_delta", "delta": stop, "usage": counted},
            {"type": "message_stop"},
        ],
    )


CLAUDE = st.builds(_claude, ITEMS, USAGE, st.sampled_from(["end_turn", "max_tokens", "tool_use", "stop_sequence"]))

_NAMES = st.sampled_from(
    [
        "candidates",
        "content",
        "parts",
        "text",
        "thought",
        "thoughtSignature",
        "functionCall",
        "name",
        "args",
        "id",
        "partialArgs",
        "jsonPath",
        "stringValue",
        "numberValue",
        "willContinue",
        "finishReason",
        "index",
        "usageMetadata",
        "promptTokenCount",
        "promptFeedback",
        "blockReason",
        "groundingMetadata",
        "groundingChunks",
        "groundingSupports",
        "segment",
        "endIndex",
        "inlineData",
        "mimeType",
        "data",
        "executableCode",
        "error",
        "code",
        "message",
        "responseId",
        "modelVersion",
        "logprobsResult",
        "type",
        "delta",
        "content_block",
        "usage",
        "input_tokens",
        "output_tokens",
        "stop_reason",
        "partial_json",
        "thinking",
        "signature",
        "citation",
        "citations",
        "input",
        "createTime",
        "continuationToken",
        "candidatesTokensDetails",
        "tokenCount",
    ]
)
_WORDS = st.sampled_from(
    [
        "",
        *[
            "STOP",
            "MAX_TOKENS",
            "SAFETY",
            "f",
            "$.a",
            "$.a[0]",
            "$['x']",
            "image/png",
            "QUJD",
            "text",
            "tool_use",
            "thinking",
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
            "text_delta",
            "end_turn",
            "input_json_delta",
            "signature_delta",
            "thinking_delta",
            "citations_delta",
            "redacted_thinking",
            "server_tool_use",
            "ping",
            "{",
        ],
    ]
)
_SCALARS = st.one_of(_WORDS, st.integers(-2, 9), st.booleans(), st.none(), st.floats(-2, 2))
JUNK = st.recursive(
    _SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)), max_leaves=14
)
"""Documents made of the vendors' words, with anything anywhere."""


def shaken(document: Any, draw: Any) -> Any:
    """The same document with one member somewhere replaced by junk, or left out."""
    if isinstance(document, dict) and document:
        name = draw(st.sampled_from(sorted(document)))
        fate = draw(st.integers(0, 3))
        if fate == 0:
            return {key: value for key, value in document.items() if key != name}
        return {**document, name: draw(JUNK) if fate == 1 else shaken(document[name], draw)}
    if isinstance(document, list) and document:
        index = draw(st.integers(0, len(document) - 1))
        return [*document[:index], shaken(document[index], draw), *document[index + 1 :]]
    return draw(JUNK)
