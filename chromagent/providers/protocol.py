"""What a provider offers to the gateway, and what the gateway tells it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from chromagent.codec import JsonObject

if TYPE_CHECKING:
    from chromagent.schema.chat import ChatCompletionRequest
    from chromagent.translators.protocol import Delta, Head, ModelFacts
    from chromagent.upstream.remote_files import MemoryShare
    from chromagent.upstream.retry import Patience


class Backend(Struct, frozen=True):
    """One configured backend as its provider needs it: plain values, seconds."""

    name: str
    project: str | None = None
    needs_project: bool = True
    base_url: str | None = None
    additional_headers: Mapping[str, str] = {}
    timeout: float = 600.0
    max_retries: int = 2
    strict: bool = False
    allowed_resources: tuple[str, ...] = ()
    """Resources that every caller of this backend may name."""


class Ask(Struct, frozen=True):
    """One client request, as far as a provider needs to know it."""

    request: "ChatCompletionRequest"
    id: str
    created: int
    patience: "Patience"
    """Shared by all routes of this request."""
    deadline: float
    """On the event loop's clock: when the whole request must be over."""
    caller: str | None = None
    """Id of the key that asks; None for callers without one."""
    betas: tuple[str, ...] = ()
    gcs_buckets: frozenset[str] = frozenset()
    share: "MemoryShare | None" = None
    """Counts the memory that the request takes."""
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]] | None = None
    """Does work beside the event loop and returns its result; None where there are no threads for that."""
    large: bool = False
    """Whether the request is so large that work on it belongs into a thread."""
    allowed_resources: tuple[str, ...] = ()
    """Resources that this caller may name."""


class Report(Struct):
    """What happened on the way, filled by whoever knows it; the endpoint turns it into headers and the request line."""

    route: str = ""
    upstream_model: str = ""
    ignored: list[str] = []
    downgraded: list[str] = []
    workarounds: list[str] = []
    """What was changed in the request because the upstream refuses it, now or with earlier requests."""
    attempts: int = 0
    upstream_headers: dict[str, str] = {}
    tokens: int = 0
    """What upstreams reported of whole answers, and of streams that were thrown away; not of the stream that is being read."""


class DeltaSource(Protocol):
    """A stream of deltas."""

    def read(self) -> "Awaitable[list[Delta]]":
        """Return what came, waiting for it if need be; nothing at the end. Raises `GatewayError`, also in the middle."""
        ...

    async def close(self) -> None:
        """Let go of whatever is open; more often than once does no harm."""
        ...


class Exchange(DeltaSource, Protocol):
    """One request on its way to one model at one location. Used once: `complete`, or `begin`, `read` to the end, and `close`."""

    @property
    def head(self) -> "Head":
        """What all chunks share; known once the first deltas came."""
        ...

    @property
    def usage(self) -> JsonObject | None:
        """OpenAI's usage object, as far as the upstream reported it; None before anything was asked of it."""
        ...

    @property
    def upstream_model(self) -> str:
        """The model as the upstream spells it; empty if not told."""
        ...

    async def complete(self) -> JsonObject:
        """Return OpenAI's completion. Raises `GatewayError`; `retryable` says whether another location may do better."""
        ...

    async def begin(self) -> "list[Delta]":
        """Return the first deltas of a stream. Raises what `complete` raises; after this nothing is tried again."""
        ...


class Provider(Protocol):
    """Reaches one configured backend."""

    def begin(self, ask: Ask, model: str, location: str, report: Report) -> Exchange:
        """Begin one request; nothing is sent yet."""
        ...

    async def probe(self, location: str) -> None:
        """Make a free call that shows whether credentials and location work. Raises `GatewayError`."""
        ...

    def describe(self, model: str) -> "ModelFacts":
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
