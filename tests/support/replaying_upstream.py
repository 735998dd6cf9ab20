"""A fake Vertex AI on a loopback port that answers with recordings: the one whose name stands in the request's last user text."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import cycle

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.support.processes import free_port
from tests.support.recordings import Recording

ODD_SIZES = (1, 7, 3, 64, 11, 2, 501, 5, 1999)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    start = 0
    for size in cycle(ODD_SIZES):
        yield body[start : start + size]
        await asyncio.sleep(0)  # so that each piece is a write of its own
        start += size
        if start >= len(body):
            return


@contextmanager
def serving(recordings: list[Recording]) -> Iterator[str]:
    """Serve in a thread of this process; gives the address."""
    known = {recording.case: recording for recording in recordings}

    async def answer(request: Request) -> Response:
        match = re.search(rb"replay ([\w./-]+)", await request.body())
        recording = known[match[1].decode()] if match else None
        if recording is None:
            return Response(status_code=418)
        kind = "text/event-stream" if recording.framing == "sse" else "application/json"
        return StreamingResponse(_pieces(recording.body), recording.status, media_type=kind)

    port = free_port()
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            threading.Event().wait(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
