"""Provider names → constructors. The one place that knows which wire format belongs to which platform.

A wire format is imported when the first provider that speaks it is built: most workers meet models of one vendor only.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chromagent.schema import documents
from chromagent.translators.anthropic.options import AnthropicOptions
from chromagent.translators.gemini.options import GeminiOptions

if TYPE_CHECKING:
    from chromagent.providers.protocol import Backend, Provider
    from chromagent.providers.reasoning_state import ReasoningStateCache
    from chromagent.providers.vertex import MediaFetcher
    from chromagent.upstream.client import UpstreamClient
    from chromagent.upstream.credentials import UpstreamCredentials

OPTIONS: Final[dict[str, type[Struct]]] = {"vertex-gemini": GeminiOptions, "vertex-anthropic": AnthropicOptions}
"""The switches of each provider's wire format."""


class Means(NamedTuple):
    """What a provider works with: the pool of connections, its identity, the way to files that requests name, and what
    models thought, for clients that do not bring it back.
    """

    client: "UpstreamClient"
    credentials: "UpstreamCredentials"
    fetch: "MediaFetcher"
    reasoning_states: "ReasoningStateCache"


def build(provider: str, backend: "Backend", options: Mapping[str, Any], means: Means) -> "Provider":
    """Build a provider by its configured name, one of `config.PROVIDERS`."""
    return _BUILDERS[provider](backend, options, means)


def _build_gemini(backend: "Backend", options: Mapping[str, Any], means: Means) -> "Provider":
    from chromagent.providers.vertex import VertexProvider  # noqa: PLC0415
    from chromagent.providers.vertex_gemini import DEVELOPER_HOST, GeminiPaths  # noqa: PLC0415
    from chromagent.translators.gemini.translator import GeminiTranslator  # noqa: PLC0415

    chosen = documents.read(dict(options), GeminiOptions)
    if chosen.surface == "developer":
        backend = replace(backend, base_url=backend.base_url or DEVELOPER_HOST)
    if chosen.surface != "vertex":
        backend = replace(backend, needs_project=False)
    paths = GeminiPaths(chosen.surface, chosen.version)
    return VertexProvider(backend, GeminiTranslator(chosen), paths, *means)


def _build_anthropic(backend: "Backend", options: Mapping[str, Any], means: Means) -> "Provider":
    from chromagent.providers.vertex import VertexProvider  # noqa: PLC0415
    from chromagent.providers.vertex_anthropic import AnthropicPaths  # noqa: PLC0415
    from chromagent.translators.anthropic.translator import AnthropicTranslator  # noqa: PLC0415

    chosen = documents.read(dict(options), AnthropicOptions)
    paths = AnthropicPaths(chosen.version)
    return VertexProvider(backend, AnthropicTranslator(chosen), paths, *means)


_BUILDERS: Final = {"vertex-gemini": _build_gemini, "vertex-anthropic": _build_anthropic}
