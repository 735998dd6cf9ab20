"""What a client may send to Gemini beyond OpenAI's fields, member by member. Everything that is not listed here is a 400.

The upstream acts with the gateway's rights, so a client must not name what it has no right to: caches, corpora and data stores need
the operator's `allowed_resources`; outside services and credentials are refused whatever the operator allows.

A rule takes a value, its place in the request and the resources that this request may name. It returns the value as it is sent,
with member names in camelCase; both spellings are read. No rule passes an object on unread, so a new member of Google's API is
refused until it is listed. Raises `InvalidRequest` with the full path in `param`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value

MAX_NAME: Final = 64
"""Characters of a client's member name that an error repeats."""


class Resources(NamedTuple):
    """The Google Cloud resources that one request may name."""

    parent: str = ""
    """`projects/P/locations/L/` of the upstream call; empty on surfaces without projects."""
    allowed: tuple[str, ...] = ()
    """Prefixes of resource names, whole path segments. Those that do not begin with `projects/` are below `parent`."""

    def full_name(self, name: str) -> str:
        """Return the name as it is sent: a name without a project belongs to the project and location of the call."""
        return name if name.startswith("projects/") else self.parent + name

    def allows(self, name: str) -> bool:
        """Say whether the operator allows a full name."""
        prefixes = (self.full_name(prefix.rstrip("/")) for prefix in self.allowed)
        return any(name == prefix or name.startswith(f"{prefix}/") for prefix in prefixes)


Rule: TypeAlias = Callable[[JsonValue, Place, Resources], JsonValue]

_SEGMENT: Final = r"[A-Za-z0-9][A-Za-z0-9._:-]*"
_LOCATION: Final = rf"(?:projects/{_SEGMENT}/locations/{_SEGMENT}/)?(?:collections/{_SEGMENT}/)?"


def text(value: JsonValue, place: Place, resources: Resources) -> JsonValue:  # noqa: ARG001 - the form of every rule
    """Read a string that names nothing."""
    return reading.text(value, place)


def boolean(value: JsonValue, place: Place, resources: Resources) -> JsonValue:  # noqa: ARG001
    """Read a boolean."""
    return reading.boolean(value, place)


def integer(value: JsonValue, place: Place, resources: Resources) -> JsonValue:  # noqa: ARG001
    """Read an integer."""
    return reading.integer(value, place)


def number(value: JsonValue, place: Place, resources: Resources) -> JsonValue:  # noqa: ARG001
    """Read a number."""
    return reading.number(value, place)


def one_of(*words: str) -> Rule:
    """Read one of some words in capitals; clients may write them in lower case."""

    def check(value: JsonValue, place: Place, resources: Resources) -> JsonValue:  # noqa: ARG001
        word = reading.text(value, place).upper()
        if word not in words:
            raise wrong_value(place, f"'{place}' must be one of {', '.join(words)}.")
        return word

    return check


def items(rule: Rule) -> Rule:
    """Read an array, each item by the same rule."""

    def check(value: JsonValue, place: Place, resources: Resources) -> JsonValue:
        return [rule(item, place.at(index), resources) for index, item in enumerate(reading.array(value, place))]

    return check


def members(rules: Mapping[str, Rule]) -> Rule:
    """Read an object that has these members only, each by its rule."""

    def check(value: JsonValue, place: Place, resources: Resources) -> JsonValue:
        return read_members(reading.mapping(value, place), place, resources, rules)

    return check


def read_members(given: JsonObject, place: Place, resources: Resources, rules: Mapping[str, Rule]) -> JsonObject:
    """Read the members of an object. Nulls are left out; one member in two spellings is an error."""
    checked: JsonObject = {}
    for name, value in given.items():
        if value is None:
            continue
        known = camel(name)
        here = place.at(name[:MAX_NAME])
        if known not in rules:
            raise unknown(here, name, rules)
        if known in checked:
            raise wrong_value(here, f"'{here}' is given twice, in two spellings.")
        checked[known] = rules[known](value, here, resources)
    return checked


def unknown(place: Place, name: str, known: Iterable[str]) -> InvalidRequest:
    """Refuse a member that is not on the list; suggest one that is."""
    from difflib import get_close_matches  # noqa: PLC0415 - for requests at fault only

    found = get_close_matches(camel(name[:MAX_NAME]), known, 1)
    closest = "" if not found else found[0] if name != name.lower() else snake(found[0])
    hint = f" Did you mean '{closest}'?" if closest else ""
    return wrong_value(place, f"'{place}' cannot be sent through this gateway.{hint}", "unsupported_parameter")


def refuse(reason: str) -> Rule:
    """Refuse a member, and say why."""

    def check(value: JsonValue, place: Place, resources: Resources) -> JsonValue:  # noqa: ARG001
        raise wrong_value(place, f"'{place}' cannot be sent through this gateway. {reason}", "unsupported_parameter")

    return check


def resource(collection: str) -> Rule:
    """Read the name of a resource, which the operator must have allowed. A bare id belongs to the collection."""
    shape = re.compile(rf"{_LOCATION}{collection}/{_SEGMENT}")

    def check(value: JsonValue, place: Place, resources: Resources) -> JsonValue:
        given = reading.text(value, place)
        name = resources.full_name(given if "/" in given else f"{collection}/{given}")
        if not shape.fullmatch(name):
            raise wrong_value(place, f"'{place}' must be a name such as {collection}/ID or projects/P/locations/L/{collection}/ID.")
        if not resources.allows(name):
            raise wrong_value(
                place,
                f"'{place}' names a resource that this key may not use. The operator can allow it with 'allowed_resources'.",
                "unsupported_value",
            )
        return name

    return check


def _words(pattern: str, change: Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    compiled = re.compile(pattern)
    return lambda name: compiled.sub(change, name)


snake: Final = _words(r"[A-Z]", lambda found: f"_{found[0].lower()}")
camel: Final = _words(r"_([a-z])", lambda found: found[1].upper())

_CREDENTIALS: Final = refuse("Clients name no outside services and no credentials.")
_USE_FIELD: Final = "Use '{}' instead, which the gateway's limits and estimates see."
_VOICE: Final = members({"prebuiltVoiceConfig": members({"voiceName": text})})

THINKING: Final = members({"thinkingLevel": text, "thinkingBudget": integer, "includeThoughts": boolean})
RETRIEVAL: Final = members({"latLng": members({"latitude": number, "longitude": number}), "languageCode": text})

_MEDIA: Final[Mapping[str, Rule]] = {
    "responseModalities": items(one_of("TEXT", "IMAGE", "AUDIO")),
    "imageConfig": members(
        {
            "aspectRatio": text,
            "imageSize": text,
            "personGeneration": text,
            "imageOutputOptions": members({"mimeType": text, "compressionQuality": integer}),
        }
    ),
    "speechConfig": members(
        {
            "languageCode": text,
            "voiceConfig": _VOICE,
            "multiSpeakerVoiceConfig": members({"speakerVoiceConfigs": items(members({"speaker": text, "voiceConfig": _VOICE}))}),
        }
    ),
    "mediaResolution": text,
    "audioTimestamp": boolean,
}

EXTENSIONS: Final[Mapping[str, Rule]] = {
    **_MEDIA,
    "thinkingConfig": THINKING,
    "cachedContent": resource("cachedContents"),
    "thoughtTagMarker": text,
    "labels": lambda value, place, _: {
        name: reading.text(label, place.at(name[:MAX_NAME])) for name, label in reading.mapping(value, place).items()
    },
    "retrievalConfig": RETRIEVAL,
    "topK": integer,
    "safetySettings": items(members({"category": text, "threshold": text, "method": one_of("SEVERITY", "PROBABILITY")})),
    "modelArmorConfig": members({"promptTemplateName": resource("templates"), "responseTemplateName": resource("templates")}),
    "generationConfig": members(
        {
            **_MEDIA,
            "thinkingConfig": THINKING,
            **{
                name: refuse(_USE_FIELD.format(field))
                for name, field in {
                    "candidateCount": "n",
                    "maxOutputTokens": "max_completion_tokens",
                    "temperature": "temperature",
                    "topP": "top_p",
                    "topK": "top_k",
                    "frequencyPenalty": "frequency_penalty",
                    "presencePenalty": "presence_penalty",
                    "seed": "seed",
                    "stopSequences": "stop",
                    "responseLogprobs": "logprobs",
                    "logprobs": "top_logprobs",
                    "responseMimeType": "response_format",
                    "responseSchema": "response_format",
                    "responseJsonSchema": "response_format",
                }.items()
            },
        }
    ),
    "toolConfig": members({"retrievalConfig": RETRIEVAL, "functionCallingConfig": refuse("Use 'tool_choice' instead.")}),
    "tools": lambda value, place, _: reading.array(value, place),  # each is read by `tools.read_tools`
}
"""Members of `extra_body.google`."""

TOOLS: Final[Mapping[str, Rule]] = {
    "googleSearch": members(
        {
            "excludeDomains": items(text),
            "blockingConfidence": text,
            "timeRangeFilter": members({"startTime": text, "endTime": text}),
            "searchTypes": members({"webSearch": members({}), "imageSearch": members({})}),
        }
    ),
    "urlContext": members({}),
    "codeExecution": members({}),
    "googleMaps": members({"enableWidget": boolean, "authConfig": _CREDENTIALS}),
    "retrieval": members(
        {
            "vertexRagStore": members(
                {
                    "ragResources": items(members({"ragCorpus": resource("ragCorpora"), "ragFileIds": items(text)})),
                    "ragCorpora": items(resource("ragCorpora")),
                    "ragRetrievalConfig": members(
                        {
                            "topK": integer,
                            "filter": members(
                                {"vectorDistanceThreshold": number, "vectorSimilarityThreshold": number, "metadataFilter": text}
                            ),
                        }
                    ),
                    "similarityTopK": integer,
                    "vectorDistanceThreshold": number,
                }
            ),
            "vertexAiSearch": members(
                {
                    "datastore": resource("dataStores"),
                    "engine": resource("engines"),
                    "dataStoreSpecs": items(members({"dataStore": resource("dataStores"), "filter": text})),
                    "maxResults": integer,
                    "filter": text,
                }
            ),
            "disableAttribution": boolean,
            "externalApi": _CREDENTIALS,
        }
    ),
    "functionDeclarations": refuse("Declare functions in 'tools' as OpenAI does."),
}
"""Google's own tools, with what a client may say of each."""
