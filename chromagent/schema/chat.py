"""`POST /v1/chat/completions` as clients send it: which top-level fields exist and of which JSON type each is.

Only types and the depth of nesting are checked here, once, up to the first fault. Ranges and the insides of messages and tools are
read by the translators, because what is lawful there depends on the model. The result is a plain dictionary without nulls: for an
optional field null means absent.
Field list: openai 3.54.0, `CompletionCreateParams`.
"""

from typing import Any, Final, NamedTuple, Required, cast, get_type_hints

from typing_extensions import TypedDict

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidJson
from chromagent.schema import reading
from chromagent.schema.reading import Place, Reader

Objects = list[dict[str, Any]]
Object = dict[str, Any]


class ChatCompletionRequest(TypedDict, total=False):
    """A request, checked by type. Keys beyond these are the client's extensions and stay in place."""

    messages: Required[Objects]
    model: Required[str]
    audio: Object
    frequency_penalty: float
    function_call: str | Object
    functions: Objects
    logit_bias: dict[str, float]
    logprobs: bool
    max_completion_tokens: int
    max_tokens: int
    metadata: Object
    modalities: list[str]
    moderation: Object
    n: int
    parallel_tool_calls: bool
    prediction: Object
    presence_penalty: float
    prompt_cache_key: str
    prompt_cache_options: Object
    prompt_cache_retention: str
    reasoning_effort: str
    response_format: Object
    safety_identifier: str
    seed: int
    service_tier: str
    stop: str | list[str]
    store: bool
    stream: bool
    stream_options: Object
    temperature: float
    tool_choice: str | Object
    tools: Objects
    top_logprobs: int
    top_p: float
    user: str
    verbosity: str
    web_search_options: Object


FIELDS = frozenset(ChatCompletionRequest.__annotations__)
"""Names of OpenAI's own fields; every other key of a request is an extension."""

LONGEST_NAME = 256
"""Letters in the name of a model: it stands in headers, in the log and in the upstream's URL."""
BYTES_PER_TOKEN = 4
"""Of English text, for estimates."""
MEDIA_TOKENS = 1_500
"""What one image, document, recording or video counts as in estimates, whatever its size; what it cost is known afterwards."""
MAX_ESTIMATED_CHOICES = 128
MAX_ESTIMATED_ANSWER = 10**9
"""Larger numbers are errors, found when the request is translated; an estimate need not be larger either."""
_SHORTEST_MEDIA = 256


def _objects(value: JsonValue, place: Place) -> Objects:
    items = reading.array(value, place)
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise reading.wrong_type(place.at(index), "an object", item)
    return items


def _number(value: JsonValue, place: Place) -> float:
    try:
        return float(reading.number(value, place))
    except OverflowError as error:
        raise reading.wrong_type(place, "a number", value) from error


def _numbers(value: JsonValue, place: Place) -> dict[str, float]:
    return {name: _number(number, place.at(name)) for name, number in reading.mapping(value, place).items()}


def _text_or_object(value: JsonValue, place: Place) -> str | Object:
    if isinstance(value, str | dict):
        return cast("str | Object", value)
    raise reading.wrong_type(place, "a string or an object", value)


def _text_or_texts(value: JsonValue, place: Place) -> str | list[str]:
    if isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in cast("list[JsonValue]", value))
    ):
        return cast("str | list[str]", value)
    raise reading.wrong_type(place, "a string or an array of strings", value)


_READERS: Final[dict[Any, Reader[Any]]] = {
    str: reading.text,
    bool: reading.boolean,
    int: reading.integer,
    float: _number,
    Object: reading.mapping,
    Objects: _objects,
    list[str]: reading.texts,
    dict[str, float]: _numbers,
    str | Object: _text_or_object,
    str | list[str]: _text_or_texts,
}
"""How each type of field is read."""
_FIELD_READERS: Final = {name: _READERS[kind] for name, kind in get_type_hints(ChatCompletionRequest).items()}
_RANK: Final = {name: rank for rank, name in enumerate(_FIELD_READERS)}
"""The order in which faults are looked for."""
_REQUIRED: Final = ChatCompletionRequest.__required_keys__


def parse(body: bytes) -> ChatCompletionRequest:
    """Read a request body. Raises `InvalidJson` or `InvalidRequest` with the first fault's `param` and `code`."""
    try:
        document = codec.decode(body)
    except codec.MalformedJson as error:
        raise InvalidJson(f"We could not parse the JSON body of your request: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidJson
    return validate(cast("JsonObject", document))


def validate(document: JsonObject) -> ChatCompletionRequest:
    """Check an object that was read already; the same rules and errors as `parse`."""
    reading.refuse_deep(document)
    given: JsonObject = {}
    for name in sorted(_REQUIRED | (document.keys() & FIELDS), key=_RANK.__getitem__):
        if (value := document.get(name)) is not None:
            given[name] = _FIELD_READERS[name](value, Place((name,)))
        elif name in _REQUIRED:
            raise reading.missing(Place((name,)))
    given |= {name: value for name, value in document.items() if value is not None and name not in FIELDS}
    request = cast("ChatCompletionRequest", given)
    if not request["messages"]:
        raise reading.wrong_value(Place(("messages",)), "'messages' must hold at least one message.", "empty_array")
    if not request["model"].strip():
        raise reading.wrong_type(Place(("model",)), "the name of a model", request["model"])
    if len(request["model"]) > LONGEST_NAME:
        message = f"'model' is longer than any name of a model ({LONGEST_NAME} letters)."
        raise reading.wrong_value(Place(("model",)), message, "string_above_max_length")
    if "stream_options" in request and not request.get("stream"):
        message = "'stream_options' is only allowed when 'stream' is true."
        raise reading.wrong_value(Place(("stream_options",)), message, "invalid_parameter_combination")
    return request


class TokenEstimate(NamedTuple):
    """What a request may cost, in tokens, as far as it says itself."""

    prompt: int
    prompt_maximum: int
    """No prompt of this size costs more: a token is at least a byte."""
    answer: int | None
    """Most that one answer may have, if the request says so."""
    choices: int


def estimate_tokens(request: ChatCompletionRequest, body_bytes: int) -> TokenEstimate:
    """Estimate from the length of the body, which holds the whole prompt: messages, tools, schemas and history.

    Embedded media (long strings in parts that are no text) count by their number and not by their length.
    """
    media, media_bytes = 0, 0
    for message in request["messages"]:
        content: JsonValue = message.get("content")
        if type(content) is list:
            for part in cast("list[JsonValue]", content):
                if type(part) is dict and "text" not in part and "refusal" not in part:
                    media += 1
                    media_bytes += _embedded_bytes(cast("JsonObject", part))
    asked = request.get("max_completion_tokens", request.get("max_tokens"))
    return TokenEstimate(
        prompt=max(0, body_bytes - media_bytes) // BYTES_PER_TOKEN + media * MEDIA_TOKENS,
        prompt_maximum=body_bytes + media * MEDIA_TOKENS,
        answer=None if asked is None else max(0, min(asked, MAX_ESTIMATED_ANSWER)),
        choices=max(1, min(request.get("n", 1), MAX_ESTIMATED_CHOICES)),
    )


def _embedded_bytes(part: JsonObject) -> int:
    """Return the length of the files that a part holds, such as `{"type": "image_url", "image_url": {"url": "data:…"}}`."""
    lengths = [
        len(value)
        for member in part.values()
        if type(member) is dict
        for value in cast("JsonObject", member).values()
        if type(value) is str
    ]
    return sum(length for length in lengths if length >= _SHORTEST_MEDIA)
