"""Every recorded answer through the translators: whole, byte by byte, and broken off at every event."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from chromagent.errors import GatewayError
from chromagent.sse import ServerSentEvent, SSEDecoder
from chromagent.translators.protocol import Delta, StreamTranslator, Translation
from tests.support import chunk_grammar, expected, recordings, translating
from tests.support.recordings import Recording

FAILING = {
    "anthropic/composed-vertex-claude-stream-overloaded-mid-stream": "upstream_overloaded",
    "gemini/firebase-vertexai-streaming-failure-error-mid-stream": "upstream_cancelled",
}
"""Streams that end in an error of the vendor's, and the code it becomes."""

INEXPRESSIBLE = {
    "gemini": {
        "safety_ratings": "OpenAI has no ratings; what they lead to, the finish reason, is told",
        "avg_logprobs": "an average over tokens that were not asked for",
        "url_context_metadata": "which pages were read: no place in OpenAI's answer",
        "finish_message": "told only where the answer is refused or fails",
        "usage:traffic_type": "told as the service tier",
        "usage:modality_1": "a modality without a name counts in the totals only",
        "finish:1": "a finish reason as a number is an unknown one: the answer stands",
        "finish:FAKE_NEW_FINISH_REASON": "an unknown finish reason: the answer stands",
        "streamed_tool_args_unfinished": "what was streamed is closed as JSON",
    },
    "anthropic": {
        "container": "Anthropic's sandboxes are not on Vertex AI",
        "context_management_resp": "which edits were made to the context: no place in OpenAI's answer",
        "usage:service_tier": "Vertex AI has no tiers for Claude",
        "block:compaction": "kept in anthropic_content only",
        "block:server_tool_use": "kept in anthropic_content only: a client must not run it",
        "block:web_search_tool_result": "kept in anthropic_content only; its sources are annotations",
        "block:web_fetch_tool_result": "kept in anthropic_content only",
        "block:code_execution_tool_result": "kept in anthropic_content only",
        "block:bash_code_execution_tool_result": "kept in anthropic_content only",
        "block:text_editor_code_execution_tool_result": "kept in anthropic_content only",
        "block:tool_search_tool_result": "kept in anthropic_content only",
        "block:mcp_tool_use": "kept in anthropic_content only",
        "block:mcp_tool_result": "kept in anthropic_content only",
    },
}
"""What recordings show that OpenAI's answer has no place for, and the reason. By tag of the recordings' index."""

ALL = recordings.load()
GOOD = [one for one in ALL if one.status < 300]
STREAMED = [one for one in GOOD if one.stream]
WHOLE = [one for one in GOOD if not one.stream]
REFUSED = [one for one in ALL if one.status >= 300]

STATUS = {401: 502, 529: 503}


def translate(recording: Recording) -> Translation:
    """Translate a plain request whose answer the recording could be; failures are told at once."""
    call = {"attempt": 9}
    return translating.gemini(call, logprobs=True) if recording.provider == "gemini" else translating.anthropic(call)


def events(body: bytes, size: int) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    found = [event for start in range(0, len(body), size) for event in decoder.feed(body[start : start + size])]
    return found + decoder.finish()


def run(stream: StreamTranslator, feed: Sequence[ServerSentEvent]) -> list[Delta]:
    return [delta for event in feed for delta in stream.feed(event)] + stream.finish()


def feed_until_fault(stream: StreamTranslator, feed: Sequence[ServerSentEvent]) -> tuple[list[Delta], GatewayError | None]:
    deltas: list[Delta] = []
    try:
        for event in feed:
            deltas += stream.feed(event)
        deltas += stream.finish()
    except GatewayError as fault:
        return deltas, fault
    return deltas, None


def accumulate(chunks: Sequence[Any]) -> dict[str, Any]:
    """Add chunks up as the official client does."""
    state = ChatCompletionStreamState()
    for chunk in chunks[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    return state.current_completion_snapshot.model_dump()


def assert_as_expected(completion: dict[str, Any], recording: Recording) -> None:
    wanted = expected.read(recording)
    choice = completion["choices"][0]
    message = choice["message"]
    assert choice["finish_reason"] == wanted.finish_reason
    calls = message.get("tool_calls") or []
    usage = completion["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == wanted.usage
    if wanted.refused:
        assert message["refusal"]
        return
    assert (message["content"] or "") == wanted.text
    assert (message.get("reasoning_content") or "") == wanted.reasoning
    told = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]
    assert told == wanted.calls


@pytest.mark.parametrize("recording", recordings.parameters(WHOLE))
def test_a_recorded_answer_becomes_the_completion_that_it_means(recording: Recording) -> None:
    completion = translate(recording).response(recording.documents).completion
    ChatCompletion.model_validate(completion)
    assert_as_expected(completion, recording)


@pytest.mark.parametrize("recording", recordings.parameters([one for one in STREAMED if one.case not in FAILING]))
def test_a_recorded_stream_adds_up_to_the_completion_that_it_means(recording: Recording) -> None:
    stream = translate(recording).stream()
    chunks = translating.chunks(stream, run(stream, events(recording.body, len(recording.body))))
    chunk_grammar.check(chunks, include_usage=True)
    assert_as_expected(accumulate(chunks), recording)


@pytest.mark.parametrize("recording", recordings.parameters(STREAMED))
def test_cuts_at_every_byte_change_no_event(recording: Recording) -> None:
    whole = events(recording.body, len(recording.body))
    assert events(recording.body, 1) == whole
    for cut in range(1, len(recording.body), max(1, len(recording.body) // 4000)):
        decoder = SSEDecoder()
        assert decoder.feed(recording.body[:cut]) + decoder.feed(recording.body[cut:]) + decoder.finish() == whole


@pytest.mark.parametrize("recording", recordings.parameters([one for one in STREAMED if one.case not in FAILING]))
def test_a_stream_fed_byte_by_byte_gives_the_same_chunks(recording: Recording) -> None:
    whole, pieces = translate(recording).stream(), translate(recording).stream()
    assert run(pieces, events(recording.body, 1)) == run(whole, events(recording.body, len(recording.body)))


@pytest.mark.parametrize("recording", recordings.parameters(STREAMED))
def test_a_stream_broken_off_anywhere_ends_well_or_in_an_error_of_ours(recording: Recording) -> None:
    feed = events(recording.body, len(recording.body))
    for end in range(len(feed)):
        stream = translate(recording).stream()
        deltas, fault = feed_until_fault(stream, feed[:end])
        if fault is None:
            assert stream.complete
            chunk_grammar.check(translating.chunks(stream, deltas), include_usage=True)
        else:
            assert fault.status >= 500


@pytest.mark.parametrize("recording", recordings.parameters([one for one in STREAMED if one.case in FAILING]))
def test_an_error_inside_a_recorded_stream_is_told_after_what_came(recording: Recording) -> None:
    deltas, fault = feed_until_fault(translate(recording).stream(), events(recording.body, len(recording.body)))
    assert fault is not None
    assert fault.code == FAILING[recording.case]
    assert any(delta.delta.get("content") for delta in deltas)


@pytest.mark.parametrize("recording", recordings.parameters(REFUSED))
def test_a_recorded_refusal_becomes_the_error_of_its_status(recording: Recording) -> None:
    error = translate(recording).error(recording.status, {}, recording.body)
    wanted = 502 if "API_KEY_INVALID" in recording.body.decode() else STATUS.get(recording.status, recording.status)
    assert error.status == wanted
    assert error.message
    assert "projects/" not in error.message


@pytest.mark.parametrize("recording", recordings.parameters(ALL))
def test_every_recording_is_replayed_by_one_of_these_tests(recording: Recording) -> None:
    assert sum(recording in group for group in (WHOLE, STREAMED, REFUSED)) == 1
    assert recording.status < 300 or recording.status >= 400


@pytest.mark.parametrize("provider", ["gemini", "anthropic"])
def test_the_table_of_what_cannot_be_expressed_names_what_recordings_show(provider: str) -> None:
    if not ALL:
        pytest.skip(f"no recordings: {recordings.VARIABLE} does not name their folder")
    shown = {tag for one in ALL if one.provider == provider for tag in one.covers}
    assert set(INEXPRESSIBLE[provider]) <= shown
