"""Arguments that come as paths and values → the JSON text that OpenAI streams. Hides which containers are open.

Source: wire-gemini §4.6. Fragments joined are one JSON object, whatever the cut of the strings.
"""

import re
from typing import Final

from chromagent import codec
from chromagent.codec import JsonObject, JsonValue
from chromagent.errors import UpstreamInvalidResponse

_SEGMENT: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
_VALUES: Final = ("stringValue", "numberValue", "boolValue")

Segment = str | int


class ArgumentWriter:
    """Writes one call's arguments."""

    def __init__(self) -> None:
        self._containers: list[tuple[Segment | None, str, int]] = []  # segment that leads to it, its end, children so far
        self._open_string: list[Segment] | None = None

    def feed(self, arguments: list[JsonObject]) -> str:
        """Return the text that these pieces add. Raises `UpstreamInvalidResponse` for a path that cannot be."""
        return "".join(self._write(argument) for argument in arguments)

    def finish(self) -> str:
        """Return the text that closes everything."""
        text = "" if self._containers else "{"
        if not self._containers:
            return text + "}"
        return self._end_string() + self._close_to(0)

    def _write(self, argument: JsonObject) -> str:
        path = _parse(argument.get("jsonPath"))
        goes_on = argument.get("willContinue") is True
        if self._open_string == path:
            text = _escape(str(argument.get("stringValue", "")))
            return text if goes_on else text + self._end_string()
        text = self._end_string() + self._open(path)
        value = next((argument[name] for name in _VALUES if name in argument), None)
        if isinstance(value, str) and goes_on:
            self._open_string = path
            return f'{text}"{_escape(value)}'
        return text + codec.encode_text(plain(value))

    def _end_string(self) -> str:
        if self._open_string is None:
            return ""
        self._open_string = None
        return '"'

    def _open(self, path: list[Segment]) -> str:
        """Close what the path leaves, open what it enters, and write the last key."""
        text = ""
        if not self._containers:
            self._containers.append((None, "}", 0))
            text = "{"
        common = 1
        while common < len(self._containers) and common < len(path) and self._containers[common][0] == path[common - 1]:
            common += 1
        text += self._close_to(common)
        for position in range(common - 1, len(path)):
            text += self._enter(path[position])
            if position + 1 < len(path):
                is_list = isinstance(path[position + 1], int)
                self._containers.append((path[position], "]" if is_list else "}", 0))
                text += "[" if is_list else "{"
        return text

    def _enter(self, segment: Segment) -> str:
        name, end, children = self._containers[-1]
        if isinstance(segment, int) != (end == "]"):
            raise UpstreamInvalidResponse("The model provider streamed arguments that are no JSON.")
        self._containers[-1] = (name, end, children + 1)
        text = "," if children else ""
        return text if isinstance(segment, int) else f"{text}{codec.encode_text(segment)}:"

    def _close_to(self, count: int) -> str:
        text = "".join(end for _, end, _ in reversed(self._containers[count:]))
        del self._containers[count:]
        return text


def plain(value: JsonValue) -> JsonValue:
    """Write numbers as people do: protobuf's Struct knows only doubles, so `1.0` means 1."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _escape(text: str) -> str:
    return codec.encode_text(text)[1:-1]


def _parse(path: JsonValue) -> list[Segment]:
    """Read `$.a.b[0]['odd key']` (RFC 9535, normalised)."""
    if not isinstance(path, str) or not path.startswith("$"):
        raise UpstreamInvalidResponse("The model provider streamed arguments without a place.")
    segments: list[Segment] = []
    position = 1
    while position < len(path):
        match = _SEGMENT.match(path, position)
        if match is None:
            raise UpstreamInvalidResponse("The model provider streamed arguments with an unreadable place.")
        name, index, quoted = match.groups()
        if index is not None:
            segments.append(int(index))
        else:
            segments.append(name if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    if not segments or isinstance(segments[0], int):
        raise UpstreamInvalidResponse("The model provider streamed arguments that are no object.")
    return segments
