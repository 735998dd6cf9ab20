"""The application over the simulated Vertex within the test's process, with the official client in front of it."""

import json
from typing import Any

import httpx
from openai import AsyncOpenAI

from chromagent.app import create_app
from chromagent.config import Settings
from chromagent.local.vertex.app import create_app as create_vertex
from tests.support import apps
from tests.support.scripted_upstream import Sent


class RecordingVertex(httpx.AsyncBaseTransport):
    """The simulation; keeps what it was sent and how it answered."""

    def __init__(self) -> None:
        self._inner = httpx.ASGITransport(create_vertex(words_per_second=0))  # pyright: ignore[reportArgumentType]
        self.sent: list[Sent] = []
        self.statuses: list[int] = []
        self.refusals: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        headers = {**request.headers, "authorization": "Bearer test"}
        self.sent.append(Sent(str(request.url), headers, json.loads(content)))
        answer = await self._inner.handle_async_request(
            httpx.Request(request.method, request.url, headers=headers, content=content, extensions=request.extensions)
        )
        self.statuses.append(answer.status_code)
        if answer.status_code >= 400:
            self.refusals.append((await answer.aread()).decode())
        return answer


def client(vertex: RecordingVertex, configured: Settings | None = None, key: str = "any") -> AsyncOpenAI:
    """A client of a new instance of the gateway: nothing is remembered from an earlier one."""
    app: Any = create_app(configured or apps.settings(), transport=vertex)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    return AsyncOpenAI(base_url="http://gateway.test/v1", api_key=key, http_client=http, max_retries=0)
