"""The outermost layer: every answer has a request id, the security headers and a line in the log, and whatever is raised leaves
OpenAI-shaped.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from chromagent import telemetry
from chromagent.endpoints.asgi import ClientLeft, HeaderLine, Receive, Reply, Request, Scope, Send
from chromagent.endpoints.cors import CorsRules
from chromagent.endpoints.render import error_event
from chromagent.endpoints.request_line import Outcome, RequestLine
from chromagent.endpoints.routes import RouteTable
from chromagent.errors import GatewayError, InternalError, RequestTimeout, to_body, to_headers

LAST_WORDS: Final = 2.0
"""Seconds in which a client must take the error that ends its stream; one that does not read would wait for ever."""
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
_BASE: Final[dict[str, HeaderLine]] = {name: (name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()}


class Face:
    """The ASGI application."""

    def __init__(
        self,
        routes: RouteTable,
        cors: CorsRules,
        line: RequestLine,
        *,
        error_done: bool,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._routes = routes
        self._cors = cors
        self._line = line
        self._error_done = error_done
        self._begin = begin
        """Called with every request, from within the worker's event loop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return  # a gateway of plain HTTP has no lifespan of its own, and no web sockets
        self._begin()
        request, reply, outcome = Request(scope, receive), Reply(send, _BASE), Outcome()
        reply.headers["x-request-id"] = f"req_{secrets.token_hex(16)}"

        async def write_line() -> None:
            self._line.write(request, reply, outcome)

        reply.before_end(write_line)
        try:
            reply.headers |= self._cors.headers(request.headers)
            await self._serve(request, reply, outcome)
        except ClientLeft:
            outcome.client_left = True
        except GatewayError as error:
            await self._reply_error(reply, outcome, error)
        except Exception as error:
            telemetry.write_failure("a request failed inside the gateway", error, reply.headers["x-request-id"])
            await self._reply_error(reply, outcome, InternalError())
        finally:
            await reply.conclude()

    def _serve(self, request: Request, reply: Reply, outcome: Outcome) -> Awaitable[None]:
        if request.method == "OPTIONS":
            return self._preflight(request, reply, outcome)
        return self._routes.find(request.method, request.path, reply)(request, reply, outcome)

    async def _preflight(self, request: Request, reply: Reply, outcome: Outcome) -> None:
        outcome.operation = "preflight"
        methods = self._routes.methods(request.path)
        reply.headers["allow"] = ", ".join(methods)
        reply.headers |= self._cors.preflight(request.headers, methods)
        await reply.whole(204, b"", "")

    async def _reply_error(self, reply: Reply, outcome: Outcome, error: GatewayError) -> None:
        """Tell the client: with a status while there is none yet, else as the last event of its stream."""
        outcome.error = error
        # Its stack holds the request, and what is raised while this is kept is part of a cycle: the memory must not wait for the
        # garbage collector.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        if reply.is_open_stream:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await reply.write(error_event(error, done=self._error_done), last=True)
        elif not reply.started:
            reply.headers |= to_headers(error)
            if isinstance(error, RequestTimeout):
                reply.headers["connection"] = "close"  # the rest of that body must not be read as the next request
            await reply.json(error.status, to_body(error))
