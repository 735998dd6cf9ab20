"""What kind of file some bytes are, by their signature: what a sender declares is often wrong.

Signatures: https://mimesniff.spec.whatwg.org, ISO/IEC 14496-12 (brands of `ftyp` boxes, listed at https://mp4ra.org),
RFC 3533 (Ogg), RFC 9559 (Matroska and WebM), RFC 9639 (FLAC).
"""

from typing import Final

SNIFF_BYTES: Final = 64
"""Bytes from the start that decide."""

_SIGNATURES: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mp3"),
    (b"fLaC", "audio/flac"),
)
_MP3_SYNC: Final = frozenset({0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2})
"""Second bytes of a frame of MPEG audio, layer III, after 0xFF. Others are ambiguous: FF FE also begins texts in UTF-16."""
_BMP_HEADERS: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
"""Sizes that the second header of a bitmap may have."""
_BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"M4A ": "audio/m4a",
    b"M4B ": "audio/m4a",
    b"M4P ": "audio/m4a",
    b"qt  ": "video/mov",
    b"M4V ": "video/mp4",
}
"""Brands of ISO media files that only one kind of file has."""
_OGG_CODECS: Final = (
    (b"OpusHead", "audio/ogg"),
    (b"\x01vorbis", "audio/ogg"),
    (b"Speex   ", "audio/ogg"),
    (b"\x80theora", "video/ogg"),
)
_SHARED: Final = ("audio/", "video/")
"""Kinds that may share a container, whose signature then does not decide."""


def sniff(start: bytes, declared: str = "") -> str | None:
    """Return the media type that the first bytes show; None for what has no signature, such as text.

    Containers hold audio or video: where their first bytes do not say which, a declared audio or video type stands.
    """
    for signature, media_type in _SIGNATURES:
        if start.startswith(signature):
            return media_type
    if start[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(start[8:12])
    if start[4:8] == b"ftyp":
        return _iso_media(start, declared)
    if start[:4] == b"OggS":
        return next((media_type for mark, media_type in _OGG_CODECS if mark in start), _declared_or("audio/ogg", declared))
    if start[:4] == b"\x1aE\xdf\xa3":
        return _declared_or("video/webm", declared) if b"webm" in start else None
    if start[:1] == b"\xff" and len(start) > 1 and start[1] in _MP3_SYNC:
        return "audio/mp3"
    return "image/bmp" if _is_bitmap(start) else None


def _iso_media(start: bytes, declared: str) -> str:
    """Tell by the main brand, or where that is general by those that the file is compatible with."""
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, min(len(start), int.from_bytes(start[:4])), 4))]
    if brands[0] in (b"mif1", b"msf1"):
        return next((_BRANDS[brand] for brand in brands[1:] if _BRANDS.get(brand, "").startswith("image/")), "image/heic")
    return _BRANDS.get(brands[0]) or _declared_or("video/mp4", declared)


def _declared_or(usual: str, declared: str) -> str:
    return declared if declared.startswith(_SHARED) else usual


def _is_bitmap(start: bytes) -> bool:
    """Two letters are too few to tell: the reserved bytes and the size of the second header must fit too."""
    return start[:2] == b"BM" and start[6:10] == bytes(4) and int.from_bytes(start[14:18], "little") in _BMP_HEADERS
