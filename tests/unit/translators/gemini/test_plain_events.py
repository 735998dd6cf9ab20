"""The short way for events that say only text: it says what the general way says, and takes the events that are usual."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromagent.errors import GatewayError
from chromagent.sse import ServerSentEvent
from chromagent.translators.gemini import wire
from chromagent.translators.protocol import StreamTranslator
from tests.support import generated_answers, translating
from tests.support.generated_answers import TEXT

TOOLS = [{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "g"}}]
OPENED_CALL = {"functionCall": {"name": "f", "willContinue": True}}
PIECE_OF_CALL = {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "numberValue": 1}], "willContinue": True}}
PARTS = st.lists(
    st.fixed_dictionaries({"text": TEXT | st.just("")}, optional={"thought": st.booleans() | st.none()})
    | st.sampled_from(
        [OPENED_CALL, {"functionCall": {"name": "g", "args": {}}}, {"text": 5}, {"text": "a", "thoughtSignature": "U0lH"}]
    ),
    max_size=2,
)
CANDIDATES = st.fixed_dictionaries(
    {"content": st.fixed_dictionaries({"parts": PARTS}, optional={"role": st.just("model")})},
    optional={"index": st.sampled_from([0, 1, 0.0, None]), "finishReason": st.sampled_from(["STOP", "CONTINUATION", None])},
)
EVENTS = st.fixed_dictionaries(
    {"candidates": st.lists(CANDIDATES, max_size=2)},
    optional={
        "usageMetadata": st.sampled_from(
            [None, {}, {"promptTokenCount": 3}, {"candidatesTokenCount": 2, "trafficType": "ON_DEMAND"}]
        ),
        "modelVersion": st.sampled_from([None, "", "models/gemini-x", "gemini-x"]),
        "responseId": st.sampled_from(["r", "q"]),
        "createTime": st.just("2026-11-03T10:00:00Z"),
        "promptFeedback": st.sampled_from([{}, {"blockReason": "SAFETY"}]),
    },
)
LIKELY = st.sampled_from(
    [
        {"candidates": [{"content": {"parts": [part]}}]}
        for part in ({"text": "a"}, {"text": "b", "thought": True}, {"text": ""}, OPENED_CALL, PIECE_OF_CALL)
    ]
)
REQUESTS = st.sampled_from(
    [{}, {"n": 2}, {"tools": TOOLS, "stream": True}, {"extra_body": {"google": {"thought_tag_marker": "think"}}}]
)


def watch(stream: StreamTranslator, events: Sequence[Any]) -> list[Any]:
    """All that an owner of the stream sees on its way."""
    seen: list[Any] = []
    try:
        for event in events:
            seen.append(stream.feed(ServerSentEvent("", json.dumps(event).encode())))
            seen.append((stream.complete, stream.done, stream.upstream_model, stream.head, stream.usage))
        seen.append((stream.finish(), stream.usage))
    except GatewayError as error:
        seen.append((type(error), error.message, error.code, error.retryable))
    return seen


def refuse(_: bytes) -> None:
    raise ValueError


@given(
    request=REQUESTS,
    events=st.lists(LIKELY, max_size=8)
    | st.lists(EVENTS | LIKELY, max_size=6)
    | generated_answers.GEMINI.map(lambda answer: answer.events),
)
@settings(max_examples=400, deadline=None)
def test_both_ways_say_the_same(request: dict[str, Any], events: list[Any]) -> None:
    options = {"stream_tool_args": True}
    short = watch(translating.gemini(options=options, **request).stream(), events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "decode_plain", refuse)
        general = watch(translating.gemini(options=options, **request).stream(), events)
    assert short == general


@pytest.mark.parametrize(
    "event",
    [
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}',
        b'{"candidates":[{"content":{"role":"model","parts":[{"text":"a","thought":true}]},"index":0}],'
        b'"usageMetadata":{"trafficType":"ON_DEMAND"},"modelVersion":"gemini-x","createTime":"2026-11-03T10:00:00Z","responseId":"r"}',
    ],
)
def test_the_usual_event_is_plain(event: bytes) -> None:
    assert wire.decode_plain(event).candidates[0].content.parts[0].text == "a"


@pytest.mark.parametrize(
    "event",
    [
        b"[DONE]",
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":1}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"a","thoughtSignature":"U0lH"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"\xff"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"promptFeedback":{}}',
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}]',
    ],
)
def test_any_other_event_is_not(event: bytes) -> None:
    with pytest.raises(wire.NOT_PLAIN):
        wire.decode_plain(event)
