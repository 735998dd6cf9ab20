"""The composition root: settings → parts → the two ASGI applications. Nobody but `functions/` and `local/` imports it.

Nothing is opened here: connections, credentials and keys open with the first request, in the worker that serves it. The platform
imports this in a master process and forks.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from chromagent import config, telemetry
from chromagent.catalog import Family
from chromagent.config import Settings
from chromagent.endpoints.chat_completions import ChatCompletions, ChatSettings
from chromagent.endpoints.cors import CorsRules
from chromagent.endpoints.draining import Drain
from chromagent.endpoints.health import Health, Probed
from chromagent.endpoints.middleware import Face
from chromagent.endpoints.models import Models
from chromagent.endpoints.request_line import RequestLine
from chromagent.endpoints.routes import RouteTable
from chromagent.gateway import Gateway
from chromagent.policy.admission import Door
from chromagent.policy.authentication import Authenticator, KeyRing
from chromagent.policy.limits import Limiter, LimitRules
from chromagent.policy.response_cache import ResponseCache
from chromagent.policy.routing import RoutedBackend, Router
from chromagent.providers import registry
from chromagent.providers.protocol import Backend, Provider
from chromagent.providers.vertex import MediaFetcher
from chromagent.upstream import metadata_server
from chromagent.upstream.client import UpstreamClient
from chromagent.upstream.credentials import ApiKey, GoogleCredentials, NoCredentials, UpstreamCredentials
from chromagent.upstream.secret_manager import SecretManager
from chromagent.upstream.secrets import KeptSecrets, ReferencedSecrets, SecretSource

if TYPE_CHECKING:
    import httpx

    from chromagent.upstream.remote_files import RemoteFile, RemoteFiles

_FAMILIES: dict[str, Family] = {"vertex-gemini": "gemini", "vertex-anthropic": "claude"}


class App(NamedTuple):
    """The two applications, one for every route and one for what needs no model, and the backends behind them."""

    chat: Face
    models: Face
    backends: Mapping[str, Probed]


def open_app() -> App:
    """Build the app from the environment. Raises `config.ConfigurationError` with every fault."""
    return build_app(config.load(registry.OPTIONS), listens=True)


def create_app(
    settings: Settings, *, transport: "httpx.AsyncBaseTransport | None" = None, files: "RemoteFiles | None" = None
) -> Face:
    """Build the application that answers every route, over another transport and another way to files if given (tests)."""
    return build_app(settings, transport=transport, files=files).chat


def build_app(
    settings: Settings,
    *,
    transport: "httpx.AsyncBaseTransport | None" = None,
    files: "RemoteFiles | None" = None,
    listens: bool = False,
) -> App:
    """Build both applications over the same parts. `listens`: this process is the worker, and SIGTERM is the app's to notice."""
    telemetry.configure(settings.log.level)
    secrets = ReferencedSecrets(config.environment(), SecretManager())
    authenticate = Authenticator(_key_ring(settings, secrets), allow_anonymous=settings.allow_anonymous)
    identities = _Identities(KeptSecrets(secrets))
    providers = _build_providers(settings, identities, UpstreamClient(transport), files.fetch if files else _fetcher(settings))
    router = _build_router(settings)
    drain = Drain()
    door = Door(authenticate, Limiter(_limit_rules(settings)), trusted_hops=settings.rate_limit.trusted_hops)

    chat = ChatCompletions(
        Gateway(router, providers),
        door,
        _chat_settings(settings),
        drain,
        cache=_cache(settings),
        prepare=identities.begin_of(settings.backends[settings.default_backend]),
    )
    models = Models(router, providers, door)
    probed = {name: Probed(provider, settings.backends[name].locations) for name, provider in providers.items()}
    health = Health(probed, door, lambda: chat.open_streams)
    cors = CorsRules(settings.cors.origins, credentials=settings.cors.credentials)
    line = RequestLine(_trace_project(settings))

    about = {"/models": {"GET": models.list}, "/health": {"GET": health, "HEAD": health}}
    named = {"/models/": {"GET": models.retrieve}}
    everything = RouteTable({"/chat/completions": {"POST": chat}, **about}, named)
    return App(
        chat=Face(everything, cors, line, error_done=settings.stream.error_done, begin=drain.install if listens else _nothing),
        models=Face(RouteTable(about, named), cors, line, error_done=settings.stream.error_done),
        backends=probed,
    )


def _nothing() -> None:
    """Do nothing."""


def _key_ring(settings: Settings, secrets: SecretSource) -> KeyRing | None:
    reference = settings.client_keys
    return None if reference is None else KeyRing(lambda: secrets.read(reference))


class _Identities:
    """Who the gateway is to its upstreams: backends with the same identity share it, and so its token."""

    def __init__(self, secrets: KeptSecrets) -> None:
        self._secrets = secrets
        self._google: dict[str | None, GoogleCredentials] = {}

    def of(self, backend: config.Backend) -> UpstreamCredentials:
        """Return the identity that a backend is called with."""
        if backend.auth == "none":
            return NoCredentials()
        if backend.auth == "api_key" and backend.api_key is not None:
            return ApiKey(self._secrets, backend.api_key)
        if backend.credentials not in self._google:
            host = metadata_server.host_of(config.environment())
            self._google[backend.credentials] = GoogleCredentials(self._secrets, backend.credentials, metadata_host=host)
        return self._google[backend.credentials]

    def begin_of(self, backend: config.Backend) -> Callable[[], None]:
        """Return what begins to fetch a backend's token; nothing where none has to be fetched."""
        identity = self.of(backend)
        return identity.begin if isinstance(identity, GoogleCredentials) else _nothing


def _build_providers(
    settings: Settings, identities: _Identities, client: UpstreamClient, fetch: MediaFetcher
) -> dict[str, Provider]:
    return {
        name: registry.build(
            backend.provider,
            Backend(
                name=name,
                project=backend.project,
                base_url=backend.base_url,
                additional_headers=backend.additional_headers,
                timeout=settings.timeout if backend.timeout is None else backend.timeout,
                max_retries=settings.max_retries if backend.max_retries is None else backend.max_retries,
                strict=settings.strict,
            ),
            options={"tool_call_ids": settings.tool_call_ids, **backend.options},
            means=registry.Means(client, identities.of(backend), fetch),
        )
        for name, backend in settings.backends.items()
        if backend.enabled
    }


def _cache(settings: Settings) -> ResponseCache | None:
    return ResponseCache(ttl=settings.cache.ttl, max_bytes=settings.cache.max_bytes) if settings.cache.enabled else None


def _limit_rules(settings: Settings) -> LimitRules:
    limits = settings.rate_limit
    weights: dict[str, int] = {**limits.weights}
    return LimitRules(limits.per_ip, limits.per_key, limits.tokens_per_key, limits.storage, limits.when_away == "open", weights)


def _fetcher(settings: Settings) -> MediaFetcher:
    """Few requests fetch files, and what fetches them is httpx: it is imported with the first one."""
    rules = settings.remote_media

    @cache
    def opened() -> "RemoteFiles":
        from chromagent.upstream.remote_files import FetchRules, RemoteFiles  # noqa: PLC0415

        hosts = frozenset(host.lower() for host in rules.hosts)
        return RemoteFiles(FetchRules(rules.enabled, hosts, rules.max_bytes, rules.timeout))

    async def fetch(urls: Mapping[str, str]) -> "Mapping[str, RemoteFile]":
        return await opened().fetch(urls)

    return fetch


def _trace_project(settings: Settings) -> str | None:
    """Cloud Logging joins lines to traces by the project's name, which the platform tells in no header."""
    named = [backend.project for backend in settings.backends.values() if backend.enabled and backend.project]
    return settings.log.project or config.environment().get("GOOGLE_CLOUD_PROJECT") or next(iter(named), None)


def _build_router(settings: Settings) -> Router:
    backends = {
        name: RoutedBackend(
            family=_FAMILIES[backend.provider],
            locations=backend.locations,
            model_mapping={
                public: (spelling,) if isinstance(spelling, str) else spelling for public, spelling in backend.model_mapping.items()
            },
        )
        for name, backend in settings.backends.items()
        if backend.enabled
    }
    return Router(backends, settings.default_backend)


def _chat_settings(settings: Settings) -> ChatSettings:
    return ChatSettings(
        max_body_bytes=settings.max_body_bytes,
        timeout=settings.timeout,
        prime_timeout=settings.stream.prime_timeout,
        keepalive=settings.stream.keepalive,
        gcs_buckets=frozenset(settings.gcs_buckets),
    )
