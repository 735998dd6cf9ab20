"""Provider names → constructors. The one place that knows which wire format belongs to which platform."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from chromagent.errors import InvalidRequest
from chromagent.providers.protocol import Backend, Provider
from chromagent.providers.vertex import VertexProvider
from chromagent.providers.vertex_anthropic import AnthropicPaths
from chromagent.providers.vertex_gemini import DEVELOPER_HOST, GeminiPaths
from chromagent.translators.anthropic import AnthropicOptions, AnthropicTranslator
from chromagent.translators.gemini import GeminiOptions, GeminiTranslator
from chromagent.translators.protocol import Media
from chromagent.upstream.client import UpstreamClient
from chromagent.upstream.credentials import UpstreamCredentials

OPTIONS: Final[dict[str, type]] = {"vertex-gemini": GeminiOptions, "vertex-anthropic": AnthropicOptions}
"""The switches of each provider's wire format."""


def build(
    provider: str, backend: Backend, *, options: Mapping[str, Any], client: UpstreamClient, credentials: UpstreamCredentials
) -> Provider:
    """Build a provider by its configured name, one of `config.PROVIDERS`."""
    return _BUILDERS[provider](backend, options, client, credentials)


def _build_gemini(
    backend: Backend, options: Mapping[str, Any], client: UpstreamClient, credentials: UpstreamCredentials
) -> VertexProvider:
    chosen = GeminiOptions(**options)
    if chosen.surface == "developer":
        backend = replace(backend, base_url=backend.base_url or DEVELOPER_HOST)
    if chosen.surface != "vertex":
        backend = replace(backend, needs_project=False)
    paths = GeminiPaths(chosen.surface, chosen.version)
    return VertexProvider(backend, GeminiTranslator(chosen), paths, client, credentials, _refuse_remote_media)


def _build_anthropic(
    backend: Backend, options: Mapping[str, Any], client: UpstreamClient, credentials: UpstreamCredentials
) -> VertexProvider:
    chosen = AnthropicOptions(**options)
    paths = AnthropicPaths(chosen.version)
    return VertexProvider(backend, AnthropicTranslator(chosen), paths, client, credentials, _refuse_remote_media)


_BUILDERS: Final = {"vertex-gemini": _build_gemini, "vertex-anthropic": _build_anthropic}


async def _refuse_remote_media(urls: Sequence[str]) -> Mapping[str, Media]:
    """Send nothing on behalf of a client: media must come inside the request."""
    raise InvalidRequest(f"The gateway fetches no media: send the content of '{urls[0][:200]}' as a data: URL.", param="messages")
