import asyncio

import httpx
import pytest

from chromagent.errors import UpstreamTimeout, UpstreamUnreachable
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
from tests.support.scripted_upstream import Scripted, ScriptedUpstream, json_answer

pytestmark = pytest.mark.anyio

REQUEST = UpstreamRequest("https://upstream.test/v1/x?alt=sse", {"authorization": "Bearer t"}, b'{"a":1}', 30.0)


async def test_a_post_brings_status_headers_and_body() -> None:
    upstream = ScriptedUpstream(json_answer({"ok": True}, 429, **{"retry-after": "3"}))
    reply = await UpstreamClient(upstream).post(REQUEST)
    assert (reply.status, reply.headers["retry-after"], reply.content) == (429, "3", b'{"ok":true}')
    assert upstream.sent[0].url == "https://upstream.test/v1/x?alt=sse"
    assert upstream.sent[0].headers["authorization"] == "Bearer t"
    assert upstream.sent[0].headers["user-agent"].startswith("chromagent/")


async def test_a_stream_gives_reads_as_they_arrive() -> None:
    upstream = ScriptedUpstream(Scripted(200, [b"one", b"two"]))
    async with UpstreamClient(upstream).stream(REQUEST) as reply:
        assert [read async for read in reply.reads] == [b"one", b"two"]
    assert upstream.closed == 1


async def test_leaving_a_stream_early_closes_it() -> None:
    upstream = ScriptedUpstream(Scripted(200, [b"one", b"two"]))
    async with UpstreamClient(upstream).stream(REQUEST) as reply:
        assert await anext(reply.reads) == b"one"
    assert upstream.closed == 1


async def test_a_cancelled_stream_is_closed() -> None:
    upstream = ScriptedUpstream(Scripted(200, [b"one", 60.0, b"two"]))

    async def work() -> None:
        async with UpstreamClient(upstream).stream(REQUEST) as reply:
            async for _ in reply.reads:
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
        async with client.stream(REQUEST):
            pass


async def test_a_connection_that_breaks_while_reading_has_its_error() -> None:
    upstream = ScriptedUpstream(Scripted(200, [b"one", httpx.ReadError("reset")]))
    async with UpstreamClient(upstream).stream(REQUEST) as reply:
        assert await anext(reply.reads) == b"one"
        with pytest.raises(UpstreamUnreachable):
            await anext(reply.reads)


async def test_a_redirect_is_not_followed() -> None:
    upstream = ScriptedUpstream(Scripted(302, [b""], {"location": "https://elsewhere.test/"}))
    assert (await UpstreamClient(upstream).post(REQUEST)).status == 302
    assert len(upstream.sent) == 1


async def test_an_answer_compressed_against_our_wish_is_still_read() -> None:
    import gzip

    upstream = ScriptedUpstream(Scripted(200, [gzip.compress(b"data: x\n\n")], {"content-encoding": "gzip"}))
    async with UpstreamClient(upstream).stream(REQUEST) as reply:
        assert b"".join([read async for read in reply.reads]) == b"data: x\n\n"
