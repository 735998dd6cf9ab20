"""The local gateway and a real Envoy, side by side: the same document, the same functions behind them, real sockets everywhere."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from chromagent.local import openapi
from chromagent.local.gateway import IDENTITY_TOKEN, GatewaySettings, LocalGateway
from tests.support import envoy, processes, socket_function
from tests.support.envoy import Variant
from tests.support.socket_function import SocketFunction

CHAT_PER_MINUTE = 2
DEADLINE = 0.5
PATIENCE = 5.0
"""Seconds that a client waits who expects the deadline."""
API_KEYS = ("key-1", "key-2", "key-3", "key-4")


@pytest.fixture(scope="session")
def functions() -> Iterator[tuple[SocketFunction, SocketFunction]]:
    with socket_function.serving() as chat, socket_function.serving() as models:
        yield chat, models


@pytest.fixture(scope="session")
def variants(functions: tuple[SocketFunction, SocketFunction]) -> dict[str, Variant]:
    def document(**other: object) -> str:
        values: dict[str, object] = {
            "chat_address": functions[0].url,
            "models_address": functions[1].url,
            "chat_deadline": 60,
            "models_deadline": 60,
            "chat_per_minute": CHAT_PER_MINUTE,
            "models_per_minute": CHAT_PER_MINUTE,
            "security": "[]",
        }
        return openapi.load(values | other).text

    def twice_as_dear(document: str) -> str:
        assert "{chat-requests: 1}" in document
        return document.replace("{chat-requests: 1}", "{chat-requests: 2}")

    needing_keys = document(security="[{api_key: []}]")
    return {
        "plain": Variant(document()),
        "keyed": Variant(needing_keys, API_KEYS),
        "dear": Variant(twice_as_dear(needing_keys), API_KEYS),
        "hurried": Variant(document(chat_deadline=DEADLINE)),
        "buffering": Variant(document(), buffer=True),
        "hurried and buffering": Variant(document(chat_deadline=DEADLINE), buffer=True),
        "broken": Variant(document(chat_address=f"http://127.0.0.1:{processes.free_port()}")),
    }


@pytest.fixture(scope="session", params=["local", "envoy"])
def addresses(
    request: pytest.FixtureRequest, variants: dict[str, Variant], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The address of each variant, of one gateway and then of the other."""
    start = (
        envoy.running(variants, IDENTITY_TOKEN, tmp_path_factory.mktemp("envoy")) if request.param == "envoy" else local(variants)
    )
    with start as addresses:
        yield addresses


@contextmanager
def local(variants: dict[str, Variant]) -> Iterator[dict[str, str]]:
    """Serve a local gateway for each variant, in a thread."""
    ports = {name: processes.free_port() for name in variants}
    gateways = {name: LocalGateway(openapi.parse(one.document), _settings(one)) for name, one in variants.items()}
    servers = [_server(gateway, ports[name]) for name, gateway in gateways.items()]

    async def serve() -> None:
        await asyncio.gather(*(server.serve() for server in servers))
        for gateway in gateways.values():
            await gateway.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    try:
        while not all(server.started for server in servers):
            time.sleep(0.02)
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(10)


def _settings(variant: Variant) -> GatewaySettings:
    return GatewaySettings(frozenset(variant.api_keys), variant.buffer)


def _server(gateway: Any, port: int) -> uvicorn.Server:
    options = {"log_level": "critical", "lifespan": "off", "timeout_graceful_shutdown": 1}
    return uvicorn.Server(uvicorn.Config(gateway, host="127.0.0.1", port=port, **options))


@pytest.fixture
def chat(functions: tuple[SocketFunction, SocketFunction]) -> SocketFunction:
    functions[0].forget()
    return functions[0]


@pytest.fixture
def models(functions: tuple[SocketFunction, SocketFunction]) -> SocketFunction:
    functions[1].forget()
    return functions[1]


def one(variant: str, timeout: float = 20) -> Any:
    """Make a fixture: a client of the gateway in that variant."""

    @pytest.fixture(name=variant.replace(" ", "_"))
    def client(addresses: dict[str, str]) -> Iterator[httpx.Client]:
        # There is no TLS here: certificates need not be read.
        with httpx.Client(base_url=addresses[variant], timeout=timeout, trust_env=False, verify=False) as client:
            yield client

    return client


plain, keyed, dear, hurried = one("plain"), one("keyed"), one("dear"), one("hurried", PATIENCE)
buffering, hurried_and_buffering, broken = one("buffering"), one("hurried and buffering", PATIENCE), one("broken")
