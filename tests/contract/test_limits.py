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
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer, sse_answer

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


DAILY = {"tokens_per_key": "1000/day"}
"""Refills a token every 86 seconds: none while a test runs."""


def gateway(*scripted: Scripted, limits: Any = DAILY, **given: Any) -> Any:
    return create_app(settings(rate_limit=limits, **given), transport=ScriptedUpstream(*scripted))


def counted(prompt: int, answer: int, **more: int) -> Scripted:
    """An answer of Gemini that reports this usage."""
    return json_answer(
        {**answers.gemini_document(), "usageMetadata": {"promptTokenCount": prompt, "candidatesTokenCount": answer, **more}}
    )


async def left(app: Any) -> int:
    """Ask for something that is refused, which costs nothing, and return what the caller has left."""
    [refused] = await statuses(app, 1, temperature=9)
    assert refused.status_code == 400
    return int(refused.headers["x-ratelimit-remaining-tokens"])


async def test_the_tokens_of_an_answer_count_and_a_key_in_debt_waits() -> None:
    app = gateway(counted(900, 600))
    first, second = await statuses(app, 2)
    assert (first.status_code, second.status_code) == (200, 429)
    assert (first.headers["x-ratelimit-remaining-tokens"], first.headers["x-ratelimit-reset-tokens"]) == ("0", "36h0m0s")
    assert second.json()["error"]["code"] == "tokens_limit_exceeded"
    assert (second.headers["x-ratelimit-limit-tokens"], second.headers["x-ratelimit-remaining-tokens"]) == ("1000", "0")
    assert int(second.headers["retry-after"]) == pytest.approx(501 * 86.4, abs=2)


async def test_a_small_key_may_say_hi_again_and_again() -> None:
    found = await statuses(gateway(answers.gemini()), 20)
    assert [answer.status_code for answer in found] == [200] * 20
    assert found[-1].headers["x-ratelimit-remaining-tokens"] == "900"


async def test_a_burst_overshoots_by_what_is_in_flight_and_the_key_then_pays() -> None:
    app = gateway(*[counted(5, 20_000)] * 2, limits={"tokens_per_key": "10000/day"})
    found = await asyncio.gather(*(statuses(app, 1) for _ in range(60)))
    admitted = [answer for [answer] in found if answer.status_code == 200]
    assert len(admitted) <= 20  # each was estimated at 500 and some tokens of prompt
    [later] = await statuses(app, 1)
    assert later.status_code == 429
    assert int(later.headers["retry-after"]) == pytest.approx((len(admitted) * 20_005 - 10_000 + 1) * 8.64, abs=10)


@pytest.mark.parametrize("refused", [{"temperature": 9}, {"n": 10_000}, {"max_tokens": -1}])
async def test_a_refused_request_costs_nothing_and_says_so(refused: dict[str, Any]) -> None:
    app = gateway(answers.gemini())
    found = await statuses(app, 5, **{"max_tokens": 900, **refused})
    assert all(answer.status_code == 400 for answer in found)
    assert {answer.headers["x-ratelimit-remaining-tokens"] for answer in found} == {"1000"}


async def test_a_stream_is_settled_at_its_end() -> None:
    app = gateway(answers.gemini_stream("a", "b"))
    [first] = await statuses(app, 1, stream=True, max_tokens=900)
    prompt = len(json.dumps(chat(stream=True, max_tokens=900), separators=(",", ":"))) // 4
    assert int(first.headers["x-ratelimit-remaining-tokens"]) == 1000 - 900 - prompt
    assert await left(app) == 995


async def test_what_an_upstream_told_at_the_end_of_a_stream_counts_and_not_its_characters() -> None:
    app = gateway(answers.gemini_stream("word " * 400))
    await statuses(app, 1, stream=True, max_tokens=900)
    assert await left(app) == 995


async def test_a_stream_is_settled_when_its_client_leaves() -> None:
    document = answers.gemini_document("one", None)
    document["usageMetadata"] = {"promptTokenCount": 20, "candidatesTokenCount": 1, "totalTokenCount": 21}
    app = gateway(Scripted(200, [*sse_answer(document).reads, 60.0]))
    await watch(app, chat(stream=True, max_tokens=900), leave_at=b"one")
    assert await left(app) == 1000 - 21


async def test_thinking_that_a_client_never_saw_counts_when_it_leaves() -> None:
    document = answers.gemini_document("word " * 40, None)
    document["usageMetadata"] = {"promptTokenCount": 20, "thoughtsTokenCount": 500, "totalTokenCount": 520}
    app = gateway(Scripted(200, [*sse_answer(document).reads, 60.0]))
    await watch(app, chat(stream=True), leave_at=b"word")
    assert await left(app) == 1000 - 20 - 500 - 200 // 4


async def test_thinking_that_is_shown_counts_once() -> None:
    thoughts: dict[str, Any] = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hmm " * 100, "thought": True}]}}]}
    thoughts["usageMetadata"] = {"promptTokenCount": 20, "thoughtsTokenCount": 150, "totalTokenCount": 170}
    reads = [*sse_answer(thoughts, answers.gemini_document("word", None)).reads, 60.0]
    app = gateway(Scripted(200, reads))
    await watch(app, chat(stream=True, reasoning_effort="high"), leave_at=b"word")
    assert await left(app) == 1000 - 20 - 150 - 1


@pytest.mark.parametrize("stream", [False, True])
async def test_every_choice_counts(stream: bool) -> None:
    app = gateway(answers.claude_stream("a") if stream else answers.claude())
    await statuses(app, 1, model="claude-sonnet-4-6", n=2, stream=stream)
    assert await left(app) == 1000 - 2 * 5


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_was_thrown_away_counts(stream: bool) -> None:
    empty: dict[str, Any] = {"candidates": [{"content": {"role": "model"}, "finishReason": "MALFORMED_FUNCTION_CALL"}]}
    empty["usageMetadata"] = {"promptTokenCount": 100, "thoughtsTokenCount": 50, "totalTokenCount": 150}
    scripted = (sse_answer(empty), answers.gemini_stream("a")) if stream else (json_answer(empty), answers.gemini())
    app = gateway(*scripted, gemini={"options": {"retry_malformed": 1}})
    [answer] = await statuses(app, 1, stream=stream)
    assert answer.status_code == 200
    assert await left(app) == 1000 - 150 - 5


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_failed_counts_what_it_reported(stream: bool) -> None:
    document = {"candidates": [{"content": {"role": "model"}, "finishReason": "MALFORMED_FUNCTION_CALL"}]}
    document["usageMetadata"] = {"promptTokenCount": 100, "thoughtsTokenCount": 50, "totalTokenCount": 150}  # type: ignore[assignment]
    app = gateway(sse_answer(document) if stream else json_answer(document), gemini={"options": {"retry_malformed": 0}})
    [answer] = await statuses(app, 1, stream=stream)
    assert answer.status_code == 502
    assert await left(app) == 1000 - 150


async def test_a_location_that_began_an_answer_before_it_failed_counts() -> None:
    prompt = {"usageMetadata": {"promptTokenCount": 40, "totalTokenCount": 40}}
    busy = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "Busy."}}
    locations = {"locations": ["europe-west1", "us-east5"]}
    app = gateway(sse_answer(prompt, busy), answers.gemini_stream("a"), gemini=locations, max_retries=0)
    [answer] = await statuses(app, 1, stream=True)
    assert answer.headers["x-chromagent-route"].endswith("@us-east5")
    assert await left(app) == 1000 - 40 - 5


async def test_an_answer_from_the_cache_costs_nothing() -> None:
    app = gateway(answers.gemini(), cache={"enabled": True})
    first, second = await statuses(app, 2)
    assert [answer.headers["x-ratelimit-remaining-tokens"] for answer in (first, second)] == ["995", "995"]


async def test_a_hard_ceiling_wants_to_know_the_most_that_a_request_can_cost() -> None:
    app = gateway(answers.gemini(), limits={**DAILY, "reserve": "full"})
    [unknown] = await statuses(app, 1)
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "max_completion_tokens")
    [large] = await statuses(app, 1, max_completion_tokens=990)
    assert (large.status_code, large.headers["x-should-retry"]) == (429, "false")
    assert "retry-after" not in large.headers
    [good] = await statuses(app, 1, max_completion_tokens=800)
    assert (good.status_code, good.headers["x-ratelimit-remaining-tokens"]) == (200, "995")


async def test_a_rotated_key_and_its_successor_share_one_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    key, record = keys.issue("tests", limits={"tokens": "1000/day", "requests": "4/day"})
    second, records = keys.rotate([record], "tests")
    third, records = keys.rotate(records, records[-1]["id"])
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": records}))
    configured = settings(allow_anonymous=False, client_keys="env:TEST_KEYS")
    app: Any = create_app(configured, transport=ScriptedUpstream(answers.gemini()))
    found: list[httpx.Response] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        for each in (key, second, third, second, key):
            found.append(await http.post("/v1/chat/completions", json=chat(), headers={"authorization": f"Bearer {each}"}))
    assert [answer.headers.get("x-ratelimit-remaining-tokens") for answer in found] == ["995", "990", "985", "980", None]
    assert found[-1].json()["error"]["code"] == "rate_limit_exceeded"


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
async def test_a_request_that_the_upstream_refused_costs_nothing(stream: bool, refusal: Scripted) -> None:
    app = gateway(refusal, max_retries=0)
    [refused] = await statuses(app, 1, stream=stream, max_tokens=900)
    assert (refused.status_code, refused.headers["x-ratelimit-remaining-tokens"]) == (refusal.status, "1000")
    assert await left(app) == 1000


PROMPT = len(json.dumps(chat(stream=True, max_tokens=900), separators=(",", ":"))) // 4
"""Estimated tokens of such a request."""


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_before_the_first_word_has_used_what_was_estimated(stream: bool) -> None:
    app = gateway(Scripted(200, [60.0]))
    await watch(app, chat(stream=stream, max_tokens=900), leave_after=0.1)
    assert await left(app) == pytest.approx(1000 - 900 - PROMPT, abs=1)


async def test_an_answer_that_was_not_waited_for_has_used_what_was_estimated() -> None:
    app = gateway(Scripted(200, [60.0]), timeout=0.1)
    [cut] = await statuses(app, 1, stream=True, max_tokens=900)
    assert (cut.status_code, int(cut.headers["x-ratelimit-remaining-tokens"])) == (504, 1000 - 900 - PROMPT)
    assert await left(app) == 1000 - 900 - PROMPT


async def test_words_count_that_a_client_read_before_it_left_without_their_count() -> None:
    reads = answers.claude_stream("word " * 400, "last").reads
    untold: list[Any] = [*reads[:4], 60.0]
    app = gateway(Scripted(200, untold))
    await watch(app, chat("claude-sonnet-4-6", stream=True, max_tokens=100), leave_at=b"last")
    assert await left(app) == 1000 - 3 - (2000 + 4) // 4


async def test_words_count_with_the_prompt_as_estimated_where_an_upstream_told_neither() -> None:
    silent = answers.gemini_document("word " * 400, None)
    app = gateway(Scripted(200, [*sse_answer(silent).reads, 60.0]))
    await watch(app, chat(stream=True, max_tokens=900), leave_at=b"word")
    assert await left(app) == 1000 - PROMPT - 2000 // 4
