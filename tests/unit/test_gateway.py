"""The order in which places are tried: the same location again, the next location, the next route; and what ends it."""

from typing import Any

import httpx
import pytest

from chromagent.app import create_app
from tests.support import answers
from tests.support.apps import CLAUDE, GEMINI, chat, events, post, settings
from tests.support.scripted_upstream import Scripted, ScriptedUpstream

pytestmark = pytest.mark.anyio

BUSY = answers.google_error(503, "UNAVAILABLE")
PLACES: dict[str, Any] = {"locations": ["global", "eu", "us-central1"], "max_retries": 0}


def hosts(upstream: ScriptedUpstream) -> list[str]:
    return [httpx.URL(sent.url).host for sent in upstream.sent]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_next_location_serves_when_one_is_busy(stream: bool) -> None:
    good = answers.gemini_stream("Hello") if stream else answers.gemini()
    upstream = ScriptedUpstream(BUSY, answers.google_error(429, "RESOURCE_EXHAUSTED"), good)
    answer = await post(upstream, chat(stream=stream), settings(gemini=PLACES))
    assert answer.status_code == 200
    assert hosts(upstream) == [
        "aiplatform.googleapis.com",
        "aiplatform.eu.rep.googleapis.com",
        "us-central1-aiplatform.googleapis.com",
    ]
    assert answer.headers["x-chromagent-route"] == "vertex-gemini/gemini-3.8-flash@us-central1"
    assert "/locations/us-central1/" in upstream.sent[2].url


@pytest.mark.parametrize("stream", [False, True])
async def test_when_all_locations_fail_for_the_moment_the_last_error_goes_out(stream: bool) -> None:
    upstream = ScriptedUpstream(BUSY, BUSY, answers.google_error(429, "RESOURCE_EXHAUSTED"))
    answer = await post(upstream, chat(stream=stream), settings(gemini=PLACES))
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert len(upstream.sent) == 3


async def test_an_error_of_the_request_itself_ends_the_search() -> None:
    upstream = ScriptedUpstream(answers.google_error(400, "INVALID_ARGUMENT"))
    answer = await post(upstream, chat(), settings(gemini=PLACES))
    assert answer.status_code == 400
    assert len(upstream.sent) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(answers.google_error(404, "NOT_FOUND"), id="model missing"),
        pytest.param(answers.google_error(403, "PERMISSION_DENIED"), id="not allowed"),
        pytest.param(answers.google_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded: requests per day"), id="daily quota"),
        pytest.param(answers.google_error(504, "DEADLINE_EXCEEDED"), id="too slow"),
        pytest.param(Scripted(200, [b"<html>"]), id="no answer"),
    ],
)
async def test_a_location_that_cannot_serve_a_model_leads_to_the_next(failure: Scripted, stream: bool) -> None:
    good = answers.gemini_stream("Hello") if stream else answers.gemini()
    upstream = ScriptedUpstream(failure, good)
    answer = await post(upstream, chat(stream=stream), settings(gemini=PLACES))
    assert answer.status_code == 200
    assert answer.headers["x-chromagent-route"] == "vertex-gemini/gemini-3.8-flash@eu"


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ((429, 404, 404), 429),
        ((404, 503, 403), 503),
        ((403, 404, 404), 403),
        ((404, 403, 403), 404),
        ((404, 404, 404), 404),
    ],
)
async def test_when_all_locations_fail_the_most_useful_error_goes_out(statuses: tuple[int, ...], told: int) -> None:
    names = {429: "RESOURCE_EXHAUSTED", 404: "NOT_FOUND", 403: "PERMISSION_DENIED", 503: "UNAVAILABLE"}
    upstream = ScriptedUpstream(*[answers.google_error(status, names[status]) for status in statuses])
    answer = await post(upstream, chat(), settings(gemini=PLACES))
    assert answer.status_code == told
    assert len(upstream.sent) == 3
    place = ["global", "eu", "us-central1"][statuses.index(told)]
    assert answer.headers["x-chromagent-route"] == f"vertex-gemini/gemini-3.8-flash@{place}"


async def test_a_wait_goes_out_although_a_later_location_lacks_the_model() -> None:
    upstream = ScriptedUpstream(busy(20), answers.google_error(404, "NOT_FOUND"))
    [answer] = await several(upstream, 1, locations=["global", "eu"])
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "20")


async def test_a_refused_credential_ends_the_attempts_at_its_backend_only() -> None:
    mapping: dict[str, Any] = {
        "model_mapping": {"best": ["gemini-4-argon", f"vertex-anthropic/{CLAUDE}"]},
        "locations": ["global", "eu"],
        "max_retries": 0,
    }
    refused = answers.google_error(401, "UNAUTHENTICATED")
    upstream = ScriptedUpstream(refused, refused, answers.claude("Hello"))
    answer = await post(upstream, chat("best"), settings(gemini=mapping))
    assert answer.status_code == 200
    assert [("gemini-4" in sent.url) for sent in upstream.sent] == [True, True, False]
    assert hosts(upstream)[:2] == ["aiplatform.googleapis.com"] * 2


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_has_the_request_id_of_the_route_that_gave_it(stream: bool) -> None:
    failed = answers.google_error(503, "UNAVAILABLE", **{"request-id": "req_failed"})
    good = answers.gemini_stream("Hello") if stream else answers.gemini()
    answer = await post(ScriptedUpstream(failed, good), chat(stream=stream), settings(gemini=PLACES))
    assert answer.status_code == 200
    assert "x-upstream-request-id" not in answer.headers


async def test_headers_that_go_out_before_an_answer_name_no_route() -> None:
    slow = Scripted(503, [0.3, answers.google_error(503, "UNAVAILABLE").reads[0]])
    configured = settings(gemini=PLACES, stream={"prime_timeout": 0.05})
    answer = await post(ScriptedUpstream(slow, answers.gemini_stream("Hello")), chat(stream=True), configured)
    assert answer.status_code == 200
    assert "Hello" in answer.text
    assert "x-chromagent-route" not in answer.headers


async def test_another_model_serves_only_where_the_owner_wrote_it_down() -> None:
    mapping = {"model_mapping": {"best": ["gemini-4-argon", f"vertex-anthropic/{CLAUDE}"]}, "max_retries": 0}
    upstream = ScriptedUpstream(BUSY, answers.claude("Hello"))
    answer = await post(upstream, chat("best"), settings(gemini=mapping))
    assert answer.json()["choices"][0]["message"]["content"] == "Hello"
    assert answer.headers["x-chromagent-route"] == f"vertex-anthropic/{CLAUDE}@global"
    assert answer.json()["model"] == "best"
    upstream = ScriptedUpstream(BUSY, answers.claude("Hello"))
    assert (await post(upstream, chat(GEMINI), settings(gemini={"max_retries": 0}))).status_code == 503


async def test_no_other_place_is_tried_after_the_first_chunk() -> None:
    broken = Scripted(200, [answers.gemini_stream("Hel", "lo").reads[0], httpx.ReadError("gone")])
    upstream = ScriptedUpstream(broken, answers.gemini_stream("Hello"))
    answer = await post(upstream, chat(stream=True), settings(gemini=PLACES))
    assert events(answer.text)[-1]["error"]["code"] == "upstream_unreachable"
    assert len(upstream.sent) == 1


async def test_repairs_are_tried_anew_at_another_location() -> None:
    refused = answers.google_error(400, "INVALID_ARGUMENT", "'low' is not a supported thinking level for this model.")
    upstream = ScriptedUpstream(refused, BUSY, refused, answers.gemini())
    answer = await post(upstream, chat(reasoning_effort="low"), settings(gemini=PLACES))
    assert answer.status_code == 200
    levels = [sent.body["generationConfig"]["thinkingConfig"].get("thinkingLevel") for sent in upstream.sent]
    assert levels == ["LOW", None, "LOW", None]


async def several(upstream: ScriptedUpstream, count: int, **gemini: Any) -> list[httpx.Response]:
    app: Any = create_app(settings(gemini={"max_retries": 0, **gemini}), transport=upstream)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        return [await http.post("/v1/chat/completions", json=chat()) for _ in range(count)]


def busy(wait: int, status: int = 429) -> Scripted:
    return answers.google_error(status, "RESOURCE_EXHAUSTED", **{"retry-after": str(wait)})


@pytest.mark.parametrize("status", [429, 503])
async def test_a_location_that_asked_for_a_wait_is_tried_last(status: int) -> None:
    upstream = ScriptedUpstream(busy(30, status), answers.gemini())
    await several(upstream, 3, locations=["global", "eu"])
    assert hosts(upstream) == ["aiplatform.googleapis.com", *["aiplatform.eu.rep.googleapis.com"] * 3]


async def test_where_all_cool_down_the_one_that_ends_first_is_tried() -> None:
    upstream = ScriptedUpstream(busy(50), busy(20), answers.gemini())
    first, second = await several(upstream, 2, locations=["global", "eu"])
    assert (first.status_code, second.status_code) == (429, 200)
    assert hosts(upstream)[2] == "aiplatform.eu.rep.googleapis.com"


async def test_a_cooldown_never_refuses_a_request_unasked() -> None:
    upstream = ScriptedUpstream(busy(50), answers.gemini())
    first, second = await several(upstream, 2)
    assert (first.status_code, second.status_code) == (429, 200)


async def test_when_all_locations_fail_the_shortest_wait_goes_out() -> None:
    upstream = ScriptedUpstream(busy(20), busy(50))
    [answer] = await several(upstream, 1, locations=["global", "eu"])
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "20")


async def test_a_wait_for_one_model_does_not_move_another_models_requests() -> None:
    upstream = ScriptedUpstream(busy(30), answers.gemini())
    app: Any = create_app(settings(gemini={"max_retries": 0, "locations": ["global", "eu"]}), transport=upstream)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        for model in (GEMINI, "gemini-2.5-pro", GEMINI):
            await http.post("/v1/chat/completions", json=chat(model))
    places = ["eu" if "eu.rep" in host else "global" for host in hosts(upstream)]
    assert places == ["global", "eu", "global", "eu"]
