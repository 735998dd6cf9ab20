"""One candidate's parts → one choice's deltas. Hides which part becomes what, ids of calls, and arguments that come in pieces.

Source: wire-gemini §3.4–3.6, §3.8, §3.10. Used for streams and, part by part all the same, for whole answers.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final, cast

import msgspec

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import UpstreamInvalidResponse
from chromagent.translators import lenient, sealing
from chromagent.translators.gemini import grounding
from chromagent.translators.gemini.grounding import Source
from chromagent.translators.gemini.names import NameMap
from chromagent.translators.gemini.partial_arguments import ArgumentWriter, plain
from chromagent.translators.protocol import Delta, ReasoningState
from chromagent.translators.redaction import Redactor

if TYPE_CHECKING:
    from chromagent.translators.gemini.audio import AudioReader

_USUAL: Final = frozenset({"content", "finishReason", "index"})
"""All that most events say of a candidate."""
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


class Reading(msgspec.Struct, frozen=True):
    """How the answers to one request are to be read."""

    names: NameMap
    custom: frozenset[str]
    legacy: bool
    single_call: bool
    logprobs: bool
    call_id: str
    created: int
    reasoning_field: str = "reasoning_content"
    marker: str = ""
    audio_format: str = "pcm16"
    stream_arguments: bool = False
    sealed: bool = False
    expose_grounding: bool = True
    annotation_end: int = -1
    """Added to the index after the last character of an annotation."""
    reasoning_state: ReasoningState = msgspec.field(default_factory=dict[str, str | bytes])
    redact: Redactor = Redactor()


class _PartialCall(msgspec.Struct):
    """A call whose arguments are still coming."""

    name: str
    identifier: str | None
    signature: str | None
    writer: ArgumentWriter
    text: list[str]
    index: int | None = None
    """Its place among the calls once its beginning was told."""


class ChoiceReader:
    """Reads one choice. Puts each delta into `deltas` as it arises."""

    _calls = 0
    _ordinal = 0
    _images = 0
    _partial: _PartialCall | None = None
    _signature: str | None = None
    _marked = False
    _audio: "AudioReader | None" = None
    _text_base = 0
    _grounding: JsonObject | None = None
    _citations: JsonObject | None = None
    seen = False
    response_id = ""
    finish_reason: str | None = None
    finish_message = ""
    continuation: str | None = None

    def __init__(self, reading: Reading, index: int, used_ids: set[str], deltas: list[Delta]) -> None:
        self._reading = reading
        self._index = index
        self._used_ids = used_ids
        self._deltas = deltas
        self._text: list[str] = []
        self._sources: list[Source] = []

    @property
    def has_calls(self) -> bool:
        """At least one call was told."""
        return self._calls > 0

    @property
    def has_content(self) -> bool:
        """Something a client can see was told, besides calls and thoughts."""
        return bool(self._text) or self._images > 0 or (self._audio is not None and self._audio.has_content)

    @property
    def silent(self) -> bool:
        """There are neither calls nor content."""
        return not (self._calls or self.has_content)

    def read(self, candidate: JsonObject) -> None:
        """Read what one event says about this choice."""
        self.seen = True
        content = candidate.get("content")
        parts = cast("JsonObject", content).get("parts") if isinstance(content, dict) else None
        for part in cast("list[JsonObject]", parts) if isinstance(parts, list) else ():
            self._read_part(part)
        if reason := candidate.get("finishReason"):
            self.finish_reason = str(reason)
            self._end_call()
        if not candidate.keys() <= _USUAL:
            self._read_rarities(candidate)

    def read_text(self, text: str, *, thought: bool) -> None:
        """Read an event that says nothing but this: the same as `read`."""
        self.seen = True
        if self._partial is not None:
            self._end_call()
        if text:
            self._add_thought(text) if thought else self._add_text(text)

    def _read_rarities(self, candidate: JsonObject) -> None:
        self.finish_message = self._reading.redact(lenient.text(candidate, "finishMessage")) or self.finish_message
        self.continuation = lenient.text(candidate, "continuationToken") or self.continuation
        self._grounding = lenient.member(candidate, "groundingMetadata") or self._grounding
        self._citations = lenient.member(candidate, "citationMetadata") or self._citations

    def next_answer(self) -> None:
        """What follows comes from another upstream request that goes on with this answer."""
        self._keep_sources()
        self._text_base = sum(len(text.encode()) for text in self._text)
        self.finish_reason = None
        self.continuation = None

    def finish(self) -> None:
        """Tell what can only be told at the end."""
        self._end_call()
        self._close_marker()
        for delta in self._audio.finish() if self._audio is not None else ():
            self._emit(delta)
        self._keep_sources()
        if self._sources and (found := self._annotations()):
            self._emit({"annotations": found})
        extra: JsonObject = {}
        if self._signature is not None:
            extra["thought_signature"] = self._signature
        if self._reading.expose_grounding and self._sources and (metadata := self._sources[-1].grounding):
            extra["grounding_metadata"] = metadata
        if extra:
            self._emit({"extra_content": {"google": extra}})

    def _emit(self, delta: JsonObject) -> None:
        self._deltas.append(Delta(self._index, delta))

    def _annotations(self) -> list[JsonObject]:
        return grounding.annotations("".join(self._text), self._sources, self._reading.annotation_end)

    def _keep_sources(self) -> None:
        if self._grounding or self._citations:
            self._sources.append(Source(self._grounding or {}, self._citations or {}, self._text_base))
            self._grounding = self._citations = None

    def _read_part(self, part: JsonObject) -> None:
        if self._partial is not None and "functionCall" not in part:
            self._end_call()
        for kind, reader in self._readers.items():
            value = part.get(kind)
            if value is not None:
                reader(self, value, part)
                break
        if "thoughtSignature" in part and "functionCall" not in part:
            self._signature = lenient.text(part, "thoughtSignature") or self._signature

    def _read_text(self, text: JsonValue, part: JsonObject) -> None:
        if not text or not isinstance(text, str):
            return
        if part.get("thought") is True:
            self._add_thought(text)
        else:
            self._add_text(text)

    def _add_text(self, text: str) -> None:
        if self._marked:
            self._close_marker()
        self._text.append(text)
        self._deltas.append(Delta(self._index, {"content": text}))

    def _add_thought(self, text: str) -> None:
        reading = self._reading
        if reading.marker:
            opening = "" if self._marked else f"<{reading.marker}>"
            self._marked = True
            self._emit({"content": opening + text})
            self._text.append(opening + text)
            return
        if reading.reasoning_field == "both":
            self._emit({"reasoning_content": text, "reasoning": text})
        elif reading.reasoning_field != "none":
            self._emit({reading.reasoning_field: text})

    def _close_marker(self) -> None:
        if self._marked:
            self._marked = False
            closing = f"</{self._reading.marker}>"
            self._text.append(closing)
            self._emit({"content": closing})

    def _read_code(self, code: JsonValue, _: JsonObject) -> None:
        language = str(code.get("language", "")).lower()
        tag = "" if language == "language_unspecified" else language
        self._add_text(f"\n```{tag}\n{code.get('code', '')}\n```\n")

    def _read_code_result(self, result: JsonValue, _: JsonObject) -> None:
        output = result.get("output", "")
        if not output and result.get("outcome") != "OUTCOME_OK":
            output = result.get("outcome", "")
        self._add_text(f"\n```\n{output}\n```\n")

    def _read_file(self, file: JsonValue, _: JsonObject) -> None:
        if uri := file.get("fileUri"):
            self._add_text(f"\n{uri}\n")

    def _read_data(self, data: JsonValue, part: JsonObject) -> None:
        media_type, content = str(data.get("mimeType", "")), str(data.get("data", ""))
        if part.get("thought") is True or not content:
            return
        if media_type.startswith("audio/"):
            self._read_audio(media_type, content)
            return
        url = {"url": f"data:{media_type};base64,{content}"}
        self._emit({"images": [{"type": "image_url", "index": self._images, "image_url": url}]})
        self._images += 1

    def _read_audio(self, media_type: str, content: str) -> None:
        reading = self._reading
        if self._audio is None:
            from chromagent.translators.gemini.audio import AudioReader  # noqa: PLC0415 - few models speak

            identifier, expires_at = f"audio_{reading.call_id}", reading.created + 3600
            self._audio = AudioReader(identifier=identifier, expires_at=expires_at, wav=reading.audio_format == "wav")
        for delta in self._audio.feed(media_type, content):
            self._emit(delta)

    def _read_call(self, call: JsonValue, part: JsonObject) -> None:
        pieces = call.get("partialArgs")
        name = lenient.text(call, "name")
        if name:
            self._end_call()
            signature = lenient.text(part, "thoughtSignature") or None
            if pieces is None and not call.get("willContinue"):
                self._tell_call(name, call.get("id"), signature, codec.encode_text(plain(lenient.member(call, "args"))))
                return
            self._partial = _PartialCall(name, call.get("id"), signature, ArgumentWriter(), [])
            if self._reading.stream_arguments and self._reading.names.back(name) not in self._reading.custom:
                self._partial.index = self._tell_call(name, call.get("id"), signature, "")
        partial = self._partial
        if partial is None:
            return
        if pieces:
            self._add_arguments(partial, partial.writer.feed(pieces))
        if not call.get("willContinue") and not name and not pieces:
            self._end_call()

    def _add_arguments(self, partial: _PartialCall, text: str) -> None:
        partial.text.append(text)
        if partial.index is not None and text:
            self._emit({"tool_calls": [{"index": partial.index, "function": {"arguments": text}}]})

    def _end_call(self) -> None:
        partial, self._partial = self._partial, None
        if partial is None:
            return
        self._add_arguments(partial, partial.writer.finish())
        arguments = "".join(partial.text)
        try:
            codec.decode(arguments)
        except codec.MalformedJson as error:
            raise UpstreamInvalidResponse("The model provider streamed arguments that are no JSON.") from error
        if partial.index is None:
            self._tell_call(partial.name, partial.identifier, partial.signature, arguments)

    def _is_surplus(self) -> bool:
        """Only the first call counts where the client takes one at a time, and in the deprecated form."""
        return self._calls > 0 and (self._reading.single_call or self._reading.legacy)

    def _tell_call(self, name: str, identifier: JsonValue, signature: str | None, arguments: str) -> int | None:
        """Tell one call; return its place, or None for a call that the client did not want."""
        if self._is_surplus():
            return None
        index, self._calls = self._calls, self._calls + 1
        name = self._reading.names.back(name)
        if self._reading.legacy:  # one call, told whole
            self._emit({"function_call": {"name": name, "arguments": arguments}})
            return index
        call: JsonObject = {"index": index, "id": self._identify(identifier, signature)}
        if name in self._reading.custom:
            call |= {"type": "custom", "custom": {"name": name, "input": _custom_input(arguments)}}
        else:
            call |= {"type": "function", "function": {"name": name, "arguments": arguments}}
        if signature:
            call["extra_content"] = {"google": {"thought_signature": signature}}
        self._emit({"tool_calls": [call]})
        return index

    def _identify(self, given: JsonValue, signature: str | None) -> str:
        """Keep a usable id of Gemini's, else make one that is the same whenever this answer is read."""
        ordinal, self._ordinal = self._ordinal, self._ordinal + 1
        if isinstance(given, str) and _SAFE_ID.fullmatch(given) and given not in self._used_ids:
            identifier = given
        else:
            source = f"{self.response_id or self._reading.call_id}|{self._index}|{ordinal}"
            identifier = f"call_{hashlib.sha256(source.encode()).hexdigest()[:24]}"
        self._used_ids.add(identifier)
        if not signature:
            return identifier
        self._reading.reasoning_state[identifier] = signature
        return sealing.seal(identifier, "google", signature) if self._reading.sealed else identifier

    _readers: ClassVar[Mapping[str, Callable[..., None]]] = {
        "text": _read_text,
        "functionCall": _read_call,
        "inlineData": _read_data,
        "fileData": _read_file,
        "executableCode": _read_code,
        "codeExecutionResult": _read_code_result,
    }


def logprobs(result: JsonObject) -> JsonObject:
    """Read `logprobsResult` (wire-gemini §3.10)."""
    top = [lenient.members(entry, "candidates") for entry in lenient.members(result, "topCandidates")]
    content: list[JsonObject] = []
    for index, candidate in enumerate(lenient.members(result, "chosenCandidates")):
        alternatives = [_token(one) for one in (top[index] if index < len(top) else [])]
        content.append({**_token(candidate), "top_logprobs": alternatives})
    return {"content": content, "refusal": None}


def _token(candidate: JsonObject) -> JsonObject:
    token = lenient.text(candidate, "token")
    return {"token": token, "logprob": candidate.get("logProbability", 0.0), "bytes": list(token.encode())}


def _custom_input(arguments: str) -> str:
    if not arguments:
        return ""
    given = lenient.as_object(codec.decode(arguments)).get("input")
    return given if isinstance(given, str) else arguments
