"""The floor: a key check, the body through, the bytes back, on the gateway's own server and engine. Nothing is understood."""

import hashlib
import hmac
import os
from typing import Any, cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from chromagent.upstream.client import UpstreamClient, UpstreamRequest

UPSTREAM = os.environ["FLOOR_UPSTREAM"]
KEY = os.environ["FLOOR_KEY_SHA256"]
HEADERS = {"content-type": "application/json", "authorization": "Bearer simulated", "accept-encoding": "identity"}
client = UpstreamClient()


async def relay(scope: Any, receive: Any, send: Any) -> None:
    """Send the request on, and the answer back as it comes."""
    headers = dict(scope["headers"])
    key = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
    if not hmac.compare_digest(hashlib.sha256(key).hexdigest(), KEY):
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        return
    url = f"{UPSTREAM}{scope['path']}?{scope['query_string'].decode()}"
    request = UpstreamRequest(url, HEADERS, await read(receive), 300.0)
    await (stream if "stream" in scope["path"] else complete)(request, send)


async def read(receive: Any) -> bytes:
    """Read the body."""
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


async def complete(request: UpstreamRequest, send: Any) -> None:
    """Relay a whole answer."""
    reply = await client.post(request)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply.content))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.content})


async def stream(request: UpstreamRequest, send: Any) -> None:
    """Relay a stream, read by read."""
    answer = await client.send(request)
    try:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        while data := await answer.read():
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.close()


@functions_framework.aio.http
async def floor(_: Request) -> Response:
    """Serve every route."""
    return cast("Response", relay)  # to Starlette, any ASGI application is a response
