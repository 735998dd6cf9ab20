"""A conversation between reading and writing: turns of one speaker each, in the client's words. No logic."""

from typing import TypeAlias

import msgspec

from chromagent.codec import JsonObject
from chromagent.translators.gemini.wire import Part


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
