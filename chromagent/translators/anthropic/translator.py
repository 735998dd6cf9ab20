"""The translator of this wire format: what a provider asks of it, with an owner's switches."""

from collections.abc import Mapping

from chromagent.errors import GatewayError
from chromagent.translators.anthropic import profiles
from chromagent.translators.anthropic.errors import ErrorReader
from chromagent.translators.anthropic.media import remote_urls
from chromagent.translators.anthropic.options import AnthropicOptions
from chromagent.translators.anthropic.parameters import TABLE
from chromagent.translators.anthropic.request import AnthropicTranslation
from chromagent.translators.protocol import Call, ModelFacts
from chromagent.translators.redaction import Redactor


class AnthropicTranslator:
    """Claude, with its options; stateless."""

    def __init__(self, options: AnthropicOptions) -> None:
        self._options = options

    def resolve(self, model: str, *, project: str, location: str) -> str:
        """Turn a spelling into the id that Vertex AI has."""
        del project, location
        return profiles.resolve(model)

    def request(self, call: Call) -> AnthropicTranslation:
        """Translate. Raises `InvalidRequest`."""
        return AnthropicTranslation(call, self._options)

    def remote_media(self, call: Call) -> dict[str, str]:
        """Tell which URLs the gateway must fetch: Vertex AI takes bytes only."""
        return remote_urls(call.request["messages"]) if self._options.media_fetch else {}

    def error(self, status: int, headers: Mapping[str, str], body: bytes, redact: Redactor) -> GatewayError:
        """Read an error answer to a probe."""
        return ErrorReader(redact).read(status, headers, body)

    def describe(self, model: str) -> ModelFacts:
        """Tell what a model can do."""
        profile = profiles.profile_of(profiles.resolve(model))
        largest = profile.largest_output if profile.known else None
        return ModelFacts(profile.context_window, largest, TABLE.dispositions(profile))
