"""The engine over real TLS."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from chromagent.errors import GatewayError, UpstreamUnreachable
from chromagent.upstream import pool
from chromagent.upstream.client import UpstreamClient, UpstreamRequest
from chromagent.upstream.tls import open_trust
from tests.support.raw_upstream import (
    CHUNKED,
    LAST_CHUNK,
    LOOPS,
    UVLOOP,
    Act,
    RawUpstream,
    chunk,
    document,
    head,
    post,
    serving,
    stream,
    streamed,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_trust(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2", "http/1.1"])
    certificate.configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Our engine trusts the authority of these tests only."""
    bundle = tmp_path_factory.mktemp("trust") / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setattr("certifi.where", lambda: str(bundle))
    open_trust.cache_clear()
    yield
    open_trust.cache_clear()


def secure(upstream: RawUpstream, host: str = "localhost") -> UpstreamRequest:
    return UpstreamRequest(f"https://{host}:{upstream.port}/x", {}, b"{}", 5.0)


@pytest.mark.usefixtures("trusting")
async def test_over_tls_the_name_is_sent_and_http_1_is_agreed_and_connections_serve_again(authority: trustme.CA) -> None:
    seen: list[Any] = []
    context = server_trust(authority.issue_cert("localhost"))
    context.sni_callback = lambda sock, name, _: seen.append(name)
    async with serving([document(b"one")], [CHUNKED, chunk(b"two"), LAST_CHUNK], host="localhost", trust=context) as upstream:
        client = UpstreamClient()
        assert await post(client, secure(upstream)) == b"one"
        assert await stream(client, secure(upstream)) == b"two"
        assert (seen, upstream.connections, upstream.protocols) == (["localhost"], 1, ["http/1.1"])
        await client.close()
        assert await upstream.all_closed()


@pytest.mark.usefixtures("trusting")
async def test_a_certificate_may_be_for_an_address(authority: trustme.CA) -> None:
    async with serving([document(b"one")], trust=server_trust(authority.issue_cert("127.0.0.1"))) as upstream:
        assert await post(UpstreamClient(), secure(upstream, "127.0.0.1")) == b"one"


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("fault", ["another name", "expired", "another authority"])
async def test_a_certificate_that_proves_nothing_is_an_unreachable_upstream(authority: trustme.CA, fault: str) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    certificate = {
        "another name": lambda: authority.issue_cert("elsewhere.test"),
        "expired": lambda: authority.issue_cert("localhost", not_before=past - timedelta(days=1), not_after=past),
        "another authority": lambda: trustme.CA().issue_cert("localhost"),
    }[fault]()
    async with serving([document(b"one")], host="localhost", trust=server_trust(certificate)) as upstream:
        with pytest.raises(UpstreamUnreachable) as caught:
            await UpstreamClient().post(secure(upstream))
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert upstream.heads == []


async def test_an_authority_of_somebodys_own_is_not_trusted(authority: trustme.CA) -> None:
    async with serving([document(b"one")], host="localhost", trust=server_trust(authority.issue_cert("localhost"))) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await UpstreamClient().post(secure(upstream))


async def test_an_upstream_that_speaks_no_tls_is_unreachable() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(document(b"TLS?", "400 Bad Request"))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    with pytest.raises(UpstreamUnreachable):
        await UpstreamClient().post(UpstreamRequest(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, b"", 5.0))
    server.close()


@pytest.mark.parametrize("cancel", [False, True])
async def test_an_upstream_that_never_ends_its_handshake_is_unreachable_and_let_go(
    monkeypatch: pytest.MonkeyPatch, cancel: bool
) -> None:
    monkeypatch.setattr(pool, "CONNECT_TIMEOUT", 0.3)
    left = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        left.set()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    request = UpstreamRequest(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, b"", 5.0)
    task = asyncio.create_task(UpstreamClient().post(request))
    if cancel:
        await asyncio.sleep(0.1)
        task.cancel()
    with pytest.raises(asyncio.CancelledError if cancel else UpstreamUnreachable):
        await asyncio.wait_for(task, 3)
    await asyncio.wait_for(left.wait(), 3)
    server.close()


@pytest.mark.usefixtures("trusting")
async def test_a_request_that_is_cancelled_while_it_connects_spoils_no_other_one(authority: trustme.CA) -> None:
    async with serving([document(b"one")], trust=server_trust(authority.issue_cert("127.0.0.1"))) as upstream:
        client = UpstreamClient()
        for steps in range(40):
            leaving = asyncio.create_task(post(client, secure(upstream, "127.0.0.1")))
            for _ in range(steps):
                await asyncio.sleep(0)
            leaving.cancel()
            staying = [post(UpstreamClient(), secure(upstream, "127.0.0.1")) for _ in range(3)]
            assert await asyncio.gather(*staying) == [b"one"] * 3


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([CHUNKED + chunk(b"hello"), Act.CLOSE], UpstreamUnreachable),
        ([CHUNKED + chunk(b"hello"), Act.CUT], UpstreamUnreachable),
        ([head("200 OK", "content-length: 9") + b"hello", 0.02, Act.RESET], UpstreamUnreachable),
        ([head() + b"hello", Act.CLOSE], None),
    ],
)
async def test_over_tls_an_answer_without_its_end_is_a_lost_connection(
    authority: trustme.CA, script: list[Any], expected: type[GatewayError] | None
) -> None:
    trust = server_trust(authority.issue_cert("localhost"))
    async with serving(script, host="localhost", trust=trust) as upstream, streamed(UpstreamClient(), secure(upstream)) as reads:
        assert await anext(reads) == b"hello"
        if expected is None:
            assert [read async for read in reads] == []
        else:
            with pytest.raises(expected):
                await anext(reads)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("anyio_backend", [UVLOOP])  # asyncio's own TLS does not tell a farewell from a cut
async def test_over_tls_a_body_that_ends_with_the_connection_needs_a_farewell(authority: trustme.CA) -> None:
    trust = server_trust(authority.issue_cert("localhost"))
    async with serving([head() + b"hello", Act.CUT], host="localhost", trust=trust) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await UpstreamClient().post(secure(upstream))


@pytest.mark.usefixtures("trusting")
async def test_over_tls_a_slow_reader_loses_nothing_either(authority: trustme.CA) -> None:
    size = 16 * 1024 * 1024
    script = [head("200 OK", f"content-length: {size}"), *[b"x" * 65536] * (size // 65536)]
    trust = server_trust(authority.issue_cert("localhost"))
    async with serving(script, host="localhost", trust=trust) as upstream, streamed(UpstreamClient(), secure(upstream)) as reads:
        total = len(await anext(reads))
        await asyncio.sleep(0.2)
        assert upstream.sent < size
        async for read in reads:
            total += len(read)
    assert total == size
