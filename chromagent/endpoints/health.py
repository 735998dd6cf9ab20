"""`GET /health`: alive, touching nothing. With `?deep=1` and a key: can each backend be reached, and how is this process."""

import asyncio
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from chromagent import telemetry
from chromagent.codec import JsonObject
from chromagent.endpoints.asgi import Reply, Request
from chromagent.endpoints.request_line import Outcome
from chromagent.errors import GatewayError, InternalError, UpstreamTimeout
from chromagent.policy.admission import Door
from chromagent.providers.protocol import Provider

KEPT: Final = 30.0
"""Seconds for which a deep answer serves: probing must not become load."""
ANSWER_WITHIN: Final = 15.0
"""Seconds that a place has for its answer, its credentials included."""


class Probed(NamedTuple):
    """One backend with the locations that requests may go to."""

    provider: Provider
    locations: Sequence[str]


class Health:
    """The endpoint."""

    def __init__(self, backends: Mapping[str, Probed], door: Door, open_streams: Callable[[], int]) -> None:
        self._backends = backends
        self._door = door
        self._open_streams = open_streams
        self._started = time.monotonic()
        self._deep: tuple[float, asyncio.Future[JsonObject]] | None = None
        self._last_errors: dict[tuple[str, str], JsonObject] = {}

    async def __call__(self, request: Request, reply: Reply, outcome: Outcome) -> None:
        """Answer."""
        outcome.operation = "health"
        state: JsonObject = {"status": "ok", "timestamp": _now()}
        if parse_qs(request.query).get("deep") == ["1"]:
            outcome.admission = await self._door.admit(request.headers, request.peer, "models")
            state |= await self._look_deep()
        await reply.json(200, state)

    async def _look_deep(self) -> JsonObject:
        """Probe, or share what another request finds or found; one who stops waiting does not stop the others."""
        now = time.monotonic()
        if self._deep is None or now - self._deep[0] > KEPT:
            self._deep = (now, asyncio.ensure_future(self._probe_all()))
        return {**await asyncio.shield(self._deep[1]), "process": self._process()}

    async def _probe_all(self) -> JsonObject:
        places = [(name, location) for name, probed in self._backends.items() for location in probed.locations]
        results = await asyncio.gather(*(self._probe(name, location) for name, location in places))
        healthy = all(result["status"] == "ok" for result in results)
        return {"status": "ok" if healthy else "degraded", "probed": _now(), "backends": list(results)}

    async def _probe(self, name: str, location: str) -> JsonObject:
        start = time.monotonic()
        error: JsonObject | None = None
        try:
            await self._ask(name, location)
        except GatewayError as fault:
            error = {"status": fault.status, "code": fault.code, "message": fault.message}
            self._last_errors[(name, location)] = {**error, "timestamp": _now()}
        return {
            "backend": name,
            "location": location,
            "status": "error" if error else "ok",
            "response_seconds": round(time.monotonic() - start, 3),
            "error": error,
            "last_error": self._last_errors.get((name, location)),
        }

    async def _ask(self, name: str, location: str) -> None:
        """Probe one place. Raises `GatewayError` whatever happens: one place must not hide the others."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._backends[name].provider.probe(location)
        except TimeoutError as error:
            raise UpstreamTimeout from error
        except GatewayError:
            raise
        except Exception as error:
            telemetry.write_failure(f"a probe of {name} at {location} failed inside the gateway", error, "")
            raise InternalError from error

    def _process(self) -> JsonObject:
        return {
            "rss_bytes": _resident_bytes(),
            "open_streams": self._open_streams(),
            "uptime_seconds": round(time.monotonic() - self._started, 3),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _resident_bytes() -> int:
    """Return what the process holds now; where Linux's `/proc` is absent, the most that it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
