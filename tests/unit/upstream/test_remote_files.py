"""Files by URL: what is fetched, and every way to an address that callers must not reach."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
import trustme

from chromagent.errors import InvalidRequest, RateLimited
from chromagent.upstream.remote_files import MOST_FILES, FetchRules, RemoteFiles

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
PUBLIC = "93.184.216.34"
PLACE = "messages.[0].content.[0].image_url.url"


class Web(httpx.AsyncBaseTransport):
    """Servers of the internet, by host name; keeps which address and name each request went to."""

    def __init__(self, **pages: httpx.Response | Exception) -> None:
        self.pages = pages
        self.asked: list[tuple[str, str, str]] = []
        self.headers: list[httpx.Headers] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = request.headers["host"]
        self.asked.append((request.url.host, name, request.extensions["sni_hostname"]))
        self.headers.append(request.headers)
        page = self.pages[(name + request.url.path).replace(".", "_").replace("/", "_")]
        if isinstance(page, Exception):
            raise page
        return httpx.Response(page.status_code, headers=page.headers, stream=Pieces(page.content))


class Pieces(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), 10):
            yield self._content[start : start + 10]


def page(content: bytes = PNG, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, content=content, headers={name.replace("_", "-"): value for name, value in headers.items()})


def resolving(**hosts: Sequence[str]) -> Any:
    asked: list[str] = []

    async def resolve(host: str, port: int, caller: str) -> Sequence[str]:
        asked.append(host)
        return hosts.get(host.replace(".", "_"), [PUBLIC])

    resolve.asked = asked  # pyright: ignore
    return resolve


async def fetch(url: str, web: Web, resolve: Any = None, **rules: Any) -> Any:
    files = RemoteFiles(FetchRules(**rules), transport=web, resolve=resolve or resolving())
    return (await files.fetch({url: PLACE}))[url]


async def refusal(url: str, web: Web | None = None, resolve: Any = None, **rules: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        await fetch(url, web or Web(), resolve, **rules)
    assert caught.value.param == PLACE
    return caught.value


async def test_a_file_comes_with_the_type_that_its_bytes_say() -> None:
    web = Web(files_test_a_png=page(content_type="text/html"))
    assert await fetch("https://files.test/a.png", web) == ("image/png", PNG)


async def test_the_connection_goes_to_the_checked_address_under_the_hosts_name() -> None:
    web = Web(files_test_a=page())
    await fetch("https://files.test/a", web)
    assert web.asked == [(PUBLIC, "files.test", "files.test")]


async def test_nothing_of_ours_goes_along() -> None:
    web = Web(files_test_a=page())
    await fetch("https://files.test/a", web)
    assert set(web.headers[0]) == {"user-agent", "accept", "accept-encoding", "host"}


async def test_a_text_is_taken_as_declared() -> None:
    web = Web(files_test_a=page(b"hello", content_type="text/plain; charset=utf-8"))
    assert await fetch("https://files.test/a", web) == ("text/plain", b"hello")


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", ""])
async def test_what_is_no_file_for_a_model_is_refused(content_type: str) -> None:
    error = await refusal("https://files.test/a", Web(files_test_a=page(b"<html>", content_type=content_type)))
    assert (error.status, error.code) == (400, "invalid_image_url")


FORBIDDEN = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:1:2:3:4:5:6",
    "::127.0.0.1",
    "5f00::1",
    "nonsense",
]


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_name_that_leads_to_a_forbidden_address_is_refused(address: str) -> None:
    web = Web(files_test_a=page())
    error = await refusal("https://files.test/a", web, resolving(files_test=[address]))
    assert error.message == "This gateway does not fetch from that address."
    assert web.asked == []


async def test_one_forbidden_address_among_several_is_enough() -> None:
    web = Web(files_test_a=page())
    await refusal("https://files.test/a", web, resolving(files_test=[PUBLIC, "10.0.0.1"]))
    assert web.asked == []


SPELLINGS = [
    "https://127.0.0.1/a",
    "https://127.1/a",
    "https://2130706433/a",
    "https://0x7f000001/a",
    "https://0177.0.0.1/a",
    "https://[::1]/a",
    "https://[::ffff:127.0.0.1]/a",
    "https://[::ffff:7f00:1]/a",
    "https://localhost/a",
    "https://LOCALHOST./a",
    "https://\uff11\uff12\uff17.0.0.1/a",
    "https://①②⑦.⓪.⓪.①/a",
    "https://169.254.169.254/computeMetadata/v1/",
    "https://0/a",
    "https://[broken/a",
    "https://" + "a" * 300 + ".test/a",
]


@pytest.mark.parametrize("url", SPELLINGS)
async def test_no_spelling_of_a_local_address_or_of_none_is_fetched(url: str) -> None:
    """With the resolver of this machine: what it makes of a spelling is what counts."""
    web = Web()
    files = RemoteFiles(FetchRules(), transport=web)
    with pytest.raises(InvalidRequest):
        await files.fetch({url: PLACE})
    assert web.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://files.test/a",
        "ftp://files.test/a",
        "file:///etc/passwd",
        "gopher://files.test/",
        "https://user:secret@files.test/a",
        "https://files.test:8443/a",
        "https://files.test:80/a",
        "https:///a",
        "https://",
        "https://files.test\r\nx-evil: 1/a",
    ],
)
async def test_only_plain_https_urls_are_fetched(url: str) -> None:
    web = Web()
    await refusal(url, web)
    assert web.asked == []


async def test_a_name_is_resolved_once_so_a_second_answer_changes_nothing() -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])

    async def resolve(host: str, port: int, caller: str) -> Sequence[str]:
        return next(answers)

    web = Web(files_test_a=page())
    await fetch("https://files.test/a", web, resolve)
    assert web.asked == [(PUBLIC, "files.test", "files.test")]
    assert next(answers) == ["127.0.0.1"]


async def test_a_redirect_is_followed_by_the_same_rules() -> None:
    web = Web(
        files_test_a=page(b"", 302, location="https://cdn.test/b"), cdn_test_b=page(b"", 301, location="/c"), cdn_test_c=page()
    )
    resolve = resolving()
    assert (await fetch("https://files.test/a", web, resolve))[0] == "image/png"
    assert resolve.asked == ["files.test", "cdn.test", "cdn.test"]


@pytest.mark.parametrize(
    "location", ["http://cdn.test/b", "https://10.0.0.1/b", "file:///etc/passwd", "https://inside.test/b", "//inside.test/b"]
)
async def test_a_redirect_to_a_forbidden_place_is_refused(location: str) -> None:
    web = Web(files_test_a=page(b"", 302, location=location))

    async def resolve(host: str, port: int, caller: str) -> Sequence[str]:
        return [PUBLIC] if host in ("files.test", "cdn.test") else ["10.0.0.1"]

    await refusal("https://files.test/a", web, resolve)
    assert len(web.asked) == 1


async def test_four_redirects_are_too_many() -> None:
    web = Web(files_test_a=page(b"", 302, location="/a"))
    error = await refusal("https://files.test/a", web)
    assert "too many redirects" in error.message
    assert len(web.asked) == 4


async def test_a_declared_size_beyond_the_limit_is_refused_before_reading() -> None:
    error = await refusal("https://files.test/a", Web(files_test_a=page(PNG, content_length="999999999")), max_bytes=1000)
    assert "larger than 1000 bytes" in error.message


async def test_a_size_that_nobody_declared_is_counted() -> None:
    answer = page(PNG * 100)
    del answer.headers["content-length"]
    assert "larger than 1000 bytes" in (await refusal("https://files.test/a", Web(files_test_a=answer), max_bytes=1000)).message


async def test_a_compressed_file_is_refused() -> None:
    answer = page()
    answer.headers["content-encoding"] = "gzip"
    assert "compressed" in (await refusal("https://files.test/a", Web(files_test_a=answer))).message


@pytest.mark.parametrize("status", [204, 401, 404, 500])
async def test_another_status_is_refused(status: int) -> None:
    error = await refusal("https://files.test/a", Web(files_test_a=page(PNG, status)))
    assert str(status) in error.message


async def test_a_server_that_cannot_be_reached_is_a_400() -> None:
    await refusal("https://files.test/a", Web(files_test_a=httpx.ConnectError("refused")))


async def test_a_name_that_does_not_exist_is_a_400() -> None:
    async def resolve(host: str, port: int, caller: str) -> Sequence[str]:
        raise OSError("no such host")

    await refusal("https://files.test/a", Web(), resolve)


async def test_a_slow_server_is_given_up() -> None:
    async def resolve(host: str, port: int, caller: str) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    assert "within 0.05 seconds" in (await refusal("https://files.test/a", Web(), resolve, timeout=0.05)).message


async def test_only_listed_hosts_where_there_is_a_list() -> None:
    web = Web(files_test_a=page())
    assert (await fetch("https://Files.test/a", web, hosts=frozenset({"files.test"}))).content == PNG
    await refusal("https://other.test/a", web, hosts=frozenset({"files.test"}))
    await refusal("https://files.test.evil.test/a", web, hosts=frozenset({"files.test"}))


async def test_nothing_is_fetched_where_the_owner_wants_none() -> None:
    assert (await refusal("https://files.test/a", Web(), enabled=False)).code == "unsupported_value"


async def test_a_file_is_kept_so_that_the_next_turn_is_the_same() -> None:
    web = Web(files_test_a=page())
    files = RemoteFiles(FetchRules(), transport=web, resolve=resolving())
    first = await files.fetch({"https://files.test/a": PLACE})
    assert await files.fetch({"https://files.test/a": PLACE}) == first
    assert len(web.asked) == 1


async def test_too_many_files_are_refused_at_once() -> None:
    web = Web()
    files = RemoteFiles(FetchRules(), transport=web, resolve=resolving())
    with pytest.raises(InvalidRequest, match="at most 20 files"):
        await files.fetch({f"https://files.test/{number}": PLACE for number in range(MOST_FILES + 1)})
    assert web.asked == []


class Rerouted(httpx.AsyncHTTPTransport):
    """The real engine, with the way to the public address bent to a server on this machine."""

    def __init__(self, port: int, verify: ssl.SSLContext) -> None:
        super().__init__(verify=verify)
        self._port = port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == PUBLIC
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return await super().handle_async_request(request)


@pytest.mark.parametrize(("certified", "works"), [("files.test", True), ("other.test", False)])
async def test_over_tls_the_certificate_must_carry_the_hosts_name(certified: str, works: bool) -> None:
    authority = trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(certified).configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\ncontent-type: image/png\r\n\r\n%b" % (len(PNG), PNG))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    transport = Rerouted(port, client_side)
    try:
        files = RemoteFiles(FetchRules(), transport=transport, resolve=resolving())
        if works:
            assert (await files.fetch({"https://files.test/a": PLACE}))["https://files.test/a"].content == PNG
        else:
            with pytest.raises(InvalidRequest, match="could not be fetched"):
                await files.fetch({"https://files.test/a": PLACE})
    finally:
        await transport.aclose()
        server.close()


class Counting(httpx.AsyncBaseTransport):
    """Files of 20 MiB in pieces of 1 MiB; counts what was read of them."""

    def __init__(self) -> None:
        self.read = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Megabytes(self))


class Megabytes(httpx.AsyncByteStream):
    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0)
            self._counting.read += 1
            yield PNG + bytes(2**20 - len(PNG))


class Share:
    """Counts what it is asked for, up to a limit."""

    def __init__(self, caller: str = "a", limit: int = 10**12) -> None:
        self.caller = caller
        self.size = 0
        self._limit = limit

    def add(self, size: int) -> None:
        if self.size + size > self._limit:
            raise RateLimited("enough")
        self.size += size


async def test_the_files_of_one_request_share_one_budget_while_they_are_read() -> None:
    web, share = Counting(), Share()
    files = RemoteFiles(FetchRules(), transport=web, resolve=resolving())
    with pytest.raises(InvalidRequest, match="larger than 33554432 bytes together"):
        await files.fetch({f"https://files.test/{n}": PLACE for n in range(20)}, share)
    assert web.read <= 32 + 20, "each file that is refused read one piece too many"
    assert share.size == 4 * 32 * 2**20


async def test_files_are_counted_in_the_memory_of_their_request_also_those_that_are_kept() -> None:
    files = RemoteFiles(FetchRules(), transport=Web(files_test_a=page()), resolve=resolving())
    for _ in range(2):
        share = Share()
        await files.fetch({"https://files.test/a": PLACE}, share)
        assert share.size == 4 * len(PNG)
    with pytest.raises(RateLimited):
        await files.fetch({"https://files.test/a": PLACE}, Share(limit=10))


async def test_a_silent_name_server_takes_two_threads_of_each_caller_and_none_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        if host.startswith("silent"):
            silent.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    files = RemoteFiles(FetchRules(timeout=0.3), transport=Web(files_test_a=page()))
    urls = [{f"https://silent{caller}{n}.test/a": PLACE for n in range(20)} for caller in "ab"]
    try:
        waiting = [asyncio.create_task(files.fetch(named, Share(caller))) for named, caller in zip(urls, "ab", strict=True)]
        await asyncio.sleep(0.05)
        assert await files.fetch({"https://files.test/a": PLACE}, Share("c")) == {"https://files.test/a": ("image/png", PNG)}
        for task in waiting:
            with pytest.raises(InvalidRequest, match=r"did not come within 0\.3 seconds"):
                await task
        assert sum(host.startswith("silent") for host in asked) == 4
    finally:
        silent.set()


async def test_the_wait_for_a_slot_counts_into_the_time_of_a_file() -> None:
    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(60)
            raise AssertionError

    files = RemoteFiles(FetchRules(timeout=0.2), transport=Hanging(), resolve=resolving())
    async with asyncio.timeout(5):
        with pytest.raises(InvalidRequest, match=r"did not come within 0\.2 seconds"):
            await files.fetch({f"https://files.test/{n}": PLACE for n in range(20)}, Share())
