"""The whole application inside the test's process, over a scripted upstream, and a bare ASGI client that sees each message."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from chromagent import codec, config
from chromagent.app import create_app
from chromagent.config import Settings
from chromagent.local import keys
from tests.support.scripted_upstream import ScriptedUpstream

GEMINI = "gemini-3.8-flash"
CLAUDE = "claude-sonnet-4-6"
BACKEND = {"auth": "none", "project": "p"}


def settings(gemini: Mapping[str, Any] | None = None, anthropic: Mapping[str, Any] | None = None, **given: Any) -> Settings:
    """Settings that let anybody in, with two backends that need no credentials."""
    backends = {"vertex-gemini": {**BACKEND, **(gemini or {})}, "vertex-anthropic": {**BACKEND, **(anthropic or {})}}
    return config.read({"allow_anonymous": True, "backends": backends, **given})


def issue_keys(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[list[str], dict[str, Any]]:
    """Fresh client keys, and the settings under which only they let anybody in."""
    issued = [keys.issue(name) for name in names]
    monkeypatch.setenv("TEST_KEYS", json.dumps({"keys": [record for _, record in issued]}))
    return [key for key, _ in issued], {"allow_anonymous": False, "client_keys": "env:TEST_KEYS"}


def client(upstream: ScriptedUpstream, configured: Settings | None = None) -> httpx.AsyncClient:
    """A client of the application; it gets a stream as a whole."""
    app = create_app(configured or settings(), transport=upstream)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test")  # pyright: ignore[reportArgumentType]


async def post(upstream: ScriptedUpstream, body: Mapping[str, Any] | bytes, configured: Settings | None = None, **headers: str):
    """One chat request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()  # lone surrogates stay escaped, as clients send them
    async with client(upstream, configured) as http:
        return await http.post("/v1/chat/completions", content=content, headers={"content-type": "application/json", **headers})


def chat(model: str = GEMINI, text: str = "hi", **fields: Any) -> dict[str, Any]:
    """A plain chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def events(text: str) -> list[Any]:
    """The events of a stream's body: decoded documents and "[DONE]"; comments are left out."""
    found: list[Any] = []
    for block in text.split("\n\n"):
        if block.startswith("data: "):
            found.append("[DONE]" if block == "data: [DONE]" else json.loads(block.removeprefix("data: ")))
    return found


@dataclass
class Received:
    """What a bare client saw."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    pieces: list[tuple[float, bytes]] = field(default_factory=list[tuple[float, bytes]])
    """Each write with the seconds since the start."""
    ended: bool = False

    @property
    def body(self) -> str:
        return b"".join(piece for _, piece in self.pieces).decode()


async def watch(app: Any, body: Mapping[str, Any], *, leave_at: bytes | None = None, leave_after: float | None = None) -> Received:
    """Send one chat request over bare ASGI. The client leaves when it sees `leave_at`, or after so many seconds."""
    received = Received()
    loop = asyncio.get_running_loop()
    start = loop.time()
    left = asyncio.Event()
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    inbox.put_nowait({"type": "http.request", "body": codec.encode(body), "more_body": False})
    if leave_after is not None:
        loop.call_later(leave_after, left.set)

    async def receive() -> dict[str, Any]:
        if not inbox.empty():
            return inbox.get_nowait()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            received.status = message["status"]
            received.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        received.pieces.append((loop.time() - start, message["body"]))
        received.ended = not message.get("more_body", False)
        if leave_at is not None and leave_at in message["body"]:
            left.set()
        await asyncio.sleep(0)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"content-type", b"application/json")],
        "query_string": b"",
    }
    await app(scope, receive, send)
    return received
