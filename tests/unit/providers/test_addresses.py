"""Where each backend is called, and what every call carries (wire-gemini §1.2–1.7, wire-anthropic §1.1–1.5)."""

import json
from typing import Any

import httpx
import pytest
import respx

from chromagent.app import create_app
from tests.support.answers import claude, gemini
from tests.support.apps import CLAUDE, GEMINI, chat, settings
from tests.support.scripted_upstream import Scripted

pytestmark = pytest.mark.anyio

GLOBAL = "https://aiplatform.googleapis.com"
FRANKFURT = "https://europe-west3-aiplatform.googleapis.com"
EUROPE = "https://aiplatform.eu.rep.googleapis.com"


def answer(scripted: Scripted) -> httpx.Response:
    [read] = scripted.reads
    assert isinstance(read, bytes)
    return httpx.Response(200, content=read)


async def call(body: dict[str, Any], to: str, reply: Scripted, configured: Any) -> httpx.Request:
    """Send a chat request to a gateway whose upstream knows one address only; return what came there."""
    router = respx.MockRouter(assert_all_called=True)
    route = router.post(to).mock(return_value=answer(reply))
    app: Any = create_app(configured, transport=httpx.MockTransport(router.async_handler))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g.test") as http:
        assert (await http.post("/v1/chat/completions", json=body)).status_code == 200
    return route.calls.last.request


@pytest.mark.parametrize(
    ("location", "host"), [("global", GLOBAL), ("europe-west3", FRANKFURT), ("eu", EUROPE), ("us", EUROPE.replace("eu", "us"))]
)
async def test_each_location_has_its_host(location: str, host: str) -> None:
    places = {"locations": [location]}
    path = f"/v1beta1/projects/p/locations/{location}/publishers/google/models/{GEMINI}:generateContent"
    await call(chat(), host + path, gemini(), settings(gemini=places))
    path = f"/v1/projects/p/locations/{location}/publishers/anthropic/models/{CLAUDE}:rawPredict"
    await call(chat(CLAUDE), host + path, claude(), settings(anthropic=places))


async def test_express_mode_has_no_project_and_its_key_in_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPRESS_KEY", "the-key")
    express = {"auth": "api_key", "api_key": "env:EXPRESS_KEY", "options": {"surface": "express"}}
    to = f"{GLOBAL}/v1beta1/publishers/google/models/{GEMINI}:generateContent"
    sent = await call(chat(), to, gemini(), settings(gemini=express))
    assert sent.headers["x-goog-api-key"] == "the-key"
    assert "authorization" not in sent.headers


async def test_the_developer_api_has_a_host_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPER_KEY", "the-key")
    developer = {"auth": "api_key", "api_key": "env:DEVELOPER_KEY", "options": {"surface": "developer"}}
    to = f"https://generativelanguage.googleapis.com/v1beta/models/{GEMINI}:generateContent"
    await call(chat(), to, gemini(), settings(gemini=developer))


async def test_a_base_url_replaces_the_host_and_may_have_a_path() -> None:
    to = f"https://proxy.test/vertex/v1beta1/projects/p/locations/global/publishers/google/models/{GEMINI}:generateContent"
    await call(chat(), to, gemini(), settings(gemini={"base_url": "https://proxy.test/vertex/"}))


async def test_every_call_names_the_gateway_and_carries_the_owners_headers() -> None:
    to = f"{GLOBAL}/v1beta1/projects/p/locations/global/publishers/google/models/{GEMINI}:generateContent"
    sent = await call(chat(), to, gemini(), settings(gemini={"additional_headers": {"X-Team": "search"}}))
    assert sent.headers["user-agent"].startswith("chromagent/")
    assert sent.headers["x-goog-api-client"].startswith("chromagent/")
    assert sent.headers["x-team"] == "search"
    assert sent.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(sent.content)["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


async def test_a_header_of_the_owner_in_any_case_replaces_ours() -> None:
    to = f"{GLOBAL}/v1beta1/projects/p/locations/global/publishers/google/models/{GEMINI}:generateContent"
    sent = await call(chat(), to, gemini(), settings(gemini={"additional_headers": {"User-Agent": "mine"}}))
    assert sent.headers.get_list("user-agent") == ["mine"]
