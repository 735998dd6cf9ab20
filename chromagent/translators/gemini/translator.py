"""The translator of this wire format: what a provider asks of it, with an owner's switches."""

from collections.abc import Mapping

from chromagent.errors import GatewayError
from chromagent.translators.gemini import profiles
from chromagent.translators.gemini.errors import ErrorReader, Origins
from chromagent.translators.gemini.media import remote_urls
from chromagent.translators.gemini.options import GeminiOptions
from chromagent.translators.gemini.parameters import TABLE
from chromagent.translators.gemini.request import GeminiTranslation
from chromagent.translators.protocol import Call, ModelFacts
from chromagent.translators.redaction import Redactor


class GeminiTranslator:
    """Gemini, with its options; stateless."""

    def __init__(self, options: GeminiOptions) -> None:
        self._options = options

    def resolve(self, model: str, *, project: str, location: str) -> str:
        """Turn a spelling into the bare model id, or into `endpoints/N` for a tuned model."""
        return profiles.resolve(model, project=project, location=location)

    def request(self, call: Call) -> GeminiTranslation:
        """Translate. Raises `InvalidRequest`."""
        return GeminiTranslation(call, self._options)

    def remote_media(self, call: Call) -> dict[str, str]:
        """Tell which URLs the gateway must fetch: none, unless the owner wants it to, as Google fetches by itself."""
        return remote_urls(call.request["messages"]) if self._options.http_media == "fetch" else {}

    def error(self, status: int, headers: Mapping[str, str], body: bytes, redact: Redactor) -> GatewayError:
        """Read an error answer to a probe."""
        return ErrorReader(Origins(), redact).read(status, headers, body)

    def describe(self, model: str) -> ModelFacts:
        """Tell what a model can do."""
        profile = profiles.profile_of(model)
        return ModelFacts(profile.context_window, profile.largest_output, TABLE.dispositions(profile))
