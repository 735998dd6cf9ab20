"""Requests leave nothing behind that only the garbage collector could find.

The deployed functions collect rarely, and a collection of many thousand objects stops the event loop for a tenth of a second: what
each request leaves in reference cycles is paid by the slowest answers.
"""

import asyncio
import gc
import types
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from chromagent.app import create_app
from tests.support import answers, raw_upstream
from tests.support.apps import CLAUDE, chat, settings, watch
from tests.support.raw_upstream import CHUNKED, LAST_CHUNK, Act, chunk, document
from tests.support.scripted_upstream import Scripted, ScriptedUpstream

pytestmark = pytest.mark.anyio

REQUESTS = 100
LIMITED = answers.google_error(429, "RESOURCE_EXHAUSTED")
TWO_PLACES = {"locations": ["global", "eu"]}


def is_ours(value: object) -> bool:
    """Whether an object belongs to the gateway: an instance of its classes, or something that runs its code."""
    if isinstance(value, types.FrameType):
        return "/chromagent/" in value.f_code.co_filename
    if isinstance(value, types.FunctionType | types.MethodType):
        return value.__module__.startswith("chromagent.")
    return type(value).__module__.startswith("chromagent.")


@contextmanager
def collecting() -> Generator[list[object]]:
    """Collect nothing meanwhile; afterwards the list holds what of ours only a collection would have found."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.extend(value for value in gc.garbage if is_ours(value))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.collect()


async def garbage_of(app: Any, body: dict[str, Any], leave_at: bytes | None = None) -> list[str]:
    for _ in range(3):  # what is made once, such as the parts of the first chat, does not count
        await watch(app, body, leave_at=leave_at)
    with collecting() as found:
        for _ in range(REQUESTS):
            await watch(app, body, leave_at=leave_at)
        await asyncio.sleep(0)
    return sorted({type(value).__qualname__ for value in found})


@pytest.mark.parametrize(
    ("upstream", "body"),
    [
        pytest.param([answers.gemini()], chat(), id="gemini"),
        pytest.param([answers.gemini_stream("a", "b", "c")], chat(stream=True), id="gemini, streamed"),
        pytest.param([answers.claude()], chat(CLAUDE), id="claude"),
        pytest.param([answers.claude_stream("a", "b", "c")], chat(CLAUDE, stream=True), id="claude, streamed"),
        pytest.param([answers.claude()], chat(CLAUDE, n=2), id="two choices"),
        pytest.param([answers.claude_stream("a", "b")], chat(CLAUDE, n=2, stream=True), id="two choices, streamed"),
        pytest.param([answers.google_error(400, "INVALID_ARGUMENT")], chat(), id="refused by the upstream"),
        pytest.param([LIMITED], chat(), id="refused at both locations"),
        pytest.param([LIMITED], chat(stream=True), id="refused at both locations, streamed"),
        pytest.param([answers.gemini()], chat(messages=1), id="a bad request"),
        pytest.param([answers.gemini()], chat("no/such/model/anywhere"), id="an unknown model"),
    ],
)
async def test_a_request_leaves_no_reference_cycles(upstream: Sequence[Scripted], body: dict[str, Any]) -> None:
    app = create_app(settings(TWO_PLACES, TWO_PLACES, max_retries=0), transport=ScriptedUpstream(*upstream))
    assert await garbage_of(app, body) == []


async def test_an_answer_of_the_second_location_leaves_none() -> None:
    upstream = ScriptedUpstream(*[LIMITED, answers.gemini()] * (REQUESTS + 3))
    app = create_app(settings(TWO_PLACES, max_retries=0), transport=upstream)
    assert await garbage_of(app, chat()) == []


async def test_a_client_that_leaves_its_stream_leaves_none() -> None:
    app = create_app(settings(), transport=ScriptedUpstream(answers.gemini_stream(*["word"] * 20)))
    assert await garbage_of(app, chat(stream=True), leave_at=b"word") == []


async def test_a_request_that_takes_too_long_leaves_none() -> None:
    app = create_app(settings(timeout=0.01), transport=ScriptedUpstream(Scripted(200, [1.0])))
    assert await garbage_of(app, chat()) == []


def frames(*documents: bytes) -> list[bytes]:
    return [CHUNKED + b"".join(map(chunk, documents)) + LAST_CHUNK]


@pytest.mark.parametrize(
    ("script", "body"),
    [
        pytest.param([document(answers.gemini().reads[0])], chat(), id="whole"),  # pyright: ignore[reportArgumentType]
        pytest.param(frames(*answers.gemini_stream("a", "b").reads), chat(stream=True), id="streamed"),  # pyright: ignore[reportArgumentType]
        pytest.param([Act.RESET], chat(), id="connection lost"),
        pytest.param([CHUNKED + chunk(b"data: {"), Act.RESET], chat(stream=True), id="connection lost in a stream"),
        pytest.param([document(b"{}", "503 Service Unavailable")], chat(), id="unavailable"),
    ],
)
async def test_our_own_connections_leave_no_reference_cycles(script: Sequence[Any], body: dict[str, Any]) -> None:
    async with raw_upstream.serving(script) as upstream:
        backend = {"base_url": f"http://127.0.0.1:{upstream.port}"}
        assert await garbage_of(create_app(settings(backend, max_retries=0)), body) == []
