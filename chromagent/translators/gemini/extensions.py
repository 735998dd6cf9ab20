"""What clients say to Gemini beyond OpenAI's fields: `extra_body.google` and its top-level spellings.

`allow_list` says which members there are. Labels and safety settings are the operator's first: see `labels` and `safety`.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.gemini import allow_list, safety
from chromagent.translators.gemini.allow_list import EXTENSIONS, Resources, snake
from chromagent.translators.gemini.parameters import TABLE
from chromagent.translators.gemini.profiles import Profile

if TYPE_CHECKING:
    from chromagent.translators.gemini.options import GeminiOptions

MAX_LABELS: Final = 64
_LONGEST_LABEL: Final = 63
_GENERATION: Final = ("responseModalities", "imageConfig", "speechConfig", "mediaResolution", "audioTimestamp")
"""Members that become those of `generationConfig`, in this order."""
_TOP_LEVEL: Final = ("cached_content", "safety_settings", "labels")
_MISPLACED: Final = frozenset({*EXTENSIONS, *map(snake, EXTENSIONS)}) - TABLE.rows.keys()
"""Names that mean nothing outside `extra_body.google`: to ignore them there could leave out a guard that the client counts on."""
_PLACES: Final = frozenset({"extra_body", "google", "thinking_config", *_TOP_LEVEL}) | _MISPLACED
"""Fields of a request that hold extensions, or that would."""


class Extensions:
    """The extensions of one request, checked and in Google's spelling, each with the place where the client wrote it."""

    def __init__(self, request: Mapping[str, JsonValue], resources: Resources) -> None:
        """Read all places; the nested spelling wins over the top-level ones. Raises `InvalidRequest`."""
        self.values: JsonObject = {}
        self.places: dict[str, Place] = {}
        self.unknown: list[str] = []
        """Names of other extensions within `extra_body`, which nobody understands."""
        if _PLACES.isdisjoint(request):
            return
        self._resources = resources
        fields = cast("JsonObject", request)
        extra = reading.optional(fields, "extra_body", reading.mapping, Place()) or {}
        self._read_outer(fields, Place())
        self._read_outer(extra, Place(("extra_body",)))
        self._read(reading.optional(fields, "google", reading.mapping, Place()), Place(("google",)))
        self._read(reading.optional(extra, "google", reading.mapping, Place(("extra_body",))), Place(("extra_body", "google")))
        self.unknown = [f"extra_body.{name}" for name in extra if name != "google" and name not in _TOP_LEVEL]
        if (thinking := request.get("thinking_config")) is not None:
            allow_list.THINKING(thinking, Place(("thinking_config",)), resources)
        self._hoist()

    def _read_outer(self, fields: JsonObject, place: Place) -> None:
        if misplaced := _MISPLACED & fields.keys():
            name = min(misplaced)
            raise wrong_value(place.at(name), f"Send '{snake(name)}' within 'extra_body.google'.", "unsupported_parameter")
        self._read({name: fields[name] for name in _TOP_LEVEL if fields.get(name) is not None}, place)

    def _read(self, given: JsonObject | None, place: Place) -> None:
        for name in given or ():
            self.places[allow_list.camel(name)] = place.at(name)
        self.values |= allow_list.read_members(given or {}, place, self._resources, EXTENSIONS)

    def _hoist(self) -> None:
        """Put the members of `generationConfig` and `toolConfig` beside them, where they have one meaning each."""
        for container in ("generationConfig", "toolConfig"):
            for name, value in self.values.pop(container, {}).items():
                if name not in self.values:
                    self.values[name], self.places[name] = value, self.places[container].at(name)

    def get(self, name: str) -> JsonValue:
        """Return an extension by its name in camelCase, or None."""
        return self.values.get(name)

    def place(self, name: str) -> Place:
        """Return where the client wrote an extension."""
        return self.places.get(name, Place((snake(name),)))


def apply(body: JsonObject, google: Extensions, profile: Profile, *, developer: bool) -> list[str]:
    """Put media settings and the place of searches into the body; return the names of what this model ignores."""
    ignored: list[str] = []
    if not google.values:
        return ignored
    generation: JsonObject = body.setdefault("generationConfig", {})
    for name in _GENERATION:
        if (value := google.get(name)) is not None and not (developer and name == "audioTimestamp"):
            generation[name] = value
    if "AUDIO" in (google.get("responseModalities") or []) and not profile.speaks:
        raise wrong_value(google.place("responseModalities"), "This model does not support audio output.", "unsupported_value")
    if (top_k := google.get("topK")) is not None:
        if profile.samples:
            generation["topK"] = top_k
        else:
            ignored.append(str(google.place("topK")))
    if (place := google.get("retrievalConfig")) is not None:
        body.setdefault("toolConfig", {})["retrievalConfig"] = place
    if not generation:
        del body["generationConfig"]
    return ignored


def guard(body: JsonObject, google: Extensions, options: "GeminiOptions") -> None:
    """Put safety settings and Model Armor into the body: the operator's, and what a client adds without weakening them.

    Google takes one of the two, so a client may not replace one of the operator's by the other.
    """
    given, asked = google.get("safetySettings"), google.get("modelArmorConfig")
    here, armor_place = google.place("safetySettings"), google.place("modelArmorConfig")
    demanded, armor = options.safety, options.model_armor.config()
    if asked and options.surface == "developer":
        raise wrong_value(armor_place, "The Gemini Developer API has no Model Armor.", "unsupported_parameter")
    if asked and (armor or demanded.floor is not None or demanded.fixed):
        raise wrong_value(armor_place, "The operator of this gateway sets how content is screened.", "unsupported_parameter")
    if given is not None and armor:
        raise wrong_value(here, "The operator of this gateway screens content with Model Armor.", "unsupported_parameter")
    if settings := safety.settings(demanded, given, here):
        body["safetySettings"] = settings
    if armor or asked:
        body["modelArmorConfig"] = armor or asked
    if "safetySettings" in body and "modelArmorConfig" in body:
        raise InvalidRequest(
            "'model_armor_config' and 'safety_settings' exclude each other.", param=str(here), code="invalid_parameter_combination"
        )


def cached_content(google: Extensions, body: JsonObject, *, parent: str) -> str | None:
    """Return the full name of an explicit cache. Raises `InvalidRequest` where the request says what the cache already holds."""
    name = google.get("cachedContent")
    if not name:
        return None
    place = google.place("cachedContent")
    for member in ("systemInstruction", "tools", "toolConfig"):
        if member in body:
            raise InvalidRequest(
                "'cached_content' excludes system messages and tools: they belong into the cache.",
                param=str(place),
                code="invalid_parameter_combination",
            )
    if not str(name).startswith(parent):
        raise wrong_value(place, "'cached_content' names another project or location.")
    return str(name)


def labels(google: Extensions, metadata: Mapping[str, JsonValue], defaults: Mapping[str, str], ignored: list[str]) -> JsonObject:
    """Return labels as Google Cloud allows them: the operator's, then those that the client adds.

    Raises `InvalidRequest` for a client's label of the operator's name, or too many. What does not fit of `metadata` is `ignored`.
    """
    cleaned: JsonObject = {key: _label(value) for name, value in defaults.items() if (key := _label_key(name))}
    operators = frozenset(cleaned)
    given: JsonObject = google.get("labels") or {}
    for name, value in given.items():
        place = google.place("labels").at(name[: allow_list.MAX_NAME])
        if (key := _label_key(name)) in operators:
            raise wrong_value(place, f"The operator of this gateway sets the label '{key}'.", "unsupported_value")
        if key and key not in cleaned and len(cleaned) >= MAX_LABELS:
            raise wrong_value(google.place("labels"), f"At most {MAX_LABELS} labels are possible.", "object_above_max_properties")
        if key:
            cleaned[key] = _label(value)
    for name, value in metadata.items():
        if not (key := _label_key(name)):
            continue
        if key in cleaned or len(cleaned) >= MAX_LABELS:
            ignored.append(f"metadata.{name}")
        else:
            cleaned[key] = _label(str(value))
    return cleaned


def _label_key(name: str) -> str:
    key = _label(name)
    return f"k_{key}"[:_LONGEST_LABEL] if key and not key[0].isalpha() else key


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", text.lower()[:_LONGEST_LABEL])


def paid_tier(tier: str | None) -> str | None:
    """Return Google's name of a service tier with a price of its own, or None. `auto` never costs more."""
    return {"flex": "flex", "priority": "priority", "fast": "priority"}.get(tier or "")


def tier_headers(kind: str) -> dict[str, str]:
    """Return the headers that choose a service tier on Vertex AI."""
    return {"x-vertex-ai-llm-request-type": "shared", "x-vertex-ai-llm-shared-request-type": kind}
