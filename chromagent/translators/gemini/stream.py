"""A stream of events → deltas.

    stream  = *event end
    event   = SSE event with one JSON document (or several, or a piece of one), or "[DONE]"
    document= answer | error | list of documents
    answer  = fragment of GenerateContentResponse: `response.AnswerReader` knows its insides

What is no event stream (a JSON error, an array because `alt=sse` got lost) arrives as one `STRAY` event. A finish reason is final
only at the end of input: calls may come after it, and `CONTINUATION` asks for another request. Source: wire-gemini §4.
"""

import json
from typing import Final, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import UpstreamInvalidResponse
from chromagent.sse import STRAY, ServerSentEvent
from chromagent.translators.gemini.errors import ErrorReader
from chromagent.translators.gemini.response import AnswerReader
from chromagent.translators.protocol import Delta, Head

_DONE: Final = b"[DONE]"
_MOST_JOINS: Final = 16
"""Events over which one document may be spread: each is parsed with what came before."""


class GeminiStream:
    """One stream. Its `body` is sent again, with a token, where an answer takes several requests."""

    def __init__(self, reader: AnswerReader, errors: ErrorReader, body: JsonObject, *, most_hops: int) -> None:
        self._reader = reader
        self._errors = errors
        self._body = body
        self._hops_left = most_hops
        self._next_hop = False
        self._unfinished = b""
        self._joins = 0
        self.done = False

    @property
    def head(self) -> Head:
        """What all chunks share."""
        return self._reader.head

    @property
    def usage(self) -> JsonObject:
        """OpenAI's usage object so far."""
        return self._reader.usage

    @property
    def upstream_model(self) -> str:
        """The model as Google spells it."""
        return self._reader.upstream_model

    @property
    def complete(self) -> bool:
        """A finish reason was seen."""
        return self._reader.complete

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Take one event. Raises `GatewayError`."""
        data = event.data
        if self.done:
            return []
        if not self._next_hop and not self._unfinished and (deltas := self._reader.read_plain(data)) is not None:
            return deltas
        if self._next_hop:
            self._next_hop = False
            self._reader.next_answer()
        if data == _DONE:
            self.done = True
            return []
        if self._unfinished:
            data, self._unfinished = self._unfinished + data, b""
        try:
            document = codec.decode(data)
        except codec.MalformedJson as error:
            return self._feed_oddity(event, data, error)
        return self._feed_document(document)

    def continuation(self) -> JsonObject | None:
        """Return the body that goes on with this answer; the token is the newest that was seen."""
        token = self._reader.continuation
        if token is None or (self._hops_left == 0 and not self._next_hop):
            return None
        if not self._next_hop:
            self._next_hop = True
            self._hops_left -= 1
            self._unfinished = b""
            self.done = False
        return {**self._body, "continuationToken": token}

    def finish(self) -> list[Delta]:
        """Close the stream. Raises `GatewayError` for an answer that is none."""
        if self._unfinished:
            raise UpstreamInvalidResponse("The model provider's stream held an event that is no JSON.")
        return self._reader.finish()

    def _feed_document(self, document: JsonValue) -> list[Delta]:
        if isinstance(document, list):
            return [delta for item in cast("list[JsonValue]", document) for delta in self._feed_document(item)]
        if not isinstance(document, dict):
            raise UpstreamInvalidResponse("The model provider's stream held something that is no answer.")
        answer = cast("JsonObject", document)
        if answer.get("error"):
            raise self._errors.read_document(answer, status=500)
        return self._reader.read(answer)

    def _feed_oddity(self, event: ServerSentEvent, data: bytes, error: codec.MalformedJson) -> list[Delta]:
        """Several documents in one event, or a piece of one whose rest comes with the next event."""
        if event.event == STRAY:
            raise UpstreamInvalidResponse("The model provider answered with something that is no event stream.") from error
        documents, rest = _split(data.decode("utf-8", "replace"))
        self._joins = self._joins + 1 if rest else 0
        if rest and (self._joins > _MOST_JOINS or rest[0] not in "{["):
            raise UpstreamInvalidResponse("The model provider's stream held an event that is no JSON.") from error
        self._unfinished = rest.encode()
        return [delta for document in documents for delta in self._feed_document(document)]


def _split(text: str) -> tuple[list[JsonValue], str]:
    """Read documents that follow each other; return them and what is left."""
    decoder = json.JSONDecoder()
    documents: list[JsonValue] = []
    text = text.lstrip()
    while text:
        try:
            document, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            break
        documents.append(document)
        text = text[end:].lstrip()
    return documents, text
