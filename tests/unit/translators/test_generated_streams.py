"""Streams of made-up answers, in both wire formats: whole = cut anywhere = unary, and junk never breaks more than itself."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from chromagent.errors import GatewayError
from chromagent.sse import ServerSentEvent, SSEDecoder
from chromagent.translators.protocol import Delta, Translation
from tests.support import chunk_grammar, generated_answers, translating
from tests.support.generated_answers import Generated

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
GEMINI = ("gemini", generated_answers.GEMINI)
CLAUDE = ("claude", generated_answers.CLAUDE)
BOTH = pytest.mark.parametrize("rail", ["gemini", "claude"])
ANSWERS = {"gemini": generated_answers.GEMINI, "claude": generated_answers.CLAUDE}


def translate(rail: str, **request: Any) -> Translation:
    """A request that these answers could belong to; empty answers are told at once."""
    call = {"attempt": 9}
    make = translating.gemini if rail == "gemini" else translating.anthropic
    return make(call, tools=TOOLS, **request)


def frame(events: Sequence[Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def decode(body: bytes, cuts: Sequence[int]) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    bounds = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    found = [event for start, end in pairwise(bounds) for event in decoder.feed(body[start:end])]
    return found + decoder.finish()


def run(translation: Translation, events: Sequence[ServerSentEvent]) -> tuple[list[Any], list[Delta]]:
    stream = translation.stream()
    deltas = [delta for event in events for delta in stream.feed(event)] + stream.finish()
    return translating.chunks(stream, deltas), deltas


def accumulate(chunks: Sequence[Any]) -> dict[str, Any]:
    state = ChatCompletionStreamState()
    for chunk in chunks[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    return state.current_completion_snapshot.model_dump()


def essence(completion: dict[str, Any]) -> Any:
    """What a client reads of an answer, the same from a whole answer and from an accumulated stream."""
    choice = completion["choices"][0]
    message = choice["message"]
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]), call.get("extra_content"))
        for call in message.get("tool_calls") or []
    ]
    text = (message.get("content") or "", message.get("reasoning_content") or "", message.get("refusal") or "")
    thinking = [{key: value for key, value in block.items() if key != "index"} for block in message.get("thinking_blocks") or []]
    usage = (completion["usage"]["prompt_tokens"], completion["usage"]["completion_tokens"])
    return text, calls, thinking, choice["finish_reason"], usage


@BOTH
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_stream_says_what_the_whole_answer_says(rail: str, data: st.DataObject) -> None:
    answer: Generated = data.draw(ANSWERS[rail])
    chunks, _ = run(translate(rail), decode(frame(answer.events), []))
    chunk_grammar.check(chunks, include_usage=True)
    whole = translate(rail).response([answer.document]).completion
    assert essence(accumulate(chunks)) == essence(whole)


@BOTH
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_where_the_network_cuts_changes_nothing(rail: str, data: st.DataObject) -> None:
    answer: Generated = data.draw(ANSWERS[rail])
    cuts = data.draw(st.lists(st.integers(0, 10_000), max_size=6))
    body = frame(answer.events)
    assert run(translate(rail), decode(body, cuts))[1] == run(translate(rail), decode(body, []))[1]


@BOTH
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_stream_that_ends_too_early_is_an_error_or_complete(rail: str, data: st.DataObject) -> None:
    answer: Generated = data.draw(ANSWERS[rail])
    end = data.draw(st.integers(0, len(answer.events) - 1))
    stream = translate(rail).stream()
    deltas: list[Delta] = []
    try:
        for event in decode(frame(answer.events[:end]), []):
            deltas += stream.feed(event)
        deltas += stream.finish()
    except GatewayError as error:
        assert error.status >= 500
    else:
        assert stream.complete
        chunk_grammar.check(translating.chunks(stream, deltas), include_usage=True)


def survive(rail: str, events: Sequence[Any]) -> None:
    """Feed anything: what comes out obeys the grammar up to an error of the upstream's, or to the end."""
    stream = translate(rail).stream()
    deltas: list[Delta] = []
    try:
        for event in decode(frame(events), []):
            deltas += stream.feed(event)
        deltas += stream.finish()
    except GatewayError as error:
        assert 400 <= error.status < 600
        ended: list[Any] = [{"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}]
    else:
        ended = ["[DONE]"]
    chunks = translating.chunks(stream, deltas)[:-2]
    for chunk in chunks:
        del chunk["usage"]
    chunk_grammar.check([*chunks, *ended])
    assert stream.usage["total_tokens"] >= 0


@BOTH
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_junk_becomes_chunks_or_an_error_of_the_upstreams(rail: str, data: st.DataObject) -> None:
    survive(rail, data.draw(st.lists(generated_answers.JUNK, max_size=4)))


@BOTH
@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_a_stream_with_junk_in_it_becomes_chunks_or_an_error(rail: str, data: st.DataObject) -> None:
    answer: Generated = data.draw(ANSWERS[rail])
    events = list(answer.events)
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(events) - 1))
        events[index] = generated_answers.shaken(events[index], data.draw)
    survive(rail, events)


@BOTH
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_whole_answer_with_junk_in_it_is_an_answer_or_an_error(rail: str, data: st.DataObject) -> None:
    answer: Generated = data.draw(ANSWERS[rail])
    document = generated_answers.shaken(answer.document, data.draw)
    if not isinstance(document, dict):
        return
    try:
        completion = translate(rail).response([document]).completion
    except GatewayError as error:
        assert error.status >= 400
    else:
        assert completion["choices"][0]["finish_reason"] in ("stop", "length", "tool_calls", "content_filter")
        json.dumps(completion, allow_nan=False)
