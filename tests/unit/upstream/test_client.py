import asyncio
import gzip
import subprocess
import sys
from functools import partial

import httpx
import pytest
import respx

from chromagent.errors import UpstreamInvalidResponse, UpstreamTimeout, UpstreamUnreachable
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
from chromagent.upstream.content import Decoder
from tests.support import faulty_upstream
from tests.support.processes import ROOT
from tests.support.raw_upstream import streamed
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer

pytestmark = pytest.mark.anyio

packed = partial(gzip.compress, mtime=0)

REQUEST = UpstreamRequest("https://upstream.test/v1/x?alt=sse", {"authorization": "Bearer t"}, b'{"a":1}', 30.0)


async def test_a_post_brings_status_headers_and_body() -> None:
    upstream = ScriptedUpstream(json_answer({"ok": True}, 429, **{"retry-after": "3"}))
    reply = await UpstreamClient(upstream).post(REQUEST)
    assert (reply.status, reply.headers["retry-after"], reply.content) == (429, "3", b'{"ok":true}')
    assert upstream.sent[0].url == "https://upstream.test/v1/x?alt=sse"
    assert upstream.sent[0].headers["authorization"] == "Bearer t"


async def test_a_stream_gives_reads_as_they_arrive() -> None:
    upstream = ScriptedUpstream(Scripted(200, [b"one", b"two"]))
    async with streamed(UpstreamClient(upstream), REQUEST) as reads:
        assert [read async for read in reads] == [b"one", b"two"]
    assert upstream.closed == 1


async def test_leaving_a_stream_early_closes_it() -> None:
    upstream = ScriptedUpstream(Scripted(200, [b"one", b"two"]))
    async with streamed(UpstreamClient(upstream), REQUEST) as reads:
        assert await anext(reads) == b"one"
    assert upstream.closed == 1


async def test_a_cancelled_stream_is_closed() -> None:
    upstream = ScriptedUpstream(Scripted(200, [b"one", 60.0, b"two"]))

    async def work() -> None:
        async with streamed(UpstreamClient(upstream), REQUEST) as reads:
            async for _ in reads:
                pass

    task = asyncio.create_task(work())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert upstream.closed == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.ConnectError("refused"), UpstreamUnreachable),
        (httpx.ConnectTimeout("slow"), UpstreamUnreachable),
        (httpx.ReadTimeout("silent"), UpstreamTimeout),
        (httpx.RemoteProtocolError("closed"), UpstreamUnreachable),
    ],
)
async def test_a_fault_of_the_transport_has_its_error(failure: Exception, kind: type[Exception]) -> None:
    client = UpstreamClient(ScriptedUpstream(Scripted(failure=failure)))
    with pytest.raises(kind):
        await client.post(REQUEST)
    with pytest.raises(kind):
        async with streamed(client, REQUEST):
            pass


async def test_a_connection_that_breaks_while_reading_has_its_error() -> None:
    upstream = ScriptedUpstream(Scripted(200, [b"one", httpx.ReadError("reset")]))
    async with streamed(UpstreamClient(upstream), REQUEST) as reads:
        assert await anext(reads) == b"one"
        with pytest.raises(UpstreamUnreachable):
            await anext(reads)


async def test_a_redirect_is_not_followed() -> None:
    upstream = ScriptedUpstream(Scripted(302, [b""], {"location": "https://elsewhere.test/"}))
    assert (await UpstreamClient(upstream).post(REQUEST)).status == 302
    assert len(upstream.sent) == 1


async def test_an_answer_compressed_against_our_wish_is_still_read() -> None:
    upstream = ScriptedUpstream(Scripted(200, [packed(b"data: x\n\n")], {"content-encoding": "gzip"}))
    async with streamed(UpstreamClient(upstream), REQUEST) as reads:
        assert b"".join([read async for read in reads]) == b"data: x\n\n"


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("coding", ["gzip", "GZIP", " x-gzip"])
@pytest.mark.parametrize(
    "reads",
    [
        [packed(b"hello, world")],
        cut(packed(b"hello, world"), 1),
        [packed(b"hello, ") + packed(b"world")],
        cut(packed(b"hello, ") + packed(b"world"), 9),
    ],
)
async def test_gzip_is_read_however_it_is_cut(reads: list[bytes], coding: str) -> None:
    upstream = ScriptedUpstream(Scripted(200, reads, {"content-encoding": coding}))
    assert (await UpstreamClient(upstream).post(REQUEST)).content == b"hello, world"


@pytest.mark.parametrize(
    ("coding", "content", "expected"),
    [("identity", b"{}", b"{}"), ("", b"{}", b"{}"), ("gzip", b"", b"")],
)
async def test_what_is_not_compressed_stays_as_it_is(coding: str, content: bytes, expected: bytes) -> None:
    upstream = ScriptedUpstream(Scripted(200, [content], {"content-encoding": coding}))
    assert (await UpstreamClient(upstream).post(REQUEST)).content == expected


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("br", b"{}"),
        ("gzip, gzip", packed(packed(b"{}"))),
        ("gzip", b"{}"),
        ("gzip", packed(b"{}")[:-3]),
        ("gzip", packed(b"{}") + b"more"),
        ("gzip", packed(b"{}")[:-8] + b"\0" * 8),
    ],
)
async def test_what_cannot_be_decoded_is_an_invalid_answer_and_closed(coding: str, content: bytes) -> None:
    upstream = ScriptedUpstream(Scripted(200, [content], {"content-encoding": coding}))
    with pytest.raises(UpstreamInvalidResponse):
        await UpstreamClient(upstream).post(REQUEST)
    assert upstream.closed == 1


async def test_a_small_answer_that_unfolds_without_measure_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chromagent.upstream.content.LARGEST_PIECE", 1_000_000)
    upstream = ScriptedUpstream(Scripted(200, [packed(bytes(50_000_000))], {"content-encoding": "gzip"}))
    with pytest.raises(UpstreamInvalidResponse, match="too large"):
        await UpstreamClient(upstream).post(REQUEST)


@pytest.mark.parametrize(("size", "fits"), [(500_000, True), (500_001, False)])
async def test_members_of_one_read_unfold_to_no_more_than_one_would(monkeypatch: pytest.MonkeyPatch, size: int, fits: bool) -> None:
    monkeypatch.setattr("chromagent.upstream.content.LARGEST_PIECE", 1_000_000)
    decoder = Decoder()
    members = packed(bytes(500_000)) + packed(bytes(size))
    if fits:
        assert decoder.feed(members) == bytes(1_000_000)
    else:
        with pytest.raises(UpstreamInvalidResponse, match="too large"):
            decoder.feed(members)


async def test_pieces_that_unfold_to_too_much_together_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chromagent.upstream.client.LARGEST_REPLY", 1_000_000)
    upstream = ScriptedUpstream(Scripted(200, cut(packed(bytes(5_000_000)), 100), {"content-encoding": "gzip"}))
    with pytest.raises(UpstreamInvalidResponse, match="too large"):
        await UpstreamClient(upstream).post(REQUEST)


async def test_any_httpx_transport_serves() -> None:
    with respx.mock(assert_all_called=True) as mock:
        mock.post("https://upstream.test/v1/x").respond(200, json={"ok": True})
        assert (await UpstreamClient(httpx.AsyncHTTPTransport()).post(REQUEST)).content == b'{"ok":true}'
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=request.content))
    assert (await UpstreamClient(transport).post(REQUEST)).content == b'{"a":1}'


def test_a_client_goes_on_in_another_event_loop() -> None:
    script = """
import asyncio, sys
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
client = UpstreamClient()
for _ in range(3):
    print(asyncio.run(client.post(UpstreamRequest(sys.argv[1], {}, b"{}", 5.0))).status)
"""
    with faulty_upstream.serving({}) as upstream:  # a process of its own, as each loop leaves its connection open
        command = [sys.executable, "-c", script, f"{upstream.url}/x"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=20)
    assert result.stdout == "200\n200\n200\n"


def test_a_worker_that_asks_an_upstream_imports_no_httpx() -> None:
    script = """
import asyncio, sys
from chromagent.errors import UpstreamUnreachable
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
try:
    asyncio.run(UpstreamClient().post(UpstreamRequest("https://127.0.0.1:9/", {}, b"", 1.0)))
except UpstreamUnreachable:
    print("httpx" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
