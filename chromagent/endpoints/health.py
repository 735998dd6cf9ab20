"""`GET /health`: alive, touching nothing. With `?deep=1` and a key: can each backend be reached, and how is this process."""

import asyncio
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from chromagent.codec import JsonObject
from chromagent.endpoints.asgi import Reply, Request
from chromagent.errors import GatewayError
from chromagent.policy.authentication import Authenticator
from chromagent.providers.protocol import Provider

KEPT: Final = 30.0
"""Seconds for which a deep answer serves: probing must not become load."""


class Probed(NamedTuple):
    """One backend with the locations that requests may go to."""

    provider: Provider
    locations: Sequence[str]


class Health:
    """The endpoint."""

    def __init__(self, backends: Mapping[str, Probed], authenticate: Authenticator, open_streams: Callable[[], int]) -> None:
        self._backends = backends
        self._authenticate = authenticate
        self._open_streams = open_streams
        self._started = time.monotonic()
        self._deep: tuple[float, JsonObject] | None = None

    async def __call__(self, request: Request, reply: Reply) -> None:
        """Answer."""
        state: JsonObject = {"status": "ok", "timestamp": datetime.now(UTC).isoformat()}
        if parse_qs(request.query).get("deep") == ["1"]:
            await self._authenticate(request.headers)
            state |= await self._look_deep()
        await reply.json(200, state)

    async def _look_deep(self) -> JsonObject:
        now = time.monotonic()
        if self._deep is None or now - self._deep[0] > KEPT:
            self._deep = (now, await self._probe_all())
        return {**self._deep[1], "process": self._process()}

    async def _probe_all(self) -> JsonObject:
        places = [(name, location) for name, probed in self._backends.items() for location in probed.locations]
        results = await asyncio.gather(*(self._probe(name, location) for name, location in places))
        healthy = all(result["status"] == "ok" for result in results)
        return {"status": "ok" if healthy else "degraded", "backends": list(results)}

    async def _probe(self, name: str, location: str) -> JsonObject:
        start = time.monotonic()
        error: JsonObject | None = None
        try:
            await self._backends[name].provider.probe(location)
        except GatewayError as fault:
            error = {"status": fault.status, "code": fault.code, "message": fault.message}
        return {
            "backend": name,
            "location": location,
            "status": "error" if error else "ok",
            "response_seconds": round(time.monotonic() - start, 3),
            "error": error,
        }

    def _process(self) -> JsonObject:
        return {
            "max_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "open_streams": self._open_streams(),
            "uptime_seconds": round(time.monotonic() - self._started, 3),
        }
