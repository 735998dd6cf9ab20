"""One port in front of the two functions that behaves as API Gateway does (gcp-platform §1.2–1.6): routes, keys, quotas and
deadlines of the deployment's own OpenAPI document, Google's header rewriting, Google's error bodies.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple
from urllib.parse import quote

import httpx
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from chromagent.endpoints.asgi import JSON, ClientLeft, Receive, Reply, Request, Scope, Send
from chromagent.endpoints.work import Work
from chromagent.errors import RequestTimeout, RequestTooLarge
from chromagent.local.openapi import Document, Operation

LARGEST_BODY: Final = 32 * 1024 * 1024
IDENTITY_TOKEN: Final = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2FjY291bnRzLmdvb2dsZS5jb20ifQ.local"  # noqa: S105 - stands for the token of the gateway's own service account
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
    }
)
_OWN: Final = _HOP_BY_HOP | {"date", "server"}
"""What a reply gets from whoever sends it on."""
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Rejection(Exception):
    """The gateway's own answer: never OpenAI-shaped, and not configurable (gcp-platform §1.5)."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class GatewaySettings(NamedTuple):
    """How the local gateway differs from a plain one."""

    api_keys: frozenset[str] = frozenset()
    """Google API keys that are accepted; each stands for a consumer project of its own."""
    buffer: bool = False
    """Hold every answer back until it is complete, as a gateway without streaming does."""
    page: bytes = b""
    """What `/` shows a browser; API Gateway itself has nothing there."""
    hosts: frozenset[str] = frozenset()
    """Values of the Host header that are served; empty means any."""


class LocalGateway:
    """The ASGI application."""

    def __init__(self, document: Document, settings: GatewaySettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._document = document
        self._settings = settings
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=None,  # noqa: S113 - the document's deadlines count
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )
        self._quotas = FixedWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        request, reply = Request(scope, receive), Reply(send, {})
        try:
            self._require_own_host(request)
            if self._settings.page and (request.method, request.path) == ("GET", "/"):
                await self._show_page(reply)
                return
            path = _straightened(scope)
            operation = self._find(request.method, path)
            await self._admit(request, operation)
            body = await request.encoded_body(LARGEST_BODY)
            url = operation.address + path + (f"?{request.query}" if request.query else "")
            # Made by hand: the client's own way of making requests adds headers and cookies of its own.
            outgoing = httpx.Request(request.method, url, headers=_forwarded_headers(scope, request.peer), content=body)
            deadline = asyncio.get_running_loop().time() + operation.deadline
            await self._forward(outgoing, reply, Work(request.receive, deadline, TimeoutError, set()))
        except ClientLeft:
            return
        except Rejection as rejection:
            await reply.json(rejection.code, {"code": rejection.code, "message": rejection.message})
        except RequestTooLarge:
            await reply.json(413, {"code": 413, "message": "Request Entity Too Large"})
        except RequestTimeout:
            await reply.json(408, {"code": 408, "message": "Request Timeout"})

    async def close(self) -> None:
        """Close the connections to the functions."""
        await self._client.aclose()

    def _require_own_host(self, request: Request) -> None:
        """Refuse other names: a web page may point its own at this machine (DNS rebinding), and is ours to a browser then."""
        host = request.headers.get("host", "").lower()
        if self._settings.hosts and host not in self._settings.hosts:
            expected = " or ".join(sorted(self._settings.hosts))
            raise Rejection(421, f"This local gateway answers under {expected} only, not under '{host[:100]}'.")

    async def _show_page(self, reply: Reply) -> None:
        reply.headers["content-security-policy"] = _PAGE_POLICY
        await reply.whole(200, self._settings.page, "text/html; charset=utf-8")

    def _find(self, method: str, path: str) -> Operation:
        operations = self._document.match(path)
        if not operations:
            raise Rejection(404, "The current request is not defined by this API.")
        for operation in operations:
            if operation.method == method:
                return operation
        template = operations[0].template
        raise Rejection(
            405, f'The current request is matched to the defined url template "{template}" but its http method is not allowed'
        )

    async def _admit(self, request: Request, operation: Operation) -> None:
        """Check the Google API key and count it. Without a key there is no consumer, hence nothing to count against."""
        if not operation.needs_key:
            return
        key = request.headers.get("x-api-key") or httpx.QueryParams(request.query).get("key")
        if not key:
            raise Rejection(
                401,
                "UNAUTHENTICATED:Method doesn't allow unregistered callers (callers without established identity). "
                "Please use API Key or other form of API consumer identity to call this API.",
            )
        if key not in self._settings.api_keys:
            raise Rejection(400, "INVALID_ARGUMENT:API key not valid. Please pass a valid API key.")
        if operation.per_minute is not None:
            limit = RateLimitItemPerMinute(operation.per_minute)
            if not await self._quotas.hit(limit, str(operation.metric), key, cost=operation.cost):
                raise Rejection(429, f"RESOURCE_EXHAUSTED:Quota exceeded for quota metric '{operation.metric}'.")

    async def _forward(self, outgoing: httpx.Request, reply: Reply, work: Work) -> None:
        try:
            with work:
                async with self._sent(outgoing) as answer:
                    await self._relay(answer, reply)
        except TimeoutError as error:
            if reply.started:
                raise DeadlineCut from error
            raise Rejection(504, "upstream request timeout") from error
        except httpx.HTTPError as error:
            if reply.started:
                raise
            raise Rejection(503, "upstream connect error or disconnect/reset before headers") from error

    @asynccontextmanager
    async def _sent(self, request: httpx.Request) -> AsyncGenerator[httpx.Response]:
        answer = await self._client.send(request, stream=True)
        try:
            yield answer
        finally:
            await asyncio.shield(answer.aclose())

    async def _relay(self, answer: httpx.Response, reply: Reply) -> None:
        reply.headers |= {name: value for name, value in answer.headers.items() if name not in _OWN}
        content_type = answer.headers.get("content-type", "")
        if self._settings.buffer:
            body = b"".join([piece async for piece in answer.aiter_raw()])
            await reply.whole(answer.status_code, body, content_type or JSON)
            return
        await reply.start(answer.status_code, content_type)
        async for piece in answer.aiter_raw():
            await reply.write(piece)
        await reply.write(b"", last=True)


class DeadlineCut(Exception):
    """The deadline passed in the middle of an answer: the connection breaks off, as it does at the real gateway."""


def _straightened(scope: Scope) -> str:
    """Return the path as it came, escapes kept, without doubled slashes and dot segments: routes are looked up after that."""
    path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
    kept: list[str] = []
    meant = ""
    for segment in path.split("/"):
        meant = segment.lower().replace("%2e", ".")
        if meant == "..":
            kept = kept[:-1]
        elif meant not in ("", "."):
            kept.append(segment)
    is_folder = kept and meant in ("", ".", "..")
    return "/" + "/".join(kept) + ("/" if is_folder else "")


def _forwarded_headers(scope: Scope, peer: str) -> httpx.Headers:
    """Rewrite headers as backend authentication does: the client's `Authorization` moves, Google's own takes its place.

    A client's `X-Forwarded-Authorization` is removed only when it also sent `Authorization` (gcp-platform §1.4).
    """
    headers = httpx.Headers(scope["headers"], encoding="latin-1")
    for name in _HOP_BY_HOP.union(option.strip().lower() for option in headers.get("connection", "").split(",")):
        headers.pop(name, None)
    if authorization := headers.get("authorization"):
        headers["x-forwarded-authorization"] = authorization
    headers["authorization"] = f"Bearer {IDENTITY_TOKEN}"
    forwarded = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{forwarded}, {peer}" if forwarded else peer
    return headers
