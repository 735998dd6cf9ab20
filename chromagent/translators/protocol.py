"""What every wire format offers to a provider. Hides nothing: it is the border between formats and platforms.

The way of a request: `Translator.request(call)` gives a `Translation`, which holds the upstream body and everything needed to read
the answer to it. One answer: `Translation.response`. A stream: `Translation.stream`, fed event by event.
Errors: all of these raise `GatewayError` and nothing else; requests at fault raise `InvalidRequest`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct, field

from chromagent.codec import JsonObject
from chromagent.errors import GatewayError
from chromagent.schema.chat import ChatCompletionRequest
from chromagent.sse import ServerSentEvent
from chromagent.translators.redaction import Redactor

Disposition: TypeAlias = Literal["mapped", "ignored", "downgraded", "rejected"]
"""What becomes of a field: sent on; harmlessly left out and named; sent weaker and named; refused with a 400."""

ONCE = "once:"
"""Beginning of the names of repairs that concern one conversation, not a model."""


class ReasoningState(Protocol):
    """What earlier answers to one caller left for its next requests, by tool-call id. A dictionary is one."""

    def get(self, call_id: str, /) -> str | bytes | None:
        """Return the state, or None."""
        ...

    def __setitem__(self, call_id: str, state: str | bytes, /) -> None:
        """Keep state."""
        ...

    def pop(self, call_id: str, default: None, /) -> str | bytes | None:
        """Remove the state and return it, or `default`."""
        ...


class Media(NamedTuple):
    """A remote file that the guarded fetcher brought."""

    content_type: str
    content: bytes


class Call(Struct, frozen=True):
    """One request to one model at one place, with all that a translator may not find out for itself."""

    request: ChatCompletionRequest
    model: str
    """The upstream's model id, as `Translator.resolve` gave it."""
    id: str
    """24 hexadecimal digits, fresh for this request: stands in wherever the upstream gives no id."""
    created: int
    """Epoch seconds of the request."""
    project: str = ""
    location: str = "global"
    strict: bool = False
    """A field that would be ignored or downgraded is a 400."""
    betas: tuple[str, ...] = ()
    """Values of the client's `anthropic-beta` header."""
    repairs: frozenset[str] = frozenset()
    """Names of the repairs to apply, because the upstream refused what they take out (`Translation.repair`)."""
    attempt: int = 0
    """How many answers to this request were thrown away as empty or malformed."""
    media: Mapping[str, Media] = {}
    """Remote files by URL: those that `Translator.remote_media` asked for."""
    gcs_buckets: frozenset[str] = frozenset()
    """Names of the Cloud Storage buckets that this caller may have read with the gateway's rights."""
    allowed_resources: tuple[str, ...] = ()
    """Prefixes of the resource names that this caller may have used with the gateway's rights: the backend's and the key's."""
    redact: Redactor = Redactor()
    """Every text that an upstream says of an error or a refusal goes through it before it leaves."""
    reasoning_state: ReasoningState = field(default_factory=dict[str, str | bytes])
    """Of this caller only. Read for history, written by answers."""


class Delta(Struct, frozen=True, gc=False):
    """One chunk: what is added to the choice with this index."""

    choice: int
    delta: JsonObject
    finish_reason: str | None = None
    logprobs: JsonObject | None = None


class Head(NamedTuple):
    """What all chunks of one stream share."""

    id: str
    created: int
    model: str
    service_tier: str | None = None


class Answer(Struct, frozen=True):
    """One complete answer: OpenAI's object, and the model's name as the upstream spells it (empty if not told)."""

    completion: JsonObject
    upstream_model: str = ""


class StreamTranslator(Protocol):
    """One stream, never reused. Its owner reads `head`, `usage` and `upstream_model` once the first delta came or the end."""

    @property
    def head(self) -> Head:
        """What all chunks share."""
        ...

    @property
    def usage(self) -> JsonObject:
        """OpenAI's usage object, from what the upstream reported so far."""
        ...

    @property
    def upstream_model(self) -> str:
        """The model as the upstream spells it; empty if not told."""
        ...

    @property
    def complete(self) -> bool:
        """A finish reason was seen: a connection that breaks now took nothing away."""
        ...

    @property
    def done(self) -> bool:
        """The upstream said that nothing more comes: `finish` may be called without waiting for the end of input."""
        ...

    def feed(self, event: ServerSentEvent) -> list[Delta]:
        """Take one event. Raises `GatewayError` for an error inside the stream and for what is no event of this format."""
        ...

    def continuation(self) -> JsonObject | None:
        """At the end of input: the body of the upstream request that goes on with this answer, if it is not complete."""
        ...

    def finish(self) -> list[Delta]:
        """Tell the end of input. Gives the closing deltas, each choice's finish reason last, or raises `GatewayError`."""
        ...


class Translation(Protocol):
    """A translated request, and the reader of its answer. One per attempt that needs another body."""

    body: JsonObject
    headers: dict[str, str]
    """Headers of this wire format only, such as `anthropic-beta`."""
    copies: int
    """How many identical upstream calls make the choices asked for; answers are merged by the provider."""
    ignored: list[str]
    downgraded: list[str]
    """Fields that are sent weaker than the client asked, by a workaround too."""
    workarounds: list[str]
    """Those of `Call.repairs` that changed this request."""

    def response(self, bodies: Sequence[JsonObject]) -> Answer:
        """Read a complete answer: one body, or several where `continuation` asked for more.

        Raises `GatewayError`; one with `retryable` set says that the same request deserves another try.
        """
        ...

    def tokens(self, bodies: Sequence[JsonObject]) -> int:
        """Return the tokens that the upstream reported of so many answers, also where `response` refuses them. Raises nothing."""
        ...

    def continuation(self, bodies: Sequence[JsonObject]) -> JsonObject | None:
        """Return the body of the request that goes on with an incomplete answer, or None."""
        ...

    def stream(self) -> StreamTranslator:
        """Begin to read a streamed answer."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Read an answer with a status of 400 or more. Header names are in lower case."""
        ...

    def repair(self, error: GatewayError) -> str | None:
        """Name the repair that would make the upstream take this request, if there is one; it goes into `Call.repairs`.

        Never one that `Call.repairs` holds already. A name that begins with `ONCE` concerns this request only; others are
        remembered for the model and location.
        """
        ...


class Translator(Protocol):
    """One wire format with its options; stateless."""

    def resolve(self, model: str, *, project: str, location: str) -> str:
        """Turn a client's or an owner's spelling of a model into the upstream's id, which `Call.model` then holds.

        Raises `ModelNotFound` for another vendor's model and `InvalidRequest` for what must not get into a URL.
        """
        ...

    def request(self, call: Call) -> Translation:
        """Translate. Raises `InvalidRequest` or `ModelNotFound`."""
        ...

    def remote_media(self, call: Call) -> dict[str, str]:
        """URLs to fetch into `Call.media` before `request`, because this upstream does not; each with its place in the request."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes, redact: Redactor) -> GatewayError:
        """Read an error answer to a request that was not a chat (a probe)."""
        ...

    def describe(self, model: str) -> "ModelFacts":
        """Tell what a model can do, for `GET /v1/models`. Unknown models get the safest profile."""
        ...


class ModelFacts(NamedTuple):
    """What `GET /v1/models` says of one model beyond OpenAI's fields."""

    context_window: int | None
    max_output_tokens: int | None
    parameters: dict[str, Disposition]
