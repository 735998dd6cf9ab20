"""The end of a worker: what runs may finish, and what cannot is told."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from chromagent.endpoints.draining import Drain
from chromagent.errors import UpstreamTimeout, UpstreamUnavailable
from chromagent.upstream.retry import Patience
from tests.support import processes
from tests.support.apps import chat, events
from tests.support.processes import Server

pytestmark = pytest.mark.anyio


@pytest.fixture
def gateway(simulation: Server, tmp_path: Path):
    backend = {"base_url": simulation.url, "auth": "none", "project": "p"}
    configuration = {"allow_anonymous": True, "backends": {"vertex-gemini": backend, "vertex-anthropic": backend}}
    with processes.function("chat_completions", configuration, tmp_path / "gateway.log") as server:
        yield server


async def stream(server: Server, text: str) -> tuple[str, float]:
    """Begin a stream, send SIGTERM with its first bytes, and read what still comes."""
    body, start = "", None
    ask = {"json": chat(text=text, stream=True)}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as http,
        http.stream("POST", f"{server.url}/v1/chat/completions", **ask) as answer,
    ):
        async for piece in answer.aiter_text():
            if start is None:
                start = time.monotonic()
                os.kill(server.process.pid, signal.SIGTERM)
            body += piece
    assert start is not None
    return body, time.monotonic() - start


async def test_a_stream_that_ends_within_the_grace_ends_well(gateway: Server) -> None:
    body, _ = await stream(gateway, "simulate: slow 100ms count to 15")
    assert body.endswith("data: [DONE]\n\n")


async def test_a_stream_that_outlasts_the_grace_ends_in_an_error_event(gateway: Server) -> None:
    body, seconds = await stream(gateway, "simulate: hang-mid-stream count to 50")
    found = events(body)
    assert found[-1]["error"]["code"] == "upstream_unavailable"
    assert "shutting down" in found[-1]["error"]["message"]
    assert 6 < seconds < 10


async def test_after_the_signal_nothing_is_tried_again() -> None:
    drain = Drain()
    patience = Patience(30, lambda: drain.started)
    error = UpstreamUnavailable()
    assert patience.wait_after(error, attempt=0, retries=2) is not None
    drain.begin()
    assert patience.wait_after(error, attempt=0, retries=2) is None


async def test_an_answer_that_is_cut_by_the_end_says_so_and_not_that_the_upstream_was_slow() -> None:
    drain = Drain(grace=0.05)

    async def work(seconds: float) -> None:
        with drain.work(asyncio.Event().wait, asyncio.get_running_loop().time() + seconds):
            await asyncio.sleep(30)

    with pytest.raises(UpstreamTimeout):
        await work(0.01)
    drain.begin()
    with pytest.raises(UpstreamUnavailable, match="shutting down"):
        await work(30)


async def test_an_answer_that_is_ending_anyway_does_not_keep_the_others_from_being_ended() -> None:
    drain = Drain(grace=0.05)

    async def work(seconds: float) -> None:
        with drain.work(asyncio.Event().wait, asyncio.get_running_loop().time() + seconds):
            try:
                await asyncio.sleep(30)
            finally:
                await asyncio.sleep(0.1)  # what runs is being closed

    drain.begin()
    works = [asyncio.create_task(work(seconds)) for seconds in (0.03, 30, 0.03, 30, 0.03)]
    ended, _ = await asyncio.wait(works, timeout=2)
    assert len(ended) == 5


def test_the_log_of_a_worker_that_ended_has_its_last_line(tmp_path: Path, simulation: Server) -> None:
    backend: dict[str, Any] = {"base_url": simulation.url, "auth": "none", "project": "p"}
    log = tmp_path / "gateway.log"
    with processes.function("chat_completions", {"allow_anonymous": True, "backends": {"vertex-gemini": backend}}, log) as server:
        httpx.post(f"{server.url}/v1/chat/completions", json=chat(), trust_env=False)
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [line["httpRequest"]["status"] for line in lines] == [200]
