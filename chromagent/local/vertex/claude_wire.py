"""Claude's requests → prompts, plans → Claude's answers. Shapes: wire-anthropic §3, §4, and recorded answers."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.local.vertex import brain, claude_rules, images
from chromagent.local.vertex.brain import Plan, Prompt, Tool
from chromagent.local.vertex.claude_rules import blocks_of
from chromagent.local.vertex.families import ClaudeFamily
from chromagent.local.vertex.scenarios import Scenario
from chromagent.local.vertex.shapes import member, members, values

_EFFORTS: Final = {"low": 12, "medium": 24, "high": 40, "xhigh": 50, "max": 60}
_CHUNK: Final = 7
"""Characters of a piece of streamed arguments."""


@dataclass(frozen=True)
class Request:
    """A request that was read."""

    body: JsonObject
    model: str
    family: ClaudeFamily
    prompt: Prompt
    scenario: Scenario | None
    cached: int
    """Prompt tokens that were cached before."""

    @property
    def id(self) -> str:
        """An id that is the same for the same request."""
        return hashlib.sha256(codec.encode([self.model, self.body])).hexdigest()[:22]


def read(body: JsonObject, family: ClaudeFamily) -> Prompt:
    """Read a checked request."""
    prompt = Prompt()
    names: dict[str, str] = {}
    for message in cast("list[JsonObject]", body["messages"]):
        content = blocks_of(message["content"])
        if message["role"] == "assistant":
            names |= {block["id"]: block["name"] for block in content if block["type"] == "tool_use"}
            prompt.prefill = "".join(block.get("text", "") for block in content)
        elif message["role"] == "user":
            _read_user(prompt, content, names)
    choice = member(body, "tool_choice")
    prompt.tools = [
        Tool(tool["name"], tool.get("description", ""), tool["input_schema"])
        for tool in members(body, "tools")
        if "input_schema" in tool
    ]
    prompt.choice = {"none": "none", "any": "any", "tool": "any"}.get(choice.get("type", ""), "auto")
    prompt.allowed = [choice["name"]] if "name" in choice else None
    prompt.parallel = not choice.get("disable_parallel_tool_use")
    prompt.schema = member(member(body, "output_config"), "format").get("schema")
    prompt.thinks = _thinks(body, family)
    return prompt


def _read_user(prompt: Prompt, content: list[JsonObject], names: dict[str, str]) -> None:
    results = [block for block in content if block["type"] == "tool_result"]
    texts = [block["text"] for block in content if block["type"] == "text"]
    media = [_media(block) for block in content if block["type"] in ("image", "document")]
    if results:
        prompt.rounds += 1
        prompt.results = [(names.get(block["tool_use_id"], "?"), _shown(block.get("content"))) for block in results]
    if media or any(not text.startswith(("<system-message>", "Reply with exactly one valid JSON")) for text in texts):
        if prompt.text:
            prompt.earlier.append(prompt.text)
        prompt.text = " ".join(texts)
        prompt.media = media
        if not results:
            prompt.rounds, prompt.results = 0, []
    prompt.json = any("Reply with exactly one valid JSON object" in text for text in texts)
    prompt.prefill = ""


def _shown(content: JsonValue) -> str:
    if content is None:
        return "nothing"
    return " ".join(block.get("text") or _media(block) for block in blocks_of(content))


def _media(block: JsonObject) -> str:
    source = block["source"]
    if source["type"] == "text":
        return f"a text document of {brain.tokens(source['data'])} words"
    return images.describe(source["data"], source["media_type"])


def _thinks(body: JsonObject, family: ClaudeFamily) -> int:
    thinking = member(body, "thinking")
    kind = thinking.get("type", "adaptive" if family.default_on else None)
    if kind == "enabled":
        return max(8, min(thinking["budget_tokens"] // 300, 60))
    if kind != "adaptive":
        return 0
    return _EFFORTS[member(body, "output_config").get("effort", "medium")]


def count_tokens(body: JsonObject) -> int:
    """Count the tokens of a prompt: a word is one, an image is 258."""
    total = brain.tokens(codec.encode_text(body.get("tools") or ""))
    for message in [*body["messages"], *([{"content": body["system"]}] if "system" in body else [])]:
        for block in blocks_of(message["content"]):
            total += 258 if "source" in block else brain.tokens(codec.encode_text(block))
    return total


class Answer:
    """One answer, to be sent whole or in events."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._plan = brain.plan(request.prompt)
        limit = max(request.body["max_tokens"] - brain.tokens(self._plan.thoughts), 1)
        self._text, reason = brain.cut(self._plan.text, limit, values(request.body, "stop_sequences"))
        stop, _, self._sequence = reason.partition(":")
        self._stop = {"length": "max_tokens", "stop_sequence": "stop_sequence"}.get(
            stop, "tool_use" if self._plan.calls else "end_turn"
        )
        self._act()

    def _act(self) -> None:
        name = self._request.scenario.name if self._request.scenario is not None else ""
        if name == "refusal":
            self._stop, self._text, self._plan = "refusal", "", Plan("", "", [])
        if name == "empty":
            self._text, self._plan = "", Plan("", "", [])
        if name == "pause_turn" and self._request.body["messages"][-1]["role"] != "assistant":
            self._stop = "pause_turn"

    def whole(self) -> JsonObject:
        """Return the whole answer."""
        message = self._message()
        return {
            **message,
            "content": self._content(),
            **self._ending(),
            "usage": {**message["usage"], **self._usage()},
        }

    def _message(self) -> JsonObject:
        usage: JsonObject = {
            "input_tokens": self._prompt_tokens(),
            "cache_creation_input_tokens": self._created(),
            "cache_read_input_tokens": self._request.cached,
            "output_tokens": 1,
        }
        name = self._request.model.replace("@", "-")
        identifier = f"msg_vrtx_01{self._request.id}"
        head: JsonObject = {"id": identifier, "type": "message", "role": "assistant", "model": name, "content": []}
        return {**head, "stop_reason": None, "stop_sequence": None, "usage": usage}

    def _prompt_tokens(self) -> int:
        return max(count_tokens(self._request.body) - self._request.cached - self._created(), 0)

    def _created(self) -> int:
        return count_tokens(self._request.body) - self._request.cached if claude_rules.marks(self._request.body) else 0

    def _ending(self) -> JsonObject:
        ending: JsonObject = {"stop_reason": self._stop, "stop_sequence": self._sequence or None}
        if self._stop == "refusal":
            ending["stop_details"] = {"type": "refusal", "category": None, "explanation": "I cannot help with that (simulated)."}
        return ending

    def _written(self) -> int:
        arguments = sum(2 + brain.tokens(codec.encode_text(call.arguments)) for call in self._plan.calls)
        return brain.tokens(self._text) + brain.tokens(self._plan.thoughts) + arguments

    def _usage(self) -> JsonObject:
        return {"output_tokens": self._written(), "output_tokens_details": {"thinking_tokens": brain.tokens(self._plan.thoughts)}}

    def _content(self) -> list[JsonObject]:
        blocks: list[JsonObject] = []
        if self._plan.thoughts:
            blocks.append(self._thought())
        if any(str(tool.get("type", "")).startswith("web_search") for tool in members(self._request.body, "tools")) and self._text:
            return [*blocks, *self._searched()]
        if self._text:
            blocks.append({"type": "text", "text": self._text})
        for number, call in enumerate(self._plan.calls):
            blocks.append({"type": "tool_use", "id": self._call_id(number), "name": call.name, "input": call.arguments})
        return blocks

    def _thought(self) -> JsonObject:
        if self._request.scenario is not None and self._request.scenario.name == "redacted":
            return {"type": "redacted_thinking", "data": hashlib.sha256(self._plan.thoughts.encode()).hexdigest()}
        thinking = member(self._request.body, "thinking")
        shown = thinking.get("display") == "summarized" or thinking.get("type") == "enabled"
        text = self._plan.thoughts if shown else ""
        signed = claude_rules.signature(self._request.body, self._request.family, len(self._request.body["messages"]), text)
        return {"type": "thinking", "thinking": text, "signature": signed}

    def _searched(self) -> list[JsonObject]:
        identifier = f"srvtoolu_vrtx_{self._request.id[:20]}"
        result = {"type": "web_search_result", "url": "https://example.com/source", "title": "Example", "encrypted_content": "RQ=="}
        citation = {
            "type": "web_search_result_location",
            "url": result["url"],
            "title": "Example",
            "cited_text": "…",
            "encrypted_index": "RQ==",
        }
        return [
            {"type": "server_tool_use", "id": identifier, "name": "web_search", "input": {"query": self._request.prompt.text[:50]}},
            {"type": "web_search_tool_result", "tool_use_id": identifier, "content": [result]},
            {"type": "text", "text": self._text, "citations": [citation]},
        ]

    def _call_id(self, number: int) -> str:
        return f"toolu_vrtx_01{hashlib.sha256(f'{self._request.id}{number}'.encode()).hexdigest()[:20]}"

    def events(self) -> Iterator[JsonObject]:
        """Give the answer piece by piece."""
        yield {"type": "message_start", "message": self._message()}
        for index, block in enumerate(self._content()):
            yield {"type": "content_block_start", "index": index, "content_block": _started(block)}
            if index == 0:
                yield {"type": "ping"}
            for delta in _deltas(block):
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        yield {"type": "message_delta", "delta": self._ending(), "usage": self._usage()}
        yield {"type": "message_stop"}


def _started(block: JsonObject) -> JsonObject:
    empty: JsonObject = {"text": "", "thinking": "", "signature": "", "input": {}}
    complete = block["type"] in ("web_search_tool_result", "redacted_thinking")
    return block if complete else {name: empty.get(name, value) for name, value in block.items() if name != "citations"}


def _deltas(block: JsonObject) -> Iterator[JsonObject]:
    kind = block["type"]
    if kind == "text":
        for citation in block.get("citations", []):
            yield {"type": "citations_delta", "citation": citation}
        for piece in re.findall(r"\s*\S+", block["text"]):
            yield {"type": "text_delta", "text": piece}
    elif kind == "thinking":
        for piece in re.findall(r"\s*\S+", block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif kind in ("tool_use", "server_tool_use"):
        yield {"type": "input_json_delta", "partial_json": ""}
        arguments = codec.encode_text(block["input"]) if block["input"] else ""
        for start in range(0, len(arguments), _CHUNK):
            yield {"type": "input_json_delta", "partial_json": arguments[start : start + _CHUNK]}
