"""What kind of file some bytes are. Hides the signatures: what a sender declares is often wrong."""

from typing import Final

ENOUGH: Final = 64
"""Bytes from the start that decide."""

_SIGNATURES: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
)


def sniff(start: bytes) -> str | None:
    """Tell the media type by the first bytes; None for what has no signature, such as text."""
    for signature, media_type in _SIGNATURES:
        if start.startswith(signature):
            return media_type
    if start[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(start[8:12])
    if start[4:8] == b"ftyp":
        return "image/heic" if start[8:12] in (b"heic", b"heix", b"mif1") else "video/mp4"
    return None
