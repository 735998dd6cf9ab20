"""Whole answers, read as the events that they might have come in."""

from collections.abc import Sequence

from chromagent.codec import JsonObject
from chromagent.errors import UpstreamInvalidResponse
from chromagent.translators import lenient
from chromagent.translators.anthropic.response import AnswerReader
from chromagent.translators.protocol import Delta


def events_of(message: JsonObject) -> list[JsonObject]:
    """Take a whole answer apart. Raises `UpstreamInvalidResponse` for what is none."""
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
