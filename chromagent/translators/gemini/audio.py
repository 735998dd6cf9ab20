"""Sound of an answer → OpenAI's `audio` deltas. Hides rates, base64 that must join, and the header of a WAV file.

Source: wire-gemini §3.8. Samples come as 16-bit mono PCM.
"""

import base64
import re
import struct
from typing import Final

from chromagent.codec import JsonObject

_SAMPLE_RATE: Final = re.compile(r"rate=(\d{4,6})")


class AudioReader:
    """Reads the sound of one choice."""

    def __init__(self, *, identifier: str, expires_at: int, wav: bool) -> None:
        self._identifier = identifier
        self._expires_at = expires_at
        self._wav = wav
        self._samples = bytearray()
        self._rate = 24_000
        self._begun = False

    @property
    def has_content(self) -> bool:
        """Some sound came."""
        return self._begun or bool(self._samples)

    def feed(self, media_type: str, content: str) -> list[JsonObject]:
        """Take samples in base64; return what can be told now, in multiples of three bytes: such pieces join to one base64 text."""
        if rate := _SAMPLE_RATE.search(media_type):
            self._rate = int(rate[1])
        self._samples += base64.b64decode(content + "=" * (-len(content) % 4))
        if self._wav:  # its header tells the length
            return []
        return self._tell(len(self._samples) // 3 * 3)

    def finish(self) -> list[JsonObject]:
        """Return the rest and what closes the sound."""
        deltas = self._tell(len(self._samples))
        if self._begun:
            deltas.append({"audio": {"expires_at": self._expires_at, "transcript": ""}})
        return deltas

    def _tell(self, size: int) -> list[JsonObject]:
        content = bytes(self._samples[:size])
        del self._samples[:size]
        if not content:
            return []
        delta: JsonObject = {} if self._begun else {"id": self._identifier}
        self._begun = True
        content = _header(len(content), self._rate) + content if self._wav else content
        return [{"audio": {**delta, "data": base64.b64encode(content).decode()}}]


def _header(size: int, rate: int) -> bytes:
    """Make the RIFF header that stands before 16-bit mono samples."""
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", size)
