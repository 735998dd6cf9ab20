"""One line for each request, whatever became of it, and never a word of what was said."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from chromagent.local import keys
from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, chat, settings, watch
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer, sse_answer

pytestmark = pytest.mark.anyio


async def line_of(
    capfd: pytest.CaptureFixture[str], upstream: ScriptedUpstream, body: dict[str, Any], configured: Any = None, **headers: str
) -> dict[str, Any]:
    app: Any = create_app(configured or settings(), transport=upstream)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        await http.post("/v1/chat/completions", json=body, headers=headers)
    return last_line(capfd)


def last_line(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    found = [line for line in lines if line["message"] == "chat completion"]
    assert len(found) == 1
    return found[0]


async def test_an_answer(capfd: pytest.CaptureFixture[str]) -> None:
    line = await line_of(capfd, ScriptedUpstream(answers.gemini()), chat(user="u"), **{"user-agent": "me/1"})
    request = line["httpRequest"]
    assert (line["severity"], request["status"], request["requestMethod"], request["requestUrl"]) == (
        "INFO",
        200,
        "POST",
        "/v1/chat/completions",
    )
    assert request["userAgent"] == "me/1"
    assert request["latency"].endswith("s")
    assert int(request["responseSize"]) > 100
    assert (line["caller"], line["route"], line["attempts"]) == ("anonymous", "vertex-gemini/gemini-3.8-flash@global", 1)
    assert line["request_id"].startswith("req_")
    assert line["gen_ai"]["request"] == {"model": GEMINI, "stream": False}
    assert line["gen_ai"]["response"]["finish_reasons"] == ["stop"]
    assert (line["gen_ai"]["usage"]["input_tokens"], line["gen_ai"]["usage"]["output_tokens"]) == (3, 2)
    assert line["ignored"] == ["user"]
    assert (line["error"], line["client_left"], line["cache"]) == (None, False, None)


async def test_a_stream(capfd: pytest.CaptureFixture[str]) -> None:
    line = await line_of(capfd, ScriptedUpstream(answers.claude_stream("a", "b")), chat(CLAUDE, stream=True))
    assert line["httpRequest"]["status"] == 200
    assert line["gen_ai"]["request"]["stream"] is True
    assert 0 <= line["gen_ai"]["response"]["time_to_first_chunk"] <= line["duration_seconds"]
    assert line["gen_ai"]["usage"]["output_tokens"] == 2


async def test_a_client_that_left(capfd: pytest.CaptureFixture[str]) -> None:
    reads: list[Any] = [answers.gemini_stream("one", "two").reads[0], 60.0]
    app = create_app(settings(), transport=ScriptedUpstream(Scripted(200, reads)))
    await watch(app, chat(stream=True), leave_at=b"one")
    line = last_line(capfd)
    assert (line["httpRequest"]["status"], line["client_left"], line["severity"]) == (499, True, "INFO")


async def test_a_limit(capfd: pytest.CaptureFixture[str]) -> None:
    configured = settings(rate_limit={"tokens_per_key": "4/minute"})
    upstream = ScriptedUpstream(answers.gemini())
    app: Any = create_app(configured, transport=upstream)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        await http.post("/v1/chat/completions", json=chat(max_tokens=10))
        capfd.readouterr()
        await http.post("/v1/chat/completions", json=chat(max_tokens=10))
    line = last_line(capfd)
    assert (line["severity"], line["error"]) == (
        "WARNING",
        {"code": "tokens_limit_exceeded", "type": "rate_limit_error", "status": 429},
    )


async def test_a_limit_names_whom_it_refused(capfd: pytest.CaptureFixture[str]) -> None:
    app: Any = create_app(settings(rate_limit={"per_key": "1/minute"}), transport=ScriptedUpstream(answers.gemini()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        await http.post("/v1/chat/completions", json=chat())
        capfd.readouterr()
        await http.post("/v1/chat/completions", json=chat())
    line = last_line(capfd)
    assert (line["error"]["code"], line["caller"]) == ("rate_limit_exceeded", "anonymous")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstream_error(capfd: pytest.CaptureFixture[str], stream: bool) -> None:
    upstream = ScriptedUpstream(answers.google_error(500, "INTERNAL"))
    line = await line_of(capfd, upstream, chat(stream=stream), settings(max_retries=0))
    assert (line["severity"], line["error"]["code"], line["httpRequest"]["status"]) == ("ERROR", "upstream_error", 500)


async def test_an_error_in_the_middle_of_a_stream(capfd: pytest.CaptureFixture[str]) -> None:
    broken = Scripted(200, [answers.gemini_stream("a", "b").reads[0], httpx.ReadError("gone")])
    line = await line_of(capfd, ScriptedUpstream(broken), chat(stream=True))
    assert (line["error"]["code"], line["httpRequest"]["status"]) == ("upstream_unreachable", 502)


async def test_a_bug(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from chromagent.schema import chat as schema

    def fail(body: bytes) -> Any:
        raise KeyError("-".join(["canary", "of", "a", "bug"]))

    monkeypatch.setattr(schema, "parse", fail)
    app: Any = create_app(settings(), transport=ScriptedUpstream(answers.gemini()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        await http.post("/v1/chat/completions", json=chat())
    log = capfd.readouterr().err
    assert '"code":"internal_error"' in log
    assert "in fail" in log
    assert "canary-of-a-bug" not in log


@pytest.mark.parametrize(
    ("header", "trace", "span"),
    [
        (
            {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
            "0af7651916cd43dd8448eb211c80319c",
            "b7ad6b7169203331",
        ),
        ({"x-cloud-trace-context": "105445aa7843bc8bf206b12000100000/1;o=1"}, "105445aa7843bc8bf206b12000100000", "1"),
    ],
)
async def test_the_trace_of_the_caller_is_kept(
    capfd: pytest.CaptureFixture[str], header: dict[str, str], trace: str, span: str
) -> None:
    line = await line_of(capfd, ScriptedUpstream(answers.gemini()), chat(), **header)
    assert line["logging.googleapis.com/trace"].endswith(trace)
    assert line["logging.googleapis.com/spanId"] == span


async def lines_of(capfd: pytest.CaptureFixture[str], method: str, path: str, configured: Any = None, **headers: str) -> list[Any]:
    app: Any = create_app(configured or settings(), transport=ScriptedUpstream(answers.gemini()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        await http.request(method, path, headers=headers)
    return [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("method", "path", "message", "status", "code"),
    [
        ("GET", "/v1/models", "models", 200, None),
        ("GET", "/v1/models/none", "models", 404, "model_not_found"),
        ("GET", "/v1/nowhere", "request", 404, "resource_not_found"),
        ("DELETE", "/v1/models", "request", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions", "chat completion", 400, "invalid_json"),
    ],
)
async def test_every_request_has_one_line(
    capfd: pytest.CaptureFixture[str], method: str, path: str, message: str, status: int, code: str | None
) -> None:
    [line] = await lines_of(capfd, method, path)
    assert (line["message"], line["httpRequest"]["status"], (line["error"] or {}).get("code")) == (message, status, code)


async def test_a_refused_key_is_logged_without_it(capfd: pytest.CaptureFixture[str]) -> None:
    refused = settings(allow_anonymous=False, client_keys="env:NO_SUCH")
    [line] = await lines_of(capfd, "GET", "/v1/models", refused, authorization="Bearer sk-cg-nonsense")
    assert (line["severity"], line["error"]["code"], line["caller"]) == ("WARNING", "invalid_api_key", None)
    assert "nonsense" not in json.dumps(line)


async def test_health_and_preflights_are_seen_only_by_who_looks_for_them(capfd: pytest.CaptureFixture[str]) -> None:
    for method, path in (("GET", "/health"), ("OPTIONS", "/v1/models")):
        assert await lines_of(capfd, method, path) == []
        [line] = await lines_of(capfd, method, path, settings(log={"level": "debug"}))
        assert line["severity"] == "DEBUG"


async def test_a_trace_is_named_with_its_project(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    parent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    [line] = await lines_of(capfd, "GET", "/v1/models", settings(log={"project": "my-project"}), **parent)
    assert line["logging.googleapis.com/trace"] == "projects/my-project/traces/0af7651916cd43dd8448eb211c80319c"


async def test_the_line_is_written_before_the_last_byte_leaves(capfd: pytest.CaptureFixture[str]) -> None:
    """An instance gets no processor time once its answers are out, so a later line would come with the next request or never."""
    app = create_app(settings(), transport=ScriptedUpstream(answers.gemini_stream("one", "two")))
    seen: list[bool] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            seen.append('"chat completion"' in capfd.readouterr().err)

    body = json.dumps(chat(stream=True)).encode()
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "query_string": b""}
    inbox = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if inbox:
            return inbox.pop()
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    await app(scope, receive, send)  # pyright: ignore[reportArgumentType]
    assert seen == [True]


CANARY = "canary7f3a"


def talkative(model: str, *, stream: bool) -> dict[str, Any]:
    image = base64.b64encode(b"\x89PNG" + CANARY.encode()).decode()
    return {
        "model": model,
        "stream": stream,
        "messages": [
            {"role": "system", "content": f"system {CANARY}"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": CANARY},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
                ],
            },
            {
                "role": "assistant",
                "content": CANARY,
                "tool_calls": [{"id": CANARY, "type": "function", "function": {"name": "f", "arguments": CANARY}}],
            },
            {"role": "tool", "tool_call_id": CANARY, "content": CANARY},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": CANARY}}],
        "user": CANARY,
        "metadata": {"a": CANARY},
        "stop": CANARY,
        "vendor_field": CANARY,
    }


def outcomes(model: str) -> list[Scripted]:
    error = answers.google_error if model == GEMINI else answers.anthropic_error
    good = answers.gemini if model == GEMINI else answers.claude
    streamed = answers.gemini_stream if model == GEMINI else answers.claude_stream
    return [
        good(CANARY),
        streamed(CANARY, CANARY),
        error(400, "INVALID_ARGUMENT", f"Bad value {CANARY}"),  # pyright: ignore
        error(500, "INTERNAL", f"Failed on {CANARY}"),  # pyright: ignore
        json_answer({"nonsense": CANARY}),
        Scripted(200, [CANARY.encode()]),
        Scripted(502, [f"<html>{CANARY}</html>".encode()]),
        sse_answer({"error": {"code": 500, "message": CANARY}}),
        Scripted(failure=httpx.ConnectError(CANARY)),
        Scripted(200, [streamed(CANARY, CANARY).reads[0], httpx.ReadError(CANARY)]),
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_nothing_that_was_said_is_ever_logged(
    model: str, stream: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, record = keys.issue("tests")
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [record]}))
    monkeypatch.setenv("TEST_UPSTREAM_KEY", "upstream-canary")
    identity = {"auth": "api_key", "api_key": "env:TEST_UPSTREAM_KEY", "max_retries": 0}
    configured = settings(identity, identity, allow_anonymous=False, client_keys="env:TEST_KEYS", log={"level": "debug"})
    for scripted in outcomes(model):
        app: Any = create_app(configured, transport=ScriptedUpstream(scripted))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
            await http.post(
                "/v1/chat/completions", json=talkative(model, stream=stream), headers={"authorization": f"Bearer {key}"}
            )
    captured = capfd.readouterr()
    log = captured.err + captured.out
    assert log.count('"chat completion"') == len(outcomes(model))
    for secret in (CANARY, key, record["sha256"], "upstream-canary", "iVBORw"):
        assert str(secret) not in log


async def test_a_line_stays_short_whatever_a_client_sends(capfd: pytest.CaptureFixture[str]) -> None:
    app: Any = create_app(settings(), transport=ScriptedUpstream(answers.gemini()))
    headers = {"user-agent": "u" * 60_000, "x-cloud-trace-context": "a" * 60_000 + "/1"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        await http.get("/" + "p" * 50_000, headers=headers)
    [line] = capfd.readouterr().err.splitlines()
    assert len(line) < 5000
