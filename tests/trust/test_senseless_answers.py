"""Answers of an upstream that make no sense: numbers, members and statuses beyond what its documentation allows."""

from typing import Any

import pytest

from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, chat, post, settings
from tests.support.scripted_upstream import ScriptedUpstream, json_answer

pytestmark = pytest.mark.anyio

WAITS: list[Any] = ["inf", "nan", "-inf", "1e308", "-5", "1e999", "", "soon", "Tue, 99 Foo 2026 10:00:00 GMT", "9" * 400]


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_a_wait_that_makes_no_sense_is_none(model: str, wait: str) -> None:
    upstream = ScriptedUpstream(answers.google_error(429, "RESOURCE_EXHAUSTED", **{"retry-after": wait}))
    answer = await post(upstream, chat(model), settings({"max_retries": 0}, {"max_retries": 0}))
    assert answer.status_code == 429
    assert answer.headers.get("retry-after", "0") == "0"


DELAYS: list[Any] = ["1e999s", "nans", {"seconds": 10**400}, {"seconds": "9" * 400, "nanos": "x"}, ["1s"], 1e300]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("delay", DELAYS)
async def test_a_delay_that_makes_no_sense_is_none(delay: Any, stream: bool) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]
    upstream = ScriptedUpstream(answers.google_error(429, "RESOURCE_EXHAUSTED", details=details))
    answer = await post(upstream, chat(stream=stream), settings({"max_retries": 0}))
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body", [{}, {"stray": 1}, {"type": "message"}, {"type": "message", "content": "Hello"}])
async def test_what_holds_no_content_is_no_answer_of_claude(body: Any, stream: bool) -> None:
    answer = await post(ScriptedUpstream(json_answer(body)), chat(CLAUDE, stream=stream))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")


@pytest.mark.parametrize("candidate", [None, 0, "x", []])
async def test_what_is_no_candidate_is_no_answer_of_gemini(candidate: Any) -> None:
    answer = await post(ScriptedUpstream(json_answer({"candidates": [candidate]})), chat())
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")


async def test_a_call_that_vertex_cancelled_is_no_fault_of_the_client() -> None:
    answer = await post(ScriptedUpstream(answers.anthropic_error(499, "api_error")), chat(CLAUDE))
    assert (answer.status_code, answer.json()["error"]["type"], answer.json()["error"]["code"]) == (
        502,
        "server_error",
        "upstream_error",
    )
