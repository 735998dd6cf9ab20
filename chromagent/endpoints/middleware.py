"""The outermost layer: every answer has a request id and the security headers, and whatever is raised leaves OpenAI-shaped."""

import secrets
from collections.abc import Callable, Mapping
from typing import Final

from chromagent import telemetry
from chromagent.endpoints.asgi import ClientLeft, Endpoint, Receive, Reply, Request, Scope, Send
from chromagent.endpoints.cors import CorsRules
from chromagent.endpoints.render import error_event
from chromagent.endpoints.routes import RouteTable
from chromagent.errors import GatewayError, InternalError, to_body, to_headers

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


class Face:
    """The ASGI application."""

    def __init__(self, routes: RouteTable, cors: CorsRules, *, error_done: bool, begin: Callable[[], None] = lambda: None) -> None:
        self._routes = routes
        self._cors = cors
        self._error_done = error_done
        self._begin = begin
        """Called with every request, from within the worker's event loop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return  # a gateway of plain HTTP has no lifespan of its own, and no web sockets
        self._begin()
        request = Request(scope, receive)
        reply = Reply(send, SECURITY_HEADERS)
        reply.headers["x-request-id"] = f"req_{secrets.token_hex(16)}"
        try:
            reply.headers |= self._cors.headers(request.headers)
            await self._serve(request, reply)
        except ClientLeft:
            return
        except GatewayError as error:
            await self._reply_error(reply, error)
        except Exception as error:
            telemetry.write_failure("a request failed inside the gateway", error, reply.headers["x-request-id"])
            await self._reply_error(reply, InternalError())

    async def _serve(self, request: Request, reply: Reply) -> None:
        if request.method == "OPTIONS":
            await self._preflight(request, reply)
            return
        endpoint: Endpoint = self._routes.find(request.method, request.path, reply)
        await endpoint(request, reply)

    async def _preflight(self, request: Request, reply: Reply) -> None:
        methods = self._routes.methods(request.path)
        reply.headers["allow"] = ", ".join(methods)
        reply.headers |= self._cors.preflight(request.headers, methods)
        await reply.whole(204, b"", "")

    async def _reply_error(self, reply: Reply, error: GatewayError) -> None:
        """Tell the client: with a status while there is none yet, else as the last event of its stream."""
        if reply.is_open_stream:
            await reply.write(error_event(error, done=self._error_done), last=True)
        elif not reply.started:
            reply.headers |= to_headers(error)
            await reply.json(error.status, to_body(error))
