"""What one key can take of an instance: memory, running requests, the event loop. Over real sockets, as it is deployed."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import create_connection, socket
from typing import Any

import httpx
import pytest

from chromagent.local import keys
from tests.support import faulty_upstream, processes
from tests.support.apps import BACKEND, GEMINI, chat
from tests.support.faulty_upstream import Ending, Moment, Step, chunk, chunked_head, events
from tests.support.processes import Server

pytestmark = pytest.mark.anyio

MB = 1_000_000


def hang(m: Moment) -> list[Step]:
    return [chunked_head(m), chunk(events(m)[0]), Ending.HANG]


class Gateway:
    """A gateway with default settings and three callers, one of whom may have two requests at once."""

    def __init__(self, server: Server, issued: dict[str, str]) -> None:
        self.server = server
        self.keys = issued

    def post(self, key: str, body: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.keys[key]}", "content-type": "application/json"}
        return httpx.post(f"{self.server.url}/v1/chat/completions", content=content, headers=headers, trust_env=False, timeout=60)

    def open(self, key: str, length: int, sent: bytes) -> socket:
        """Begin a request whose body is so long, and send that much of it."""
        client = create_connection(("127.0.0.1", self.server.port))
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.keys[key]}\r\ncontent-length: {length}"
        )
        client.sendall(head.encode() + b"\r\n\r\n" + sent)
        return client


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    issued = {name: keys.issue(name) for name in ("one", "other", "narrow")}
    records = {name: record for name, (_, record) in issued.items()}
    records["narrow"]["limits"] = {"concurrent": 2}
    (tmp_path / "keys.json").write_text(json.dumps({"keys": list(records.values())}))
    with faulty_upstream.serving({"hangs": hang}) as upstream:
        backend = {**BACKEND, "base_url": upstream.url}
        configuration = {
            "client_keys": f"file:{tmp_path / 'keys.json'}",
            "backends": {"vertex-gemini": backend, "vertex-anthropic": backend},
        }
        with processes.function("chat_completions", configuration, tmp_path / "log") as server:
            yield Gateway(server, {name: key for name, (key, _) in issued.items()})


class Peak:
    """The largest resident memory while the context lasts, beyond that at its start."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self.growth = 0

    def __enter__(self) -> "Peak":
        self._start = self._server.resident_bytes()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.growth = max(self.growth, self._server.resident_bytes() - self._start)


def test_a_body_of_many_values_is_refused_before_it_is_parsed(gateway: Gateway) -> None:
    assert gateway.post("one", chat()).status_code == 200
    body = b'{"model":"%b","messages":[%b1]}' % (GEMINI.encode(), b"1," * 550_000)
    with Peak(gateway.server) as peak:
        answer = gateway.post("one", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_values")
    assert peak.growth < 30 * MB


def test_bodies_whose_last_byte_never_comes_take_the_share_of_their_key_only(gateway: Gateway) -> None:
    assert gateway.post("one", chat()).status_code == 200
    body = json.dumps(chat(text="x" * 9 * MB)).encode()
    clients: list[socket] = []

    def withhold() -> None:
        clients.append(gateway.open("one", len(body), body[:-1]))

    threads = [threading.Thread(target=withhold) for _ in range(50)]
    with Peak(gateway.server) as peak:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert gateway.post("other", body).status_code == 200
    refused: list[bytes] = []
    for client in clients:
        with closing(client):
            client.settimeout(0.2)
            try:
                refused.append(client.recv(2**16))
            except TimeoutError:
                continue
    assert 30 <= len(refused) < 50
    assert all(answer.startswith(b"HTTP/1.1 429 ") and b"\r\nretry-after: 2\r\n" in answer for answer in refused)
    assert peak.growth < 280 * MB


def test_a_declared_length_holds_nothing(gateway: Gateway) -> None:
    clients = [gateway.open("one", 9 * MB, b"{") for _ in range(50)]
    assert gateway.post("one", chat(text="x" * 9 * MB)).status_code == 200
    for client in clients:
        client.close()


async def test_a_key_has_so_many_requests_at_once_and_gets_them_back_however_they_end(gateway: Gateway) -> None:
    waiting = json.dumps(chat(text="fault: hangs; case h1", stream=True)).encode()
    clients = [gateway.open("narrow", len(waiting), waiting), gateway.open("narrow", 100, b"{")]
    await asyncio.sleep(0.5)
    refused = gateway.post("narrow", chat())
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["retry-after"] == "1"
    assert gateway.post("other", chat()).status_code == 200
    for client in clients:
        client.close()
    async with asyncio.timeout(10):
        while gateway.post("narrow", chat()).status_code == 429:  # noqa: ASYNC110 - another process changes
            await asyncio.sleep(0.05)
    for body in (b"{", chat("no-such-model"), chat(), chat(text="x" * 100_000)):
        assert gateway.post("narrow", body).status_code != 429


def test_others_are_served_while_a_large_request_is_worked_on(gateway: Gateway) -> None:
    assert gateway.post("one", chat()).status_code == 200
    body = json.dumps({"model": GEMINI, "messages": [{"role": "user", "content": "hello there"}] * 75_000}).encode()
    shares: list[float] = []
    for _ in range(3):
        over = threading.Event()
        waits: list[float] = []

        def ask(over: threading.Event = over, waits: list[float] = waits) -> None:
            with httpx.Client(trust_env=False, timeout=60) as http:
                while not over.is_set():
                    start = time.perf_counter()
                    http.get(f"{gateway.server.url}/health")
                    waits.append(time.perf_counter() - start)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.1)
        start = time.perf_counter()
        assert gateway.post("one", body).status_code == 200
        whole = time.perf_counter() - start
        over.set()
        asking.join()
        shares.append(max(waits) / whole)
    assert min(shares) < 0.5, "of the time that the large request took; on the event loop it is nearly all of it"


BLOCKED = """
import asyncio, os
import functions_framework.aio
from starlette.responses import PlainTextResponse
from chromagent.app import open_app
from chromagent.endpoints import watchdog

watchdog.MAX_BLOCKED = 1.0
app = open_app()

@functions_framework.aio.http
async def chat_completions(request):
    if request.url.path == "/block":
        while True:
            pass
    if request.url.path == "/wait":
        await asyncio.sleep(3)
    if request.url.path in ("/pid", "/wait"):
        return PlainTextResponse(str(os.getpid()))
    return app.chat
"""


def test_a_worker_whose_event_loop_is_blocked_is_replaced_and_a_long_answer_is_not_ended(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(BLOCKED)
    port = processes.free_port()
    command = [sys.executable, "-m", "functions_framework", "--source", str(tmp_path / "main.py")]
    command += ["--target", "chat_completions", "--host", "127.0.0.1", "--port", str(port)]
    with (
        processes.running(
            command, port, "/health", tmp_path / "log", CHROMAGENT_CONFIG_JSON="{}", CLOUD_RUN_TIMEOUT_SECONDS="3600"
        ) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=30) as http,
    ):
        worker = http.get("/pid").text
        assert http.get("/wait").text == worker
        with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
            http.get("/block")
        for _ in range(100):
            try:
                assert http.get("/pid").text != worker
                break
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                time.sleep(0.1)
        else:
            pytest.fail("no new worker came")
    assert "in chat_completions" in (tmp_path / "log").read_text()
