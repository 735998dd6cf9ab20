"""An independent reading of recorded answers: what a client must be told, worked out from the documents alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.recordings import Recording


@dataclass
class Expected:
    """One choice of one answer."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: tuple[int, int] = (0, 0)
    refused: bool = False


def read(recording: Recording) -> Expected:
    return read_gemini(recording.documents) if recording.provider == "gemini" else read_anthropic(recording.documents)


def read_gemini(documents: Sequence[dict[str, Any]]) -> Expected:
    found = Expected()
    usage: dict[str, Any] = {}
    reason: Any = None
    arguments: dict[str, Any] | None = None
    for document in documents:
        usage |= document.get("usageMetadata", {})
        if document.get("promptFeedback", {}).get("blockReason") and not document.get("candidates"):
            found.finish_reason, found.refused = "content_filter", True
        for candidate in document.get("candidates", [])[:1]:
            reason = candidate.get("finishReason", reason)
            for part in candidate.get("content", {}).get("parts", []):
                arguments = _gemini_part(found, part, arguments)
    prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    visible, thoughts = usage.get("candidatesTokenCount", 0), usage.get("thoughtsTokenCount", 0)
    inside = thoughts and usage.get("totalTokenCount", 0) == prompt + visible
    found.usage = (prompt, visible if inside else visible + thoughts)
    if found.finish_reason is None:
        found.finish_reason = _gemini_reason(reason, found)
    return found


def _gemini_part(found: Expected, part: dict[str, Any], arguments: dict[str, Any] | None) -> dict[str, Any] | None:
    call = part.get("functionCall")
    if call is not None:
        if call.get("name"):
            arguments = dict(call.get("args") or {})
            found.calls.append((call["name"], arguments))
        for piece in call.get("partialArgs", []):
            assert arguments is not None
            _set(arguments, piece)
    elif "executableCode" in part:
        found.text += f"\n```{part['executableCode']['language'].lower()}\n{part['executableCode']['code']}\n```\n"
    elif "codeExecutionResult" in part:
        found.text += f"\n```\n{part['codeExecutionResult'].get('output', '')}\n```\n"
    elif part.get("thought"):
        found.reasoning += part.get("text", "")
    else:
        found.text += part.get("text", "")
    return arguments


def _set(arguments: dict[str, Any], piece: dict[str, Any]) -> None:
    """Set one streamed argument; recordings know paths such as `$.a.b[0].c` only."""
    steps = piece["jsonPath"].removeprefix("$.").replace("[", ".[").split(".")
    target: Any = arguments
    for step, following in zip(steps, [*steps[1:], ""], strict=True):
        value = next((piece[name] for name in ("stringValue", "numberValue", "boolValue") if name in piece), None)
        if step.startswith("["):
            index = int(step[1:-1])
            while len(target) <= index:
                target.append(None)
        else:
            index = step
        known = target[index] if isinstance(index, int) or index in target else None
        if not following:
            target[index] = (known or "") + value if isinstance(value, str) else value
        else:
            if known is None:
                target[index] = [] if following.startswith("[") else {}
            target = target[index]


def _gemini_reason(reason: Any, found: Expected) -> str:
    if reason == "MAX_TOKENS":
        return "length"
    if reason in ("SAFETY", "RECITATION"):
        found.refused = not (found.text or found.calls)
        return "content_filter"
    return "tool_calls" if found.calls else "stop"


_STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read_anthropic(documents: Sequence[dict[str, Any]]) -> Expected:
    blocks: dict[int, dict[str, Any]] = {}
    usage: dict[str, Any] = {}
    reason: str | None = None
    for document in documents:
        kind = document.get("type")
        if kind == "message":
            blocks, usage, reason = dict(enumerate(document["content"])), document["usage"], document["stop_reason"]
        elif kind == "message_start":
            usage |= document["message"]["usage"]
        elif kind == "content_block_start":
            blocks[document["index"]] = {**document["content_block"], "pieces": ""}
        elif kind == "content_block_delta":
            _anthropic_delta(blocks[document["index"]], document["delta"])
        elif kind == "message_delta":
            reason = document["delta"].get("stop_reason") or reason
            usage |= {name: value for name, value in document.get("usage", {}).items() if value is not None}
        elif kind == "message_stop":
            break
    return _anthropic(list(blocks.values()), usage, reason)


def _anthropic_delta(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if delta["type"] == "text_delta":
        block["text"] += delta["text"]
    elif delta["type"] == "thinking_delta":
        block["thinking"] += delta["thinking"]
    elif delta["type"] == "input_json_delta":
        block["pieces"] += delta["partial_json"]


def _anthropic(blocks: Sequence[dict[str, Any]], usage: dict[str, Any], reason: str | None) -> Expected:
    found = Expected()
    apart = False
    for block in blocks:
        if block["type"] == "text":
            text = block["text"]
            if found.text and text and apart and not found.text[-1].isspace() and not text[0].isspace():
                found.text += "\n\n"
            found.text += text
            apart = apart and not text
            continue
        apart = True
        if block["type"] == "thinking" and block["thinking"]:
            found.reasoning += ("\n\n" if found.reasoning else "") + block["thinking"]
        elif block["type"] == "tool_use":
            found.calls.append((block["name"], json.loads(block["pieces"]) if block.get("pieces") else block["input"]))
    cached = (usage.get("cache_creation_input_tokens") or 0) + (usage.get("cache_read_input_tokens") or 0)
    found.usage = ((usage.get("input_tokens") or 0) + cached, usage.get("output_tokens") or 0)
    found.finish_reason = _STOPS.get(reason or "", "stop")
    found.refused = reason == "refusal"
    if found.calls and found.finish_reason == "stop":
        found.finish_reason = "tool_calls"
    if not found.calls and found.finish_reason == "tool_calls":
        found.finish_reason = "stop"
    return found
