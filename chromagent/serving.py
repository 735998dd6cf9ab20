"""The half of the composition that only a request for a model needs: the way to the upstreams, and the chat endpoint over it.

`app` imports it with the first such request, in the worker that serves it. It must not fail where the configuration is sound: a
faulty one is found before, when no worker exists yet.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from chromagent import config
from chromagent.config import Settings
from chromagent.endpoints.chat_completions import ChatCompletions, ChatSettings
from chromagent.endpoints.draining import Drain
from chromagent.gateway import Gateway
from chromagent.policy.admission import Door
from chromagent.policy.response_cache import ResponseCache
from chromagent.policy.routing import Router
from chromagent.providers import registry
from chromagent.providers.protocol import Backend, Provider
from chromagent.providers.reasoning_state import ReasoningStateCache
from chromagent.providers.vertex import MediaFetcher
from chromagent.upstream import metadata_server
from chromagent.upstream.client import UpstreamClient
from chromagent.upstream.credentials import ApiKey, GoogleCredentials, NoCredentials, UpstreamCredentials
from chromagent.upstream.secrets import KeptSecrets, SecretSource

if TYPE_CHECKING:
    import httpx

    from chromagent.upstream.remote_files import MemoryShare, RemoteFile, RemoteFiles


class Upstreams:
    """What all providers of one worker share: connections, identities, and the way to files that requests name."""

    def __init__(
        self,
        settings: Settings,
        secrets: SecretSource,
        *,
        transport: "httpx.AsyncBaseTransport | None" = None,
        files: "RemoteFiles | None" = None,
    ) -> None:
        self._settings = settings
        self._secrets = KeptSecrets(secrets)
        self._client = UpstreamClient(transport)
        self._fetch = files.fetch if files else _fetcher(settings)
        self._reasoning_states = ReasoningStateCache(settings.reasoning_cache_bytes)
        self._google: dict[str | None, GoogleCredentials] = {}

    def build_provider(self, name: str) -> Provider:
        """Build the provider of one configured backend."""
        settings, backend = self._settings, self._settings.backends[name]
        return registry.build(
            backend.provider,
            Backend(
                name=name,
                project=backend.project,
                base_url=backend.base_url,
                additional_headers=backend.additional_headers,
                timeout=settings.timeout if backend.timeout is None else backend.timeout,
                max_retries=settings.max_retries if backend.max_retries is None else backend.max_retries,
                strict=settings.strict,
                allowed_resources=backend.allowed_resources,
            ),
            options={"tool_call_ids": settings.tool_call_ids, **backend.options},
            means=registry.Means(self._client, self._identity(backend), self._fetch, self._reasoning_states),
        )

    def beginning(self, name: str) -> Callable[[], None]:
        """Return what begins to fetch a backend's token; nothing where none has to be fetched."""
        backend = self._settings.backends[name]
        if not backend.enabled:
            return _nothing
        identity = self._identity(backend)
        return identity.begin if isinstance(identity, GoogleCredentials) else _nothing

    def _identity(self, backend: config.Backend) -> UpstreamCredentials:
        """Return who the gateway is to a backend: those with the same identity share it, and so its token."""
        if backend.auth == "none":
            return NoCredentials()
        if backend.auth == "api_key" and backend.api_key is not None:
            return ApiKey(self._secrets, backend.api_key)
        if backend.credentials not in self._google:
            host = metadata_server.host_of(config.environment())
            self._google[backend.credentials] = GoogleCredentials(self._secrets, backend.credentials, metadata_host=host)
        return self._google[backend.credentials]


def build_chat(
    settings: Settings, upstreams: Upstreams, router: Router, providers: Mapping[str, Provider], door: Door, drain: Drain
) -> ChatCompletions:
    """Build the endpoint."""
    return ChatCompletions(
        Gateway(router, providers),
        door,
        ChatSettings(
            max_body_bytes=settings.max_body_bytes,
            max_request_memory=settings.max_request_memory,
            timeout=settings.timeout,
            prime_timeout=settings.stream.prime_timeout,
            keepalive=settings.stream.keepalive,
            gcs_buckets=frozenset(settings.gcs_buckets),
        ),
        drain,
        cache=ResponseCache(ttl=settings.cache.ttl, max_bytes=settings.cache.max_bytes) if settings.cache.enabled else None,
        prepare=upstreams.beginning(settings.default_backend),
    )


def _nothing() -> None:
    """Do nothing."""


def _fetcher(settings: Settings) -> MediaFetcher:
    """Few requests fetch files, and what fetches them is httpx: it is imported with the first one."""
    rules = settings.remote_media

    @cache
    def opened() -> "RemoteFiles":
        from chromagent.upstream.remote_files import FetchRules, RemoteFiles  # noqa: PLC0415

        hosts = frozenset(host.lower() for host in rules.hosts)
        return RemoteFiles(FetchRules(rules.enabled, hosts, rules.max_bytes, rules.timeout))

    async def fetch(urls: Mapping[str, str], share: "MemoryShare | None") -> "Mapping[str, RemoteFile]":
        return await opened().fetch(urls, share)

    return fetch
