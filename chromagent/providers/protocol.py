"""What a provider offers to the gateway, and what the gateway tells it."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chromagent.codec import JsonObject
from chromagent.schema.chat import ChatCompletionRequest
from chromagent.translators.protocol import Delta, Head, ModelFacts
from chromagent.upstream.retry import Patience


@dataclass(frozen=True, slots=True)
class Backend:
    """One configured backend as its provider needs it: plain values, seconds."""

    name: str
    project: str | None = None
    needs_project: bool = True
    base_url: str | None = None
    additional_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: float = 600.0
    max_retries: int = 2
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """One client request, as far as a provider needs to know it."""

    request: ChatCompletionRequest
    id: str
    created: int
    patience: Patience
    """Shared by all routes of this request."""
    deadline: float
    """On the event loop's clock: when the whole request must be over."""
    betas: tuple[str, ...] = ()
    gcs_buckets: frozenset[str] = frozenset()


@dataclass(slots=True)
class Report:
    """What happened on the way, filled by whoever knows it; the endpoint turns it into headers and the request line."""

    route: str = ""
    upstream_model: str = ""
    ignored: list[str] = field(default_factory=list[str])
    downgraded: list[str] = field(default_factory=list[str])
    repairs: list[str] = field(default_factory=list[str])
    attempts: int = 0
    upstream_headers: dict[str, str] = field(default_factory=dict[str, str])


class Exchange(Protocol):
    """One request on its way to one model at one location. Used once: either `complete` or `stream`."""

    @property
    def head(self) -> Head:
        """What all chunks share; known once the first deltas came."""
        ...

    @property
    def usage(self) -> JsonObject | None:
        """OpenAI's usage object, as far as the upstream reported it; None before anything was asked of it."""
        ...

    async def complete(self) -> JsonObject:
        """Return OpenAI's completion. Raises `GatewayError`; `retryable` says whether another location may do better."""
        ...

    def stream(self) -> AsyncGenerator[list[Delta]]:
        """Give deltas as they come, never an empty list. Raises `GatewayError`, also in the middle."""
        ...


class Provider(Protocol):
    """Reaches one configured backend."""

    def begin(self, ask: Ask, model: str, location: str, report: Report) -> Exchange:
        """Begin one request; nothing is sent yet."""
        ...

    async def probe(self, location: str) -> None:
        """Make a free call that shows whether credentials and location work. Raises `GatewayError`."""
        ...

    def describe(self, model: str) -> ModelFacts:
        """Tell what a model can do."""
        ...


class Format(Protocol):
    """Where one wire format is found on the platform, and what the platform wants around its bodies."""

    idle_timeout: float
    """Longest silence within a stream, in seconds."""

    def path(self, model: str, project: str, location: str, *, stream: bool) -> str:
        """Return path and query of the chat call."""
        ...

    def body(self, body: JsonObject, *, stream: bool) -> JsonObject:
        """Return the body with what the kind of call adds."""
        ...

    def probe(self, project: str, location: str) -> tuple[str, JsonObject]:
        """Return path and body of the smallest free call."""
        ...
