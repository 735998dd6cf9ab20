"""Messages → turns. Hides how clients write a conversation: roles, content, forms of calls, and which result answers which call.

Source: wire-gemini §2.2, §2.5. When the names of all functions are known, `contents` writes the turns as Gemini wants them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Final, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators import sealing
from chromagent.translators.gemini import signatures
from chromagent.translators.gemini.contents import (
    LARGEST_INTEGER,
    HistoryCall,
    MediaPart,
    ModelTurn,
    Piece,
    Result,
    Speech,
    SystemTurn,
    Turn,
    UserTurn,
)
from chromagent.translators.gemini.media import MediaReader
from chromagent.translators.protocol import Call

_CALLS: Final = frozenset({"tool_calls", "function_call"})
_DETAILS: Final = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH", "original": "MEDIA_RESOLUTION_ULTRA_HIGH"}


class ConversationReader:
    """Reads messages into turns. Raises `InvalidRequest` with the place at fault."""

    def __init__(self, call: Call, media: MediaReader) -> None:
        self._call = call
        self._media = media
        self.turns: list[Turn] = []
        self.calls: list[HistoryCall] = []
        """The calls of all turns."""
        self._group: ModelTurn | None = None
        """The latest."""
        self._asked: dict[str, tuple[ModelTurn, HistoryCall]] = {}
        """The call that a result with this id belongs to: of the latest turn, and its first there."""
        self._awaited: dict[str, list[HistoryCall]] = {}
        """Calls in the deprecated form that have no result yet, by name."""

    def read(self) -> list[Turn]:
        """Read all messages."""
        for index, message in enumerate(self._call.request["messages"]):
            place = Place(("messages", index))
            role = reading.required(message, "role", reading.text, place)
            reader = self._readers.get(role)
            if reader is None:
                raise wrong_value(place.at("role"), f"'{role[:50]}' is not a role.")
            reader(self, message, place)
        return self.turns

    def _read_system(self, message: JsonObject, place: Place) -> None:
        content = message.get("content")
        if isinstance(content, str):
            texts = [content]
        else:
            here = place.at("content")
            texts = [self._text(part, here.at(index)) for index, part in enumerate(reading.parts(content, here))]
        self.turns.append(SystemTurn(int(place.steps[1]), [text for text in texts if text]))

    def _read_user(self, message: JsonObject, place: Place) -> None:
        self._close_group()
        self.turns.append(UserTurn(int(place.steps[1]), self._pieces(message, place)))

    def _read_assistant(self, message: JsonObject, place: Place) -> None:
        group = self._group
        if group is None or not group.open:
            group = self._group = ModelTurn(int(place.steps[1]), [], [], [])
            self.turns.append(group)
        before = len(group.pieces)
        self._read_speech(message, place, group)
        if calls := self._read_calls(message, place):
            group.pieces += calls
            group.calls += calls
            self.calls += calls
            self._await_results(group, calls)
        if message.get("audio") is not None and len(group.pieces) == before:
            raise wrong_value(place.at("audio"), "This gateway stores no audio: send the message's text.", "unsupported_value")

    def _await_results(self, group: ModelTurn, calls: list[HistoryCall]) -> None:
        for call in calls:
            if call.legacy:
                self._awaited.setdefault(call.name, []).append(call)
            elif (known := self._asked.get(call.identifier)) is None or known[0] is not group:
                self._asked[call.identifier] = (group, call)

    def _read_speech(self, message: JsonObject, place: Place, group: ModelTurn) -> None:
        spoken: list[Speech] = []
        for piece in self._pieces(message, place):
            if isinstance(piece, MediaPart):
                group.media.append(piece)
            elif piece:
                spoken.append(Speech(piece))
        if "images" in message:
            group.media += self._images(message["images"], place)
        refusal = message.get("refusal")
        if refusal and isinstance(refusal, str) and not spoken:
            spoken.append(Speech(refusal))
        if spoken:
            spoken[-1].signature = signatures.of_extra_content(message)
        group.pieces += spoken

    def _images(self, images: JsonValue, place: Place) -> list[MediaPart]:
        """Read pictures that the model once made."""
        return [
            MediaPart(self._media.read_url(url, place.at("images", index, "image_url", "url"), assumed="image/jpeg"))
            for index, url in enumerate(_urls(images))
        ]

    def _read_calls(self, message: JsonObject, place: Place) -> list[HistoryCall]:
        calls: list[HistoryCall] = []
        if _CALLS.isdisjoint(message):
            return calls
        details = signatures.of_reasoning_details(message)
        for index, item in enumerate(reading.optional(message, "tool_calls", reading.array, place) or []):
            here = place.at("tool_calls", index)
            calls.append(self._tool_call(reading.mapping(item, here), details, here))
        if (legacy := reading.optional(message, "function_call", reading.mapping, place)) is not None:
            here = place.at("function_call")
            name = reading.required(legacy, "name", reading.text, here)
            calls.append(HistoryCall("", name, _arguments(legacy.get("arguments"), here.at("arguments")), None, legacy=True))
        return calls

    def _tool_call(self, call: JsonObject, details: Mapping[str, str], place: Place) -> HistoryCall:
        given = reading.optional(call, "id", reading.text, place) or ""
        identifier, sealed = signatures.read_id(given)
        if sealing.is_too_long(given, identifier):
            raise sealing.too_long(place.at("id"))
        signature = signatures.of_call(call, details, identifier, sealed, self._call.reasoning_state)
        if call.get("type") == "custom" or "custom" in call:
            custom = reading.required(call, "custom", reading.mapping, place)
            here = place.at("custom")
            arguments: JsonObject = {"input": reading.optional(custom, "input", reading.text, here) or ""}
            return HistoryCall(identifier, reading.required(custom, "name", reading.text, here), arguments, signature)
        function = reading.required(call, "function", reading.mapping, place)
        name = reading.required(function, "name", reading.text, place.at("function"))
        arguments = _arguments(function.get("arguments"), place.at("function", "arguments"))
        return HistoryCall(identifier, name, arguments, signature)

    def _read_tool(self, message: JsonObject, place: Place) -> None:
        self._close_group()
        given = reading.required(message, "tool_call_id", reading.text, place)
        identifier, _ = signatures.read_id(given)
        if sealing.is_too_long(given, identifier):
            raise sealing.too_long(place.at("tool_call_id"))
        asked = self._asked.get(identifier)
        if asked is None:
            explanation = "A message with role 'tool' must follow an assistant message with a matching 'tool_calls' id."
            raise wrong_value(place.at("tool_call_id"), explanation)
        asked[1].result = self._result(message, place)

    def _read_function(self, message: JsonObject, place: Place) -> None:
        self._close_group()
        name = reading.required(message, "name", reading.text, place)
        awaited = self._awaited.get(name)
        if not awaited:
            raise wrong_value(place.at("name"), "A message with role 'function' must follow a 'function_call' of that name.")
        awaited.pop().result = self._result(message, place)

    def _result(self, message: JsonObject, place: Place) -> Result:
        content = message.get("content")
        if isinstance(content, str):
            return Result(content, [], has_text=content != "")
        pieces = self._pieces(message, place)
        texts = [piece for piece in pieces if isinstance(piece, str)]
        return Result("\n".join(texts), [piece for piece in pieces if not isinstance(piece, str)], has_text=any(texts))

    def _close_group(self) -> None:
        if self._group is not None:
            self._group.open = False

    def _pieces(self, message: JsonObject, place: Place) -> list[Piece]:
        content = message.get("content")
        if isinstance(content, str):
            return [content]
        if content is None:
            return []
        here = place.at("content")
        return [self._piece(part, here.at(index)) for index, part in enumerate(reading.parts(content, here))]

    def _piece(self, part: JsonObject, place: Place) -> Piece:
        kind = part["type"]
        if kind in ("text", "refusal"):
            return self._text(part, place)
        if kind in ("image_url", "video_url"):
            return self._address(part, place, kind)
        if kind == "input_audio":
            audio = reading.required(part, "input_audio", reading.mapping, place)
            return MediaPart(self._media.read_audio(audio, place.at("input_audio")))
        if kind == "file":
            file = reading.required(part, "file", reading.mapping, place)
            return MediaPart(self._media.read_file(file, place.at("file")))
        raise wrong_value(place.at("type"), f"'{kind[:50]}' is not a type of content that this model takes.")

    def _text(self, part: JsonObject, place: Place) -> str:
        if part["type"] not in ("text", "refusal"):
            raise wrong_value(place.at("type"), "Only text is allowed here.")
        return reading.required(part, part["type"], reading.text, place)

    def _address(self, part: JsonObject, place: Place, kind: str) -> MediaPart:
        value = part.get(kind)
        given: JsonObject = {"url": value} if isinstance(value, str) else reading.required(part, kind, reading.mapping, place)
        here = place.at(kind)
        url = reading.required(given, "url", reading.text, here)
        detail = given.get("detail")
        if detail not in (None, "auto", *_DETAILS):
            raise wrong_value(here.at("detail"), "'detail' must be auto, low, high or original.")
        told = given.get("format") or given.get("mime_type")
        assumed = "image/jpeg" if kind == "image_url" else "video/mp4"
        media = self._media.read_url(url, here.at("url"), assumed=assumed, told=told if isinstance(told, str) else None)
        return MediaPart(media, _DETAILS.get(str(detail)))

    _readers: ClassVar[Mapping[str, Callable[..., None]]] = {
        "system": _read_system,
        "developer": _read_system,
        "user": _read_user,
        "assistant": _read_assistant,
        "tool": _read_tool,
        "function": _read_function,
    }


def _urls(images: JsonValue) -> Iterator[str]:
    for image in cast("list[JsonValue]", images) if isinstance(images, list) else []:
        url = cast("JsonObject", image).get("image_url") if isinstance(image, dict) else None
        url = cast("JsonObject", url).get("url") if isinstance(url, dict) else url
        if isinstance(url, str):
            yield url


def _arguments(value: JsonValue, place: Place) -> JsonObject:
    """Read arguments of history: an object always, whatever the model once wrote. Raises `InvalidRequest` if it is too deep."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return cast("JsonObject", _exact(value))
    text = str(value)
    if not text.strip():
        return {}
    try:
        document = codec.decode(text)
    except codec.NestedTooDeeply as error:
        raise reading.too_deep(place) from error
    except codec.MalformedJson:
        return {"arguments": text}
    reading.refuse_deep(document, place)
    if document is None:
        return {}
    return cast("JsonObject", _exact(document)) if isinstance(document, dict) else {"arguments": text}


def _exact(value: JsonValue) -> JsonValue:
    """Keep integers that a double cannot hold: protobuf's Struct would round them, so they go as strings."""
    if isinstance(value, dict):
        return {key: item if item.__class__ is str else _exact(item) for key, item in cast("JsonObject", value).items()}
    if isinstance(value, list):
        return [_exact(item) for item in cast("list[JsonValue]", value)]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INTEGER:
        return str(value)
    return value
