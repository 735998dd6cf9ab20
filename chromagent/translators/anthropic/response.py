"""Events of one answer → deltas. The state machine of streams; a whole answer is read by it as the events it might have been.

    answer  = message_start *block message_delta* message_stop
    block   = content_block_start *content_block_delta content_block_stop

What each emits: wire-anthropic §4.3. Client accumulators join strings and add numbers, so ids, names and kinds are told once; lists
carry a dense index or come in one piece. Server tools, unknown events and unknown blocks never reach a client's tools.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, cast

import msgspec

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import UpstreamInvalidResponse
from chromagent.translators import lenient, sealing
from chromagent.translators.anthropic import constants, thinking
from chromagent.translators.anthropic.blocks import OpenBlock
from chromagent.translators.anthropic.fences import FenceStripper
from chromagent.translators.anthropic.names import NameMap
from chromagent.translators.anthropic.thinking import KeptThinking
from chromagent.translators.anthropic.usage import UsageCounter
from chromagent.translators.anthropic.wire import Block
from chromagent.translators.protocol import Delta, Head, ReasoningState
from chromagent.translators.redaction import Redactor

_IN_MESSAGES: Final = ("text", "tool_use", *thinking.KINDS)
_LENGTH: Final = frozenset({"max_tokens", "model_context_window_exceeded", "compaction"})


class Reading(msgspec.Struct, frozen=True):
    """How the answer to one request is to be read."""

    names: NameMap
    custom: frozenset[str]
    legacy: bool
    model: str
    call_id: str
    created: int
    family: str
    service_tier: str | None = None
    json_tool: bool = False
    """A structured output comes as the input of the tool `JSON_TOOL`."""
    strip_fences: bool = False
    show_reasoning: bool = True
    carry_thinking: bool = True
    """Blocks may come back: nothing was added to this request that the next one will not hold."""
    sealed: bool = False
    annotation_end: int = -1
    """Added to the index after the last character of an annotation."""
    prefix: str = ""
    reasoning_state: ReasoningState = msgspec.field(default_factory=dict[str, str | bytes])
    redact: Redactor = Redactor()


class AnswerReader:
    """Reads the answer to one request, which may take several upstream answers."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._deltas: list[Delta] = []
        self._id = ""
        self._started = False
        self._blocks: dict[int, OpenBlock] = {}
        self._content: list[JsonObject] = []
        self._counter = UsageCounter()
        self._tail = ""
        self._length = 0
        self._apart = False
        self._separator = ""
        self._reasoned = False
        self._reasoning_apart = False
        self._calls = 0
        self._first_call = ""
        self._pending_id: tuple[int, str] | None = None
        self._thoughts = 0
        self._annotations: list[JsonObject] = []
        self._fences = FenceStripper() if reading.strip_fences else None
        self._json_told = False
        self.stop_reason: str | None = None
        self.stop_details: JsonObject = {}
        self.ended = False
        self.upstream_model = ""

    @property
    def head(self) -> Head:
        """What all chunks share."""
        reading = self._reading
        return Head(f"chatcmpl-{self._id or reading.call_id}", reading.created, reading.model, reading.service_tier)

    @property
    def content(self) -> list[JsonObject]:
        """The content so far, as Claude wrote it."""
        return self._content

    @property
    def pauses(self) -> bool:
        """The model wants to go on in another answer."""
        return self.stop_reason == "pause_turn"

    def read(self, event: JsonObject) -> list[Delta]:
        """Read one event. Raises `UpstreamInvalidResponse` for one that makes no sense."""
        kind = lenient.text(event, "type")
        reader = self._EVENTS.get(kind)
        if reader is None or self.ended:  # ping, vertex_event, what is not known yet; nothing belongs to an answer that ended
            return []
        if not self._started and kind != "message_start":
            raise UpstreamInvalidResponse("The model provider's stream has no beginning.")
        reader(self, event)
        deltas, self._deltas = self._deltas, []
        return deltas

    def more_text(self, document: JsonValue) -> list[Delta]:
        """Read the usual event of a stream: more of a text that is being told. Gives nothing for any other, which `read` is for."""
        # Classes are compared, as `isinstance` would make the members' types unknown to the type checker.
        if self._apart or self._fences is not None or document.__class__ is not dict:
            return []
        index, delta = document.get("index"), document.get("delta")
        if document.get("type") != "content_block_delta" or index.__class__ is not int or delta.__class__ is not dict:
            return []
        block, text = self._blocks.get(index), delta.get("text")
        if block is None or block.kind != "text" or delta.get("type") != "text_delta" or text.__class__ is not str or not text:
            return []
        block.texts.append(text)
        self._tail = text
        self._length += len(text)
        return [Delta(0, {"content": text})]

    def next_answer(self) -> None:
        """What follows comes from the next upstream answer to the same request."""
        self.stop_reason = None
        self.ended = False
        self._blocks = {}
        self._counter.next_answer()

    def finish(self, *, paused_too_often: bool) -> list[Delta]:
        """Close the answer. It ended, or its stop reason was seen."""
        if self.stop_reason == "refusal":
            return self._refuse()
        if self._fences is not None:
            self._emit_text(self._fences.finish())
        if self._annotations:
            self._emit({"annotations": self._annotations})
        self._carry_content()
        self._emit({}, self._finish_reason(paused_too_often=paused_too_often))
        deltas, self._deltas = self._deltas, []
        self._remember()
        return deltas

    def usage(self) -> JsonObject:
        """Return OpenAI's usage object so far."""
        return self._counter.usage()

    def _emit(self, delta: JsonObject, finish_reason: str | None = None) -> None:
        self._deltas.append(Delta(0, delta, finish_reason))

    def _start_message(self, event: JsonObject) -> None:
        message = lenient.member(event, "message")
        self._counter.take(lenient.member(message, "usage"))
        if self._started:
            return
        self._started = True
        self._id = lenient.text(message, "id")
        self.upstream_model = self._reading.redact.name(lenient.text(message, "model"))
        self._emit({"role": "assistant", "content": "", "refusal": None})

    def _start_block(self, event: JsonObject) -> None:
        start = lenient.member(event, "content_block")
        block = OpenBlock(lenient.text(start, "type"), start)
        self._blocks[lenient.count(event, "index")] = block
        if block.kind == "text":
            block.begins = self._length
            self._add_text(block, {"text": start.get("text")})
            if "citations" in start:
                block.citations += lenient.members(start, "citations")
        elif block.kind == "thinking":
            self._reasoning_apart = self._reasoned
            self._add_thinking(block, {"thinking": start.get("thinking")})
            block.signature = lenient.text(start, "signature")
            self._apart = True
        else:
            self._apart = True
            if block.kind == "tool_use":
                self._start_call(block)

    def _start_call(self, block: OpenBlock) -> None:
        name = lenient.text(block.start, "name")
        if not name:
            raise UpstreamInvalidResponse("The model provider's answer calls a tool without a name.")
        if self._reading.json_tool and name == constants.JSON_TOOL:
            block.kind = "json_tool"
            return
        block.name = self._reading.names.back(name)
        block.surplus = self._reading.legacy and self._calls > 0
        if block.surplus:
            return
        block.call, self._calls = self._calls, self._calls + 1
        identifier = lenient.text(block.start, "id") or f"call_{self._reading.call_id}_{block.call}"
        block.start = {**block.start, "id": identifier}
        self._first_call = self._first_call or identifier
        if block.name in self._reading.custom:
            return  # told whole, at its end
        if self._reading.legacy:
            self._emit({"function_call": {"name": block.name, "arguments": ""}})
            return
        function = {"name": block.name, "arguments": ""}
        sent = self._sealed(identifier) if block.call == 0 else identifier
        self._emit({"tool_calls": [{"index": block.call, "id": sent, "type": "function", "function": function}]})

    def _sealed(self, identifier: str) -> str:
        """Put the thinking before the first call into its id, where the owner wants that."""
        blocks = self._thinking_blocks() if self._reading.sealed and self._reading.carry_thinking else []
        return sealing.seal(identifier, "claude", thinking.pack(blocks)) if blocks else identifier

    def _add(self, event: JsonObject) -> None:
        block = self._blocks.get(lenient.count(event, "index"))
        if block is None:
            return
        delta = event.get("delta")
        if not isinstance(delta, dict):
            return
        delta = cast("JsonObject", delta)
        addition = self._ADDITIONS.get(delta.get("type", ""))
        if addition is not None:
            addition(self, block, delta)

    def _add_text(self, block: OpenBlock, delta: JsonObject) -> None:
        text = lenient.text(delta, "text")
        if not text or block.kind != "text":
            return
        if self._apart:
            self._apart = False
            if thinking.needs_separator(self._tail, text, apart=True):
                self._emit_visible("\n\n")
                block.begins = self._length
        block.texts.append(text)
        self._emit_visible(text)

    def _emit_visible(self, text: str) -> None:
        self._tail = text
        self._emit_text(text if self._fences is None else self._fences.feed(text))

    def _emit_text(self, text: str) -> None:
        if text:
            self._length += len(text)
            self._deltas.append(Delta(0, {"content": text}))

    def _add_input(self, block: OpenBlock, delta: JsonObject) -> None:
        piece = delta.get("partial_json")
        if not piece or not isinstance(piece, str):
            return
        block.texts.append(piece)
        if block.kind == "tool_use":
            self._emit_arguments(block, piece)
        elif block.kind == "json_tool":
            self._json_told = True
            self._emit_text(piece)

    def _emit_arguments(self, block: OpenBlock, piece: str) -> None:
        if block.surplus or block.name in self._reading.custom:
            return
        if self._reading.legacy:
            self._emit({"function_call": {"arguments": piece}})
        else:
            self._emit({"tool_calls": [{"index": block.call, "function": {"arguments": piece}}]})

    def _add_thinking(self, block: OpenBlock, delta: JsonObject) -> None:
        text = delta.get("thinking")
        if not text or not isinstance(text, str):
            return
        block.texts.append(text)
        if not self._reading.show_reasoning:
            return
        if self._reasoning_apart:
            self._reasoning_apart = False
            self._emit({"reasoning_content": "\n\n"})
        self._reasoned = True
        self._emit({"reasoning_content": text})

    def _add_signature(self, block: OpenBlock, delta: JsonObject) -> None:
        block.signature += lenient.text(delta, "signature")

    def _add_citation(self, block: OpenBlock, delta: JsonObject) -> None:
        block.citations.append(lenient.member(delta, "citation"))

    def _stop_block(self, event: JsonObject) -> None:
        block = self._blocks.pop(lenient.count(event, "index"), None)
        if block is not None:
            self._close(block)

    def _close(self, block: OpenBlock) -> None:
        whole = block.whole()
        self._content.append(whole)
        if block.kind == "tool_use":
            self._close_call(block, whole)
        elif block.kind == "json_tool":
            if not self._json_told:
                self._emit_text(codec.encode_text(whole["input"]))
        elif block.kind in thinking.KINDS:
            self._carry_thought(whole)
        elif block.kind == "text":
            self._cite(block)

    def _close_call(self, block: OpenBlock, whole: JsonObject) -> None:
        """A call without arguments gets exactly one `{}` (wire-anthropic §4.4)."""
        if block.surplus:
            return
        if block.name in self._reading.custom:
            given = lenient.as_object(whole["input"]).get("input")
            text = given if isinstance(given, str) else codec.encode_text(whole["input"])
            identifier = lenient.text(block.start, "id")
            sent = self._sealed(identifier) if block.call == 0 else identifier
            custom = {"name": block.name, "input": text}
            self._emit({"tool_calls": [{"index": block.call, "id": sent, "type": "custom", "custom": custom}]})
        elif not block.texts:
            self._emit_arguments(block, codec.encode_text(whole["input"]))

    def _carry_thought(self, whole: JsonObject) -> None:
        worth = whole.get("signature") or whole.get("data")
        if not worth or not self._reading.carry_thinking:
            return
        names = ("type", "thinking", "signature") if whole["type"] == "thinking" else ("type", "data")
        item = {name: whole.get(name, "") for name in names}
        self._emit({"thinking_blocks": [{"index": self._thoughts, **item}]})
        self._thoughts += 1

    def _cite(self, block: OpenBlock) -> None:
        """Annotate the whole block: Anthropic cites no finer range."""
        if not block.citations or self._length == block.begins:
            return
        for citation in block.citations:
            url = _cited_url(citation)
            if not url:
                continue
            cited = {
                "start_index": block.begins,
                "end_index": self._length + self._reading.annotation_end,
                "title": lenient.text(citation, "title"),
                "url": url,
            }
            annotation: JsonObject = {"type": "url_citation", "url_citation": cited}
            if all(one["url_citation"] | {"title": ""} != cited | {"title": ""} for one in self._annotations):
                self._annotations.append(annotation)

    def _change_message(self, event: JsonObject) -> None:
        delta = lenient.member(event, "delta")
        self.stop_reason = lenient.text(delta, "stop_reason") or self.stop_reason
        self.stop_details = lenient.member(delta, "stop_details") or self.stop_details
        self._counter.take(lenient.member(event, "usage"))

    def _stop_message(self, _: JsonObject) -> None:
        self.ended = True
        for index in sorted(self._blocks):
            self._close(self._blocks[index])
        self._blocks = {}

    def _refuse(self) -> list[Delta]:
        """What came before is to be discarded: the finish reason tells."""
        text = self._reading.redact(lenient.text(self.stop_details, "explanation")) or constants.REFUSAL
        self._emit({"refusal": text})
        self._emit({}, "content_filter")
        deltas, self._deltas = self._deltas, []
        return deltas

    def _finish_reason(self, *, paused_too_often: bool) -> str:
        if self.stop_reason in _LENGTH or paused_too_often:
            return "length"
        if self._calls:
            return "function_call" if self._reading.legacy else "tool_calls"
        return "stop"

    def _thinking_blocks(self) -> list[Block]:
        return [cast("Block", block) for block in self._content if block.get("type") in thinking.KINDS]

    def _carry_content(self) -> None:
        """Give the content as Claude wrote it, where the message cannot say it."""
        if self._reading.carry_thinking and not self._reading.json_tool and _says_more(self._content):
            self._emit({"anthropic_content": [{**block, "index": index} for index, block in enumerate(self._content)]})

    def _remember(self) -> None:
        """Keep thinking for clients that lose it, by the id of the first call: without a call it is not needed again."""
        if not (self._first_call and self._reading.carry_thinking and (blocks := self._thinking_blocks())):
            return
        kept = KeptThinking(blocks, self._reading.prefix, self._reading.family)
        self._reading.reasoning_state[self._first_call] = codec.encode(kept)

    _EVENTS: ClassVar[dict[str, Callable[["AnswerReader", JsonObject], None]]] = {
        "message_start": _start_message,
        "content_block_start": _start_block,
        "content_block_delta": _add,
        "content_block_stop": _stop_block,
        "message_delta": _change_message,
        "message_stop": _stop_message,
    }
    _ADDITIONS: ClassVar[dict[str, Callable[["AnswerReader", OpenBlock, JsonObject], None]]] = {
        "text_delta": _add_text,
        "input_json_delta": _add_input,
        "thinking_delta": _add_thinking,
        "signature_delta": _add_signature,
        "citations_delta": _add_citation,
    }


def _says_more(content: Sequence[JsonObject]) -> bool:
    """Say whether content holds what a message does not: thinking behind something else, server tools, citations."""
    begun = False
    for block in content:
        kind = block.get("type")
        late = begun and kind in thinking.KINDS
        begun = begun or kind not in thinking.KINDS
        if late or kind not in _IN_MESSAGES or block.get("citations"):
            return True
    return False


def _cited_url(citation: JsonObject) -> str:
    kind = citation.get("type")
    if kind == "web_search_result_location":
        return lenient.text(citation, "url")
    source = lenient.text(citation, "source")
    return source if kind == "search_result_location" and source.startswith("http") else ""


def events_of(message: JsonObject) -> list[JsonObject]:
    """Take a whole answer apart into the events that it might have come in. Raises `UpstreamInvalidResponse` for what is none."""
    if not isinstance(message.get("content"), list):
        raise UpstreamInvalidResponse("The model provider's answer has no content.")
    events: list[JsonObject] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(lenient.members(message, "content")):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message.get("stop_reason"), "stop_details": message.get("stop_details")}
    return [*events, {"type": "message_delta", "delta": delta}, {"type": "message_stop"}]


def read_whole(reader: AnswerReader, messages: Sequence[JsonObject], *, paused_too_often: bool) -> list[Delta]:
    """Read complete answers, each going on with the one before. A refusal discards what came with it."""
    deltas: list[Delta] = []
    for position, message in enumerate(messages):
        if position:
            reader.next_answer()
        for event in events_of(message):
            deltas += reader.read(event)
    closing = reader.finish(paused_too_often=paused_too_often)
    return closing if reader.stop_reason == "refusal" else deltas + closing
