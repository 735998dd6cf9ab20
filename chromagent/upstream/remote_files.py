"""Files that requests name by URL: the one guarded way out to addresses that callers choose.

Hides resolving, checking and connecting, which must not be three steps with a gap between them: a name is resolved once, every
address that it has must be public, and the connection goes to the address that was checked, under the name that the certificate
must carry.
Nothing of ours goes along: no credentials, no cookies, no proxy. Redirects are followed by the same rules, three at most.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import httpx
from cachetools import TTLCache

from chromagent import __version__
from chromagent.addresses import is_public
from chromagent.errors import InvalidRequest
from chromagent.media_types import sniff

MOST_FILES: Final = 20
"""Files of one request."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of all files of one request together, and of all that are kept."""
MOST_REDIRECTS: Final = 3
KEPT_FOR: Final = 3600.0
"""Seconds for which a file is kept, so that a conversation is rendered the same at each of its turns (wire-anthropic §2.4)."""
AT_ONCE: Final = 8
"""Downloads of one worker at the same time."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TEXTS: Final = ("text/plain", "text/csv", "text/markdown", "application/json", "application/xml", "text/xml")
_HEADERS: Final = {"user-agent": f"chromagent/{__version__}", "accept": "*/*", "accept-encoding": "identity"}
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → the addresses that the host has now."""


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


class RemoteFiles:
    """Fetches and keeps files, one per worker."""

    def __init__(
        self, rules: FetchRules, *, transport: httpx.AsyncBaseTransport | None = None, resolve: Resolve | None = None
    ) -> None:
        self._rules = rules
        self._transport = transport
        self._resolve = resolve or _resolve
        self._kept = TTLCache[str, RemoteFile](MOST_BYTES, KEPT_FOR, getsizeof=_size)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, urls: Mapping[str, str]) -> dict[str, RemoteFile]:
        """Fetch the files of one request. `urls` maps each URL to its place in the request, for complaints.

        Raises `InvalidRequest` (`invalid_image_url`, or `unsupported_value` where the owner allows none) for the first that fails.
        """
        if urls and not self._rules.enabled:
            raise _complain(
                "This gateway fetches no files: send the content as a data: URL.", next(iter(urls.values())), "unsupported_value"
            )
        if len(urls) > MOST_FILES:
            raise _complain(f"A request may name at most {MOST_FILES} files by URL.", list(urls.values())[MOST_FILES])
        async with asyncio.TaskGroup() as group:
            tasks = {url: group.create_task(self._fetch_or_complain(url, place)) for url, place in urls.items()}
        files: dict[str, RemoteFile] = {}
        total = 0
        for url, task in tasks.items():
            result = task.result()
            if isinstance(result, InvalidRequest):
                raise result
            files[url] = result
            total += len(result.content)
            if total > MOST_BYTES:
                raise _complain(f"The files of this request are larger than {MOST_BYTES} bytes together.", urls[url])
        return files

    async def _fetch_or_complain(self, url: str, place: str) -> RemoteFile | InvalidRequest:
        if (kept := self._kept.get(url)) is not None:
            return kept
        try:
            async with self._slots, asyncio.timeout(self._rules.timeout):
                file = await self._follow(url)
        except _Refused as refusal:
            return _complain(f"{refusal}", place)
        except TimeoutError:
            return _complain(f"The file did not come within {self._rules.timeout:g} seconds.", place)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError):
            return _complain("The file could not be fetched.", place)
        if len(file.content) <= MOST_BYTES:
            self._kept[url] = file
        return file

    async def _follow(self, address: str) -> RemoteFile:
        url = httpx.URL(address)
        for _ in range(MOST_REDIRECTS + 1):
            found = await self._get(url)
            if isinstance(found, RemoteFile):
                return found
            url = url.join(found)
        raise _Refused("The file is behind too many redirects.")

    async def _get(self, url: httpx.URL) -> RemoteFile | str:
        """Return the file, or where a redirect leads."""
        pinned = await self._pin(url)
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
            return await self._read(answer)
        finally:
            await asyncio.shield(answer.aclose())

    async def _read(self, answer: httpx.Response) -> RemoteFile:
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
            pieces.append(piece)
        return _typed(b"".join(pieces), answer.headers.get("content-type", ""))

    async def _pin(self, url: httpx.URL) -> str:
        """Return the address to connect to, once the whole URL is found harmless."""
        if url.scheme != "https" or url.userinfo or url.port not in (None, 443):
            raise _Refused("Files are fetched from plain https: URLs only.")
        host = url.raw_host.decode("ascii").rstrip(".").lower()
        if not host or (self._rules.hosts and host not in self._rules.hosts):
            raise _Refused("This gateway does not fetch from that host.")
        addresses = await self._resolve(host, 443)
        if not addresses or not all(is_public(address) for address in addresses):
            raise _Refused("This gateway does not fetch from that address.")
        return addresses[0]

    def _engine(self) -> httpx.AsyncBaseTransport:
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        return self._transport


def _typed(content: bytes, declared: str) -> RemoteFile:
    declared = declared.partition(";")[0].strip().lower()
    media_type = sniff(content[:64])
    if media_type is None and declared in _TEXTS:
        media_type = declared
    if media_type is None or not content:
        raise _Refused("The file is none of the kinds that models take: an image, a PDF, audio, video or plain text.")
    return RemoteFile(media_type, content)


def _size(file: RemoteFile) -> float:
    return len(file.content)


def _complain(message: str, place: str, code: str = "invalid_image_url") -> InvalidRequest:
    return InvalidRequest(message, param=place, code=code)


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for _, _, _, _, address in found]
