"""Limits as clients meet them: in headers, in errors, over streams, and shared by two processes."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from chromagent.app import create_app
from chromagent.local import keys
from tests.support import answers, processes
from tests.support.apps import chat, post, settings, watch
from tests.support.processes import Server
from tests.support.scripted_upstream import Scripted, ScriptedUpstream

pytestmark = pytest.mark.anyio


async def statuses(app: Any, count: int, **fields: Any) -> list[httpx.Response]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        return [await http.post("/v1/chat/completions", json=chat(**fields)) for _ in range(count)]


async def test_an_answer_tells_what_is_left_and_an_error_when_to_come_again() -> None:
    app = create_app(settings(rate_limit={"per_key": "2/minute"}), transport=ScriptedUpstream(answers.gemini()))
    first, second, third = await statuses(app, 3)
    assert [answer.headers.get("x-ratelimit-remaining-requests") for answer in (first, second)] == ["1", "0"]
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert third.status_code == 429
    assert third.json()["error"]["type"] == "rate_limit_error"
    assert third.json()["error"]["code"] == "rate_limit_exceeded"
    assert 50 < int(third.headers["retry-after"]) <= 60
    assert int(third.headers["retry-after-ms"]) > 50_000
    assert third.headers["x-ratelimit-limit-requests"] == "2"
    assert third.headers["x-ratelimit-remaining-requests"] == "0"


async def test_an_address_is_counted_before_its_key_is_looked_at() -> None:
    configured = settings(allow_anonymous=False, client_keys="env:NO_SUCH", rate_limit={"per_ip": "2/minute"})
    app = create_app(configured, transport=ScriptedUpstream(answers.gemini()))
    assert [answer.status_code for answer in await statuses(app, 3)] == [401, 401, 429]


async def test_an_address_may_stand_in_several_lines() -> None:
    configured = settings(rate_limit={"per_ip": "1/minute", "trusted_hops": 2})
    app: Any = create_app(configured, transport=ScriptedUpstream(answers.gemini()))
    found: list[int] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        for address in ("1.1.1.1", "2.2.2.2", "1.1.1.1"):
            headers = [("x-forwarded-for", address), ("x-forwarded-for", "10.0.0.1")]
            found.append((await http.post("/v1/chat/completions", json=chat(), headers=headers)).status_code)
    assert found == [200, 200, 429]


async def test_the_tokens_of_an_answer_count() -> None:
    document = answers.gemini_document("Hello")
    document["usageMetadata"] = {"promptTokenCount": 900, "candidatesTokenCount": 50, "totalTokenCount": 950}
    from tests.support.scripted_upstream import json_answer

    app = create_app(settings(rate_limit={"tokens_per_key": "1000/minute"}), transport=ScriptedUpstream(json_answer(document)))
    first, second = await statuses(app, 2, max_tokens=100)
    assert first.status_code == 200
    assert second.status_code == 429
    assert second.json()["error"]["code"] == "tokens_limit_exceeded"
    assert (second.headers["x-ratelimit-limit-tokens"], second.headers["x-ratelimit-remaining-tokens"]) == ("1000", "50")


async def test_a_refused_request_gives_its_tokens_back() -> None:
    upstream = ScriptedUpstream(answers.gemini())
    app = create_app(settings(rate_limit={"tokens_per_key": "1000/minute"}), transport=upstream)
    refused = await statuses(app, 5, max_tokens=900, temperature=9)
    assert [answer.status_code for answer in refused] == [400] * 5
    [good] = await statuses(app, 1, max_tokens=900)
    assert good.status_code == 200


async def test_a_stream_is_settled_at_its_end() -> None:
    app = create_app(
        settings(rate_limit={"tokens_per_key": "1000/minute"}), transport=ScriptedUpstream(answers.gemini_stream("a", "b"))
    )
    await statuses(app, 1, stream=True, max_tokens=900)
    [second] = await statuses(app, 1, stream=True, max_tokens=900)
    assert second.status_code == 200
    assert int(second.headers["x-ratelimit-remaining-tokens"]) == 1000 - 5 - 900


async def test_what_an_upstream_told_at_the_end_of_a_stream_counts_and_not_its_letters() -> None:
    upstream = ScriptedUpstream(answers.gemini_stream("word " * 400))
    app = create_app(settings(rate_limit={"tokens_per_key": "1000/minute"}), transport=upstream)
    await statuses(app, 1, stream=True, max_tokens=900)
    [second] = await statuses(app, 1, stream=True, max_tokens=0)
    assert int(second.headers["x-ratelimit-remaining-tokens"]) == 1000 - 5


async def test_a_stream_is_settled_when_its_client_leaves() -> None:
    document = answers.gemini_document("one", None)
    document["usageMetadata"] = {"promptTokenCount": 20, "candidatesTokenCount": 1, "totalTokenCount": 21}
    from tests.support.scripted_upstream import sse_answer

    reads: list[Any] = [*sse_answer(document).reads, 60.0]
    app = create_app(settings(rate_limit={"tokens_per_key": "1000/minute"}), transport=ScriptedUpstream(Scripted(200, reads)))
    await watch(app, chat(stream=True, max_tokens=900), leave_at=b"one")
    received = await watch(app, chat(stream=True, max_tokens=900), leave_at=b"one")
    assert received.status == 200
    assert int(received.headers["x-ratelimit-remaining-tokens"]) == 1000 - 21 - 900


async def test_a_key_brings_its_own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    key, record = keys.issue("tests")
    record["limits"] = {"requests": "1/minute"}
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [record]}))
    configured = settings(allow_anonymous=False, client_keys="env:TEST_KEYS", rate_limit={"per_key": "100/minute"})
    upstream = ScriptedUpstream(answers.gemini())
    answer = await post(upstream, chat(), configured, authorization=f"Bearer {key}")
    assert answer.headers["x-ratelimit-limit-requests"] == "1"


async def test_the_official_client_raises_its_rate_limit_error() -> None:
    app: Any = create_app(settings(rate_limit={"per_key": "1/minute"}), transport=ScriptedUpstream(answers.gemini()))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    client = AsyncOpenAI(base_url="http://g.test/v1", api_key="any", http_client=http, max_retries=0)
    body = chat()
    await client.chat.completions.create(**body)
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(**body)
    assert caught.value.code == "rate_limit_exceeded"


@pytest.fixture
def two_gateways(redis_url: str, simulation: Server, tmp_path: Path):
    backend = {"base_url": simulation.url, "auth": "none", "project": "p"}
    configuration = {
        "allow_anonymous": True,
        "backends": {"vertex-gemini": backend, "vertex-anthropic": backend},
        "rate_limit": {"per_key": "120/minute", "concurrent_per_key": 100, "storage": redis_url},
    }
    with (
        processes.function("chat_completions", configuration, tmp_path / "one.log") as one,
        processes.function("chat_completions", configuration, tmp_path / "two.log") as two,
    ):
        yield one, two


async def test_two_processes_on_one_redis_hold_one_exact_limit(two_gateways: tuple[Server, Server]) -> None:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=60) as http:

        async def ask(number: int) -> int:
            server = two_gateways[number % 2]
            return (await http.post(f"{server.url}/v1/chat/completions", json=chat(text=f"say {number}"))).status_code

        start = time.monotonic()
        found = await asyncio.gather(*(ask(number) for number in range(200)))
    assert time.monotonic() - start < 50
    assert found.count(200) == 120
    assert found.count(429) == 80


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "refusal", [answers.google_error(400, "INVALID_ARGUMENT"), answers.google_error(429, "RESOURCE_EXHAUSTED")]
)
async def test_a_request_that_the_upstream_refused_gives_its_tokens_back(stream: bool, refusal: Scripted) -> None:
    configured = settings(rate_limit={"tokens_per_key": "1000/minute"}, max_retries=0)
    app = create_app(configured, transport=ScriptedUpstream(refusal, answers.gemini_stream("a") if stream else answers.gemini()))
    await statuses(app, 1, stream=stream, max_tokens=900)
    [good] = await statuses(app, 1, stream=stream, max_tokens=900)
    assert good.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_before_the_first_word_has_used_what_was_estimated(stream: bool) -> None:
    upstream = ScriptedUpstream(Scripted(200, [60.0]))
    app = create_app(settings(rate_limit={"tokens_per_key": "1000/minute"}), transport=upstream)
    await watch(app, chat(stream=stream, max_tokens=900), leave_after=0.1)
    received = await watch(app, chat(stream=stream, max_tokens=900), leave_after=0.1)
    assert received.status == 429


async def test_an_answer_that_was_not_waited_for_has_used_what_was_estimated() -> None:
    configured = settings(rate_limit={"tokens_per_key": "1000/minute"}, timeout=0.1)
    app = create_app(configured, transport=ScriptedUpstream(Scripted(200, [60.0])))
    cut, refused = await statuses(app, 2, stream=True, max_tokens=900)
    assert (cut.status_code, refused.status_code) == (504, 429)


async def test_words_count_that_a_client_read_before_it_left_without_their_count() -> None:
    reads = answers.claude_stream("word " * 400, "last").reads
    untold: list[Any] = [*reads[:4], 60.0]
    app = create_app(settings(rate_limit={"tokens_per_key": "1000/minute"}), transport=ScriptedUpstream(Scripted(200, untold)))
    await watch(app, chat("claude-sonnet-4-6", stream=True, max_tokens=100), leave_at=b"last")
    received = await watch(app, chat("claude-sonnet-4-6", stream=True, max_tokens=0), leave_at=b"last")
    assert int(received.headers["x-ratelimit-remaining-tokens"]) == 1000 - 3 - (2000 + 4) // 4
