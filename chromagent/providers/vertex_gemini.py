"""Gemini on Vertex AI, also in express mode and on the Developer API: the paths. The wire format is `translators.gemini`.

Paths: wire-gemini §1.3 and §1.7.
"""

from functools import lru_cache
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from chromagent.codec import JsonObject

Surface: TypeAlias = Literal["vertex", "express", "developer"]
"""The project's Vertex AI; Vertex AI by key, without a project; the Gemini Developer API."""

DEVELOPER_HOST: Final = "https://generativelanguage.googleapis.com"
_PROBE_MODEL: Final = "gemini-3.8-flash"


class GeminiPaths:
    """Where `generateContent` is found."""

    idle_timeout = 300.0  # a model that thinks without showing it is silent for minutes

    def __init__(self, surface: Surface, version: str) -> None:
        self._surface = surface
        self._version = version

    def path(self, model: str, project: str, location: str, *, stream: bool) -> str:
        """Return the path; a stream without `alt=sse` would be one JSON array."""
        action = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"{_resource(self._surface, self._version, model, project, location)}:{action}"

    def body(self, body: JsonObject, *, stream: bool) -> JsonObject:
        """Leave the body as it is: the path alone tells a stream."""
        del stream
        return body

    def probe(self, project: str, location: str) -> tuple[str, JsonObject]:
        """Count the tokens of one word."""
        contents = [{"role": "user", "parts": [{"text": "ping"}]}]
        return f"{_resource(self._surface, self._version, _PROBE_MODEL, project, location)}:countTokens", {"contents": contents}


@lru_cache(maxsize=256)
def _resource(surface: Surface, version: str, model: str, project: str, location: str) -> str:
    if surface == "developer":
        return f"/{version}/models/{quote(model, safe='')}"
    parent = "" if surface == "express" else f"/projects/{project}/locations/{location}"
    if model.startswith("endpoints/"):
        return f"/{version}{parent}/{model}"
    return f"/{version}{parent}/publishers/google/models/{quote(model, safe='')}"
