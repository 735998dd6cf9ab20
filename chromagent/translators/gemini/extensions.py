"""What clients say to Gemini beyond OpenAI's fields: `extra_body.google` and its top-level spellings.

Source: wire-gemini §2.14, §2.15.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place

MOST_LABELS: Final = 64
_LONGEST_LABEL: Final = 63
_GENERATION: Final = {
    "response_modalities": "responseModalities",
    "image_config": "imageConfig",
    "speech_config": "speechConfig",
    "media_resolution": "mediaResolution",
    "audio_timestamp": "audioTimestamp",
    "top_k": "topK",
}
_BODY: Final = {"safety_settings": "safetySettings", "model_armor_config": "modelArmorConfig"}
_HANDLED: Final = frozenset(
    {
        "thinking_config",
        "cached_content",
        "thought_tag_marker",
        "labels",
        "retrieval_config",
        "generation_config",
        "tools",
        "tool_config",
    }
    | _GENERATION.keys()
    | _BODY.keys()
)
_TOP_LEVEL: Final = ("cached_content", "safety_settings", "labels")
_PLACES: Final = frozenset({"extra_body", "google", *_TOP_LEVEL})
"""Fields of a request that hold extensions."""


def read_google(request: Mapping[str, JsonValue]) -> JsonObject:
    """Return the extensions under their snake_case names; the nested spelling wins over the top-level ones."""
    if _PLACES.isdisjoint(request):
        return {}
    extra = reading.optional(cast("JsonObject", request), "extra_body", reading.mapping, Place()) or {}
    outer = reading.optional(cast("JsonObject", request), "google", reading.mapping, Place()) or {}
    inner = reading.optional(extra, "google", reading.mapping, Place(("extra_body",))) or {}
    found = {name: request[name] for name in _TOP_LEVEL if request.get(name) is not None}
    found |= {snake(name): value for name, value in {**outer, **inner}.items() if value is not None}
    return found


def unknown(request: Mapping[str, JsonValue], google: JsonObject) -> list[str]:
    """Name the extensions that nobody understands."""
    extra = cast("JsonObject", request.get("extra_body") or {})
    names = [f"extra_body.{name}" for name in extra if name != "google"]
    return names + [f"extra_body.google.{name}" for name in google if name not in _HANDLED]


def apply(body: JsonObject, google: JsonObject, *, developer: bool) -> None:
    """Put the extensions into the body; the client's word is the last one."""
    if not google:
        return
    generation: JsonObject = body.setdefault("generationConfig", {})
    for name, target in _GENERATION.items():
        if name in google and not (developer and name == "audio_timestamp"):
            generation[target] = google[name]
    for name, target in _BODY.items():
        if name in google and not (developer and name == "model_armor_config"):
            body[target] = google[name]
    _overlay(generation, google, "generation_config")
    if "retrieval_config" in google:
        body.setdefault("toolConfig", {})["retrievalConfig"] = google["retrieval_config"]
    if "tool_config" in google:
        _overlay(body.setdefault("toolConfig", {}), google, "tool_config")
    if not generation:
        del body["generationConfig"]
    if "tools" in google:
        place = Place(("extra_body", "google"))
        body["tools"] = [*body.get("tools", []), *(reading.optional(google, "tools", reading.array, place) or [])]


def _overlay(target: JsonObject, google: JsonObject, name: str) -> None:
    given = reading.optional(google, name, reading.mapping, Place(("extra_body", "google"))) or {}
    _merge(target, {camel(key): value for key, value in given.items()})


def _merge(target: JsonObject, source: JsonObject) -> None:
    for name, value in source.items():
        known = target.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            target[name] = dict(cast("JsonObject", known))
            _merge(target[name], cast("JsonObject", value))
        else:
            target[name] = value


def cached_content(google: JsonObject, body: JsonObject, *, parent: str) -> str | None:
    """Return the full name of an explicit cache. Raises `InvalidRequest` where the request says what the cache already holds."""
    name = reading.optional(google, "cached_content", reading.text, Place())
    if not name:
        return None
    for member in ("systemInstruction", "tools", "toolConfig"):
        if member in body:
            raise InvalidRequest(
                "'cached_content' excludes system messages and tools: they belong into the cache.",
                param="cached_content",
                code="invalid_parameter_combination",
            )
    if not name.startswith("projects/"):
        return f"{parent}cachedContents/{name.removeprefix('cachedContents/')}"
    if not name.startswith(parent):
        raise InvalidRequest("'cached_content' names another project or location.", param="cached_content")
    return name


def labels(google: JsonObject, metadata: Mapping[str, JsonValue], defaults: Mapping[str, str]) -> JsonObject:
    """Return labels as Google Cloud allows them."""
    given = reading.optional(google, "labels", reading.mapping, Place()) or {}
    cleaned: JsonObject = {}
    for name, value in {**defaults, **metadata, **given}.items():
        key = _label(name)
        if key and not key[0].isalpha():
            key = f"k_{key}"[:_LONGEST_LABEL]
        if key and len(cleaned) < MOST_LABELS:
            cleaned[key] = _label(str(value))
    return cleaned


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", text.lower()[:_LONGEST_LABEL])


def paid_tier(tier: str | None) -> str | None:
    """Return Google's name of a service tier with a price of its own, or None. `auto` never costs more."""
    return {"flex": "flex", "priority": "priority", "fast": "priority"}.get(tier or "")


def tier_headers(kind: str) -> dict[str, str]:
    """Return the headers that choose a service tier on Vertex AI."""
    return {"x-vertex-ai-llm-request-type": "shared", "x-vertex-ai-llm-shared-request-type": kind}


def _words(pattern: str, change: Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    compiled = re.compile(pattern)
    return lambda name: compiled.sub(change, name)


snake: Final = _words(r"[A-Z]", lambda found: f"_{found[0].lower()}")
camel: Final = _words(r"_([a-z])", lambda found: found[1].upper())
