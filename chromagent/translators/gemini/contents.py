"""Turns → contents. Hides what Gemini refuses about their order, and what a result must look like.

Source: wire-gemini §2.4, §2.5. Turns are what `messages` reads: of one speaker each, in the client's words.
"""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias, cast

import msgspec

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import InvalidRequest
from chromagent.schema.reading import Place, wrong_value
from chromagent.translators.gemini.names import NameMap
from chromagent.translators.gemini.profiles import Profile
from chromagent.translators.gemini.wire import Content, Part

NO_RESULT: Final = {"error": "no result was provided for this call"}
SEE_MEDIA: Final = {"output": "see attached media"}
SPACE: Final[Part] = {"text": " "}
INTERRUPTED: Final[Part] = {"text": "(interrupted)"}
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
LARGEST_INTEGER: Final = 2**53
"""Integers beyond it would be rounded: protobuf's Struct holds doubles."""
_DEEPEST: Final = 50


class MediaPart(msgspec.Struct):
    """A part that is not text, with the resolution that was asked for."""

    part: Part
    resolution: str | None = None


Piece: TypeAlias = "str | MediaPart"


class Result(msgspec.Struct):
    """What a tool answered."""

    text: str
    media: list[MediaPart]
    has_text: bool


class HistoryCall(msgspec.Struct):
    """A call that the model once made."""

    identifier: str
    name: str
    arguments: JsonObject
    signature: str | None
    legacy: bool = False
    result: Result | None = None


class Speech(msgspec.Struct, gc=False):
    """Text of the model; `signature` belongs to its last part."""

    text: str
    signature: str | None = None


class SystemTurn(msgspec.Struct):
    """System or developer text."""

    index: int
    texts: list[str]


class UserTurn(msgspec.Struct):
    """What the user said."""

    index: int
    pieces: list[Piece]


class ModelTurn(msgspec.Struct):
    """A run of assistant messages, and the results of its calls."""

    index: int
    pieces: list[Speech | HistoryCall]
    calls: list[HistoryCall]
    """Those among the pieces, in order."""
    media: list[MediaPart]
    open: bool = True
    """Further assistant messages join it, until somebody else speaks."""


Turn: TypeAlias = SystemTurn | UserTurn | ModelTurn


class _Emitted(msgspec.Struct):
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
        self.separated = False
        """Whether something was put between two turns of the user."""
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
                self._add_user([self._part(piece) for piece in turn.pieces if piece != ""], turn.index)
            elif isinstance(turn, ModelTurn):
                self._write_model(turn, missing_results)
            elif inline_system and turn.texts:
                self._add_user([{"text": f"<system>\n{text}\n</system>"} for text in turn.texts], turn.index)
        if self._waiting:
            self._add_user([], self._emitted[-1].index if self._emitted else 0)
        return self._finish(separate_users=separate_users)

    def _add_user(self, parts: list[Part], index: int) -> None:
        if self._waiting:
            parts = [self._media(piece) for piece in self._waiting] + parts
            self._waiting = []
        last = self._emitted[-1] if self._emitted else None
        if last is None or last.role != "user" or last.fixed:
            self._emitted.append(_Emitted("user", parts, index))
        else:
            last.parts += parts

    def _write_model(self, turn: ModelTurn, missing_results: str) -> None:
        self._waiting += turn.media
        calls = turn.calls
        numbered = bool(calls) and self._sends_ids and _are_ids([call.identifier for call in calls])
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
            if not content.parts:
                content.parts = [SPACE]
        merged = self._merge()
        if not merged or merged[0].role == "model":
            merged.insert(0, _Emitted("user", [SPACE], 0))
        if separate_users:
            separate = _separate(merged)
            self.separated = len(separate) > len(merged)
            merged = separate
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


def _are_ids(texts: list[str]) -> bool:
    return len(set(texts)) == len(texts) and all(map(_SAFE_ID.fullmatch, texts))


def _separate(contents: list[_Emitted]) -> list[_Emitted]:
    """Put a model turn between a result and what the user says next: some models insist (wire-gemini §5.5, R7)."""
    separated: list[_Emitted] = []
    for content in contents:
        if separated and separated[-1].role == content.role == "user":
            separated.append(_Emitted("model", [INTERRUPTED], content.index))
        separated.append(content)
    return separated


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
    return not (isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INTEGER)
