"""`POST /v1/chat/completions` as clients send it: which top-level fields exist and of which JSON type each is.

Only types are checked here, once, from bytes. Ranges and the insides of messages and tools are read by the translators, because
what is lawful there depends on the model. The result is a plain dictionary without nulls: for an optional field null means
absent.
Field list: openai 3.54.0, `CompletionCreateParams`.
"""

from typing import Annotated, Any, NamedTuple, Required, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError, WrapValidator
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidJson, InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place


def _integer(value: JsonValue, check: Any) -> JsonValue:
    """Accept `5.0` for 5, as JSON has one kind of number; pydantic's strict mode would not."""
    return check(int(value) if type(value) is float and value.is_integer() else value)


Integer = Annotated[int, WrapValidator(_integer)]
Objects = list[dict[str, Any]]
Object = dict[str, Any]


class ChatCompletionRequest(TypedDict, total=False):
    """A request, checked by type. Keys beyond these are the client's extensions and stay in place."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)  # pyright: ignore[reportGeneralTypeIssues] - how pydantic reads a TypedDict's configuration

    messages: Required[Objects]
    model: Required[str]
    audio: Object
    frequency_penalty: float
    function_call: str | Object
    functions: Objects
    logit_bias: dict[str, float]
    logprobs: bool
    max_completion_tokens: Integer
    max_tokens: Integer
    metadata: Object
    modalities: list[str]
    moderation: Object
    n: Integer
    parallel_tool_calls: bool
    prediction: Object
    presence_penalty: float
    prompt_cache_key: str
    prompt_cache_options: Object
    prompt_cache_retention: str
    reasoning_effort: str
    response_format: Object
    safety_identifier: str
    seed: Integer
    service_tier: str
    stop: str | list[str]
    store: bool
    stream: bool
    stream_options: Object
    temperature: float
    tool_choice: str | Object
    tools: Objects
    top_logprobs: Integer
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
_WANTED: dict[str, str] = {
    "string_type": "a string",
    "bool_type": "a boolean",
    "int_type": "an integer",
    "float_type": "a number",
    "dict_type": "an object",
    "list_type": "an array",
}
_UNIONS: dict[str, str] = {
    "stop": "a string or an array of strings",
    "tool_choice": "a string or an object",
    "function_call": "a string or an object",
}
_adapter: TypeAdapter[ChatCompletionRequest] = TypeAdapter(ChatCompletionRequest)


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
    given = {name: value for name, value in document.items() if value is not None}
    try:
        request = _adapter.validate_python(given)
    except ValidationError as error:
        raise _to_invalid_request(error.errors(include_url=False, include_context=False)[0]) from error
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


def _to_invalid_request(fault: ErrorDetails) -> InvalidRequest:
    """Name the place as clients know it: pydantic's path also holds the branches of a union, which are no part of the JSON."""
    name = fault["loc"][0]
    if name in _UNIONS:
        return reading.wrong_type(Place((name,)), _UNIONS[str(name)], fault["input"])
    place = Place(fault["loc"])
    if fault["type"] == "missing":
        return reading.missing(place)
    return reading.wrong_type(place, _WANTED.get(fault["type"], "another type"), fault["input"])
