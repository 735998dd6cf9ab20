"""Answers that are kept: for whom, for how long, and which never."""

import json
import tracemalloc
from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from chromagent.local import keys
from chromagent.policy import authentication
from chromagent.policy.response_cache import Kept, ResponseCache, key_of
from tests.support import answers
from tests.support.apps import GEMINI, chat, issue_keys, post, settings
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer

pytestmark = pytest.mark.anyio

ON = {"enabled": True}


def app(*scripted: Scripted, **configured: Any) -> tuple[Any, ScriptedUpstream]:
    upstream = ScriptedUpstream(*scripted)
    return create_app(settings(cache=ON, **configured), transport=upstream), upstream


async def ask(application: Any, body: dict[str, Any], **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://g.test") as http:
        return await http.post("/v1/chat/completions", json=body, headers=headers)


async def test_the_same_request_gets_the_same_answer_without_asking_again() -> None:
    application, upstream = app(answers.gemini("one"), answers.gemini("two"))
    first = await ask(application, chat())
    second = await ask(application, dict(reversed(chat().items())))
    assert (first.headers["x-chromagent-cache"], second.headers["x-chromagent-cache"]) == ("miss", "hit")
    assert second.content == first.content
    assert second.headers["x-chromagent-route"] == first.headers["x-chromagent-route"]
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(upstream.sent) == 1


@pytest.mark.parametrize(
    "change", [{"temperature": 0.5}, {"model": "gemini-3.7-flash"}, {"seed": 1}, {"messages": [{"role": "user", "content": "ho"}]}]
)
async def test_another_request_is_another_answer(change: dict[str, Any]) -> None:
    application, upstream = app(answers.gemini())
    await ask(application, chat())
    assert (await ask(application, {**chat(), **change})).headers["x-chromagent-cache"] == "miss"
    assert len(upstream.sent) == 2


async def test_streams_are_not_kept() -> None:
    application, upstream = app(answers.gemini_stream("a"))
    for _ in range(2):
        assert "x-chromagent-cache" not in (await ask(application, chat(stream=True))).headers
    assert len(upstream.sent) == 2


@pytest.mark.parametrize(("control", "asked"), [("no-store", 3), ("no-cache", 2), ("max-age=0, no-store", 3)])
async def test_a_client_may_forbid_it(control: str, asked: int) -> None:
    application, upstream = app(answers.gemini())
    await ask(application, chat(), **{"cache-control": control})
    await ask(application, chat(), **{"cache-control": control})
    last = await ask(application, chat())
    assert last.headers["x-chromagent-cache"] == ("miss" if asked == 3 else "hit")
    assert len(upstream.sent) == asked


async def test_each_line_of_a_header_counts() -> None:
    application, upstream = app(answers.gemini())
    lines = [("cache-control", "no-store"), ("cache-control", "max-age=0")]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://g.test") as http:
        for _ in range(2):
            await http.post("/v1/chat/completions", json=chat(), headers=lines)
    assert len(upstream.sent) == 2


@pytest.mark.parametrize("finish", ["MAX_TOKENS", "SAFETY"])
async def test_an_answer_that_was_cut_is_not_kept(finish: str) -> None:
    application, upstream = app(json_answer(answers.gemini_document("x", finish)))
    for _ in range(2):
        await ask(application, chat())
    assert len(upstream.sent) == 2


async def test_an_error_is_not_kept() -> None:
    application, _ = app(answers.google_error(400, "INVALID_ARGUMENT"), answers.gemini())
    assert (await ask(application, chat())).status_code == 400
    assert (await ask(application, chat())).status_code == 200


async def test_no_key_sees_what_another_one_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    issued, secured = issue_keys(monkeypatch, "a", "b")
    application, upstream = app(answers.gemini(), **secured)
    for key in issued:
        answer = await ask(application, chat(), authorization=f"Bearer {key}")
        assert answer.headers["x-chromagent-cache"] == "miss"
    assert len(upstream.sent) == 2


async def test_it_is_off_unless_asked_for() -> None:
    answer = await post(ScriptedUpstream(answers.gemini()), chat())
    assert "x-chromagent-cache" not in answer.headers


def completion(finish: str = "stop") -> dict[str, Any]:
    return {"choices": [{"finish_reason": finish}]}


def test_it_is_bounded_in_bytes() -> None:
    cache = ResponseCache(ttl=60, max_bytes=10_000)
    for number in range(100):
        cache.put(bytes([number]), completion(), Kept(b"x" * 200, {}))
    kept = [number for number in range(100) if cache.get(bytes([number])) is not None]
    assert kept == list(range(90, 100))


def test_what_comes_with_an_answer_counts_too() -> None:
    tracemalloc.start()
    try:
        cache = ResponseCache(ttl=60, max_bytes=1_000_000)
        for number in range(3000):
            headers = {"x-chromagent-route": f"route {number}", "x-chromagent-ignored": f"{number}," + "x" * 2000}
            cache.put(number.to_bytes(32), completion(), Kept(b"%d" % number * 100, headers))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 500_000 < held <= 1_000_000


async def test_a_key_that_may_no_longer_use_a_model_gets_no_kept_answer_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    key, record = keys.issue("a")
    monkeypatch.setattr(authentication, "REFRESH", 0.0)
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [record]}))
    application, _ = app(answers.gemini(), allow_anonymous=False, client_keys="env:TEST_KEYS")
    assert (await ask(application, chat(), authorization=f"Bearer {key}")).status_code == 200
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [{**record, "models": ["claude-*"]}]}))
    refused = await ask(application, chat(), authorization=f"Bearer {key}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


def test_an_answer_larger_than_the_cache_is_not_kept() -> None:
    cache = ResponseCache(ttl=60, max_bytes=1000)
    cache.put(b"k", completion(), Kept(b"x" * 5000, {}))
    assert cache.get(b"k") is None


def test_the_order_of_lists_matters_and_that_of_members_does_not() -> None:
    assert key_of("c", {"a": 1, "b": [1, 2]}, ()) == key_of("c", {"b": [1, 2], "a": 1}, ())
    assert key_of("c", {"b": [1, 2]}, ()) != key_of("c", {"b": [2, 1]}, ())
    assert key_of("c", {"model": GEMINI}, ()) != key_of("d", {"model": GEMINI}, ())
    assert key_of("c", {}, ("beta",)) != key_of("c", {}, ())
