"""Claude on Vertex AI: the paths. The wire format is `translators.anthropic`. Paths: wire-anthropic §1.1 and §1.5."""

from typing import Final
from urllib.parse import quote

from chromagent.codec import JsonObject

_PROBE_MODEL: Final = "claude-sonnet-4-6"


class AnthropicPaths:
    """Where `rawPredict` is found."""

    idle_timeout = 120.0  # Anthropic sends pings, so a longer silence is a dead peer (wire-anthropic §1.2)

    def __init__(self, version: str) -> None:
        self._version = version

    def path(self, model: str, project: str, location: str, *, stream: bool) -> str:
        """Return the path; `@` before a model's date may stay literal."""
        action = "streamRawPredict" if stream else "rawPredict"
        return f"{_resource(model, project, location)}:{action}"

    def body(self, body: JsonObject, *, stream: bool) -> JsonObject:
        """A stream is asked for in the path and in the body."""
        return {**body, "stream": True} if stream else body

    def probe(self, project: str, location: str) -> tuple[str, JsonObject]:
        """Count the tokens of one word."""
        messages = [{"role": "user", "content": "ping"}]
        body = {"anthropic_version": self._version, "model": _PROBE_MODEL, "messages": messages}
        return f"{_resource('count-tokens', project, location)}:rawPredict", body


def _resource(model: str, project: str, location: str) -> str:
    return f"/v1/projects/{project}/locations/{location}/publishers/anthropic/models/{quote(model, safe='@')}"
