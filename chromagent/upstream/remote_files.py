"""Files that requests name by URL: the one guarded way out to addresses that callers choose.

Hides resolving, checking and connecting, which must not be three steps with a gap between them: a name is resolved once, every
address that it has must be public, and the connection goes to the address that was checked, under the name that the certificate
must carry.
Nothing of ours goes along: no credentials, no cookies, no proxy. Redirects are followed by the same rules, three at most.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import httpx
from cachetools import TTLCache

from chromagent import __version__
from chromagent.addresses import is_public
from chromagent.errors import GatewayError, InvalidRequest
from chromagent.media_types import SNIFF_BYTES, sniff
from chromagent.upstream.caller_slots import CallerSlots

MOST_FILES: Final = 20
"""Files of one request."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""Of all files of one request together, and of all that are kept. Models take about 20 MiB of files in one request."""
COPIES: Final = 4
"""Of a file while its request is served: bytes, base64 text, the upstream's request, and what the connection has not sent yet."""
MOST_REDIRECTS: Final = 3
KEPT_FOR: Final = 3600.0
"""Seconds for which a file is kept, so that a conversation is rendered the same at each of its turns (wire-anthropic §2.4)."""
DOWNLOADS: Final = 24
"""At the same time, of all callers."""
DOWNLOADS_PER_CALLER: Final = 8
RESOLUTIONS: Final = 8
"""Of names at the same time, each in a thread: one whose name server is silent takes 10 s and more, and cannot be stopped."""
RESOLUTIONS_PER_CALLER: Final = 2

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TEXTS: Final = ("text/plain", "text/csv", "text/markdown", "application/json", "application/xml", "text/xml")
_HEADERS: Final = {"user-agent": f"chromagent/{__version__}", "accept": "*/*", "accept-encoding": "identity"}
Resolve = Callable[[str, int, str], Awaitable[Sequence[str]]]
"""Host, port, and the caller whose turn it takes → the addresses that the host has now."""


class MemoryShare(Protocol):
    """Counts the memory that one request takes."""

    caller: str

    def add(self, size: int) -> None:
        """Count bytes. Raises `GatewayError` where there is no room for them."""
        ...


class RemoteFile(NamedTuple):
    """A file that was fetched; the type is what its bytes say, else what was declared."""

    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What the owner allows; bytes of one file, seconds for one file with its redirects."""

    enabled: bool = True
    hosts: frozenset[str] = frozenset()
    """Host names that may be fetched from; empty means any public host."""
    max_bytes: int = 20 * 1024 * 1024
    timeout: float = 10.0


class _Refused(Exception):
    """The file cannot be had; the text is for the client."""


class _Budget:
    """The bytes that the files of one request may have together, counted as they are read."""

    def __init__(self, share: MemoryShare | None) -> None:
        self._share = share
        self._left = MAX_BYTES
        self.caller = "" if share is None else share.caller

    def take(self, size: int) -> None:
        """Count bytes. Raises `_Refused`, or what the share raises."""
        self._left -= size
        if self._left < 0:
            raise _Refused(f"The files of this request are larger than {MAX_BYTES} bytes together.")
        if self._share is not None:
            self._share.add(COPIES * size)


class RemoteFiles:
    """Fetches and keeps files, one per worker."""

    def __init__(
        self, rules: FetchRules, *, transport: httpx.AsyncBaseTransport | None = None, resolve: Resolve | None = None
    ) -> None:
        self._rules = rules
        self._transport = transport
        self._resolve = resolve or Resolver()
        self._kept = TTLCache[str, RemoteFile](MAX_BYTES, KEPT_FOR, getsizeof=_size)
        self._slots = CallerSlots(DOWNLOADS, per_caller=DOWNLOADS_PER_CALLER)

    async def fetch(self, urls: Mapping[str, str], share: MemoryShare | None = None) -> dict[str, RemoteFile]:
        """Fetch the files of one request. `urls` maps each URL to its place in the request, for complaints.

        Raises `InvalidRequest` (`invalid_image_url`, or `unsupported_value` where the owner allows none) for the first that
        fails, or what `share` raises.
        """
        if urls and not self._rules.enabled:
            raise _complain(
                "This gateway fetches no files: send the content as a data: URL.", next(iter(urls.values())), "unsupported_value"
            )
        if len(urls) > MOST_FILES:
            raise _complain(f"A request may name at most {MOST_FILES} files by URL.", list(urls.values())[MOST_FILES])
        budget = _Budget(share)
        async with asyncio.TaskGroup() as group:
            tasks = {url: group.create_task(self._fetch_or_complain(url, place, budget)) for url, place in urls.items()}
        files: dict[str, RemoteFile] = {}
        for url, task in tasks.items():
            result = task.result()
            if isinstance(result, GatewayError):
                raise result
            files[url] = result
        return files

    async def _fetch_or_complain(self, url: str, place: str, budget: _Budget) -> RemoteFile | GatewayError:
        try:
            if (kept := self._kept.get(url)) is not None:
                budget.take(len(kept.content))
                return kept
            async with asyncio.timeout(self._rules.timeout):  # also of the wait for a slot: a request must not wait for ever
                await self._slots.acquire(budget.caller)
                try:
                    file = await self._follow(url, budget)
                finally:
                    self._slots.release(budget.caller)
        except GatewayError as error:
            return error
        except _Refused as refusal:
            return _complain(f"{refusal}", place)
        except TimeoutError:
            return _complain(f"The file did not come within {self._rules.timeout:g} seconds.", place)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError):
            return _complain("The file could not be fetched.", place)
        self._kept[url] = file
        return file

    async def _follow(self, address: str, budget: _Budget) -> RemoteFile:
        url = httpx.URL(address)
        for _ in range(MOST_REDIRECTS + 1):
            found = await self._get(url, budget)
            if isinstance(found, RemoteFile):
                return found
            url = url.join(found)
        raise _Refused("The file is behind too many redirects.")

    async def _get(self, url: httpx.URL, budget: _Budget) -> RemoteFile | str:
        """Return the file, or where a redirect leads."""
        pinned = await self._pin(url, budget.caller)
        request = httpx.Request(
            "GET",
            url.copy_with(host=pinned, fragment=None),
            headers={**_HEADERS, "host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.raw_host.decode("ascii"), "timeout": httpx.Timeout(self._rules.timeout).as_dict()},
        )
        answer = await self._engine().handle_async_request(request)
        try:
            if answer.status_code in _REDIRECTS and "location" in answer.headers:
                return answer.headers["location"]
            if answer.status_code != 200:
                raise _Refused(f"The file could not be fetched: its server answered {answer.status_code}.")
            return await self._read(answer, budget)
        finally:
            await asyncio.shield(answer.aclose())

    async def _read(self, answer: httpx.Response, budget: _Budget) -> RemoteFile:
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise _Refused("The file could not be fetched: its server sent it compressed.")
        limit = self._rules.max_bytes
        length = answer.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise _Refused(f"The file is larger than {limit} bytes.")
        pieces: list[bytes] = []
        size = 0
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        async for piece in answer.stream:
            size += len(piece)
            if size > limit:
                raise _Refused(f"The file is larger than {limit} bytes.")
            budget.take(len(piece))
            pieces.append(piece)
        return _typed(b"".join(pieces), answer.headers.get("content-type", ""))

    async def _pin(self, url: httpx.URL, caller: str) -> str:
        """Return the address to connect to, once the whole URL is found harmless."""
        if url.scheme != "https" or url.userinfo or url.port not in (None, 443):
            raise _Refused("Files are fetched from plain https: URLs only.")
        host = url.raw_host.decode("ascii").rstrip(".").lower()
        if not host or (self._rules.hosts and host not in self._rules.hosts):
            raise _Refused("This gateway does not fetch from that host.")
        addresses = await self._resolve(host, 443, caller)
        if not addresses or not all(is_public(address) for address in addresses):
            raise _Refused("This gateway does not fetch from that address.")
        return addresses[0]

    def _engine(self) -> httpx.AsyncBaseTransport:
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        return self._transport


def _typed(content: bytes, declared: str) -> RemoteFile:
    declared = declared.partition(";")[0].strip().lower()
    media_type = sniff(content[:SNIFF_BYTES], declared)
    if media_type is None and declared in _TEXTS:
        media_type = declared
    if media_type is None or not content:
        raise _Refused("The file is none of the kinds that models take: an image, a PDF, audio, video or plain text.")
    return RemoteFile(media_type, content)


def _size(file: RemoteFile) -> float:
    return len(file.content)


def _complain(message: str, place: str, code: str = "invalid_image_url") -> InvalidRequest:
    return InvalidRequest(message, param=place, code=code)


class Resolver:
    """Asks the system for addresses, in threads of its own: those of the event loop resolve the names of upstreams.

    A resolution that nobody waits for any longer keeps its thread until the system gives up; until then it counts as its caller's.
    """

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._slots = CallerSlots(RESOLUTIONS, per_caller=RESOLUTIONS_PER_CALLER)

    async def __call__(self, host: str, port: int, caller: str) -> list[str]:
        """Return the addresses of a host. Raises `OSError` or `UnicodeError`."""
        await self._slots.acquire(caller)
        if self._executor is None:
            self._executor = ThreadPoolExecutor(RESOLUTIONS, "resolve")
        loop = asyncio.get_running_loop()

        def done(_: "Future[Any]") -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._slots.release, caller)

        future = self._executor.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        future.add_done_callback(done)
        return [str(address[0]) for _, _, _, _, address in await asyncio.wrap_future(future)]
