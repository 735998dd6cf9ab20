import asyncio
from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from chromagent.errors import UpstreamUnreachable
from chromagent.providers import copies
from chromagent.translators.protocol import Delta
from tests.support import answers, chunk_grammar
from tests.support.apps import CLAUDE, GEMINI, chat, events, post, settings, watch
from tests.support.raw_upstream import CHUNKED, LAST_CHUNK, Act, chunk, serving
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer, sse_answer

pytestmark = pytest.mark.anyio

BUSY = answers.google_error(503, "UNAVAILABLE")


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits take no time; gives their lengths."""
    waited: list[float] = []
    sleep = asyncio.sleep

    async def skip(seconds: float) -> None:
        if seconds:
            waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr("chromagent.providers.exchange.asyncio.sleep", skip)
    return waited


@pytest.mark.parametrize("stream", [False, True])
async def test_a_busy_upstream_is_tried_twice_more_with_the_same_bytes(no_waiting: list[float], stream: bool) -> None:
    upstream = ScriptedUpstream(BUSY, BUSY, answers.gemini_stream("Hello") if stream else answers.gemini("Hello"))
    answer = await post(upstream, chat(stream=stream))
    assert answer.status_code == 200
    assert len(upstream.sent) == 3
    assert upstream.sent[0].body == upstream.sent[1].body == upstream.sent[2].body
    assert 0.35 <= no_waiting[0] <= 0.65
    assert 0.7 <= no_waiting[1] <= 1.3


@pytest.mark.parametrize("stream", [False, True])
async def test_after_the_last_try_the_error_is_the_clients(no_waiting: list[float], stream: bool) -> None:
    upstream = ScriptedUpstream(BUSY)
    answer = await post(upstream, chat(stream=stream))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_unavailable")
    assert len(upstream.sent) == 3


async def test_a_short_hint_of_the_upstream_is_obeyed(no_waiting: list[float]) -> None:
    upstream = ScriptedUpstream(answers.google_error(429, "RESOURCE_EXHAUSTED", **{"retry-after": "3"}), answers.gemini())
    assert (await post(upstream, chat())).status_code == 200
    assert no_waiting == [3.0]


async def test_a_long_hint_is_the_clients_to_wait(no_waiting: list[float]) -> None:
    upstream = ScriptedUpstream(answers.anthropic_error(429, "rate_limit_error", **{"retry-after": "60"}))
    answer = await post(upstream, chat(CLAUDE))
    assert (answer.status_code, answer.headers["retry-after"], answer.headers["retry-after-ms"]) == (429, "60", "60000")
    assert len(upstream.sent) == 1
    assert no_waiting == []


@pytest.mark.parametrize("status", [400, 403, 404, 413])
async def test_what_a_retry_cannot_mend_is_not_tried_again(no_waiting: list[float], status: int) -> None:
    upstream = ScriptedUpstream(answers.google_error(status, "X"))
    assert (await post(upstream, chat())).status_code == status
    assert len(upstream.sent) == 1


async def test_no_retry_would_end_after_the_deadline() -> None:
    upstream = ScriptedUpstream(BUSY)
    answer = await post(upstream, chat(), **{"x-stainless-timeout": "0.2"})
    assert answer.status_code == 503
    assert len(upstream.sent) == 1


async def test_after_the_first_chunk_nothing_is_tried_again(no_waiting: list[float]) -> None:
    broken = Scripted(200, [answers.gemini_stream("Hel", "lo").reads[0], httpx.ReadError("gone")])
    upstream = ScriptedUpstream(broken, answers.gemini_stream("Hello"))
    answer = await post(upstream, chat(stream=True))
    assert events(answer.text)[-1]["error"]["code"] == "upstream_unreachable"
    assert len(upstream.sent) == 1


async def test_a_connection_that_breaks_before_the_first_chunk_is_tried_again(no_waiting: list[float]) -> None:
    upstream = ScriptedUpstream(Scripted(failure=httpx.ConnectError("refused")), answers.gemini_stream("Hello"))
    answer = await post(upstream, chat(stream=True))
    chunk_grammar.check(events(answer.text))


@pytest.mark.parametrize("stream", [False, True])
async def test_refused_credentials_are_renewed_once(stream: bool) -> None:
    refused = answers.google_error(401, "UNAUTHENTICATED")
    upstream = ScriptedUpstream(refused, answers.gemini_stream("Hello") if stream else answers.gemini())
    assert (await post(upstream, chat(stream=stream))).status_code == 200
    upstream = ScriptedUpstream(refused)
    answer = await post(upstream, chat(stream=stream))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_authentication_error")
    assert answer.headers["x-should-retry"] == "false"
    assert len(upstream.sent) == 2


async def test_a_redirect_is_not_followed() -> None:
    upstream = ScriptedUpstream(Scripted(302, [b""], {"location": "https://elsewhere.test/"}))
    answer = await post(upstream, chat(), settings(max_retries=0))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")
    assert len(upstream.sent) == 1


@pytest.mark.parametrize("content", [b"", b"<html>busy</html>", b'"text"', b"[1]", b"[{}, {}]", b"\xff\xfe"])
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_an_answer_that_is_no_document_is_a_502(content: bytes, model: str) -> None:
    answer = await post(ScriptedUpstream(Scripted(200, [content])), chat(model), settings(max_retries=0))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")


async def test_a_workaround_is_tried_once_and_named(capfd: pytest.CaptureFixture[str]) -> None:
    unknown = answers.google_error(
        400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "responseJsonSchema" at generation_config: no field'
    )
    schema = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
    }
    upstream = ScriptedUpstream(unknown, answers.gemini('{"a": "b"}'))
    answer = await post(upstream, chat(response_format=schema))
    assert (answer.status_code, answer.headers["x-chromagent-workarounds"]) == (200, "openapi")
    assert "responseJsonSchema" in upstream.sent[0].body["generationConfig"]
    assert "responseJsonSchema" not in upstream.sent[1].body["generationConfig"]
    assert len(upstream.sent) == 2
    assert '"workarounds":["openapi"]' in capfd.readouterr().err


async def test_copies_of_a_claude_answer_run_side_by_side_and_are_merged() -> None:
    upstream = ScriptedUpstream(Scripted(200, [0.2, *answers.claude("a").reads]))
    loop = asyncio.get_running_loop()
    start = loop.time()
    answer = await post(upstream, chat(CLAUDE, n=3))
    assert loop.time() - start < 0.5
    body = answer.json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (9, 6)
    assert len(upstream.sent) == 3


async def test_copies_of_a_stream_are_interleaved() -> None:
    upstream = ScriptedUpstream(answers.claude_stream("Hel", "lo"))
    answer = await post(upstream, chat(CLAUDE, n=2, stream=True, stream_options={"include_usage": True}))
    found = events(answer.text)
    chunk_grammar.check(found, include_usage=True, n=2)
    assert found[-2]["usage"]["completion_tokens"] == 4


async def test_the_first_failure_of_several_copies_is_the_answer_and_stops_the_others() -> None:
    slow = Scripted(200, [60.0, b"{}"])
    upstream = ScriptedUpstream(answers.anthropic_error(400, "invalid_request_error"), slow)
    answer = await post(upstream, chat(CLAUDE, n=2))
    assert answer.status_code == 400
    assert upstream.closed == 2


async def test_a_bug_in_one_of_several_streams_ends_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from chromagent.translators.anthropic import stream

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(stream.AnthropicStream, "feed", fail)
    received = await asyncio.wait_for(
        watch(create_app(settings(), transport=ScriptedUpstream(answers.claude_stream("a"))), chat(CLAUDE, n=2, stream=True)), 5
    )
    assert received.status == 500


class Copy:
    """One copy's stream, which fails or stays silent."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.closed = False

    async def read(self) -> list[Delta]:
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(60)
        return []

    async def close(self) -> None:
        self.closed = True


async def test_all_copies_are_let_go_of_where_their_reader_is_ended_while_it_closes_them() -> None:
    silent = Copy()
    source = copies.interleave([Copy(UpstreamUnreachable()), silent])
    with pytest.raises(UpstreamUnreachable):
        await source.read()
    closing = asyncio.create_task(source.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert silent.closed


async def test_a_paused_turn_is_continued_within_one_answer() -> None:
    paused = json_answer(answers.claude_message("Looking", stop_reason="pause_turn"))
    upstream = ScriptedUpstream(paused, answers.claude("found"))
    answer = await post(upstream, chat(CLAUDE))
    body = answer.json()
    assert len(upstream.sent) == 2
    assert upstream.sent[1].body["messages"][-1]["role"] == "assistant"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == 4


async def test_an_end_mark_ends_one_answer_of_a_stream_and_not_those_that_go_on_with_it() -> None:
    begun = answers.gemini_document("Hel", "CONTINUATION", continuationToken="t1")
    upstream = ScriptedUpstream(sse_answer(begun, "data: [DONE]\n\n"), answers.gemini_stream("lo"))
    answer = await post(upstream, chat(stream=True), settings(timeout=5))
    assert len(upstream.sent) == 2
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in events(answer.text)[:-1]) == "Hello"


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_a_stream_without_any_event_is_an_error_not_an_empty_answer(model: str) -> None:
    answer = await post(ScriptedUpstream(Scripted(200, [b""])), chat(model, stream=True), settings(max_retries=0))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")


UNFINISHED: dict[str, Scripted] = {
    GEMINI: sse_answer(
        {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "CONTINUATION", "continuationToken": "VE9L"}]}
    ),
    CLAUDE: sse_answer(
        *answers.claude_events("a")[:-2],
        {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}},
        {"type": "message_stop"},
    ),
}


@pytest.mark.parametrize(
    ("model", "rest", "ending"),
    [
        (GEMINI, [], "length"),
        (GEMINI, [b": nothing\n\n"], "length"),
        (GEMINI, [httpx.ReadError("gone")], "length"),
        (GEMINI, [b"data: [DONE]\n\n"], "upstream_invalid_response"),
        (CLAUDE, [], "length"),
        (CLAUDE, [b": nothing\n\n"], "length"),
        (CLAUDE, [httpx.ReadError("gone")], "upstream_unreachable"),
    ],
)
async def test_an_answer_that_never_goes_on_is_not_asked_for_without_end(
    model: str, rest: list[bytes | Exception], ending: str
) -> None:
    upstream = ScriptedUpstream(UNFINISHED[model], Scripted(200, rest, {"content-type": "text/event-stream"}))
    answer = await post(upstream, chat(model, stream=True), settings(timeout=2))
    assert len(upstream.sent) <= 5
    assert f'"{ending}"' in answer.text


@pytest.mark.parametrize("broken", [False, True])
async def test_an_answer_that_goes_on_may_do_so_often(broken: bool) -> None:
    hop = answers.gemini_document("a", None if broken else "CONTINUATION", continuationToken="t")
    reads = [*sse_answer(hop).reads, *([httpx.ReadError("gone")] if broken else [])]
    hops = [Scripted(200, reads, {"content-type": "text/event-stream"})] * 6
    upstream = ScriptedUpstream(*hops, answers.gemini_stream("b"))
    answer = await post(upstream, chat(stream=True), settings(timeout=5))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in events(answer.text)[:-1]) == "aaaaaab"


async def test_a_stream_that_said_its_end_is_not_waited_for_and_its_connection_serves_again() -> None:
    frames = b"".join(read for read in answers.claude_stream("Hel", "lo").reads if isinstance(read, bytes))
    late_end = [CHUNKED + chunk(frames), 0.05, LAST_CHUNK]
    held_open = [CHUNKED + chunk(frames), Act.HANG]
    async with serving(late_end, held_open) as upstream:
        app = create_app(settings(anthropic={"base_url": f"http://127.0.0.1:{upstream.port}"}, timeout=5))
        for _ in range(2):
            started = asyncio.get_running_loop().time()
            received = await watch(app, chat(CLAUDE, stream=True))
            assert received.body.endswith("data: [DONE]\n\n")
            assert asyncio.get_running_loop().time() - started < 2
        assert upstream.connections == 1


async def test_what_came_before_a_fault_in_the_same_read_is_not_lost() -> None:
    frames = answers.claude_stream("Hel", "lo").reads
    error = sse_answer({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, named=True).reads
    together = b"".join([*frames[:4], *error])  # pyright: ignore[reportArgumentType, reportCallIssue]
    answer = await post(ScriptedUpstream(Scripted(200, [together])), chat(CLAUDE, stream=True))
    found = events(answer.text)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in found[:-1]) == "Hello"
    assert found[-1]["error"]["code"] == "upstream_overloaded"


async def test_the_request_id_of_anthropic_is_passed_on() -> None:
    upstream = ScriptedUpstream(json_answer(answers.claude_message(), **{"request-id": "req_vrtx_1"}))
    assert (await post(upstream, chat(CLAUDE))).headers["x-upstream-request-id"] == "req_vrtx_1"


RETRYABLE = [
    (GEMINI, answers.google_error(status, name))
    for status, name in (
        (408, "DEADLINE_EXCEEDED"),
        (409, "ABORTED"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    )
]
RETRYABLE += [
    (CLAUDE, answers.anthropic_error(status, kind))
    for status, kind in ((429, "rate_limit_error"), (500, "api_error"), (529, "overloaded_error"))
]
RETRYABLE += [
    (model, Scripted(failure=failure))
    for model in (GEMINI, CLAUDE)
    for failure in (
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("late"),
        httpx.RemoteProtocolError("closed"),
        httpx.ReadError("gone"),
    )
]


def good(model: str, *, stream: bool) -> Scripted:
    if model == GEMINI:
        return answers.gemini_stream("Hel", "lo") if stream else answers.gemini("Hello")
    return answers.claude_stream("Hel", "lo") if stream else answers.claude("Hello")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "failure"), RETRYABLE)
async def test_every_passing_failure_before_the_first_byte_is_tried_again(
    no_waiting: list[float], model: str, failure: Scripted, stream: bool
) -> None:
    upstream = ScriptedUpstream(failure, good(model, stream=stream))
    answer = await post(upstream, chat(model, stream=stream))
    assert answer.status_code == 200, answer.text
    assert len(upstream.sent) == 2


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
@pytest.mark.parametrize("failure", [httpx.ReadError("gone"), httpx.RemoteProtocolError("closed"), httpx.ReadTimeout("late")])
async def test_no_failure_after_the_first_byte_is_tried_again(no_waiting: list[float], model: str, failure: Exception) -> None:
    reads = good(model, stream=True).reads
    begun = reads[:1] if model == GEMINI else reads[:4]
    upstream = ScriptedUpstream(Scripted(200, [*begun, failure]), good(model, stream=True))
    answer = await post(upstream, chat(model, stream=True))
    assert "error" in events(answer.text)[-1]
    assert len(upstream.sent) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_an_answer_is_never_asked_for_twice(no_waiting: list[float], model: str, stream: bool) -> None:
    upstream = ScriptedUpstream(good(model, stream=stream), BUSY)
    assert (await post(upstream, chat(model, stream=stream))).status_code == 200
    assert len(upstream.sent) == 1
