import asyncio
from collections.abc import Callable

import httpx
import pytest

from chromagent.local import openapi, run
from chromagent.local.gateway import IDENTITY_TOKEN, DeadlineCut, GatewaySettings, LocalGateway
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer

pytestmark = pytest.mark.anyio

VALUES: dict[str, object] = {
    "chat_address": "https://chat.test",
    "models_address": "https://models.test",
    "chat_deadline": 3600,
    "models_deadline": 60,
    "chat_per_minute": 2,
    "models_per_minute": 600,
    "security": "[]",
}


def gateway(
    upstream: ScriptedUpstream, *, buffer: bool = False, api_keys: tuple[str, ...] = (), **values: object
) -> httpx.AsyncClient:
    security = {"security": "[{api_key: []}]"} if api_keys else {}
    document = openapi.load(VALUES | security | values)
    app = LocalGateway(document, GatewaySettings(frozenset(api_keys), buffer), upstream)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test")


async def post(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post("/v1/chat/completions", content=b'{"a":1}', headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "address"),
    [
        ("POST", "/v1/chat/completions", "https://chat.test/v1/chat/completions"),
        ("OPTIONS", "/v1/chat/completions", "https://chat.test/v1/chat/completions"),
        ("GET", "/v1/models", "https://models.test/v1/models"),
        ("GET", "/v1/models/google/gemini-3.8-flash", "https://models.test/v1/models/google/gemini-3.8-flash"),
        ("GET", "/health?deep=1", "https://models.test/health?deep=1"),
        ("POST", "/chat/completions", "https://chat.test/chat/completions"),
        ("HEAD", "/v1/health", "https://models.test/v1/health"),
    ],
)
async def test_each_route_reaches_its_function_with_its_path(method: str, path: str, address: str) -> None:
    upstream = ScriptedUpstream(json_answer({"ok": True}))
    assert (await gateway(upstream).request(method, path)).status_code == 200
    assert upstream.sent[0].url == address


@pytest.mark.parametrize("path", ["/", "/v1/embeddings", "/embeddings"])
async def test_an_unknown_path_gets_googles_404(path: str) -> None:
    answer = await gateway(ScriptedUpstream(json_answer({}))).get(path)
    assert answer.status_code == 404
    assert answer.json() == {"code": 404, "message": "The current request is not defined by this API."}


@pytest.mark.parametrize("path", ["/", "/v1/models"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("LOCALHOST:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("127.0.0.1:8081", 421),
        ("127.0.0.1", 421),
        ("", 421),
        ("evil.example.com:8080", 421),
        ("localhost.evil.com", 421),
        ("127.0.0.1.evil.com:8080", 421),
    ],
)
async def test_only_names_of_this_machine_with_its_port_are_answered(host: str, status: int, path: str) -> None:
    """A page of evil.example.com whose name leads to 127.0.0.1 would else read the key, and use the gateway."""
    settings = GatewaySettings(page=b"sk-cg-canary", hosts=run.own_hosts(8080))
    upstream = ScriptedUpstream(json_answer({"ok": "canary"}))
    app = LocalGateway(openapi.load(VALUES), settings, upstream)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as http:
        answer = await http.get(path, headers={"host": host})
    assert answer.status_code == status
    assert ("canary" in answer.text) == (status == 200)
    assert status == 200 or answer.json()["message"].startswith("This local gateway answers under 127.0.0.1:8080 or [::1]:8080 or")
    assert len(upstream.sent) == (status == 200 and path != "/")


async def test_a_wrong_method_gets_googles_405() -> None:
    answer = await gateway(ScriptedUpstream(json_answer({}))).get("/v1/chat/completions")
    assert (answer.status_code, answer.json()["code"]) == (405, 405)


async def test_the_clients_authorization_moves_and_googles_takes_its_place() -> None:
    upstream = ScriptedUpstream(json_answer({}))
    await post(gateway(upstream), authorization="Bearer sk-cg-x", **{"x-forwarded-authorization": "Bearer forged"})
    sent = upstream.sent[0].headers
    assert sent["x-forwarded-authorization"] == "Bearer sk-cg-x"
    assert sent["authorization"] == f"Bearer {IDENTITY_TOKEN}"


async def test_a_forged_header_stays_only_where_no_authorization_was_sent() -> None:
    upstream = ScriptedUpstream(json_answer({}))
    await post(gateway(upstream), **{"x-forwarded-authorization": "Bearer forged"})
    assert upstream.sent[0].headers["x-forwarded-authorization"] == "Bearer forged"


async def test_status_headers_and_body_of_the_function_pass_unchanged() -> None:
    upstream = ScriptedUpstream(json_answer({"error": {"code": "x"}}, 418, **{"x-request-id": "req_1"}))
    answer = await post(gateway(upstream))
    assert (answer.status_code, answer.headers["x-request-id"], answer.json()) == (418, "req_1", {"error": {"code": "x"}})


async def test_without_a_key_the_caller_is_unregistered() -> None:
    answer = await post(gateway(ScriptedUpstream(json_answer({})), api_keys=("AIza",)))
    assert answer.status_code == 401
    assert answer.json()["message"].startswith("UNAUTHENTICATED:Method doesn't allow unregistered callers")


async def test_a_wrong_key_is_an_invalid_argument() -> None:
    answer = await post(gateway(ScriptedUpstream(json_answer({})), api_keys=("AIza",)), **{"x-api-key": "other"})
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "INVALID_ARGUMENT:API key not valid. Please pass a valid API key.",
    )


async def test_the_quota_of_a_route_counts_for_each_key_by_itself() -> None:
    client = gateway(ScriptedUpstream(json_answer({})), api_keys=("one", "two"))
    statuses = [(await post(client, **{"x-api-key": key})).status_code for key in ("one", "one", "one", "two")]
    assert statuses == [200, 200, 429, 200]


async def test_the_quota_of_one_route_leaves_the_others_alone() -> None:
    client = gateway(ScriptedUpstream(json_answer({})), api_keys=("one",))
    for _ in range(3):
        last = await post(client, **{"x-api-key": "one"})
    assert last.json()["code"] == 429
    assert (await client.get("/v1/models?key=one")).status_code == 200


async def test_without_a_key_requirement_there_is_nobody_to_count() -> None:
    client = gateway(ScriptedUpstream(json_answer({})))
    assert [(await post(client)).status_code for _ in range(4)] == [200, 200, 200, 200]


async def test_a_function_that_is_too_slow_is_a_504() -> None:
    answer = await post(gateway(ScriptedUpstream(Scripted(200, [60.0, b"x"])), chat_deadline=0.1, buffer=True))
    assert (answer.status_code, answer.json()) == (504, {"code": 504, "message": "upstream request timeout"})


async def test_the_deadline_cuts_a_stream_in_the_middle() -> None:
    client = gateway(ScriptedUpstream(Scripted(200, [b"data: 1\n\n", 60.0])), chat_deadline=0.1)
    with pytest.raises(DeadlineCut):
        await post(client)


async def test_a_function_that_cannot_be_reached_is_a_503() -> None:
    answer = await post(gateway(ScriptedUpstream(Scripted(failure=httpx.ConnectError("refused")))))
    assert (answer.status_code, answer.json()["code"]) == (503, 503)


async def arrivals(app: LocalGateway) -> list[tuple[str, bytes]]:
    """Send one request over bare ASGI and note each message as it comes out."""
    messages: list[tuple[str, bytes]] = []
    asked = False

    async def receive() -> dict[str, object]:
        nonlocal asked
        if asked:
            await asyncio.sleep(3600)
        asked = True
        return {"type": "http.request", "body": b"{}"}

    async def send(message: dict[str, object]) -> None:
        messages.append((str(message["type"]), message.get("body", b"")))  # pyright: ignore

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "query_string": b""}
    run: Callable[..., object] = app
    await run(scope, receive, send)  # pyright: ignore
    return messages


async def test_a_stream_passes_piece_by_piece() -> None:
    app = LocalGateway(openapi.load(VALUES), GatewaySettings(), ScriptedUpstream(Scripted(200, [b"one", b"two"])))
    assert [body for kind, body in await arrivals(app) if kind == "http.response.body"] == [b"one", b"two", b""]


async def test_a_buffering_gateway_holds_a_stream_back() -> None:
    app = LocalGateway(openapi.load(VALUES), GatewaySettings(buffer=True), ScriptedUpstream(Scripted(200, [b"one", b"two"])))
    assert [body for kind, body in await arrivals(app) if kind == "http.response.body"] == [b"onetwo"]


async def test_a_template_with_a_name_that_has_no_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        openapi.render("${missing}", {})
