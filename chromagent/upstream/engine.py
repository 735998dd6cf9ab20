"""What the upstream client needs of an HTTP engine: send one POST, read its answer in pieces, let go of it.

Two keep to it: the pool of this package, which is deployed, and any httpx transport, which tests give.
"""

from collections.abc import Awaitable, Mapping
from typing import Protocol

from msgspec import Struct


class UpstreamRequest(Struct, frozen=True):
    """One POST. Header names are in lower case. `idle_timeout`: the longest silence that we wait for, in seconds."""

    url: str
    headers: Mapping[str, str]
    content: bytes
    idle_timeout: float


class Answer(Protocol):
    """An answer whose head has come. Header names are in lower case; the body is as it was sent, still encoded."""

    status: int
    headers: Mapping[str, str]

    def read(self) -> Awaitable[bytes]:
        """Return what has arrived, waiting for it if need be; nothing at the end.

        Raises `UpstreamUnreachable`, `UpstreamTimeout` or `UpstreamInvalidResponse`, after everything that came before the fault.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection: it serves again if the answer was read to its end, else its socket is dropped at once."""
        ...


class Engine(Protocol):
    """Keeps connections."""

    async def send(self, request: UpstreamRequest) -> Answer:
        """Send a request and wait for the head of its answer. Raises what `Answer.read` raises."""
        ...

    async def close(self) -> None:
        """Drop the connections that wait for work, and keep none from now on."""
        ...
