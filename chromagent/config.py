"""The configuration, whole or not at all. The only reader of the environment; hides sources, their order and their spelling.

Sources, strongest first: `CHROMAGENT_*` variables (nested by `__`), `CHROMAGENT_CONFIG_JSON` (one document; what Terraform sets),
the TOML or JSON file that `CHROMAGENT_CONFIG` names. Everything is checked at once and every fault is named with its path.
Only references to secrets stand here, never their values.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from chromagent.codec import JsonObject, JsonValue

PREFIX: Final = "CHROMAGENT_"
PROVIDERS: Final = ("vertex-gemini", "vertex-anthropic")
_NOT_FIELDS: Final = frozenset({"CONFIG", "CONFIG_JSON"})
_LIMIT: Final = re.compile(r"[1-9]\d* ?(/|per) ?([1-9]\d* ?)?(second|minute|hour|day|month|year)s?")
_SECRET: Final = re.compile(r"projects/[^/]+/secrets/[^/]+/versions/[^/]+|file:/.+|env:[A-Za-z_][A-Za-z0-9_]*")


class ConfigurationError(Exception):
    """The configuration cannot be used. `faults` holds one line each: path, then what is wrong."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("The configuration is not usable:\n" + "\n".join(f"  {fault}" for fault in faults))


def _check_secret(reference: str) -> str:
    if not _SECRET.fullmatch(reference):
        raise ValueError("expected projects/P/secrets/S/versions/V, file:/path or env:NAME (never the secret itself)")
    return reference


def _check_limit(text: str) -> str:
    if not all(_LIMIT.fullmatch(part.strip()) for part in re.split("[;,|]", text)):
        raise ValueError("expected a rate such as 600/minute or 10 per 5 seconds")
    return text


def _check_location(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", text):
        raise ValueError("expected global, us, eu or a region such as europe-west4")
    return text


def _check_project(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9.:_-]{1,100}", text):
        raise ValueError("expected a Google Cloud project id or number")
    return text


def _check_base_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("expected an http(s) URL with a host, an optional path prefix and nothing else")
    return text.rstrip("/")


def _check_origin(text: str) -> str:
    url = urlsplit(text)
    if text != "*" and (url.scheme not in ("http", "https") or not url.hostname or url.path or url.query):
        raise ValueError("expected * or an origin such as https://app.example.com")
    return text.lower()  # as browsers send it


def _check_header(text: str) -> str:
    if not re.fullmatch(r"[\t -~]*", text):
        raise ValueError("expected printable ASCII")
    return text


SecretReference = Annotated[str, AfterValidator(_check_secret)]
Rate = Annotated[str, AfterValidator(_check_limit)]
Header = Annotated[str, AfterValidator(_check_header)]
Weight = Annotated[int, Field(ge=0, le=1000)]
Location = Annotated[str, AfterValidator(_check_location)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Backend(_Section):
    """One configured upstream."""

    provider: Literal["vertex-gemini", "vertex-anthropic"]
    """Which kind of upstream it is; a backend that is named after a provider need not say it."""
    enabled: bool = True
    """Off takes its models out of the gateway."""
    project: Annotated[str, AfterValidator(_check_project)] | None = None
    """Google Cloud project; by default that of the credentials."""
    locations: tuple[Location, ...] = ("global",)
    """Vertex locations in order of preference. No request leaves this list."""
    base_url: Annotated[str, AfterValidator(_check_base_url)] | None = None
    """Replaces scheme and host of the Vertex URL, with an optional path prefix."""
    auth: Literal["adc", "api_key", "none"] = "adc"
    """Who the gateway is there: the functions' own identity, a key, or nobody."""
    api_key: SecretReference | None = None
    """Secret that holds the key of Vertex AI's express mode or of the Gemini Developer API."""
    credentials: SecretReference | None = None
    """Secret that holds a service-account document, instead of the functions' own identity."""
    additional_headers: dict[str, Header] = Field(default_factory=dict)
    """Sent with every call to it."""
    model_mapping: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """Public model id → upstream id, or a list of routes in order: `backend/upstream id`, or an id of this backend."""
    timeout: float | None = Field(default=None, gt=0, le=3600)
    """Instead of the general one."""
    max_retries: int | None = Field(default=None, ge=0, le=10)
    """Instead of the general one."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Switches of the wire format (docs/options.md)."""

    @model_validator(mode="after")
    def _check_whole(self) -> "Backend":
        if self.auth == "api_key" and self.api_key is None:
            raise ValueError("auth is api_key, so api_key must name the secret that holds it")
        if not self.locations:
            raise ValueError("locations must name at least one location")
        if unserved := [public for public, target in self.model_mapping.items() if not target]:
            raise ValueError(f"model_mapping gives no route to {', '.join(unserved)}")
        return self


class RateLimit(_Section):
    """Limits of the gateway itself, in the notation of the `limits` library. Absent means no limit."""

    per_ip: Rate | None = None
    """Requests of one address, counted before its key is looked at: `300/minute`."""
    per_key: Rate | None = None
    """Requests of one key; its record may hold a rate of its own."""
    tokens_per_key: Rate | None = None
    """Tokens of one key: an estimate is taken before the call and settled after it."""
    weights: dict[Literal["chat", "models"], Weight] = Field(default_factory=dict[Literal["chat", "models"], int])
    """How many requests one request of a route counts as; 1 where a route is not named, 0 not to count it."""
    when_away: Literal["open", "closed"] = "open"
    """Whether callers are let in while the storage is away, or refused with a 503."""
    storage: str = Field(default="memory://", pattern=r"^(memory://|rediss?://.+)$")
    """`memory://` counts in each instance for itself, `redis://host:6379` is exact over all."""
    trusted_hops: int = Field(default=0, ge=0, le=10)
    """How many proxies of one's own stand in front: the client's address is counted from the right of `X-Forwarded-For`."""


class Cors(_Section):
    """Which pages of other origins may call the gateway."""

    origins: tuple[Annotated[str, AfterValidator(_check_origin)], ...] = ()
    """Such as `https://app.example.com`, or `*`."""
    credentials: bool = False
    """Whether browsers may send cookies and the like; not with `*`."""

    @model_validator(mode="after")
    def _check_credentials(self) -> "Cors":
        if self.credentials and "*" in self.origins:
            raise ValueError("credentials cannot be allowed for every origin: list the origins")
        return self


class Cache(_Section):
    """Complete answers kept in each instance, for each key apart."""

    enabled: bool = False
    """Whether answers are kept at all."""
    ttl: float = Field(default=300, gt=0)
    """Seconds for which an answer serves."""
    max_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    """Most that one instance keeps."""


class RemoteMedia(_Section):
    """Images and documents that requests name by URL and this upstream does not fetch itself."""

    enabled: bool = True
    """Whether the gateway fetches them; if not, such a request is a 400."""
    hosts: tuple[str, ...] = ()
    """Host names that may be fetched from; empty means any public host."""
    max_bytes: int = Field(default=20 * 1024 * 1024, gt=0)
    """Largest file."""
    timeout: float = Field(default=10, gt=0, le=60)
    """Seconds for one file."""


class Stream(_Section):
    """Streamed answers."""

    prime_timeout: float = Field(default=10, ge=0, le=300)
    """Seconds to wait for the upstream's first event before the 200 goes out without it."""
    keepalive: float = Field(default=15, gt=0, le=300)
    """Seconds of silence after which a comment keeps the connection open."""
    error_done: bool = False
    """Send `[DONE]` after an error event too."""


class Log(_Section):
    """The request line. Prompts and answers are never logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """`debug` also shows the lines of `/health` and of preflights."""
    project: Annotated[str, AfterValidator(_check_project)] | None = None
    """Project of the traces that lines belong to; by default `GOOGLE_CLOUD_PROJECT`, else that of the first backend with one."""


class Settings(BaseSettings):
    """The whole configuration, frozen."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    port: int = Field(default=8080, ge=0, le=65535)
    """Local use only: where `make run` listens."""
    default_backend: str = "vertex-gemini"
    """Serves the models that no mapping and no prefix decides."""
    backends: dict[str, Backend] = Field(default_factory=dict, validate_default=True)
    """The upstreams by name; `vertex-gemini` and `vertex-anthropic` exist unless switched off."""
    timeout: float = Field(default=600, gt=0, le=3600)
    """Seconds for a whole request."""
    max_retries: int = Field(default=2, ge=0, le=10)
    """Tries after the first, at each location."""
    client_keys: SecretReference | None = None
    """Secret that holds the document of client keys; without one chat is refused."""
    allow_anonymous: bool = False
    """Serve everybody, without keys."""
    rate_limit: RateLimit = RateLimit()
    cors: Cors = Cors()
    cache: Cache = Cache()
    strict: bool = False
    """Every field that would be ignored or downgraded is a 400."""
    tool_call_ids: Literal["plain", "sealed"] = "plain"
    """`sealed` puts the reasoning signature into the tool-call id: it survives every client, and ids get long."""
    max_body_bytes: int = Field(default=10 * 1024 * 1024, gt=0, le=32 * 1024 * 1024)
    """Largest request; at most 32 MiB."""
    remote_media: RemoteMedia = RemoteMedia()
    gcs_buckets: tuple[str, ...] = ()
    """Cloud Storage buckets that requests may name; each is read with the gateway's own rights."""
    stream: Stream = Stream()
    log: Log = Log()

    @field_validator("backends", mode="before")
    @classmethod
    def _name_backends(cls, given: JsonValue) -> JsonValue:
        """Both backends exist unless switched off; a backend named after a provider need not repeat it.

        Environment variables cannot hold a dash, so `VERTEX_GEMINI` is read as `vertex-gemini`.
        """
        if not isinstance(given, dict):
            return given
        named: JsonObject = {name: {"provider": name} for name in PROVIDERS}
        for name, backend in sorted(cast("JsonObject", given).items()):  # "-" sorts before "_": variables win over documents
            if isinstance(backend, dict):
                key = name.replace("_", "-")
                named[key] = {**named.get(key, {}), **cast("JsonObject", backend)}
            else:
                named[name] = backend
        return named

    @model_validator(mode="after")
    def _check_names(self) -> "Settings":
        if self.default_backend not in self.backends:
            raise ValueError(f"default_backend names no backend: {self.default_backend}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; there are no others."""
        del env_settings, dotenv_settings, file_secret_settings
        return (
            init_settings,
            EnvSettingsSource(settings_cls),
            InitSettingsSource(settings_cls, init_kwargs=_document_of_variable()),
            InitSettingsSource(settings_cls, init_kwargs=_document_of_file()),
        )


def load(options: Mapping[str, type], **overrides: object) -> Settings:
    """Read all sources. Raises `ConfigurationError` with every fault.

    `options` maps each provider to the dataclass of its wire format's switches, so that a wrong switch is found at the start too.
    `overrides` win over every source (command line).
    """
    faults = _unknown_variables()
    try:
        settings = Settings(**overrides)  # pyright: ignore[reportArgumentType] - checked by pydantic, which is the point
    except ValidationError as error:
        raise ConfigurationError(faults + [_describe(fault["loc"], fault["msg"]) for fault in error.errors()]) from error
    except SettingsError as error:
        raise ConfigurationError([*faults, f"{error}: {error.__cause__}"]) from error
    for name, backend in settings.backends.items():
        if backend.options:
            faults += _option_faults(name, backend, options[backend.provider])
    if faults:
        raise ConfigurationError(faults)
    return settings


def environment() -> Mapping[str, str]:
    """Hand the variables to the one other part that needs them by name: secrets referenced as `env:NAME`."""
    return os.environ


def _option_faults(name: str, backend: Backend, options: type) -> list[str]:
    path = ("backends", name, "options")
    known = {field.name for field in fields(options)}
    faults = [_describe((*path, option), "no such option") for option in backend.options if option not in known]
    try:
        TypeAdapter(options).validate_python(backend.options)
    except ValidationError as error:
        faults += [_describe((*path, *fault["loc"]), fault["msg"]) for fault in error.errors()]
    return faults


def _describe(path: tuple[int | str, ...], complaint: str) -> str:
    return f"{'.'.join(str(step) for step in path) or 'configuration'}: {complaint.removeprefix('Value error, ')}"


def _unknown_variables() -> list[str]:
    """Find misspelt variables: a typo must not silently leave a default in force."""
    known = {name.upper() for name in Settings.model_fields} | _NOT_FIELDS
    names = [name for name in os.environ if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_")]
    return [f"{name}: no such setting" for name in sorted(names) if name.removeprefix(PREFIX).split("__")[0] not in known]


def _document_of_variable() -> dict[str, Any]:
    text = os.environ.get(f"{PREFIX}CONFIG_JSON", "")
    return _object(f"{PREFIX}CONFIG_JSON", lambda: json.loads(text)) if text.strip() else {}


def _document_of_file() -> dict[str, Any]:
    name = os.environ.get(f"{PREFIX}CONFIG", "")
    if not name:
        return {}
    read = tomllib.loads if name.endswith(".toml") else json.loads
    return _object(name, lambda: read(Path(name).read_text(encoding="utf-8")))


def _object(name: str, read: Any) -> dict[str, Any]:
    try:
        document = read()
    except (OSError, ValueError) as error:
        raise ConfigurationError([f"{name}: cannot be read: {error}"]) from error
    if not isinstance(document, dict):
        raise ConfigurationError([f"{name}: must hold one object"])
    return cast("dict[str, Any]", document)
