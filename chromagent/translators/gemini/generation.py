"""Sampling, limits, formats and modalities → `generationConfig`. Source: wire-gemini §2.9, §2.10, §2.12."""

from collections.abc import Mapping
from typing import Final, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.chat import ChatCompletionRequest
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.budget import SchemaBudget
from chromagent.translators.gemini import json_schema
from chromagent.translators.gemini.profiles import Profile

MOST_STOPS: Final = 5
_INT32: Final = 2**31
_OPENAI_VOICES: Final = frozenset(
    {"alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse", "marin", "cedar"}
)
_SAMPLING: Final = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "stop",
        "max_completion_tokens",
        "max_tokens",
    }
    | {"n", "logprobs", "top_logprobs"}
)
"""Fields that `sampling` reads: most requests have none of them."""
_ASK_FOR_SCHEMA: Final = (
    "When you give a final answer instead of calling a function, reply with JSON only, without code fences, "
    "matching this JSON Schema: "
)
_ASK_FOR_OBJECT: Final = (
    "When you give a final answer instead of calling a function, reply with one JSON object only, without code fences."
)


def sampling(request: ChatCompletionRequest, profile: Profile) -> JsonObject:
    """Return the sampling parameters that this model honours. Ranges were checked by the table of parameters."""
    config: JsonObject = {}
    if _SAMPLING.isdisjoint(request):
        return config
    if profile.samples:
        top_k = reading.optional(cast("JsonObject", request), "top_k", reading.integer, Place())
        given = {"temperature": request.get("temperature"), "topP": request.get("top_p"), "topK": top_k}
        config |= {name: value for name, value in given.items() if value is not None}
    for name, field in (("frequencyPenalty", "frequency_penalty"), ("presencePenalty", "presence_penalty")):
        if value := request.get(field):
            config[name] = value
    if (seed := request.get("seed")) is not None:
        config["seed"] = seed if -_INT32 <= seed < _INT32 else (seed + _INT32) % (2 * _INT32) - _INT32
    if stops := _stops(request.get("stop")):
        config["stopSequences"] = stops
    if (limit := most_tokens(request, profile)) is not None:
        config["maxOutputTokens"] = limit
    if (choices := request.get("n", 1)) > 1:
        config["candidateCount"] = choices
    return config | _probabilities(request)


def _probabilities(request: ChatCompletionRequest) -> JsonObject:
    top = request.get("top_logprobs")
    if request.get("logprobs"):
        return {"responseLogprobs": True, "logprobs": top} if top else {"responseLogprobs": True}
    if top:
        message = "'top_logprobs' needs 'logprobs' to be true."
        raise InvalidRequest(message, param="top_logprobs", code="invalid_parameter_combination")
    return {}


def most_tokens(request: ChatCompletionRequest, profile: Profile) -> int | None:
    """Return the limit on output, thoughts included, as far as the model goes."""
    limit = request.get("max_completion_tokens", request.get("max_tokens"))
    if limit is None or profile.largest_output is None:
        return limit
    return min(limit, profile.largest_output)


def _stops(stop: str | list[str] | None) -> list[str]:
    stops = [text for text in ([stop] if isinstance(stop, str) else stop or []) if text]
    if len(stops) > MOST_STOPS:
        raise wrong_value(Place(("stop",)), f"'stop' may hold at most {MOST_STOPS} sequences.", "array_above_max_length")
    return stops


class ResponseFormat:
    """The format that was asked for. `schema` is cleaned; None where only JSON is asked for."""

    def __init__(self, *, json: bool, schema: JsonObject | None = None, weakened: bool = False) -> None:
        self.json = json
        self.schema = schema
        self.weakened = weakened

    def instruction(self) -> str:
        """Ask in words, where the model cannot be told by a field."""
        return _ASK_FOR_OBJECT if self.schema is None else _ASK_FOR_SCHEMA + codec.encode_text(self.schema)


_TEXT: Final = ResponseFormat(json=False)


def read_format(value: JsonObject | None, budget: SchemaBudget) -> ResponseFormat:
    """Read `response_format`. Raises `InvalidRequest`."""
    if value is None:
        return _TEXT
    place = Place(("response_format",))
    kind = reading.required(value, "type", reading.text, place)
    if kind == "text":
        return _TEXT
    if kind == "json_object":
        return ResponseFormat(json=True)
    if kind != "json_schema":
        raise wrong_value(place.at("type"), "'type' must be text, json_object or json_schema.")
    wrapper = reading.required(value, "json_schema", reading.mapping, place)
    here = place.at("json_schema")
    schema = reading.optional(wrapper, "schema", reading.mapping, here)
    if not schema:
        return ResponseFormat(json=True)
    cleaned = json_schema.clean(schema, here.at("schema"), budget, code="invalid_json_schema")
    description = reading.optional(wrapper, "description", reading.text, here)
    if description and "description" not in cleaned.schema:
        cleaned.schema["description"] = description
    return ResponseFormat(json=True, schema=cleaned.schema, weakened=cleaned.weakened)


def modalities(request: ChatCompletionRequest, profile: Profile, voices: Mapping[str, str]) -> JsonObject:
    """Return what the answer may consist of besides text."""
    wanted = request.get("modalities") or []
    for name in wanted:
        if name not in ("text", "audio", "image"):
            raise wrong_value(Place(("modalities",)), "'modalities' may hold text, audio and image.")
    config: JsonObject = {}
    if "audio" in wanted:
        config |= _speech(request, profile, voices)
    elif "image" in wanted:
        config["responseModalities"] = ["TEXT", "IMAGE"] if "text" in wanted else ["IMAGE"]
    return config


def _speech(request: ChatCompletionRequest, profile: Profile, voices: Mapping[str, str]) -> JsonObject:
    if not profile.speaks:
        raise InvalidRequest("This model does not speak.", param="modalities", code="unsupported_value")
    audio = request.get("audio")
    if audio is None:
        raise reading.missing(Place(("audio",)))
    place = Place(("audio",))
    form = reading.required(audio, "format", reading.text, place)
    allowed = ("pcm16",) if request.get("stream") else ("pcm16", "wav")
    if form not in allowed:
        raise wrong_value(place.at("format"), f"'format' must be {' or '.join(allowed)} here.", "unsupported_value")
    voice: JsonValue = audio.get("voice")
    name = cast("JsonObject", voice).get("id") if isinstance(voice, dict) else voice
    if not isinstance(name, str):
        raise reading.missing(place.at("voice"))
    name = voices.get(name, "Kore" if name in _OPENAI_VOICES else name)
    speech = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}
    return {"responseModalities": ["AUDIO"], "speechConfig": speech}
