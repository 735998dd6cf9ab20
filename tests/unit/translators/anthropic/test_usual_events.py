"""The usual event of a stream, more text, is read on a short way: it must say what the general way says."""

import json
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chromagent.errors import GatewayError
from chromagent.sse import ServerSentEvent
from chromagent.translators.anthropic.response import AnswerReader
from tests.support import translating

Drawn = st.SearchStrategy[Any]
JSON = {"response_format": {"type": "json_object"}}
BEGIN = {"type": "message_start", "message": {"id": "m"}}


def addition(index: Any, delta: Any, kind: Any = "content_block_delta") -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": delta}


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


TEXT = addition(0, {"type": "text_delta", "text": "a"})
OPENING = [BEGIN, start(0, type="text", text="", citations=[{"type": "web_search_result_location", "url": "u"}])]
ENDING = [
    start(5, type="redacted_thinking", data="d"),
    start(6, type="text", text="z"),
    {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}},
    {"type": "message_stop"},
]

TEXTS: Drawn = st.sampled_from(["a", "b ", " c", "```", "", None, 3, ["a"]])
KINDS: Drawn = st.sampled_from(["text_delta"] * 5 + ["thinking_delta", "input_json_delta", "x", None])
DELTAS: Drawn = st.fixed_dictionaries({"type": KINDS, "text": TEXTS}) | st.sampled_from([None, "a", []])
INDEXES: Drawn = st.sampled_from([0, 0, 0, 0, 1, 1, True, 1.0, "0", None, []])
ADDITIONS: Drawn = st.builds(addition, INDEXES, DELTAS)
STARTS: Drawn = st.sampled_from(
    [start(0, type="text"), start(1, type="text", text="t"), start(1, type="thinking"), start(1, type="tool_use", name="f")]
)
OTHERS: Drawn = st.builds(addition, INDEXES, DELTAS, st.sampled_from(["content_block_stop", "x", 1]))
EVENTS: Drawn = st.lists(st.one_of(ADDITIONS, ADDITIONS, ADDITIONS, STARTS, OTHERS), min_size=1, max_size=8)
REQUESTS: Drawn = st.sampled_from([{}, {}, JSON])


def tell(events: list[Any], request: dict[str, Any]) -> list[Any]:
    """Everything that comes of a stream, up to its end or its error."""
    stream = translating.anthropic(None, None, **request).stream()
    told: list[Any] = []
    try:
        for event in events:
            told.append(stream.feed(ServerSentEvent("", json.dumps(event).encode())))
        told += [stream.continuation(), stream.finish()]
    except GatewayError as error:
        told.append((type(error), error.message))
    return [*told, stream.head, stream.usage, stream.complete, stream.done]


@given(EVENTS, REQUESTS)
@example([TEXT, start(1, type="thinking"), TEXT, addition(1, TEXT["delta"])], {})
@settings(max_examples=1000, deadline=None)
def test_text_on_the_short_way_is_text_on_the_general_way(events: list[Any], request: dict[str, Any]) -> None:
    stream = [*OPENING, *events, *ENDING]
    told = tell(stream, request)
    with patch.object(AnswerReader, "more_text", return_value=[]):
        assert told == tell(stream, request)


def test_plain_text_takes_the_short_way() -> None:
    with patch.object(AnswerReader, "read", autospec=True, side_effect=AnswerReader.read) as general:
        assert tell([*OPENING, TEXT, TEXT], {})[2][0].delta == {"content": "a"}
    assert general.call_count == len(OPENING)
