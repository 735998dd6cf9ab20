import json
import string
from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from chromagent.local import keys
from tests.support import answers, chunk_grammar
from tests.support.apps import CLAUDE, GEMINI, chat, client, events, post, settings, watch
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, sse_answer

pytestmark = pytest.mark.anyio


def error_of(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


async def test_a_completion_has_openais_members() -> None:
    answer = await post(ScriptedUpstream(answers.gemini("Hello")), chat())
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("id").startswith("chatcmpl-")
    assert isinstance(body.pop("created"), int)
    assert body == {
        "object": "chat.completion",
        "model": "gemini-3.8-flash",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }


async def test_answers_carry_a_request_id_the_route_and_the_security_headers() -> None:
    headers = (await post(ScriptedUpstream(answers.gemini()), chat())).headers
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-chromagent-route"] == "vertex-gemini/gemini-3.8-flash@global"
    assert headers["x-chromagent-model"] == "gemini-3.8-flash"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_a_stream_is_events_ended_by_done(model: str) -> None:
    upstream = answers.gemini_stream("Hel", "lo") if model == GEMINI else answers.claude_stream("Hel", "lo")
    answer = await post(ScriptedUpstream(upstream), chat(model, stream=True))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    found = events(answer.text)
    chunk_grammar.check(found)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in found[:-1]) == "Hello"


async def test_no_event_of_the_upstream_waits_for_the_next() -> None:
    events_of_claude = answers.claude_events("one", "two")
    reads: list[Any] = [sse_answer(event).reads[0] for event in events_of_claude]
    upstream = ScriptedUpstream(Scripted(200, [*reads[:3], 0.2, *reads[3:]]))
    received = await watch(create_app(settings(), transport=upstream), chat(CLAUDE, stream=True))
    arrival = {text: moment for moment, piece in received.pieces for text in ("one", "two") if text.encode() in piece}
    assert arrival["two"] - arrival["one"] >= 0.15


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "invalid_json", None)),
        (b"{", (400, "invalid_json", None)),
        (b"[]", (400, "invalid_json", None)),
        (b'{"model": "gemini-3.8-flash"}', (400, "missing_required_parameter", "messages")),
        (b'{"messages": [{"role": "user", "content": "hi"}]}', (400, "missing_required_parameter", "model")),
        (b'{"model": "gpt-5", "messages": []}', (400, "empty_array", "messages")),
        (b'{"model": 7, "messages": [{"role": "user", "content": "hi"}]}', (400, "invalid_type", "model")),
    ],
)
async def test_a_bad_body_is_a_400_that_names_the_field(body: bytes, expected: tuple[int, str, str | None]) -> None:
    upstream = ScriptedUpstream(answers.gemini())
    assert error_of(await post(upstream, body)) == expected
    assert upstream.sent == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_a_field_that_the_wire_format_refuses_is_a_400_streamed_or_not(model: str, stream: bool) -> None:
    upstream = ScriptedUpstream(answers.gemini())
    answer = await post(upstream, chat(model, temperature=9, stream=stream))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "temperature")
    assert upstream.sent == []


async def test_a_form_is_not_json() -> None:
    answer = await post(ScriptedUpstream(answers.gemini()), b"a=1", **{"content-type": "application/x-www-form-urlencoded"})
    assert error_of(answer) == (400, "invalid_content_type", None)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "text/plain"])
async def test_json_under_the_names_that_clients_give_it(kind: str) -> None:
    assert (await post(ScriptedUpstream(answers.gemini()), chat(), **{"content-type": kind})).status_code == 200


async def test_a_compressed_body_is_refused() -> None:
    answer = await post(ScriptedUpstream(answers.gemini()), b"\x1f\x8b", **{"content-encoding": "gzip"})
    assert error_of(answer) == (400, "invalid_encoding", None)


async def test_a_body_beyond_the_limit_is_a_413_whether_its_length_is_told_or_not() -> None:
    configured = settings(max_body_bytes=1000)
    upstream = ScriptedUpstream(answers.gemini())
    assert error_of(await post(upstream, chat(text="x" * 1000), configured)) == (413, "request_too_large", None)

    async def pieces():
        for _ in range(20):
            yield b"x" * 100

    async with client(upstream, configured) as http:
        answer = await http.post("/v1/chat/completions", content=pieces())
    assert error_of(answer) == (413, "request_too_large", None)


async def test_an_upstream_error_before_the_first_chunk_has_a_status_of_its_own() -> None:
    upstream = ScriptedUpstream(answers.google_error(403, "PERMISSION_DENIED"))
    answer = await post(upstream, chat(stream=True))
    assert error_of(answer) == (403, "upstream_permission_denied", None)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-chromagent-route"] == "vertex-gemini/gemini-3.8-flash@global"


async def test_an_error_after_the_first_chunk_is_the_last_event() -> None:
    broken = Scripted(200, [answers.gemini_stream("Hel", "lo").reads[0], httpx.ReadError("gone")])
    answer = await post(ScriptedUpstream(broken), chat(stream=True))
    assert answer.status_code == 200
    found = events(answer.text)
    chunk_grammar.check(found)
    assert found[-1]["error"]["code"] == "upstream_unreachable"
    assert "[DONE]" not in answer.text


async def test_done_may_follow_an_error_where_the_owner_asked_for_it() -> None:
    broken = Scripted(200, [answers.gemini_stream("Hel", "lo").reads[0], httpx.ReadError("gone")])
    answer = await post(ScriptedUpstream(broken), chat(stream=True), settings(stream={"error_done": True}))
    found = events(answer.text)
    assert found[-2]["error"]["code"] == "upstream_unreachable"
    assert found[-1] == "[DONE]"


async def test_a_bug_while_streaming_is_an_error_event(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from chromagent.endpoints import render

    calls = 0
    write = render.ChunkWriter.write

    def fail_at_second(self: Any, deltas: Any) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ZeroDivisionError
        return write(self, deltas)

    monkeypatch.setattr(render.ChunkWriter, "write", fail_at_second)
    answer = await post(ScriptedUpstream(answers.gemini_stream("Hel", "lo")), chat(stream=True))
    assert events(answer.text)[-1]["error"]["code"] == "internal_error"
    assert "ZeroDivisionError" not in answer.text


async def test_a_bug_is_a_500_whose_stack_is_in_the_log_only(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from chromagent.schema import chat as schema

    def fail(body: bytes) -> Any:
        raise ZeroDivisionError("bo" + "om")

    monkeypatch.setattr(schema, "parse", fail)
    answer = await post(ScriptedUpstream(answers.gemini()), chat())
    assert error_of(answer) == (500, "internal_error", None)
    assert "boom" not in answer.text
    log = capfd.readouterr().err
    assert "ZeroDivisionError" in log
    assert "boom" not in log
    assert answer.headers["x-request-id"] in log


async def test_a_silent_model_gets_a_status_after_a_while_and_comments() -> None:
    slow = Scripted(200, [0.25, *answers.gemini_stream("Hel", "lo").reads])
    app = create_app(settings(stream={"prime_timeout": 0.05, "keepalive": 0.05}), transport=ScriptedUpstream(slow))
    received = await watch(app, chat(stream=True))
    assert received.status == 200
    comments = [moment for moment, piece in received.pieces if piece == b": keep-alive\n\n"]
    assert comments[0] < 0.2
    assert len(comments) >= 2
    chunk_grammar.check(events(received.body))


async def test_an_error_after_a_sign_of_life_is_an_event() -> None:
    slow = Scripted(200, [0.2, httpx.ReadError("gone")])
    app = create_app(settings(max_retries=0, stream={"prime_timeout": 0.05, "keepalive": 0.05}), transport=ScriptedUpstream(slow))
    received = await watch(app, chat(stream=True))
    assert received.status == 200
    assert events(received.body)[-1]["error"]["code"] == "upstream_unreachable"


async def test_a_fast_stream_has_no_comments() -> None:
    received = await watch(create_app(settings(), transport=ScriptedUpstream(answers.gemini_stream("a", "b"))), chat(stream=True))
    assert not any(line.startswith(":") for line in received.body.splitlines())


async def test_a_client_that_leaves_a_stream_stops_the_upstream(capfd: pytest.CaptureFixture[str]) -> None:
    reads = answers.gemini_stream("one", "two").reads
    upstream = ScriptedUpstream(Scripted(200, [reads[0], 60.0, reads[1]]))
    received = await watch(create_app(settings(), transport=upstream), chat(stream=True), leave_at=b"one")
    assert upstream.closed == 1
    assert not received.ended
    line = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert (line["httpRequest"]["status"], line["client_left"], line["severity"]) == (499, True, "INFO")


async def test_a_client_that_leaves_before_the_answer_stops_the_upstream() -> None:
    upstream = ScriptedUpstream(Scripted(200, [60.0, b"{}"]))
    received = await watch(create_app(settings(), transport=upstream), chat(), leave_after=0.05)
    assert received.status == 0
    assert upstream.closed == 1


async def test_the_clients_own_timeout_is_respected() -> None:
    upstream = ScriptedUpstream(Scripted(200, [60.0, b"{}"]))
    answer = await post(upstream, chat(), **{"x-stainless-timeout": "0.1"})
    assert error_of(answer) == (504, "upstream_timeout", None)
    assert upstream.closed == 1


async def test_a_stream_that_outlasts_the_deadline_ends_in_an_error_event() -> None:
    reads = answers.gemini_stream("one", "two").reads
    upstream = ScriptedUpstream(Scripted(200, [reads[0], 60.0, reads[1]]))
    answer = await post(upstream, chat(stream=True), settings(timeout=0.2))
    assert events(answer.text)[-1]["error"]["code"] == "upstream_timeout"
    assert upstream.closed == 1


async def test_nobody_gets_in_without_a_key() -> None:
    upstream = ScriptedUpstream(answers.gemini())
    answer = await post(upstream, chat(), settings(allow_anonymous=False, client_keys="env:NO_SUCH_VARIABLE"))
    assert error_of(answer) == (401, "missing_api_key", None)
    assert upstream.sent == []


async def test_a_key_gets_in_and_its_models_are_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    key, record = keys.issue("tests", models=("gemini-*",))
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [record]}))
    configured = settings(allow_anonymous=False, client_keys="env:TEST_KEYS")
    authorization = {"authorization": f"Bearer {key}"}
    assert (await post(ScriptedUpstream(answers.gemini()), chat(), configured, **authorization)).status_code == 200
    refused = await post(ScriptedUpstream(answers.claude()), chat(CLAUDE), configured, **authorization)
    assert error_of(refused) == (404, "model_not_found", "model")


async def test_the_client_key_never_travels_upstream(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    key, record = keys.issue("tests")
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [record]}))
    upstream = ScriptedUpstream(answers.gemini())
    await post(upstream, chat(), settings(allow_anonymous=False, client_keys="env:TEST_KEYS"), authorization=f"Bearer {key}")
    assert key not in json.dumps([dict(sent.headers) for sent in upstream.sent])
    assert key not in capfd.readouterr().err


async def test_usage_comes_last_where_it_was_asked_for() -> None:
    answer = await post(
        ScriptedUpstream(answers.claude_stream("Hello")), chat(CLAUDE, stream=True, stream_options={"include_usage": True})
    )
    found = events(answer.text)
    chunk_grammar.check(found, include_usage=True)
    assert found[-2]["usage"]["total_tokens"] == 5


async def test_line_separators_in_an_answer_are_escaped_in_a_stream() -> None:
    answer = await post(ScriptedUpstream(answers.gemini_stream("a\u2028b\u2029c\u0085d")), chat(stream=True))
    assert "\u2028" not in answer.text
    assert "\u0085" not in answer.text
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in events(answer.text)[:-1])
    assert text == "a\u2028b\u2029c\u0085d"


async def test_strict_turns_an_ignored_field_into_a_400() -> None:
    upstream = ScriptedUpstream(answers.claude())
    answer = await post(upstream, chat(CLAUDE, seed=5), settings(strict=True))
    assert error_of(answer) == (400, "unsupported_parameter", "seed")
    assert (await post(upstream, chat(CLAUDE, seed=5))).headers["x-chromagent-ignored"] == "seed"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["gemini-3.8-flash-漢", "gemini-3.8-flash\r\nset-cookie: a=b", "claude-\x00", "gemini-\ud800"])
async def test_no_name_of_a_model_breaks_the_headers(name: str, stream: bool) -> None:
    answer = await post(ScriptedUpstream(answers.google_error(404, "NOT_FOUND")), chat(name, stream=stream))
    assert answer.status_code in (400, 404)
    assert "set-cookie" not in answer.headers
    assert set(answer.headers["x-chromagent-route"]) <= set(string.printable) - set("\r\n\x0b\x0c")


async def test_a_name_that_no_model_can_have_goes_nowhere() -> None:
    answer = await post(ScriptedUpstream(answers.gemini()), chat("gemini-" + "x" * 100_000))
    assert error_of(answer) == (400, "string_above_max_length", "model")
    assert len(answer.content) < 500
