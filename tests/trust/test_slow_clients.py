"""Clients that send or read as slowly as they can, over real sockets: none holds a place in the worker for ever."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator, Sequence

import pytest

from chromagent.endpoints import asgi, middleware
from tests.support import faulty_upstream, threaded_gateway
from tests.support.apps import GEMINI, chat, settings
from tests.support.faulty_upstream import LAST_CHUNK, FaultyUpstream, Moment, Step, chunk, chunked_head, document, events, sized
from tests.support.threaded_gateway import ThreadedGateway

pytestmark = pytest.mark.anyio

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def flood(m: Moment) -> Sequence[Step]:
    """More than all buffers between here and the client hold."""
    first, *others = events(m)
    text = first.replace(m.word[:2].encode(), b"x" * 1_000_000)
    return [chunked_head(m), *[chunk(text)] * 40, *map(chunk, others), LAST_CHUNK]


def large(m: Moment) -> Sequence[Step]:
    """A whole answer of 40 MB."""
    return [sized(document(m).replace(m.word.encode(), b"x" * 40_000_000))]


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    with faulty_upstream.serving({"floods": flood, "is large": large}) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(upstream: FaultyUpstream) -> Iterator[ThreadedGateway]:
    here = {"base_url": upstream.url}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asgi, "BODY_SILENCE", 0.3)
        patch.setattr(middleware, "LAST_WORDS", 0.2)
        with threaded_gateway.serving(settings(here, here, timeout=1.0, stream={"keepalive": 0.3})) as server:
            yield server


@pytest.fixture(scope="module")
def patient_gateway(upstream: FaultyUpstream) -> Iterator[ThreadedGateway]:
    """One whose requests may take ten minutes."""
    here = {"base_url": upstream.url}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asgi, "WRITE_TIMEOUT", 0.5)
        with threaded_gateway.serving(settings(here, here, stream={"keepalive": 0.3})) as server:
            yield server


async def connect(gateway: ThreadedGateway, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(data)
    await writer.drain()
    return reader, writer


async def settled(gateway: ThreadedGateway, tasks: int) -> bool:
    """Whether the gateway's tasks are as few as they were, soon."""
    for _ in range(100):
        if gateway.tasks() <= tasks and gateway.exchanges() == 0:
            return True
        await asyncio.sleep(0.02)
    return False


async def idle_tasks(gateway: ThreadedGateway) -> int:
    reader, writer = await connect(gateway, b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    return gateway.tasks()


@pytest.mark.parametrize(
    "framing", [b"content-length: 100\r\n\r\n{", b'transfer-encoding: chunked\r\n\r\n5\r\n{"mod', b"content-length: 100\r\n\r\n"]
)
async def test_a_body_that_stops_coming_is_told_so_and_the_connection_ends(gateway: ThreadedGateway, framing: bytes) -> None:
    tasks = await idle_tasks(gateway)
    start = time.monotonic()
    reader, writer = await connect(gateway, HEAD + framing)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert time.monotonic() - start < 0.9
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == {
        "message": "The request body did not arrive in time.",
        "type": "invalid_request_error",
        "param": None,
        "code": "request_timeout",
    }
    assert await settled(gateway, tasks)


async def test_a_body_that_drips_has_no_more_time_than_a_whole_request(gateway: ThreadedGateway) -> None:
    reader, writer = await connect(gateway, HEAD + b"content-length: 100000\r\n\r\n")
    answer = asyncio.ensure_future(reader.read())
    start = time.monotonic()
    while not answer.done() and time.monotonic() - start < 5:
        writer.write(b" ")
        await asyncio.sleep(0.05)
    assert (await answer).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_client_that_leaves_inside_its_body_leaves_nothing(gateway: ThreadedGateway) -> None:
    tasks = await idle_tasks(gateway)
    _, writer = await connect(gateway, HEAD + b"content-length: 100\r\n\r\n{")
    writer.transport.abort()
    assert await settled(gateway, tasks)


async def test_a_client_that_does_not_read_its_stream_lets_go_of_the_upstream(
    gateway: ThreadedGateway, upstream: FaultyUpstream
) -> None:
    tasks = await idle_tasks(gateway)
    body = json.dumps(chat(GEMINI, "fault: floods; case flood1", stream=True)).encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(HEAD + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        await asyncio.sleep(0.5)
        assert upstream.busy == {"flood1"}
        await asyncio.sleep(1)
        assert await settled(gateway, tasks)
        assert upstream.busy == set()


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_client_that_reads_nothing_for_too_long_is_left_however_long_its_request_may_take(
    patient_gateway: ThreadedGateway, upstream: FaultyUpstream, streamed: bool
) -> None:
    tasks = await idle_tasks(patient_gateway)
    fault = "floods" if streamed else "is large"
    body = json.dumps(chat(GEMINI, f"fault: {fault}; case left{streamed}", stream=streamed)).encode()
    with socket.create_connection(("127.0.0.1", patient_gateway.port)) as client:
        client.sendall(HEAD + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        await asyncio.to_thread(client.recv, 100)
        await asyncio.sleep(0.3)
        assert patient_gateway.tasks() > tasks, "the answer is kept back by the server's flow control"
        await asyncio.sleep(1)
        assert await settled(patient_gateway, tasks)
        assert upstream.busy == set()


async def test_a_large_answer_that_is_read_slowly_comes_whole(patient_gateway: ThreadedGateway) -> None:
    body = json.dumps(chat(GEMINI, "fault: is large; case slow")).encode()
    reader, writer = await connect(
        patient_gateway, HEAD + f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
    )
    size = 0
    while piece := await reader.read(2**21):
        size += len(piece)
        await asyncio.sleep(0.01)
    writer.close()
    assert size > 40_000_000
