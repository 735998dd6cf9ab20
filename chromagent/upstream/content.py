"""Content codings of answers: gzip, which we ask for, and none other."""

import zlib
from collections.abc import Mapping
from typing import Final

from chromagent.errors import UpstreamInvalidResponse

LARGEST_PIECE: Final = 64 * 1024 * 1024
"""Bytes that one read may become: more is a bomb, no answer."""


class Decoder:
    """gzip of one or several members (RFC 1952). Both methods raise `UpstreamInvalidResponse`."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """Return what this read completes."""
        pieces: list[bytes] = []
        room = LARGEST_PIECE
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            self._begun = True
            try:
                piece = self._member.decompress(data, room + 1)  # no room is not a limit of 0, which would be none
            except zlib.error as error:
                raise UpstreamInvalidResponse from error
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                raise UpstreamInvalidResponse("The model provider's answer is too large.")
            data = self._member.unused_data
        return b"".join(pieces)

    def finish(self) -> None:
        """Tell the end of input, which must be that of a member. Nothing at all is nothing, compressed or not."""
        if self._begun and not self._member.eof:
            raise UpstreamInvalidResponse


def open_decoder(headers: Mapping[str, str]) -> Decoder | None:
    """Return what decodes an answer, None if nothing is to be done. Raises `UpstreamInvalidResponse` for other codings."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("identity", ""):
        return None
    if coding in ("gzip", "x-gzip"):
        return Decoder()
    raise UpstreamInvalidResponse
