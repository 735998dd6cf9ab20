"""Messages → contents. Hides turns: who speaks when, which result answers which call, and what Gemini refuses about their order.

Source: wire-gemini §2.2, §2.4, §2.5. First the conversation is read as the client wrote it (`read`), then, when the names of all
functions are known, it is written as Gemini wants it (`Writer`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema import reading
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.gemini import signatures
from chromagent.translators.gemini.media import MediaReader
from chromagent.translators.gemini.names import NameMap
from chromagent.translators.gemini.profiles import Profile
from chromagent.translators.gemini.wire import Content, Part
from chromagent.translators.protocol import Call

NO_RESULT: Final = {"error": "no result was provided for this call"}
SEE_MEDIA: Final = {"output": "see attached media"}
SPACE: Final[Part] = {"text": " "}
INTERRUPTED: Final[Part] = {"text": "(interrupted)"}
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SAFE_INTEGER: Final = 2**53
_DEEPEST: Final = 50
_DETAILS: Final = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH", "original": "MEDIA_RESOLUTION_ULTRA_HIGH"}


@dataclass(slots=True)
class MediaPart:
    """A part that is not text, with the resolution that was asked for."""

    part: Part
    resolution: str | None = None


Piece: TypeAlias = "str | MediaPart"


@dataclass(slots=True)
class Result:
    """What a tool answered."""

    text: str
    media: list[MediaPart]
    has_text: bool


@dataclass(slots=True)
class HistoryCall:
    """A call that the model once made."""

    identifier: str
    name: str
    arguments: JsonObject
    signature: str | None
    legacy: bool = False
    result: Result | None = None


@dataclass(slots=True)
class Speech:
    """Text of the model; `signature` belongs to its last part."""

    text: str
    signature: str | None = None


@dataclass(slots=True)
class SystemTurn:
    """System or developer text."""

    index: int
    texts: list[str]


@dataclass(slots=True)
class UserTurn:
    """What the user said."""

    index: int
    pieces: list[Piece]


@dataclass(slots=True)
class ModelTurn:
    """A run of assistant messages, and the results of its calls."""

    index: int
    pieces: list[Speech | HistoryCall] = field(default_factory=list["Speech | HistoryCall"])
    media: list[MediaPart] = field(default_factory=list[MediaPart])
    open: bool = True
    """Further assistant messages join it, until somebody else speaks."""

    @property
    def calls(self) -> list[HistoryCall]:
        """Its calls in order."""
        return [piece for piece in self.pieces if isinstance(piece, HistoryCall)]


Turn: TypeAlias = SystemTurn | UserTurn | ModelTurn


class ConversationReader:
    """Reads messages into turns. Raises `InvalidRequest` with the place at fault."""

    def __init__(self, call: Call, media: MediaReader) -> None:
        self._call = call
        self._media = media
        self.turns: list[Turn] = []
        self._groups: list[ModelTurn] = []
        self._asked: dict[str, tuple[ModelTurn, HistoryCall]] = {}
        """The call that a result with this id belongs to: of the latest turn, and its first there."""
        self._awaited: dict[str, list[HistoryCall]] = {}
        """Calls in the deprecated form that have no result yet, by name."""
        self._readers: dict[str, Callable[[JsonObject, Place], None]] = {
            "system": self._read_system,
            "developer": self._read_system,
            "user": self._read_user,
            "assistant": self._read_assistant,
            "tool": self._read_tool,
            "function": self._read_function,
        }

    def read(self) -> list[Turn]:
        """Read all messages."""
        for index, message in enumerate(self._call.request["messages"]):
            place = Place(("messages", index))
            role = reading.required(message, "role", reading.text, place)
            reader = self._readers.get(role)
            if reader is None:
                raise wrong_value(place.at("role"), f"'{role[:50]}' is not a role.")
            reader(message, place)
        return self.turns

    def _read_system(self, message: JsonObject, place: Place) -> None:
        here = place.at("content")
        texts = [self._text(part, here.at(index)) for index, part in enumerate(reading.parts(message.get("content"), here))]
        self.turns.append(SystemTurn(int(place.steps[1]), [text for text in texts if text]))

    def _read_user(self, message: JsonObject, place: Place) -> None:
        self._close_group()
        self.turns.append(UserTurn(int(place.steps[1]), self._pieces(message.get("content"), place.at("content"))))

    def _read_assistant(self, message: JsonObject, place: Place) -> None:
        group = self._groups[-1] if self._groups and self._groups[-1].open else None
        if group is None:
            group = ModelTurn(int(place.steps[1]))
            self._groups.append(group)
            self.turns.append(group)
        before = len(group.pieces)
        self._read_speech(message, place, group)
        calls = self._calls(message, place)
        group.pieces += calls
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
        for piece in self._pieces(message.get("content"), place.at("content")):
            if isinstance(piece, str):
                spoken.append(Speech(piece))
            else:
                group.media.append(piece)
        for index, image in enumerate(self._images(message)):
            here = place.at("images", index, "image_url", "url")
            group.media.append(MediaPart(self._media.read_url(image, here, assumed="image/jpeg")))
        refusal = message.get("refusal")
        if isinstance(refusal, str) and not any(speech.text for speech in spoken):
            spoken.append(Speech(refusal))
        spoken = [speech for speech in spoken if speech.text]
        if spoken:
            spoken[-1].signature = signatures.of_extra_content(message)
        group.pieces += spoken

    def _images(self, message: JsonObject) -> Iterable[str]:
        images = message.get("images")
        for image in cast("list[JsonValue]", images) if isinstance(images, list) else []:
            url = cast("JsonObject", image).get("image_url") if isinstance(image, dict) else None
            url = cast("JsonObject", url).get("url") if isinstance(url, dict) else url
            if isinstance(url, str):
                yield url

    def _calls(self, message: JsonObject, place: Place) -> list[HistoryCall]:
        calls: list[HistoryCall] = []
        details = signatures.of_reasoning_details(message)
        for index, item in enumerate(reading.optional(message, "tool_calls", reading.array, place) or []):
            here = place.at("tool_calls", index)
            calls.append(self._tool_call(reading.mapping(item, here), details, here))
        if (legacy := reading.optional(message, "function_call", reading.mapping, place)) is not None:
            here = place.at("function_call")
            name = reading.required(legacy, "name", reading.text, here)
            calls.append(HistoryCall("", name, _arguments(legacy.get("arguments")), None, legacy=True))
        return calls

    def _tool_call(self, call: JsonObject, details: Mapping[str, str], place: Place) -> HistoryCall:
        identifier, sealed = signatures.read_id(reading.optional(call, "id", reading.text, place) or "")
        signature = signatures.of_call(call, details, identifier, sealed, self._call.memory)
        if call.get("type") == "custom" or "custom" in call:
            custom = reading.required(call, "custom", reading.mapping, place)
            here = place.at("custom")
            arguments: JsonObject = {"input": reading.optional(custom, "input", reading.text, here) or ""}
            return HistoryCall(identifier, reading.required(custom, "name", reading.text, here), arguments, signature)
        function = reading.required(call, "function", reading.mapping, place)
        name = reading.required(function, "name", reading.text, place.at("function"))
        return HistoryCall(identifier, name, _arguments(function.get("arguments")), signature)

    def _read_tool(self, message: JsonObject, place: Place) -> None:
        self._close_group()
        identifier, _ = signatures.read_id(reading.required(message, "tool_call_id", reading.text, place))
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
        pieces = self._pieces(message.get("content"), place.at("content"))
        texts = [piece for piece in pieces if isinstance(piece, str)]
        return Result("\n".join(texts), [piece for piece in pieces if not isinstance(piece, str)], has_text=any(texts))

    def _close_group(self) -> None:
        if self._groups:
            self._groups[-1].open = False

    def _pieces(self, content: JsonValue, place: Place) -> list[Piece]:
        return [self._piece(part, place.at(index)) for index, part in enumerate(reading.parts(content, place))]

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


@dataclass(slots=True)
class _Emitted:
    """A content on its way out; `fixed` ones hold function responses and nothing may be added to them."""

    role: str
    parts: list[Part]
    index: int
    """Index of the first message that it comes from."""
    fixed: bool = False


class ContentWriter:
    """Writes turns as contents."""

    def __init__(
        self,
        names: NameMap,
        profile: Profile,
        *,
        sends_ids: bool,
        dummy: str | None,
        keep_signatures: bool,
        detail_by_part: bool,
    ) -> None:
        self._names = names
        self._profile = profile
        self._sends_ids = sends_ids
        self._dummy = dummy if profile.signs_calls else None
        self._detail_by_part = detail_by_part
        self._keep_signatures = keep_signatures
        self._emitted: list[_Emitted] = []
        self._waiting: list[MediaPart] = []
        self._resolutions: list[str | None] = []
        self.origins: list[int] = []
        """For each content, the index of the first message that it comes from."""

    @property
    def resolution(self) -> str | None:
        """The highest resolution asked for, low only where every part asks for it."""
        asked = [found for found in self._resolutions if found]
        if not asked:
            return None
        if any(found != "MEDIA_RESOLUTION_LOW" for found in asked):
            return "MEDIA_RESOLUTION_HIGH"
        return "MEDIA_RESOLUTION_LOW" if len(asked) == len(self._resolutions) else None

    def write(self, turns: Iterable[Turn], *, missing_results: str, inline_system: bool, separate_users: bool) -> list[Content]:
        """Write all turns. System turns are the caller's, unless they are to stand in line."""
        for turn in turns:
            if isinstance(turn, UserTurn):
                self._add_user([self._part(piece) for piece in turn.pieces], turn.index)
            elif isinstance(turn, ModelTurn):
                self._write_model(turn, missing_results)
            elif inline_system and turn.texts:
                self._add_user([{"text": f"<system>\n{text}\n</system>"} for text in turn.texts], turn.index)
        if self._waiting:
            self._add_user([], self._emitted[-1].index if self._emitted else 0)
        return self._finish(separate_users=separate_users)

    def _add_user(self, parts: list[Part], index: int) -> None:
        media = [self._media(piece) for piece in self._waiting]
        self._waiting = []
        last = self._emitted[-1] if self._emitted else None
        if last is None or last.role != "user" or last.fixed:
            last = _Emitted("user", [], index)
            self._emitted.append(last)
        last.parts += media + parts

    def _write_model(self, turn: ModelTurn, missing_results: str) -> None:
        self._waiting += turn.media
        calls = turn.calls
        ids = [call.identifier for call in calls]
        numbered = self._sends_ids and len(set(ids)) == len(ids) and all(_SAFE_ID.fullmatch(name) for name in ids)
        parts: list[Part] = []
        for piece in turn.pieces:
            if isinstance(piece, Speech):
                part: Part = {"text": piece.text}
                if piece.signature is not None and self._keep_signatures:
                    part["thoughtSignature"] = piece.signature
            else:
                part = self._call(piece, numbered=numbered, first=piece is calls[0])
            parts.append(part)
        if parts:
            self._emitted.append(_Emitted("model", parts, turn.index))
        if calls:
            self._write_results(turn, missing_results, numbered=numbered)

    def _call(self, call: HistoryCall, *, numbered: bool, first: bool) -> Part:
        part: Part = {"functionCall": {"name": self._names.there(call.name), "args": call.arguments}}
        if numbered:
            part["functionCall"]["id"] = call.identifier
        if call.signature is not None and self._keep_signatures:
            part["thoughtSignature"] = call.signature
        elif first and self._dummy is not None:
            part["thoughtSignature"] = self._dummy
        return part

    def _write_results(self, turn: ModelTurn, missing_results: str, *, numbered: bool) -> None:
        parts: list[Part] = []
        apart: list[Part] = []
        for call in turn.calls:
            if call.result is None and missing_results == "error":
                place = Place(("messages", turn.index, "tool_calls"))
                raise wrong_value(place, f"The call '{call.identifier}' has no message with its result.")
            part: Part = {"functionResponse": {"name": self._names.there(call.name), "response": _response(call.result)}}
            if numbered:
                part["functionResponse"]["id"] = call.identifier
            if call.result is not None and call.result.media:
                media = [self._media(piece, nested=True) for piece in call.result.media]
                if self._profile.modern:
                    part["functionResponse"]["parts"] = media
                else:
                    heading: Part = {"text": f"Media returned by tool {call.name}:"}
                    apart += [heading, *media]
            parts.append(part)
        self._emitted.append(_Emitted("user", parts, turn.index, fixed=True))
        if apart:
            self._emitted.append(_Emitted("user", apart, turn.index))

    def _part(self, piece: Piece) -> Part:
        return {"text": piece} if isinstance(piece, str) else self._media(piece)

    def _media(self, piece: MediaPart, *, nested: bool = False) -> Part:
        self._resolutions.append(piece.resolution)
        if piece.resolution is None or nested or not self._detail_by_part:
            return piece.part
        return {**piece.part, "mediaResolution": {"level": piece.resolution}}

    def _finish(self, *, separate_users: bool) -> list[Content]:
        for content in self._emitted:
            if content.role == "user" and not content.fixed:
                content.parts = [part for part in content.parts if part.get("text") != ""] or [SPACE]
        merged = self._merge()
        if not merged or merged[0].role == "model":
            merged.insert(0, _Emitted("user", [SPACE], 0))
        if separate_users:
            merged = _separate(merged)
        if merged[-1].role == "model" and not self._profile.prefill:
            raise InvalidRequest(
                "This model does not accept a trailing assistant message.", param="messages", code="unsupported_value"
            )
        self.origins = [content.index for content in merged]
        return [{"role": content.role, "parts": content.parts} for content in merged]

    def _merge(self) -> list[_Emitted]:
        merged: list[_Emitted] = []
        for content in self._emitted:
            last = merged[-1] if merged else None
            if last is not None and last.role == content.role and not last.fixed and not content.fixed:
                last.parts += content.parts
            else:
                merged.append(content)
        return merged


def _separate(contents: list[_Emitted]) -> list[_Emitted]:
    """Put a model turn between a result and what the user says next: some models insist (wire-gemini §5.5, R7)."""
    separated: list[_Emitted] = []
    for content in contents:
        if separated and separated[-1].role == content.role == "user":
            separated.append(_Emitted("model", [INTERRUPTED], content.index))
        separated.append(content)
    return separated


def _arguments(value: JsonValue) -> JsonObject:
    """Read arguments of history: an object always, whatever the model once wrote (wire-gemini §2.5)."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return cast("JsonObject", _exact(value))
    text = str(value)
    if not text.strip():
        return {}
    try:
        document = codec.decode(text)
    except codec.MalformedJson:
        return {"arguments": text}
    if document is None:
        return {}
    return cast("JsonObject", _exact(document)) if isinstance(document, dict) else {"arguments": text}


def _exact(value: JsonValue) -> JsonValue:
    """Keep integers that a double cannot hold: protobuf's Struct would round them, so they go as strings."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in cast("JsonObject", value).items()}
    if isinstance(value, list):
        return [_exact(item) for item in cast("list[JsonValue]", value)]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER:
        return str(value)
    return value


def _response(result: Result | None) -> JsonObject:
    """Make the object that a function response must be (wire-gemini §2.5)."""
    if result is None:
        return dict(NO_RESULT)
    if result.media and not result.has_text:
        return dict(SEE_MEDIA)
    if result.text.lstrip()[:1] in ("{", "["):
        try:
            document = codec.decode(result.text)
        except codec.MalformedJson:
            return {"output": result.text}
        if _can_be_sent(document, _DEEPEST):
            return cast("JsonObject", document) if isinstance(document, dict) else {"output": document}
    return {"output": result.text}


def _can_be_sent(value: JsonValue, depth: int) -> bool:
    """Say whether a result survives as JSON: no `$ref` (taken for a reference to media), no integer that would be rounded."""
    if depth < 0:
        return False
    if isinstance(value, dict):
        members = cast("JsonObject", value)
        return "$ref" not in members and all(_can_be_sent(item, depth - 1) for item in members.values())
    if isinstance(value, list):
        return all(_can_be_sent(item, depth - 1) for item in cast("list[JsonValue]", value))
    return not (isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER)
