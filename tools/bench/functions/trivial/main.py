"""The least that can be deployed: what the platform and its framework cost before a line of one's own."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response


@functions_framework.aio.http
async def trivial(_: Request) -> Response:
    """Answer every route."""
    return Response(b"ok")
