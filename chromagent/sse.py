r"""Server-sent events in both directions. Hides line ends, field syntax and how reads cut the bytes.

Reading follows the HTML standard's event stream grammar (lines end in `\r\n`, `\n` or `\r`, nothing else), with two
additions that real upstreams need (wire-gemini §4.1): what is no event stream at all (a bare JSON error, an array) is collected
and handed over at the end as one event named `STRAY`, and one event has a largest size.
"""

from typing import Final

from msgspec import Struct

from chromagent.errors import UpstreamInvalidResponse

STRAY: Final = "stray"
"""Name of the event that holds the text outside the event stream grammar."""
DONE: Final = b"data: [DONE]\n\n"
LARGEST_EVENT: Final = 64 * 1024 * 1024

_LINE_ENDS: Final = (b"\n", b"\r")
_PLAIN_DATA: Final = b"data: "
_FIELDS: Final = frozenset({b"data", b"event", b"id", b"retry"})


class ServerSentEvent(Struct, frozen=True, gc=False):
    """One dispatched event: its name (empty if none was given) and its data lines joined by a line feed."""

    event: str
    data: bytes


class SSEDecoder:
    """Bytes in, events out. `feed` takes reads cut anywhere; `finish` tells the end of input and dispatches what is pending.

    Both raise `UpstreamInvalidResponse` when one event grows beyond `LARGEST_EVENT` bytes.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of a line whose end has not come
        self._after_return = False  # the last read ended in \r: a \n that follows belongs to it
        self._event = ""
        self._data: list[bytes] = []
        self._stray: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that this read completes."""
        if self._after_return and chunk:
            self._after_return = False
            chunk = chunk.removeprefix(b"\n")
        self._grow(len(chunk))
        events: list[ServerSentEvent] = []
        ended = False
        lines = chunk.splitlines()  # on bytes: \n, \r and \r\n only
        rest = b"" if chunk.endswith(_LINE_ENDS) or not lines else lines.pop()
        if self._pieces and lines:
            lines[0] = b"".join((*self._pieces, lines[0]))
            self._pieces.clear()
        data = self._data
        for line in lines:
            if line.startswith(_PLAIN_DATA):  # nearly every line; the general reading would give the same
                data.append(line[6:])
            elif line:
                self._take_line(line)
            else:
                if data:
                    events.append(ServerSentEvent(self._event, data[0] if len(data) == 1 else b"\n".join(data)))
                    data.clear()
                self._event = ""
                ended = True
        if ended and not self._stray:
            self._size = 0
        if rest:
            self._pieces.append(rest)
        self._after_return = chunk.endswith(b"\r")
        return events

    def finish(self) -> list[ServerSentEvent]:
        """Tell the end of input: a pending line and event count as complete."""
        events = self.feed(b"\n\n")
        if self._stray:
            events.append(ServerSentEvent(STRAY, b"\n".join(self._stray)))
            self._stray = []
        return events

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > LARGEST_EVENT:
            raise UpstreamInvalidResponse("One event of the model provider's stream is too large.")

    def _take_line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._event = value.removeprefix(b" ").decode("utf-8", "replace")
        elif name and name not in _FIELDS:
            self._stray.append(line)


def encode(data: bytes) -> bytes:
    """Frame one JSON document as an event."""
    return b"data: %b\n\n" % escape_line_ends(data)


def escape_line_ends(data: bytes) -> bytes:
    """Escape U+2028, U+2029 and U+0085 in JSON: they are lawful there, but naive clients cut lines at them (wire-gemini §4.2)."""
    if b"\xe2\x80" in data:
        data = data.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    if b"\xc2\x85" in data:
        data = data.replace(b"\xc2\x85", b"\\u0085")
    return data


def encode_comment(text: str) -> bytes:
    """Frame a comment: clients skip it, connections stay open for it."""
    return b": %b\n\n" % text.encode()
