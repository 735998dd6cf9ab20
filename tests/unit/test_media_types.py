"""What files are, by their first bytes."""

import pytest

from chromagent.media_types import sniff


def iso(brand: bytes, *compatible: bytes) -> bytes:
    """The first box of an ISO media file."""
    content = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return (len(content) + 4).to_bytes(4) + content + b"\x00\x00\x00\x08mdat"


def bitmap(header: int = 40) -> bytes:
    return b"BM" + (1000).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + header.to_bytes(4, "little")


OGG = b"OggS\x00\x02" + bytes(20) + b"\x01\x1e"
EBML = b"\x1aE\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x1fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84"


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (bitmap(), "image/bmp"),
        (bitmap(124), "image/bmp"),
        (iso(b"heic", b"mif1"), "image/heic"),
        (iso(b"mif1", b"mif1", b"heic"), "image/heic"),
        (iso(b"avif", b"mif1"), "image/avif"),
        (iso(b"mif1", b"mif1", b"avif"), "image/avif"),
        (b"%PDF-1.7", "application/pdf"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"ID3\x04", "audio/mp3"),
        (b"\xff\xfb\x90\x64", "audio/mp3"),
        (b"\xff\xf3\x40\xc4", "audio/mp3"),
        (b"fLaC\x00\x00\x00\x22", "audio/flac"),
        (OGG + b"OpusHead", "audio/ogg"),
        (OGG + b"\x01vorbis", "audio/ogg"),
        (OGG + b"\x80theora", "video/ogg"),
        (iso(b"M4A ", b"mp42", b"isom"), "audio/m4a"),
        (iso(b"qt  "), "video/mov"),
        (iso(b"isom", b"avc1"), "video/mp4"),
        (EBML + b"webm", "video/webm"),
    ],
)
def test_each_kind_is_known_by_its_signature(start: bytes, media_type: str) -> None:
    assert sniff(start, "application/octet-stream") == media_type
    assert sniff(start) == media_type


@pytest.mark.parametrize(
    "start",
    [
        b"BMW makes cars, and this is a text about them.",
        b"\xff\xfet\x00e\x00x\x00t\x00",  # UTF-16 with its mark
        b"OK, a text",
        b"\xff",
        b"",
        EBML + b"matroska",
    ],
)
def test_what_only_looks_like_a_signature_is_none(start: bytes) -> None:
    assert sniff(start) is None


@pytest.mark.parametrize("declared", ["audio/mp4", "audio/m4a", "video/3gpp"])
def test_a_declared_type_stands_where_a_container_may_hold_either(declared: str) -> None:
    assert sniff(iso(b"isom", b"mp42"), declared) == declared


def test_a_declared_type_does_not_stand_against_a_signature() -> None:
    assert sniff(iso(b"heic"), "video/mp4") == "image/heic"
    assert sniff(iso(b"isom"), "image/png") == "video/mp4"
