"""A stream of server-sent events → deltas. What they mean is `response.AnswerReader`'s; this decodes them and tells errors apart.

The kind is read from the data, not from the event's name. What is no event stream (an error, or a whole answer) arrives as one
`STRAY` event. Source: wire-anthropic §4.1, §4.5.
"""

from collections.abc import Callable
from typing import cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import UpstreamInvalidResponse
from chromagent.sse import ServerSentEvent
from chromagent.translators.anthropic import errors
from chromagent.translators.anthropic.errors import ErrorReader
from chromagent.translators.anthropic.response import AnswerReader, events_of
from chromagent.translators.protocol import Delta, Head


class AnthropicStream:
    """One stream. `resume` makes the body that continues an answer which paused."""

    def __init__(
        self, reader: AnswerReader, error_reader: ErrorReader, resume: Callable[[list[JsonObject]], JsonObject], *, most_pauses: int
    ) -> None:
        self._reader = reader
        self._errors = error_reader
        self._resume = resume
        self._pauses_left = most_pauses
        self._resumed = False

    @property
    def head(self) -> Head:
        """What all chunks share."""
        return self._reader.head

    @property
    def usage(self) -> JsonObject:
        """OpenAI's usage object so far."""
        return self._reader.usage()

    @property
    def upstream_model(self) -> str:
        """The model as Anthropic spells it."""
        return self._reader.upstream_model

    @property
    def complete(self) -> bool:
        """A stop reason was seen."""
        return self._reader.stop_reason is not None and not self._resumed

    @property
    def done(self) -> bool:
        """The answer's last event was seen."""
        return self._reader.ended and not self._resumed

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Take one event. Raises `GatewayError`."""
        try:
            document = codec.decode(event.data)
        except codec.MalformedJson as error:
            raise UpstreamInvalidResponse("The model provider's stream held an event that is no JSON.") from error
        if self._resumed:
            self._resumed = False
            self._reader.next_answer()
        try:
            return self._reader.more_text(document) or self._feed_document(document)
        except (TypeError, AttributeError, KeyError, ValueError) as error:  # a member of another type than the documentation says
            raise UpstreamInvalidResponse("The model provider's stream held an event of unknown shape.") from error

    def continuation(self) -> JsonObject | None:
        """Return the body that goes on with an answer that paused for its server tools."""
        if not self._reader.pauses or (self._pauses_left == 0 and not self._resumed):
            return None
        if not self._resumed:
            self._resumed = True
            self._pauses_left -= 1
        return self._resume(self._reader.content)

    def finish(self) -> list[Delta]:
        """Close the stream. Raises `GatewayError` where it broke off before its stop reason."""
        if self._reader.stop_reason is None and not self._reader.ended:
            raise errors.broken_off()
        return self._reader.finish(paused_too_often=self._reader.pauses)

    def _feed_document(self, document: JsonValue) -> list[Delta]:
        if isinstance(document, dict):
            return self._feed_event(cast("JsonObject", document))
        if isinstance(document, list):
            return [delta for item in cast("list[JsonValue]", document) for delta in self._feed_document(item)]
        raise UpstreamInvalidResponse("The model provider's stream held something that is no event.")

    def _feed_event(self, event: JsonObject) -> list[Delta]:
        kind = event.get("type")
        if kind == "error" or (kind is None and "error" in event):
            raise self._errors.read_event(event)
        if kind == "message":  # a whole answer instead of a stream
            return [delta for one in events_of(event) for delta in self._reader.read(one)]
        return self._reader.read(event)
