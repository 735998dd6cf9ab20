"""The engine over real sockets, on both event loops: what is sent, what comes back, and every fault of the way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chromagent.errors import GatewayError, Misconfigured, UpstreamInvalidResponse, UpstreamTimeout, UpstreamUnreachable
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
from tests.support.raw_upstream import (
    CHUNKED,
    LAST_CHUNK,
    LOOPS,
    Act,
    chunk,
    document,
    head,
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


# What is sent


async def test_a_request_goes_out_as_written_with_host_and_length() -> None:
    async with serving([document()]) as upstream:
        await UpstreamClient().post(request_to(upstream, b"12345", path="/v1/m:go?alt=sse", **{"x-goog-api-key": "k"}))
    lines = upstream.heads[0].decode().split("\r\n")
    assert lines[0] == "POST /v1/m:go?alt=sse HTTP/1.1"
    assert f"host: 127.0.0.1:{upstream.port}" in lines
    assert "content-length: 5" in lines
    assert "x-goog-api-key: k" in lines
    assert upstream.bodies == [b"12345"]


async def test_what_a_path_may_not_hold_is_escaped_and_what_is_escaped_stays() -> None:
    async with serving([document()]) as upstream:
        await UpstreamClient().post(request_to(upstream, path="/models/a b%2Fc%C3%A9é\r\nx: y?q=1 2"))
    assert upstream.heads[0].startswith(b"POST /models/a%20b%2Fc%C3%A9%C3%A9x:%20y?q=1%202 HTTP/1.1\r\n")


async def test_a_header_may_replace_the_host_and_none_may_change_the_framing() -> None:
    async with serving([document()]) as upstream:
        fields = {"host": "vertex.test", "content-length": "1", "transfer-encoding": "chunked"}
        await UpstreamClient().post(request_to(upstream, b"12345", **fields))
    lines = upstream.heads[0].decode().split("\r\n")
    assert "host: vertex.test" in lines
    assert [line for line in lines if line.startswith(("content-length", "transfer-encoding"))] == ["content-length: 5"]


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\0b", "é"])
async def test_a_header_that_would_be_more_than_one_is_not_sent(value: str) -> None:
    async with serving([document()]) as upstream:
        with pytest.raises(Misconfigured):
            await UpstreamClient().post(request_to(upstream, authorization=value))
    assert upstream.connections == 0


async def test_a_large_body_arrives_whole() -> None:
    content = bytes(range(256)) * 40_000
    async with serving([document(b"got it")]) as upstream:
        assert await post(UpstreamClient(), request_to(upstream, content)) == b"got it"
    assert upstream.bodies == [content]


async def test_an_ipv6_address_is_reached() -> None:
    async with serving([document(b"six")], host="::1") as upstream:
        request = UpstreamRequest(f"http://[::1]:{upstream.port}/x", {}, b"", 5.0)
        assert await post(UpstreamClient(), request) == b"six"
    assert f"host: [::1]:{upstream.port}\r\n".encode() in upstream.heads[0]


# What comes back


@pytest.mark.parametrize(
    "script",
    [
        [document(b"hello")],
        [head("200 OK", "content-length: 5"), 0.01, b"he", 0.01, b"llo"],
        [CHUNKED, chunk(b"hel"), chunk(b"lo"), LAST_CHUNK],
        [CHUNKED + b"5;name=value\r\nhello\r\n0\r\ntrailer: x\r\nx-other: y\r\n\r\n"],
        [head() + b"he", 0.01, b"llo", Act.CLOSE],
        [b"HTTP/1.0 200 OK\r\n\r\nhello", Act.CLOSE],
        [head("100 Continue"), head("103 Early Hints", "link: </a>", "content-length: 9") + document(b"hello")],
        [document(b"hello", "200 OK", "connection: close"), Act.CLOSE],
        [document(b"hello", "200 OK", "upgrade: h2c", "connection: upgrade")],
        [document(b"hello", "200")],
    ],
)
@pytest.mark.parametrize("ask", [post, stream])
async def test_every_framing_gives_the_whole_body(ask: Callable[..., Awaitable[bytes]], script: list[Any]) -> None:
    async with serving(script) as upstream:
        assert await ask(UpstreamClient(), request_to(upstream)) == b"hello"


async def test_every_cut_between_reads_gives_the_same_body() -> None:
    answer = head("103 Early Hints") + CHUNKED + chunk(b"hello") + b"2;x=y\r\n, \r\n" + chunk(b"world") + b"0\r\nt: x\r\n\r\n"
    for step in (1, 2, 3, 7):
        async with serving([part for at in range(0, len(answer), step) for part in (answer[at : at + step], 0.0)]) as upstream:
            assert await stream(UpstreamClient(), request_to(upstream)) == b"hello, world"


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_has_none(status: int) -> None:
    async with serving([head(f"{status} Nothing")], [document(b"next")]) as upstream:
        client = UpstreamClient()
        assert (await client.post(request_to(upstream)))[::2] == (status, b"")
        assert await post(client, request_to(upstream)) == b"next"
    assert upstream.connections == 1


async def test_header_names_are_in_lower_case_and_fields_of_one_name_are_joined() -> None:
    async with serving(
        [document(b"", "429 Slow", "Retry-After:  3 ", "Vary: a", "vary: b", "Empty:", "X-Name: caf\xe9")]
    ) as upstream:
        reply = await UpstreamClient().post(request_to(upstream))
    assert reply.status == 429
    assert dict(reply.headers) == {
        "content-length": "0",
        "retry-after": "3",
        "vary": "a, b",
        "empty": "",
        "x-name": "café",
    }


async def test_trailers_are_no_headers() -> None:
    async with serving([CHUNKED + b"0\r\nretry-after: 9\r\n\r\n"]) as upstream:
        assert "retry-after" not in (await UpstreamClient().post(request_to(upstream))).headers


async def test_what_arrived_in_one_read_is_one_piece() -> None:
    script = [CHUNKED + chunk(b"data: 1\n\n") + chunk(b"data: 2\n\n"), 0.05, chunk(b"data: 3\n\n") + LAST_CHUNK]
    async with serving(script) as upstream, streamed(UpstreamClient(), request_to(upstream)) as reads:
        assert [read async for read in reads] == [b"data: 1\n\ndata: 2\n\n", b"data: 3\n\n"]


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ([CHUNKED + chunk(b"one") + b"zz\r\n"], UpstreamInvalidResponse),
        ([CHUNKED + chunk(b"one") + b"5\r\ntw", Act.CLOSE], UpstreamUnreachable),
        ([head("200 OK", "content-length: 9") + b"one", Act.CLOSE], UpstreamUnreachable),
    ],
)
async def test_what_came_before_a_fault_in_the_same_read_is_not_lost(script: list[Any], fault: type[GatewayError]) -> None:
    async with serving(script) as upstream, streamed(UpstreamClient(), request_to(upstream)) as reads:
        assert (await anext(reads)).startswith(b"one")
        with pytest.raises(fault):
            await anext(reads)


async def test_a_slow_reader_stops_the_upstream_and_loses_nothing() -> None:
    size = 32 * 1024 * 1024
    script = [head("200 OK", f"content-length: {size}"), *[b"x" * 65536] * (size // 65536)]
    async with serving(script) as upstream, streamed(UpstreamClient(), request_to(upstream)) as reads:
        first = await anext(reads)
        await asyncio.sleep(0.3)
        assert upstream.sent < size / 2  # what the kernel's buffers hold, and not more
        rest = sum([len(read) async for read in reads])
    assert len(first) + rest == size


# Faults

FAULTS: dict[str, tuple[list[Any], type[GatewayError]]] = {
    "closed without an answer": ([Act.CLOSE], UpstreamUnreachable),
    "reset without an answer": ([Act.RESET], UpstreamUnreachable),
    "closed in the status line": ([b"HTTP/1.1 20", Act.CLOSE], UpstreamUnreachable),
    "closed in the headers": ([b"HTTP/1.1 200 OK\r\ncontent-le", Act.CLOSE], UpstreamUnreachable),
    "reset in the headers": ([b"HTTP/1.1 200 OK\r\ncontent-le", 0.02, Act.RESET], UpstreamUnreachable),
    "closed after a provisional answer": ([head("103 Early Hints"), Act.CLOSE], UpstreamUnreachable),
    "closed before the body": ([head("200 OK", "content-length: 5"), Act.CLOSE], UpstreamUnreachable),
    "closed within the length": ([head("200 OK", "content-length: 5") + b"he", Act.CLOSE], UpstreamUnreachable),
    "reset within the length": ([head("200 OK", "content-length: 5") + b"he", 0.02, Act.RESET], UpstreamUnreachable),
    "closed within a chunk": ([CHUNKED + b"5\r\nhe", Act.CLOSE], UpstreamUnreachable),
    "closed before the last chunk": ([CHUNKED + chunk(b"hello"), Act.CLOSE], UpstreamUnreachable),
    "closed within the last chunk": ([CHUNKED + chunk(b"hello") + b"0\r\n", Act.CLOSE], UpstreamUnreachable),
    "reset between chunks": ([CHUNKED + chunk(b"hello"), 0.02, Act.RESET], UpstreamUnreachable),
    "reset of a body that ends with the connection": ([head() + b"he", 0.02, Act.RESET], UpstreamUnreachable),
    "silent": ([Act.HANG], UpstreamTimeout),
    "silent in the headers": ([b"HTTP/1.1 200 OK\r\n", Act.HANG], UpstreamTimeout),
    "silent before the body": ([CHUNKED, Act.HANG], UpstreamTimeout),
    "silent in the body": ([CHUNKED + chunk(b"hello"), Act.HANG], UpstreamTimeout),
    "silent within the length": ([head("200 OK", "content-length: 5") + b"he", Act.HANG], UpstreamTimeout),
    "no HTTP": ([b"\x16\x03\x01\x00garbage\r\n\r\n", Act.HANG], UpstreamInvalidResponse),
    "a page without headers": ([b"<html>busy</html>", Act.HANG], UpstreamInvalidResponse),
    "HTTP/2": ([b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", Act.HANG], UpstreamInvalidResponse),
    "a status of four digits": ([head("2000 OK"), Act.HANG], UpstreamInvalidResponse),
    "a folded header": ([head("200 OK", "a: b", " c", "content-length: 0"), Act.HANG], UpstreamInvalidResponse),
    "a header without a colon": ([head("200 OK", "nonsense"), Act.HANG], UpstreamInvalidResponse),
    "two lengths": ([head("200 OK", "content-length: 1", "content-length: 2"), Act.HANG], UpstreamInvalidResponse),
    "a length below nothing": ([head("200 OK", "content-length: -1"), Act.HANG], UpstreamInvalidResponse),
    "a length beyond all": ([head("200 OK", f"content-length: {'9' * 40}"), Act.HANG], UpstreamInvalidResponse),
    "a length and chunks": (
        [head("200 OK", "content-length: 1", "transfer-encoding: chunked"), Act.HANG],
        UpstreamInvalidResponse,
    ),
    "a transfer coding": ([head("200 OK", "transfer-encoding: gzip, chunked"), Act.HANG], UpstreamInvalidResponse),
    "a transfer coding without chunks": ([head("200 OK", "transfer-encoding: gzip"), Act.HANG], UpstreamInvalidResponse),
    "another protocol": ([head("101 Switching", "upgrade: x", "connection: upgrade"), Act.HANG], UpstreamInvalidResponse),
    "another protocol, unnamed": ([head("101 Switching"), Act.HANG], UpstreamInvalidResponse),
    "a chunk of no size": ([CHUNKED + b"zz\r\nhello\r\n", Act.HANG], UpstreamInvalidResponse),
    "a chunk beyond all": ([CHUNKED + b"f" * 40 + b"\r\n", Act.HANG], UpstreamInvalidResponse),
    "a chunk that is longer than it says": ([CHUNKED + b"2\r\nhello\r\n", Act.HANG], UpstreamInvalidResponse),
    "an endless header": ([b"HTTP/1.1 200 OK\r\na: ", *[b"x" * 65536] * 8, Act.HANG], UpstreamInvalidResponse),
    "headers without end": ([head()[:-2], *[b"a: b\r\n" * 8000] * 8, Act.HANG], UpstreamInvalidResponse),
    "provisional answers without end": ([*[head("103 Early Hints") * 4000] * 8, Act.HANG], UpstreamInvalidResponse),
    "trailers without end": ([CHUNKED + b"0\r\n", *[b"a: b\r\n" * 8000] * 8, Act.HANG], UpstreamInvalidResponse),
    "an endless chunk extension": ([CHUNKED + b"1;", *[b"x" * 65536] * 8, Act.HANG], UpstreamInvalidResponse),
}


@pytest.mark.parametrize("ask", [post, stream])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_has_its_error_leaves_nothing_open_and_spoils_no_other_request(
    name: str, ask: Callable[..., Awaitable[bytes]]
) -> None:
    script, fault = FAULTS[name]
    async with serving(script, [document(b"next")]) as upstream:
        client = UpstreamClient()
        with pytest.raises(fault):
            await ask(client, request_to(upstream, idle=0.3 if fault is UpstreamTimeout else 20.0))
        assert await upstream.all_closed()
        assert await ask(client, request_to(upstream)) == b"next"
        assert len(upstream.heads) == 2


async def test_a_refused_connection_is_an_unreachable_upstream() -> None:
    with pytest.raises(UpstreamUnreachable):
        await UpstreamClient().post(UpstreamRequest("http://127.0.0.1:9/x", {}, b"", 5.0))


async def test_a_name_that_does_not_exist_is_an_unreachable_upstream() -> None:
    with pytest.raises(UpstreamUnreachable):
        await UpstreamClient().post(UpstreamRequest("http://nothing.invalid/x", {}, b"", 5.0))


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/x", f"http://{'a' * 70}.test/x"])
async def test_an_impossible_address_is_a_misconfiguration(url: str) -> None:
    with pytest.raises(Misconfigured):
        await UpstreamClient().post(UpstreamRequest(url, {}, b"", 5.0))


async def test_an_upstream_that_drips_is_not_silent() -> None:
    drip = [step for letter in b"hello, world" for step in (chunk(bytes([letter])), 0.15)]
    async with serving([CHUNKED, *drip, LAST_CHUNK]) as upstream:
        assert await stream(UpstreamClient(), request_to(upstream, idle=1.0)) == b"hello, world"


async def test_a_reader_that_takes_its_time_is_no_silence_of_the_upstream() -> None:
    script = [CHUNKED + chunk(b"one"), 0.5, chunk(b"two") + LAST_CHUNK]
    async with serving(script) as upstream, streamed(UpstreamClient(), request_to(upstream, idle=0.3)) as reads:
        assert await anext(reads) == b"one"
        await asyncio.sleep(0.7)
        assert [read async for read in reads] == [b"two"]


async def test_an_answer_too_large_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chromagent.upstream.client.LARGEST_REPLY", 1_000_000)
    async with serving([head("200 OK", "content-length: 999999999"), *[b"x" * 65536] * 100]) as upstream:
        with pytest.raises(UpstreamInvalidResponse):
            await UpstreamClient().post(request_to(upstream))
        assert upstream.sent < 20_000_000
        assert await upstream.all_closed()


async def test_an_answer_before_the_request_is_sent_counts_and_its_connection_does_not_serve_again() -> None:
    early = [Act.EARLY, document(b"too large", "413 Content Too Large"), 1.0]
    async with serving(early, [document(b"next")]) as upstream:
        client = UpstreamClient()
        reply = await client.post(request_to(upstream, b"x" * 30_000_000))
        assert (reply.status, reply.content) == (413, b"too large")
        assert await post(client, request_to(upstream)) == b"next"
    assert upstream.connections == 2
