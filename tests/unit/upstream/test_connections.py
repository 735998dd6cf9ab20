"""Which connections serve again, what cancelling leaves, and how connecting goes, over real sockets."""

import asyncio
import gc
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from chromagent.errors import UpstreamTimeout, UpstreamUnreachable
from chromagent.upstream import pool
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
from chromagent.upstream.http1 import Connection
from chromagent.upstream.pool import ConnectionPool
from tests.support.raw_upstream import (
    ASYNCIO,
    CHUNKED,
    LAST_CHUNK,
    LOOPS,
    Act,
    chunk,
    document,
    post,
    request_to,
    serving,
    stream,
    streamed,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


# Connections are used again, or not


async def test_requests_one_after_another_share_a_connection() -> None:
    old = b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\none"
    async with serving([old], [CHUNKED + chunk(b"two") + LAST_CHUNK], [document(b"three")]) as upstream:
        client = UpstreamClient()
        assert [await post(client, request_to(upstream)) for _ in range(3)] == [b"one", b"two", b"three"]
    assert upstream.connections == 1


async def test_many_requests_at_once_get_each_its_own_answer() -> None:
    client = UpstreamClient()
    contents = [b"%08d" % number for number in range(400)]
    async with serving([Act.ECHO]) as upstream:

        async def some(mine: list[bytes]) -> list[bytes]:
            return [await post(client, request_to(upstream, content)) for content in mine]

        answers = await asyncio.gather(*(some(contents[at::64]) for at in range(64)))
        assert answers == [contents[at::64] for at in range(64)]
        assert upstream.connections <= 64


async def test_a_stream_that_was_left_at_its_end_lets_its_connection_serve_again() -> None:
    async with serving([CHUNKED + chunk(b"all") + LAST_CHUNK], [document(b"next")]) as upstream:
        client = UpstreamClient()
        async with streamed(client, request_to(upstream)) as reads:
            assert await anext(reads) == b"all"
        assert await post(client, request_to(upstream)) == b"next"
    assert upstream.connections == 1


async def test_a_stream_that_was_left_early_closes_its_connection() -> None:
    async with serving([CHUNKED + chunk(b"some"), Act.HANG], [document(b"next")]) as upstream:
        client = UpstreamClient()
        async with streamed(client, request_to(upstream)) as reads:
            assert await anext(reads) == b"some"
        assert await upstream.all_closed()
        assert await post(client, request_to(upstream)) == b"next"


@pytest.mark.parametrize(
    "script",
    [
        [document(b"one", "200 OK", "connection: close"), 0.5],
        [b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\none", 0.5],
        [document(b"one") + document(b"two"), 0.5],
        [document(b"one") + b"rubbish", 0.5],
    ],
)
async def test_a_connection_that_may_hold_more_than_the_answer_does_not_serve_again(script: list[Any]) -> None:
    async with serving(script, [document(b"next")]) as upstream:
        client = UpstreamClient()
        assert [await post(client, request_to(upstream)) for _ in range(2)] == [b"one", b"next"]
    assert upstream.connections == 2


async def test_what_comes_between_two_requests_is_no_answer_to_the_second() -> None:
    async with serving([document(b"one"), 0.02, document(b"unasked", "408 Request Timeout")], [document(b"next")]) as upstream:
        client = UpstreamClient()
        assert await post(client, request_to(upstream)) == b"one"
        assert await upstream.all_closed()
        assert await post(client, request_to(upstream)) == b"next"


async def test_what_came_unasked_is_no_answer_either_while_the_event_loop_has_not_seen_it() -> None:
    async with serving([document(b"one")], [document(b"next")]) as upstream:
        client = UpstreamClient()
        assert await post(client, request_to(upstream)) == b"one"
        (writer,) = upstream.running.values()
        os.write(writer.get_extra_info("socket").fileno(), document(b"another's"))
        assert await post(client, request_to(upstream)) == b"next"


async def test_a_connection_that_the_upstream_closed_meanwhile_is_not_used() -> None:
    async with serving([document(b"one"), Act.CLOSE], [document(b"next")]) as upstream:
        client = UpstreamClient()
        assert await post(client, request_to(upstream)) == b"one"
        await asyncio.sleep(0.05)
        assert await post(client, request_to(upstream)) == b"next"
    assert (upstream.connections, len(upstream.heads)) == (2, 2)


async def test_a_connection_that_still_lives_is_used_though_a_later_one_was_closed() -> None:
    async with serving([0.05, document()], [0.1, document(), 0.01, Act.CLOSE], [document(b"next")]) as upstream:
        client = UpstreamClient()
        await asyncio.gather(client.post(request_to(upstream)), client.post(request_to(upstream)))
        assert await upstream.open_becomes(1)
        await asyncio.sleep(0.05)  # so that the client sees it too
        assert await post(client, request_to(upstream)) == b"next"
        assert upstream.connections == 2


@pytest.mark.parametrize("end", [Act.CLOSE, Act.RESET])
@pytest.mark.parametrize("ask", [post, stream])
async def test_a_request_that_met_a_dying_connection_is_sent_again_on_a_fresh_one(
    ask: Callable[..., Awaitable[bytes]], end: Act
) -> None:
    async with serving([document(b"one")], [end], [document(b"again")]) as upstream:
        client = UpstreamClient()
        assert await ask(client, request_to(upstream)) == b"one"
        assert await ask(client, request_to(upstream, b"same bytes")) == b"again"
    assert upstream.bodies[1:] == [b"same bytes", b"same bytes"]
    assert upstream.connections == 2


async def test_a_request_is_sent_again_once_only() -> None:
    async with serving([document(b"one")], [Act.CLOSE]) as upstream:
        client = UpstreamClient()
        await client.post(request_to(upstream))
        with pytest.raises(UpstreamUnreachable):
            await client.post(request_to(upstream))
    assert len(upstream.heads) == 3


async def test_a_request_whose_answer_began_is_never_sent_again() -> None:
    async with serving([document(b"one")], [b"H", Act.CLOSE], [document(b"next")]) as upstream:
        client = UpstreamClient()
        await client.post(request_to(upstream))
        with pytest.raises(UpstreamUnreachable):
            await client.post(request_to(upstream))
    assert len(upstream.heads) == 2


async def test_a_request_that_was_worked_on_for_a_while_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "STALE_WITHIN", 0.1)
    async with serving([document(b"one")], [0.3, Act.CLOSE], [document(b"next")]) as upstream:
        client = UpstreamClient()
        await client.post(request_to(upstream))
        with pytest.raises(UpstreamUnreachable):
            await client.post(request_to(upstream))
    assert len(upstream.heads) == 2


async def test_a_silent_upstream_is_not_asked_again() -> None:
    async with serving([document(b"one")], [Act.HANG], [document(b"next")]) as upstream:
        client = UpstreamClient()
        await client.post(request_to(upstream))
        with pytest.raises(UpstreamTimeout):
            await client.post(request_to(upstream, idle=0.2))
    assert len(upstream.heads) == 2


async def test_a_connection_without_work_for_too_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "KEPT_FOR", 0.05)
    async with serving([document()]) as upstream:
        client = UpstreamClient()
        await client.post(request_to(upstream))
        await asyncio.sleep(0.1)
        await client.post(request_to(upstream))
        assert upstream.connections == 2
        assert await upstream.open_becomes(1)


async def test_only_so_many_connections_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MOST_KEPT", 2)
    async with serving([0.05, document()]) as upstream:
        client = UpstreamClient()
        await asyncio.gather(*(client.post(request_to(upstream)) for _ in range(5)))
        assert upstream.connections == 5
        assert await upstream.open_becomes(2)


async def test_the_last_used_connection_serves_first_so_that_others_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "KEPT_FOR", 0.3)
    async with serving([0.05, document()]) as upstream:
        client = UpstreamClient()
        await asyncio.gather(*(client.post(request_to(upstream)) for _ in range(3)))
        for _ in range(8):
            await client.post(request_to(upstream))
        assert upstream.connections == 3
        assert await upstream.open_becomes(1)


async def test_origins_do_not_share_connections() -> None:
    async with serving([document(b"one")]) as first, serving([document(b"two")]) as second:
        client = UpstreamClient()
        assert [await post(client, request_to(one)) for one in (first, second, first)] == [b"one", b"two", b"one"]
        assert (first.connections, second.connections) == (1, 1)


async def test_closing_drops_what_waits_and_lets_what_runs_end() -> None:
    async with serving([CHUNKED + chunk(b"begun"), 0.1, chunk(b"done") + LAST_CHUNK], [document(b"one")]) as upstream:
        client = UpstreamClient()
        async with streamed(client, request_to(upstream)) as reads:
            await client.post(request_to(upstream))
            await client.close()
            assert await upstream.open_becomes(1)
            assert b"".join([read async for read in reads]) == b"begundone"
        assert await upstream.all_closed()


# Cancelling


@pytest.mark.parametrize(
    "script",
    [
        [Act.HANG],
        [b"HTTP/1.1 200 OK\r\n", Act.HANG],
        [CHUNKED, Act.HANG],
        [CHUNKED + chunk(b"some"), Act.HANG],
        [Act.EARLY, Act.HANG],
    ],
)
@pytest.mark.parametrize("ask", [post, stream])
async def test_cancelling_closes_the_connection(ask: Callable[..., Awaitable[bytes]], script: list[Any]) -> None:
    async with serving(script, [document(b"next")]) as upstream:
        client = UpstreamClient()
        task = asyncio.create_task(ask(client, request_to(upstream)))
        await upstream.asked.wait()
        await asyncio.sleep(0.05)  # so that what is said arrives
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await upstream.all_closed()
        assert await ask(client, request_to(upstream)) == b"next"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_cancelling_at_any_moment_leaves_nothing_behind() -> None:
    client = UpstreamClient()
    async with serving([0.002, CHUNKED, 0.002, chunk(b"one"), 0.002, chunk(b"two") + LAST_CHUNK]) as upstream:
        await client.post(request_to(upstream))
        before = open_files()
        for number in range(120):
            task = asyncio.create_task(stream(client, request_to(upstream)))
            if number % 2:
                await asyncio.sleep(0.0001 * number)
            else:
                for _ in range(number // 2):
                    await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert await stream(client, request_to(upstream)) == b"onetwo"
        await client.close()
        assert await upstream.all_closed()
        await asyncio.sleep(0.05)
        assert open_files() <= before
        assert len(asyncio.all_tasks()) <= 2


async def test_what_is_over_is_not_kept_alive_by_the_engine() -> None:
    async with serving([CHUNKED + chunk(b"some"), Act.HANG]) as upstream:
        client = UpstreamClient()
        for _ in range(20):
            async with streamed(client, request_to(upstream)) as reads:
                await anext(reads)
            del reads
        await asyncio.sleep(0.05)
        gc.collect()
        assert [one for one in gc.get_objects() if type(one) is Connection] == []


async def test_an_answer_that_was_closed_gives_nothing_of_the_next_one() -> None:
    async with serving([document(b"one")], [CHUNKED + chunk(b"secret"), Act.HANG]) as upstream:
        engine = ConnectionPool()
        first = await engine.send(request_to(upstream))
        assert await first.read() == b"one"
        await first.close()
        second = await engine.send(request_to(upstream))
        with pytest.raises(RuntimeError):
            await first.read()
        await first.close()
        assert await second.read() == b"secret"
        await second.close()


# Connecting


@pytest.mark.parametrize("anyio_backend", [ASYNCIO])  # uvloop resolves names where a test cannot reach
async def test_a_name_whose_first_address_is_dead_is_reached_by_its_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving([document(b"reached")]) as upstream:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, upstream.port)) for address in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert await post(UpstreamClient(), UpstreamRequest(f"http://two.test:{upstream.port}/", {}, b"", 5.0)) == b"reached"


def test_families_of_addresses_take_turns() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    assert pool._in_turn([(six, "a"), (six, "b"), (six, "c"), (four, "d")]) == [(six, "a"), (four, "d"), (six, "b"), (six, "c")]


async def test_an_upstream_that_accepts_nobody_is_unreachable_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_TIMEOUT", 0.3)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with pytest.raises(UpstreamUnreachable):
            await asyncio.wait_for(
                UpstreamClient().post(UpstreamRequest(f"http://127.0.0.1:{full.getsockname()[1]}/", {}, b"", 9.0)), 3
            )
        for one in waiting:
            one.close()
