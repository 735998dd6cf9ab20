import asyncio

import httpx
import pytest

from chromagent.endpoints import health
from tests.support import answers
from tests.support.apps import chat, client, settings
from tests.support.scripted_upstream import Scripted, ScriptedUpstream

pytestmark = pytest.mark.anyio

ORIGIN = "https://app.example.com"
CORS = {"origins": [ORIGIN]}


async def ask(method: str, path: str, configured: object = None, **headers: str) -> httpx.Response:
    async with client(ScriptedUpstream(answers.gemini()), configured) as http:  # pyright: ignore[reportArgumentType]
        return await http.request(method, path, headers=headers)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/embeddings", "/v1/chat", "/v2/chat/completions"])
async def test_an_unknown_path_is_openais_404(path: str) -> None:
    answer = await ask("GET", path)
    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "message": f"Unknown request URL: GET {path}",
        "type": "invalid_request_error",
        "param": None,
        "code": "resource_not_found",
    }


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST, OPTIONS"),
        ("DELETE", "/v1/models", "GET, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/models/x", "GET, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_a_405_that_lists_the_right_ones(method: str, path: str, allow: str) -> None:
    answer = await ask(method, path)
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["allow"]) == (405, "method_not_allowed", allow)


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/", "/v1/models//"])
async def test_a_path_may_lack_its_version_and_end_in_a_slash(path: str) -> None:
    answer = await ask("GET", path)
    assert answer.status_code == 200
    assert answer.json()["object"] == "list"


@pytest.mark.parametrize("name", ["gemini-3.8-flash", "claude-sonnet-4-6", "my%2Fmodel", "my/model"])
async def test_a_single_model_even_with_a_slash_in_its_name(name: str) -> None:
    answer = await ask("GET", f"/v1/models/{name}", settings(gemini={"model_mapping": {"my/model": "gemini-3.8-flash"}}))
    assert answer.status_code == 200
    assert answer.json()["id"] == name.replace("%2F", "/")


async def test_a_mapped_model_that_nobody_serves_is_missing_alone() -> None:
    configured = settings(anthropic={"model_mapping": {"broken": "not a model", "sound": "claude-sonnet-4-6"}})
    listed = [model["id"] for model in (await ask("GET", "/v1/models", configured)).json()["data"]]
    assert "sound" in listed
    assert "broken" not in listed
    assert (await ask("GET", "/v1/models/broken", configured)).status_code == 404


async def test_an_unknown_model_is_a_404() -> None:
    answer = await ask("GET", "/v1/models/gpt-5")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_health_needs_no_key_and_says_the_time() -> None:
    answer = await ask("GET", "/health", settings(allow_anonymous=False))
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["timestamp"].endswith("+00:00")


async def test_deep_health_needs_a_key() -> None:
    answer = await ask("GET", "/health?deep=1", settings(allow_anonymous=False, client_keys="env:NO_SUCH"))
    assert answer.status_code == 401


async def test_deep_health_probes_each_backend_at_each_location() -> None:
    answer = await ask("GET", "/health?deep=1", settings(gemini={"locations": ["global", "eu"]}))
    places = [(one["backend"], one["location"], one["status"]) for one in answer.json()["backends"]]
    assert places == [("vertex-gemini", "global", "ok"), ("vertex-gemini", "eu", "ok"), ("vertex-anthropic", "global", "ok")]
    assert answer.json()["process"]["open_streams"] == 0


async def test_deep_health_tells_what_failed() -> None:
    async with client(ScriptedUpstream(answers.google_error(403, "PERMISSION_DENIED"))) as http:
        answer = await http.get("/health?deep=1")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["backends"][0]["error"]["code"] == "upstream_permission_denied"


async def test_without_origins_no_page_may_call() -> None:
    answer = await ask("OPTIONS", "/v1/chat/completions", origin=ORIGIN)
    assert answer.status_code == 204
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_an_answer_without_a_body_gives_no_length() -> None:
    answer = await ask("OPTIONS", "/v1/models")
    assert answer.status_code == 204
    assert "content-length" not in answer.headers


async def test_a_preflight_of_an_allowed_origin_learns_methods_and_headers() -> None:
    answer = await ask(
        "OPTIONS",
        "/v1/chat/completions",
        settings(cors=CORS),
        origin=ORIGIN,
        **{"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"},
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nowhere"])
async def test_answers_and_errors_carry_the_origin_alike(path: str) -> None:
    answer = await ask("GET", path, settings(cors=CORS), origin=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert {"x-request-id", "x-ratelimit-remaining-tokens"} <= set(answer.headers["access-control-expose-headers"].split(", "))


async def test_another_origin_gets_nothing() -> None:
    answer = await ask("GET", "/v1/models", settings(cors=CORS), origin="https://evil.example.com")
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"


def simple(**headers: str) -> dict[str, str]:
    """What a page may send without asking first: a browser sees nothing in it that needs a preflight."""
    return {"content-type": "text/plain", **headers}


async def ask_as_a_page(configured: object = None, method: str = "POST", path: str = "/v1/chat/completions", **headers: str):
    upstream = ScriptedUpstream(answers.gemini())
    async with client(upstream, configured) as http:  # pyright: ignore[reportArgumentType]
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await http.request(method, path, json=chat() if method == "POST" else None, headers=simple(**names))
    return answer, len(upstream.sent)


FOREIGN = [
    {"origin": "https://evil.example.com"},
    {"origin": "null"},
    {"origin": "http://gateway.test:8080"},
    {"origin": "http://localhost:3000", "sec_fetch_site": "same-site"},
    {"origin": "https://evil.example.com", "sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/health?deep=1")])
async def test_without_keys_a_page_of_another_origin_is_refused(headers: dict[str, str], method: str, path: str) -> None:
    answer, sent = await ask_as_a_page(None, method, path, **headers)
    assert (answer.status_code, answer.json()["error"]["code"], sent) == (403, "origin_not_allowed", 0)
    assert "cors.origins" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("origins", "headers"),
    [
        ([], {}),
        ([], {"sec_fetch_site": "none"}),
        ([], {"origin": "http://gateway.test"}),
        ([], {"origin": "http://gateway.test", "sec_fetch_site": "same-origin"}),
        (
            [],
            {"origin": "http://127.0.0.1:8080", "sec_fetch_site": "same-origin"},
        ),  # behind a proxy
        ([ORIGIN], {"origin": ORIGIN, "sec_fetch_site": "cross-site"}),
        (["*"], {"origin": "https://evil.example.com", "sec_fetch_site": "cross-site"}),
    ],
)
async def test_without_keys_our_own_pages_listed_ones_and_programs_are_served(origins: list[str], headers: dict[str, str]) -> None:
    answer, sent = await ask_as_a_page(settings(cors={"origins": origins}), **headers)
    assert (answer.status_code, sent) == (200, 1)


async def test_with_keys_the_key_decides_and_not_the_page() -> None:
    answer, _ = await ask_as_a_page(settings(allow_anonymous=False, client_keys="env:NO_SUCH"), origin="https://evil.example.com")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key")


@pytest.mark.parametrize(
    ("host", "status"), [("gateway.test", 200), ("GATEWAY.test", 200), ("evil.test", 421), ("gateway.test:80", 421)]
)
@pytest.mark.parametrize("path", ["/health", "/v1/models"])
async def test_only_listed_hosts_are_answered(host: str, status: int, path: str) -> None:
    answer = await ask("GET", path, settings(allowed_hosts=["Gateway.test"]), host=host)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == "host_not_allowed"


async def test_deep_health_asks_once_however_many_look() -> None:
    upstream = ScriptedUpstream(answers.gemini())
    async with client(upstream) as http:
        answers_of_all = await asyncio.gather(*(http.get("/health?deep=1") for _ in range(5)))
    assert {answer.json()["status"] for answer in answers_of_all} == {"ok"}
    assert len(upstream.sent) == 2


async def test_deep_health_keeps_the_last_error_of_a_place_that_is_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT", 0.0)
    upstream = ScriptedUpstream(answers.google_error(503, "UNAVAILABLE"), answers.gemini())
    async with client(upstream, settings(anthropic={"enabled": False})) as http:
        await http.get("/health?deep=1")
        answer = await http.get("/health?deep=1")
    [place] = answer.json()["backends"]
    assert (place["status"], place["error"], place["last_error"]["code"]) == ("ok", None, "upstream_unavailable")
    assert answer.json()["process"]["rss_bytes"] > 10_000_000


async def test_a_place_that_hangs_or_meets_a_bug_of_ours_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ANSWER_WITHIN", 0.1)
    hanging = Scripted(200, [b" ", 60.0])
    broken = Scripted(failure=RuntimeError("a bug"))
    upstream = ScriptedUpstream(hanging, broken, answers.gemini())
    async with client(upstream, settings(gemini={"locations": ["global", "eu"]})) as http:
        answer = await http.get("/health?deep=1")
    codes = [place["error"] and place["error"]["code"] for place in answer.json()["backends"]]
    assert codes == ["upstream_timeout", "internal_error", None]


async def test_deep_health_counts_as_a_request_of_its_caller() -> None:
    configured = settings(rate_limit={"per_key": "1/minute"})
    async with client(ScriptedUpstream(answers.gemini()), configured) as http:
        assert [(await http.get("/health?deep=1")).status_code for _ in range(2)] == [200, 429]
