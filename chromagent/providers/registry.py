"""Provider names → constructors. The one place that knows which wire format belongs to which platform."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace
from pydantic import TypeAdapter

from chromagent.providers.protocol import Backend, Provider
from chromagent.providers.vertex import MediaFetcher, VertexProvider
from chromagent.providers.vertex_anthropic import AnthropicPaths
from chromagent.providers.vertex_gemini import DEVELOPER_HOST, GeminiPaths
from chromagent.translators.anthropic import AnthropicOptions, AnthropicTranslator
from chromagent.translators.gemini import GeminiOptions, GeminiTranslator
from chromagent.upstream.client import UpstreamClient
from chromagent.upstream.credentials import UpstreamCredentials

OPTIONS: Final[dict[str, type]] = {"vertex-gemini": GeminiOptions, "vertex-anthropic": AnthropicOptions}
"""The switches of each provider's wire format."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a provider works with: the pool of connections, its identity, and the way to files that requests name."""

    client: UpstreamClient
    credentials: UpstreamCredentials
    fetch: MediaFetcher


def build(provider: str, backend: Backend, options: Mapping[str, Any], means: Means) -> Provider:
    """Build a provider by its configured name, one of `config.PROVIDERS`."""
    return _BUILDERS[provider](backend, options, means)


def _build_gemini(backend: Backend, options: Mapping[str, Any], means: Means) -> VertexProvider:
    chosen = TypeAdapter(GeminiOptions).validate_python(dict(options))
    if chosen.surface == "developer":
        backend = replace(backend, base_url=backend.base_url or DEVELOPER_HOST)
    if chosen.surface != "vertex":
        backend = replace(backend, needs_project=False)
    paths = GeminiPaths(chosen.surface, chosen.version)
    return VertexProvider(backend, GeminiTranslator(chosen), paths, means.client, means.credentials, means.fetch)


def _build_anthropic(backend: Backend, options: Mapping[str, Any], means: Means) -> VertexProvider:
    chosen = TypeAdapter(AnthropicOptions).validate_python(dict(options))
    paths = AnthropicPaths(chosen.version)
    return VertexProvider(backend, AnthropicTranslator(chosen), paths, means.client, means.credentials, means.fetch)


_BUILDERS: Final = {"vertex-gemini": _build_gemini, "vertex-anthropic": _build_anthropic}
