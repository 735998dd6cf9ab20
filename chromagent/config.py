"""The configuration, whole or not at all. The only reader of the environment; hides sources, their order and their spelling.

Sources, strongest first: `CHROMAGENT_*` variables (nested by `__`), `CHROMAGENT_CONFIG_JSON` (one document; what Terraform sets),
the TOML or JSON file that `CHROMAGENT_CONFIG` names. Everything is checked at once and every fault is named with its path.
Only references to secrets stand here, never their values.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, cast

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.schema import documents
from chromagent.schema.documents import Fault, FaultyDocumentError
from chromagent.schema.keys import ResourcePrefix
from chromagent.schema.rates import Rate

PREFIX: Final = "CHROMAGENT_"
PROVIDERS: Final = ("vertex-gemini", "vertex-anthropic")
_NOT_FIELDS: Final = frozenset({"CONFIG", "CONFIG_JSON"})


class ConfigurationError(Exception):
    """The configuration cannot be used. `faults` holds one line each: path, then what is wrong."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("The configuration is not usable:\n" + "\n".join(f"  {fault}" for fault in faults))


SecretReference: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(projects/[^/]+/secrets/[^/]+/versions/[^/]+|file:/.+|env:[A-Za-z_][A-Za-z0-9_]*)\Z",
        description="projects/P/secrets/S/versions/V, file:/path or env:NAME (never the secret itself)",
    ),
]
Location: TypeAlias = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9-]{0,62}\Z", description="global, us, eu or a region such as europe-west4")
]
Project: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9.:_-]{1,100}\Z", description="a Google Cloud project id or number")]
BaseUrl: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(?i:https?)://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:\d+)?(/[^\s?#]*)?\Z",
        description="an http(s) URL with a host, an optional path prefix and nothing else",
    ),
]
Origin: TypeAlias = Annotated[
    str, Meta(pattern=r"^(\*|(?i:https?)://[^\s/?#]+)\Z", description="* or an origin such as https://app.example.com")
]
Host: TypeAlias = Annotated[
    str, Meta(pattern=r"^[^\s/?#@]+\Z", description="a value of the Host header, such as api.example.com or localhost:8080")
]
Header: TypeAlias = Annotated[str, Meta(pattern=r"^[\t -~]*\Z", description="printable ASCII")]
Route: TypeAlias = Literal["chat", "models"]


class Backend(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One configured upstream."""

    provider: Literal["vertex-gemini", "vertex-anthropic"]
    """Which kind of upstream it is; a backend that is named after a provider need not say it."""
    enabled: bool = True
    """Off takes its models out of the gateway."""
    project: Project | None = None
    """Google Cloud project; by default that of the credentials."""
    locations: tuple[Location, ...] = ("global",)
    """Vertex locations in order of preference. No request leaves this list."""
    base_url: BaseUrl | None = None
    """Replaces scheme and host of the Vertex URL, with an optional path prefix."""
    auth: Literal["adc", "api_key", "none"] = "adc"
    """Who the gateway is there: the functions' own identity, a key, or nobody."""
    api_key: SecretReference | None = None
    """Secret that holds the key of Vertex AI's express mode or of the Gemini Developer API."""
    credentials: SecretReference | None = None
    """Secret that holds a service-account document, instead of the functions' own identity."""
    additional_headers: dict[str, Header] = {}
    """Sent with every call to it."""
    model_mapping: dict[str, str | tuple[str, ...]] = {}
    """Public model id → upstream id, or a list of routes in order: `backend/upstream id`, or an id of this backend."""
    allowed_resources: tuple[ResourcePrefix, ...] = ()
    """Resources that requests may name, used with the gateway's own rights (caches, RAG corpora, data stores, engines, Model Armor
    templates): prefixes of whole path segments, such as `cachedContents` or `projects/P/locations/L/ragCorpora/123`. A key may have
    more."""
    timeout: Annotated[float, Meta(gt=0, le=3600)] | None = None
    """Instead of the general one."""
    max_retries: Annotated[int, Meta(ge=0, le=10)] | None = None
    """Instead of the general one."""
    options: dict[str, Any] = {}
    """Switches of the wire format (docs/options.md)."""

    def __post_init__(self) -> None:
        if self.auth == "api_key" and self.api_key is None:
            raise ValueError("auth is api_key, so api_key must name the secret that holds it")
        if not self.locations:
            raise ValueError("locations must name at least one location")
        if unserved := [public for public, target in self.model_mapping.items() if not target]:
            raise ValueError(f"model_mapping gives no route to {', '.join(unserved)}")
        force_setattr(self, "base_url", self.base_url and self.base_url.rstrip("/"))


class RateLimit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of the gateway itself, written `600/minute` or `10 per 5 seconds`, several joined by `;`. Absent means no limit."""

    per_ip: Rate | None = None
    """Requests of one address, counted before its key is looked at: `300/minute`."""
    per_key: Rate | None = None
    """Requests of one key; its record may hold a rate of its own."""
    tokens_per_key: Rate | None = None
    """Tokens per client key: a balance that refills at this rate and may go into debt; its record may hold a rate of its own."""
    reserve: Literal["estimate", "full"] = "estimate"
    """Tokens that must be left for a request: with `estimate` one, and what running requests will cost is estimated; with `full`
    the most that it can cost, so that a balance hardly ever goes into debt. `full` requires `max_completion_tokens`."""
    concurrent_per_key: Annotated[int, Meta(ge=1, le=1000)] = 60
    """Requests of one key that run at the same time in one instance; its record may hold a number of its own."""
    weights: dict[Route, Annotated[int, Meta(ge=0, le=1000)]] = {}
    """How many requests one request of a route counts as; 1 where a route is not named, 0 not to count it."""
    when_away: Literal["open", "closed"] = "open"
    """Whether callers are let in while the storage is away, or refused with a 503."""
    storage: Annotated[str, Meta(pattern=r"^(memory://|rediss?://.+)\Z", description="memory:// or redis://host:port")] = (
        "memory://"
    )
    """`memory://` counts in each instance for itself, `redis://host:6379` is exact over all."""
    trusted_hops: Annotated[int, Meta(ge=0, le=10)] = 0
    """How many proxies of one's own stand in front: the client's address is counted from the right of `X-Forwarded-For`."""


class Cors(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which pages of other origins may call the gateway."""

    origins: tuple[Origin, ...] = ()
    """Such as `https://app.example.com`, or `*`."""
    credentials: bool = False
    """Whether browsers may send cookies and the like; not with `*`."""

    def __post_init__(self) -> None:
        if self.credentials and "*" in self.origins:
            raise ValueError("credentials cannot be allowed for every origin: list the origins")
        force_setattr(self, "origins", tuple(origin.lower() for origin in self.origins))  # as browsers send them


class Cache(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Complete answers kept in each instance, for each key apart."""

    enabled: bool = False
    """Whether answers are kept at all."""
    ttl: Annotated[float, Meta(gt=0)] = 300
    """Seconds for which an answer serves."""
    max_bytes: Annotated[int, Meta(gt=0)] = 64 * 1024 * 1024
    """Most that one instance keeps."""


class RemoteMedia(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Images and documents that requests name by URL and this upstream does not fetch itself."""

    enabled: bool = True
    """Whether the gateway fetches them; if not, such a request is a 400."""
    hosts: tuple[str, ...] = ()
    """Host names that may be fetched from; empty means any public host."""
    max_bytes: Annotated[int, Meta(gt=0)] = 20 * 1024 * 1024
    """Largest file."""
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10
    """Seconds for one file."""


class Stream(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Streamed answers."""

    prime_timeout: Annotated[float, Meta(ge=0, le=300)] = 10
    """Seconds to wait for the upstream's first event before the 200 goes out without it."""
    keepalive: Annotated[float, Meta(gt=0, le=300)] = 15
    """Seconds of silence after which a comment keeps the connection open."""
    error_done: bool = False
    """Send `[DONE]` after an error event too."""


class Log(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The request line. Prompts and answers are never logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """`debug` also shows the lines of `/health` and of preflights."""
    project: Project | None = None
    """Project of the traces that lines belong to; by default `GOOGLE_CLOUD_PROJECT`, else that of the first backend with one."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration, frozen."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """Local use only: where `make run` listens."""
    default_backend: str = "vertex-gemini"
    """Serves the models that no mapping and no prefix decides."""
    backends: dict[str, Backend] = {}
    """The upstreams by name; `vertex-gemini` and `vertex-anthropic` exist unless switched off."""
    timeout: Annotated[float, Meta(gt=0, le=3600)] = 600
    """Seconds for a whole request."""
    max_retries: Annotated[int, Meta(ge=0, le=10)] = 2
    """Tries after the first, at each location."""
    client_keys: SecretReference | None = None
    """Secret that holds the document of client keys; without one chat is refused."""
    client_keys_max_stale: Annotated[float, Meta(gt=0, le=86_400)] = 3600
    """Seconds for which client keys work while their secret cannot be read; five minutes once it is missing or denied."""
    allow_anonymous: bool = False
    """Serve everybody, without keys, except web pages of other origins (`cors.origins`)."""
    allowed_hosts: tuple[Host, ...] = ()
    """Values of the Host header that are served, each with its port unless that is the usual one; empty means any."""
    rate_limit: RateLimit = RateLimit()
    cors: Cors = Cors()
    cache: Cache = Cache()
    strict: bool = False
    """Every field that would be ignored or downgraded is a 400."""
    tool_call_ids: Literal["plain", "sealed"] = "plain"
    """`sealed` puts the reasoning signature into the tool-call id: it survives every client, and ids get long."""
    reasoning_cache_bytes: Annotated[int, Meta(ge=0, le=1024 * 1024 * 1024)] = 32 * 1024 * 1024
    """Memory in each instance for the reasoning of tool calls, kept per key for clients that lose it; 0 keeps nothing."""
    max_body_bytes: Annotated[int, Meta(gt=0, le=32 * 1024 * 1024)] = 10 * 1024 * 1024
    """Largest request; at most 32 MiB."""
    max_request_memory: Annotated[int, Meta(gt=0)] = 256 * 1024 * 1024
    """Bytes of memory that all requests running in one instance may take together, estimated from their bodies and files; one key
    may take half of it. At least 16 times `max_body_bytes`. The function needs this much memory and 256 MiB more."""
    remote_media: RemoteMedia = RemoteMedia()
    gcs_buckets: tuple[str, ...] = ()
    """Cloud Storage buckets that requests may name; each is read with the gateway's own rights."""
    stream: Stream = Stream()
    log: Log = Log()

    def __post_init__(self) -> None:
        if self.default_backend not in self.backends:
            raise ValueError(f"default_backend names no backend: {self.default_backend}")
        if self.max_request_memory < 16 * self.max_body_bytes:
            raise ValueError(
                f"max_request_memory must be at least 16 times max_body_bytes, so {16 * self.max_body_bytes}: "
                "a key may take half of it, and a request takes up to 8 times its body"
            )


def load(options: Mapping[str, type[Struct]]) -> Settings:
    """Read all sources. Raises `ConfigurationError` with every fault.

    `options` maps each provider to the class of its wire format's switches, so that a wrong switch is found at the start too.
    """
    faults = _unknown_variables()
    document, unreadable = _merged()
    if unreadable:  # what stands there is not known, so that the rest cannot be judged
        raise ConfigurationError(faults + unreadable)
    try:
        settings = read(document)
    except ConfigurationError as error:
        raise ConfigurationError(faults + error.faults) from error
    for name, backend in settings.backends.items():
        if backend.options:
            faults += _option_faults(name, backend, options[backend.provider])
    if faults:
        raise ConfigurationError(faults)
    return settings


def read(document: JsonObject) -> Settings:
    """Read one document. Raises `ConfigurationError` with every fault but those of the wire formats' switches."""
    try:
        return documents.read(_named(document), Settings)
    except FaultyDocumentError as error:
        raise ConfigurationError([_describe(fault) for fault in error.faults]) from error


def environment() -> Mapping[str, str]:
    """Hand the variables to the one other part that needs them by name: secrets referenced as `env:NAME`."""
    return os.environ


def _named(document: JsonObject) -> JsonObject:
    """Both backends exist unless switched off; a backend named after a provider need not repeat it."""
    present: JsonObject = {"backends": {name: {"provider": name} for name in PROVIDERS}}
    return _merge(present, _dashed(document))


def _dashed(document: JsonObject) -> JsonObject:
    """Spell the names of backends with dashes: variables cannot hold any, so `VERTEX_GEMINI` is read as `vertex-gemini`."""
    backends = document.get("backends")
    if not isinstance(backends, dict):
        return document
    dashed: JsonObject = {}
    for name, backend in sorted(cast("JsonObject", backends).items()):
        dashed = _merge(dashed, {name.replace("_", "-") if isinstance(backend, dict) else name: backend})
    return {**document, "backends": dashed}


def _merged() -> tuple[JsonObject, list[str]]:
    """Put all sources over each other; also tell what is wrong with those that cannot be read."""
    document: JsonObject = {}
    faults: list[str] = []
    for source in (_document_of_file, _document_of_variable, *_documents_of_variables()):
        try:
            document = _merge(document, _dashed(source()))
        except ConfigurationError as error:
            faults += error.faults
    return document, faults


def _merge(weaker: JsonObject, stronger: JsonObject) -> JsonObject:
    """Put a document over another one: objects are merged, everything else is replaced."""
    merged = dict(weaker)
    for name, value in stronger.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merge(merged[name], cast("JsonObject", value)) if both else value
    return merged


def _option_faults(name: str, backend: Backend, options: type[Struct]) -> list[str]:
    try:
        documents.read(backend.options, options)
    except FaultyDocumentError as error:
        path = ("backends", name, "options")
        return [_describe(fault._replace(path=(*path, *fault.path))) for fault in error.faults]
    return []


def _describe(fault: Fault) -> str:
    return str(fault) if fault.path else f"configuration: {fault}"


def _unknown_variables() -> list[str]:
    """Find misspelt variables: a typo must not silently leave a default in force."""
    known = {name.upper() for name in Settings.__struct_fields__} | _NOT_FIELDS
    names = [name for name in os.environ if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_")]
    return [f"{name}: no such setting" for name in sorted(names) if name.removeprefix(PREFIX).split("__")[0] not in known]


def _documents_of_variables() -> Iterator[Callable[[], JsonObject]]:
    """Find the variables that set one thing each, as a source each; a section comes before what is in it."""
    settings = {name.upper() for name in Settings.__struct_fields__}
    for variable in sorted(os.environ):
        path = variable.removeprefix(PREFIX).split("__")
        if variable.startswith(PREFIX) and path[0] in settings:
            yield partial(_document_of_path, variable, [step.lower() for step in path])


def _document_of_path(variable: str, path: list[str]) -> JsonObject:
    return reduce(lambda value, step: {step: value}, reversed(path), _value(variable, os.environ[variable]))


def _value(variable: str, text: str) -> JsonValue:
    """Lists and objects are JSON; a text that is to be a number or a boolean becomes one where it is checked."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return codec.decode(text)
    except codec.MalformedJson as error:
        raise ConfigurationError([f"{variable}: cannot be read: {error}"]) from error


def _document_of_variable() -> JsonObject:
    text = os.environ.get(f"{PREFIX}CONFIG_JSON", "")
    return _object(f"{PREFIX}CONFIG_JSON", lambda: codec.decode(text)) if text.strip() else {}


def _document_of_file() -> JsonObject:
    name = os.environ.get(f"{PREFIX}CONFIG", "")
    if not name:
        return {}
    decode = _toml if name.endswith(".toml") else codec.decode
    return _object(name, lambda: decode(Path(name).read_text(encoding="utf-8")))


def _toml(text: str) -> JsonValue:
    import tomllib  # noqa: PLC0415 - few configurations are files

    return tomllib.loads(text)


def _object(name: str, read: Callable[[], JsonValue]) -> JsonObject:
    try:
        document = read()
    except (OSError, ValueError) as error:
        raise ConfigurationError([f"{name}: cannot be read: {error}"]) from error
    if not isinstance(document, dict):
        raise ConfigurationError([f"{name}: must hold one object"])
    return cast("JsonObject", document)
