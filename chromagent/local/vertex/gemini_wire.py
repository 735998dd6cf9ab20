"""Gemini's requests → prompts, plans → Gemini's answers. Shapes: wire-gemini §3.1, §4.1, and recorded answers."""

import base64
import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from chromagent import codec
from chromagent.codec import JsonObject
from chromagent.local.vertex import brain, images, signatures
from chromagent.local.vertex.brain import Call, Plan, Prompt, Tool
from chromagent.local.vertex.families import GeminiFamily
from chromagent.local.vertex.scenarios import Scenario
from chromagent.local.vertex.shapes import member, members, values

_UNLIMITED: Final = 1 << 20
_THOUGHTS: Final = {"MINIMAL": 6, "LOW": 12, "MEDIUM": 24, "HIGH": 40, "XHIGH": 60}


@dataclass(frozen=True)
class Request:
    """A request that was read."""

    body: JsonObject
    model: str
    family: GeminiFamily
    prompt: Prompt
    scenario: Scenario | None
    now: float

    @property
    def config(self) -> JsonObject:
        """The generation config."""
        return member(self.body, "generationConfig")

    @property
    def id(self) -> str:
        """An id that is the same for the same request."""
        return hashlib.sha256(codec.encode([self.model, self.body])).hexdigest()[:20]

    @property
    def choices(self) -> int:
        """How many candidates are wanted."""
        return self.config.get("candidateCount", 1)


def read(body: JsonObject, family: GeminiFamily) -> Prompt:
    """Read a checked request."""
    prompt = Prompt()
    for content in cast("list[JsonObject]", body["contents"]):
        _read_content(prompt, content)
    config = member(body, "generationConfig")
    prompt.tools = [
        Tool(one["name"], one.get("description", ""), one.get("parametersJsonSchema") or one.get("parameters") or {})
        for tool in members(body, "tools")
        for one in members(tool, "functionDeclarations")
    ]
    calling = member(member(body, "toolConfig"), "functionCallingConfig")
    prompt.choice = {"NONE": "none", "ANY": "any"}.get(calling.get("mode", ""), "auto")
    prompt.allowed = calling.get("allowedFunctionNames")
    prompt.json = config.get("responseMimeType") == "application/json"
    prompt.schema = config.get("responseJsonSchema") or config.get("responseSchema")
    prompt.thinks = _thinks(member(config, "thinkingConfig"), family)
    return prompt


def _thinks(thinking: JsonObject, family: GeminiFamily) -> int:
    if family.levels:
        return _THOUGHTS[thinking.get("thinkingLevel", family.levels[-1])]
    if family.budgets is None:
        return 0
    budget = thinking.get("thinkingBudget", -1)
    return 20 if budget < 0 else min(budget // 200, 60)


def _read_content(prompt: Prompt, content: JsonObject) -> None:
    parts = cast("list[JsonObject]", content["parts"])
    if content["role"] == "model":
        prompt.prefill = "".join(part.get("text", "") for part in parts)
        return
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    if results:
        prompt.rounds += 1
        prompt.results = [(result["name"], _shown(result["response"])) for result in results]
        return
    if prompt.text:
        prompt.earlier.append(prompt.text)
    prompt.text = " ".join(part["text"] for part in parts if part.get("text", "").strip())
    prompt.media = [_media(part) for part in parts if "inlineData" in part or "fileData" in part]
    prompt.rounds, prompt.results, prompt.prefill = 0, [], ""


def _shown(response: JsonObject) -> str:
    output = response.get("output") if response.keys() == {"output"} else response
    return output if isinstance(output, str) else codec.encode_text(output)


def _media(part: JsonObject) -> str:
    if "fileData" in part:
        return f"a file at {part['fileData']['fileUri']}"
    return images.describe(part["inlineData"]["data"], part["inlineData"]["mimeType"])


def count_tokens(body: JsonObject) -> int:
    """Count the tokens of a prompt: a word is one, an image is 258."""
    contents = [*(members(body, "contents")), *([body["systemInstruction"]] if body.get("systemInstruction") else [])]
    total = 0
    for content in contents:
        for part in members(content, "parts"):
            inner = {name: value for name, value in part.items() if name not in ("thoughtSignature", "inlineData", "fileData")}
            total += 258 if len(inner) < len(part) and "text" not in part and "functionCall" not in part else 0
            total += brain.tokens(codec.encode_text(inner)) if inner else 0
    return total + brain.tokens(codec.encode_text(body.get("tools") or ""))


class Answer:
    """One answer, to be sent whole or in events."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._plan = brain.plan(request.prompt)
        limit = request.config.get("maxOutputTokens", _UNLIMITED) - brain.tokens(self._plan.thoughts)
        text, reason = brain.cut(self._plan.text, max(limit, 0), values(request.config, "stopSequences"))
        self._text = text
        self._finish = "MAX_TOKENS" if reason == "length" else "STOP"
        if self._name == "continuation" and "continuationToken" not in request.body:
            self._text = text[: len(text) // 2]
            self._finish = "CONTINUATION"
        elif self._name == "continuation":
            self._text = text[len(text) // 2 :]
        if request.scenario is not None:
            self._act(request.scenario)

    @property
    def _name(self) -> str:
        return self._request.scenario.name if self._request.scenario is not None else ""

    def _act(self, scenario: Scenario) -> None:
        reasons = {"safety": "SAFETY", "recitation": "RECITATION", "malformed-call": "MALFORMED_FUNCTION_CALL", "refusal": "SAFETY"}
        if scenario.name in reasons:
            self._finish = reasons[scenario.name]
            words = self._text.split()
            self._text = " ".join(words[:5]) if scenario.name in ("safety", "recitation") else ""
        if scenario.name in ("empty", "malformed-call", "blocked"):
            self._text = ""
            self._plan = Plan("", "", [])

    @property
    def blocked(self) -> bool:
        """There is no answer at all."""
        return self._name == "blocked"

    def whole(self) -> JsonObject:
        """Return the whole answer."""
        head = self._head()
        if self.blocked:
            return {**self._blocked(), **head, "usageMetadata": self._usage()}
        candidates: list[JsonObject] = []
        for index in range(self._request.choices):
            parts = list(self._parts())
            content = {"role": "model", "parts": parts} if parts else {"role": "model"}
            candidates.append(self._numbered(index, {"content": content, **self._ending()}))
        return {"candidates": candidates, "usageMetadata": self._usage(), **head}

    def events(self) -> Iterator[JsonObject]:
        """Give the answer word by word."""
        head = self._head()
        early: JsonObject = {"usageMetadata": {"trafficType": "ON_DEMAND"}, **head}
        if self.blocked:
            yield {**self._blocked(), **head, "usageMetadata": self._usage()}
            return
        for index in range(self._request.choices):
            for part in self._pieces():
                yield {"candidates": [self._numbered(index, {"content": {"role": "model", "parts": [part]}})], **early}
        last = [
            self._numbered(index, {"content": {"role": "model", "parts": [{"text": ""}]}, **self._ending()})
            for index in range(self._request.choices)
        ]
        yield {"candidates": last, **head, "usageMetadata": self._usage()}

    def _head(self) -> JsonObject:
        return {"modelVersion": self._request.model, "createTime": _timestamp(self._request.now), "responseId": self._request.id}

    def _blocked(self) -> JsonObject:
        return {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "The prompt was blocked (simulated)."}
        }

    def _numbered(self, index: int, candidate: JsonObject) -> JsonObject:
        return {"index": index, **candidate} if index else candidate

    def _ending(self) -> JsonObject:
        ending: JsonObject = {"finishReason": self._finish}
        if self._finish == "MALFORMED_FUNCTION_CALL":
            ending["finishMessage"] = "Malformed function call: f("
        if self._finish == "CONTINUATION":
            ending["continuationToken"] = base64.b64encode(self._request.id.encode()).decode()
        if self._searches:
            ending["groundingMetadata"] = self._grounding()
        if self._request.config.get("responseLogprobs"):
            ending["logprobsResult"] = self._probabilities()
        return ending

    def _probabilities(self) -> JsonObject:
        """Be a little less sure of each word than of the one before."""
        words = re.findall(r"\s*\S+", self._text)
        chosen = [{"token": word, "tokenId": number, "logProbability": -0.01 * number} for number, word in enumerate(words)]
        result: JsonObject = {"chosenCandidates": chosen}
        if count := self._request.config.get("logprobs", 0):
            result["topCandidates"] = [
                {"candidates": [one, *({"token": "…", "tokenId": -1, "logProbability": -5.0 - rank} for rank in range(1, count))]}
                for one in chosen
            ]
        return result

    @property
    def _searches(self) -> bool:
        return any("googleSearch" in tool for tool in members(self._request.body, "tools")) and bool(self._text)

    def _grounding(self) -> JsonObject:
        first = re.split(r"(?<=[.!?])\s", self._text)[0]
        segment = {"endIndex": len(first.encode()), "text": first}
        return {
            "webSearchQueries": [self._request.prompt.text[:50]],
            "groundingChunks": [{"web": {"uri": "https://example.com/source", "title": "example.com"}}],
            "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
        }

    @property
    def _shows_thoughts(self) -> bool:
        return bool(member(self._request.config, "thinkingConfig").get("includeThoughts")) and bool(self._plan.thoughts)

    def _parts(self) -> Iterator[JsonObject]:
        """Give the parts of a whole answer."""
        if self._shows_thoughts:
            yield {"text": self._plan.thoughts, "thought": True}
        yield from self._code()
        if self._text:
            yield {"text": self._text}
        yield from self._media()
        yield from self._calls()

    def _pieces(self) -> Iterator[JsonObject]:
        """Give the parts of a streamed answer."""
        if self._shows_thoughts:
            for piece in re.findall(r"\S+\s*", self._plan.thoughts):
                yield {"text": piece, "thought": True}
        yield from self._code()
        for piece in re.findall(r"\s*\S+", self._text):
            yield {"text": piece}
        yield from self._media()
        calling = member(member(self._request.body, "toolConfig"), "functionCallingConfig")
        if calling.get("streamFunctionCallArguments"):
            yield from self._streamed_calls()
        else:
            yield from self._calls()

    def _code(self) -> Iterator[JsonObject]:
        """Run a sum, where code may be run and a sum is asked for."""
        found = re.search(r"(\d{1,9})\s*([-+*])\s*(\d{1,9})", self._request.prompt.text)
        if not found or not any("codeExecution" in tool for tool in members(self._request.body, "tools")):
            return
        one, operator, other = int(found[1]), found[2], int(found[3])
        result = {"+": one + other, "-": one - other, "*": one * other}[operator]
        yield {"executableCode": {"language": "PYTHON", "code": f"print({one} {operator} {other})"}}
        yield {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": f"{result}\n"}}

    def _media(self) -> Iterator[JsonObject]:
        if self._request.family.draws:
            yield {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(_png()).decode()}}
        if self._request.family.speaks:
            yield {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": base64.b64encode(bytes(480)).decode()}}

    def _calls(self) -> Iterator[JsonObject]:
        for number, call in enumerate(self._plan.calls):
            made: JsonObject = {"functionCall": {"name": call.name, "args": call.arguments, "id": self._call_id(call, number)}}
            if number == 0 and self._request.family.signs:
                made["thoughtSignature"] = signatures.sign("gemini", call.name, call.arguments)
            yield made

    def _streamed_calls(self) -> Iterator[JsonObject]:
        for number, call in enumerate(self._plan.calls):
            start: JsonObject = {"functionCall": {"name": call.name, "id": self._call_id(call, number), "willContinue": True}}
            if number == 0 and self._request.family.signs:
                start["thoughtSignature"] = signatures.sign("gemini", call.name, call.arguments)
            yield start
            for name, value in call.arguments.items():
                kind = "stringValue" if isinstance(value, str) else "boolValue" if isinstance(value, bool) else "numberValue"
                partial = {"jsonPath": f"$.{name}", kind: value}
                yield {"functionCall": {"partialArgs": [partial], "willContinue": True}}
            yield {"functionCall": {}}

    def _call_id(self, call: Call, number: int) -> str:
        return hashlib.sha256(f"{self._request.id}{call.name}{number}".encode()).hexdigest()[:8]

    def _usage(self) -> JsonObject:
        prompt = count_tokens(self._request.body)
        thoughts = 0 if self.blocked else brain.tokens(self._plan.thoughts)
        written = brain.tokens(self._text) + sum(1 + brain.tokens(codec.encode_text(call.arguments)) for call in self._plan.calls)
        written *= self._request.choices
        usage: JsonObject = {"promptTokenCount": prompt, "totalTokenCount": prompt + written + thoughts, "trafficType": "ON_DEMAND"}
        if self._request.body.get("cachedContent"):
            usage["cachedContentTokenCount"] = prompt // 2
        usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt}]
        if written:
            usage["candidatesTokenCount"] = written
            usage["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": written}]
        if thoughts:
            usage["thoughtsTokenCount"] = thoughts
        return usage


def _timestamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _png() -> bytes:
    """Draw one orange pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x80\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
